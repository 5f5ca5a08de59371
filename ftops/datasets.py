"""The datasets of a project: what is built of them already, and what is stale.

A build is known by its recipe and by the content of its sources, so that what is unchanged costs one stat a source.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from ftops import __version__
from ftops.dataset.builds.manifest import FOLDER, SCRATCH, Manifest, split_path
from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.filecache import FileCache
from ftops.lockstore import make_state_folder, write_atomically
from ftops.plainfile import read_plain
from ftops.project import READ_BYTES, is_utf8, open_inside, unspeakable
from ftops.recipe import Sorted
from ftops.spec.common import place_of_field
from ftops.spec.model import split_name, split_of
from ftops.spec.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from ftops.dataset.builds.sources import SourceFile
    from ftops.project import Project
    from ftops.spec.model import Dataset, Declared

BUILDS_KEPT = 5
"""Of a dataset, the newest: going back to an earlier state of the sources is then no work."""
MANIFEST_BYTES_MAX = 64 * 1024 * 1024
"""Of what is known of a build: a line a source file, a line a value that its splits are balanced by."""
ABANDONED_SECONDS = 24 * 3600
"""After which what a build left half-done is that of one that was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A dataset as it is now."""

    dataset: Dataset
    manifest: Manifest | None
    """None where it is stale, and was only looked at."""
    is_new: bool = False
    """It was stale and was built just now."""
    warnings: tuple[Diagnostic, ...] = ()

    def files(self) -> dict[str, str]:
        """Where its splits lie, by the names under which specs know them."""
        splits = self.manifest.splits if self.manifest else {}
        name = self.dataset.name
        return {split_name(name, split): split_path(name, split, made.sha256) for split, made in splits.items()}


def built_for(project: Project, declared: Declared) -> tuple[dict[str, str], tuple[Diagnostic, ...]]:
    """Build what specs train on and what is stale of it; where the splits lie, and warnings.

    Raises:
        ProblemsError: With all problems of all datasets.
    """
    named = (split_of(name) for spec in declared.specs for name in (spec.training_file, spec.validation_file) if name)
    wanted = {found[0] for found in named if found}
    builds = build_all(project, [each for each in declared.datasets if each.name in wanted])
    files = {name: path for each in builds for name, path in each.files().items()}
    return files, tuple(warning for each in builds for warning in each.warnings)


def build_all(
    project: Project,
    datasets: Iterable[Dataset],
    *,
    only_look: bool = False,
) -> tuple[Build, ...]:
    """Build what is stale of *datasets*.

    Args:
        project: Where they are.
        datasets: In the order in which they are built.
        only_look: Build nothing.

    Raises:
        ProblemsError: With all problems of all of them.
    """
    datasets = tuple(datasets)
    if not datasets:
        return ()
    cache = FileCache.load(project.state / "cache", "sources", __version__, str)
    builds: list[Build] = []
    problems: list[Diagnostic] = []
    for dataset in datasets:
        try:
            builds.append(_built(project, dataset, cache, only_look=only_look))
        except ProblemsError as error:
            problems += error.problems
    cache.save(keep_unused=True)
    if problems:
        raise ProblemsError(*problems)
    return tuple(builds)


def select_datasets(declared: Declared, names: Sequence[str]) -> tuple[Dataset, ...]:
    """The datasets of these names; all of them if there are no names.

    Raises:
        ProblemsError: No dataset has one of the names.
    """
    by_name = {each.name: each for each in declared.datasets}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise ProblemsError(*(_unknown(name, by_name) for name in unknown))
    return tuple(by_name[name] for name in dict.fromkeys(names)) if names else declared.datasets


def paths_behind(project: Project, datasets: Iterable[Dataset]) -> Iterator[str]:
    """All that *datasets* depend on: the files of their sources, and the folders in which globs look for more."""
    for dataset in datasets:
        for pattern in (each for patterns in dataset.recipe.sources.values() for each in patterns):
            yield from _matching(project, pattern)
            yield from _folders_of(project, pattern)


def _built(
    project: Project,
    dataset: Dataset,
    cache: FileCache[str],
    *,
    only_look: bool,
) -> Build:
    from ftops.dataset.builds.build import build, build_key, lacking_strata  # noqa: PLC0415  # loads numpy and xxhash

    sources = _sources(project, dataset, cache)
    key = build_key(dataset.recipe, sources)
    manifest = _known(project, dataset, key, cache)
    is_new = manifest is None and not only_look
    locate = place_in(dataset)
    if is_new:
        make_state_folder(project.state)
        threads = min(4, os.cpu_count() or 1)
        manifest = build(dataset.name, dataset.recipe, sources, root=project.root, locate=locate, threads=threads)
        if _sources(project, dataset, cache) != sources:
            raise ProblemsError(_changed_meanwhile(dataset))
        write_atomically(_manifest_path(project, dataset, key), msgspec.json.format(msgspec.json.encode(manifest)))
        _prune(project, dataset)
    warnings = tuple(lacking_strata(manifest, dataset.recipe, locate)) if manifest else ()
    return Build(dataset=dataset, manifest=manifest, is_new=is_new, warnings=warnings)


def _known(project: Project, dataset: Dataset, key: str, cache: FileCache[str]) -> Manifest | None:
    """The build of this key, if all of its files are there and as they were made."""
    try:
        content = read_plain(_manifest_path(project, dataset, key), MANIFEST_BYTES_MAX)
        manifest = msgspec.json.decode(content, type=Manifest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    for split, made in manifest.splits.items():
        try:
            if _sha256(project, split_path(dataset.name, split, made.sha256), cache) != made.sha256:
                return None
        except ProblemsError:
            return None
    return manifest if manifest.key == key else None


def _prune(project: Project, dataset: Dataset) -> None:
    """Remove all but the newest builds, with the files that only these had, and what a killed build left long ago.

    A file that no manifest names stays for a day: another process may be about to write its manifest.
    """
    folder = project.root / FOLDER / dataset.name
    newest = sorted(folder.glob("*.json"), key=_changed_at, reverse=True)
    kept: set[str] = set()
    dropped: set[str] = set()
    for position, path in enumerate(newest):
        try:
            manifest = msgspec.json.decode(read_plain(path, MANIFEST_BYTES_MAX), type=Manifest)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            manifest = None
        splits = manifest.splits if manifest else {}
        files = {split_path(dataset.name, split, made.sha256) for split, made in splits.items()}
        if manifest is None or position >= BUILDS_KEPT:
            dropped |= files
            path.unlink(missing_ok=True)
        else:
            kept |= files
    for path in folder.glob("*.jsonl"):
        name = path.relative_to(project.root).as_posix()
        if name not in kept and (name in dropped or _is_abandoned(path)):
            path.unlink(missing_ok=True)
    for path in folder.glob(f"{SCRATCH}*"):
        if _is_abandoned(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_abandoned(path: Path) -> bool:
    return time.time() - _changed_at(path) > ABANDONED_SECONDS


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()  # Another process has just removed it, as it does with what it has finished.


def _manifest_path(project: Project, dataset: Dataset, key: str) -> Path:
    return project.root / FOLDER / dataset.name / f"{key}.json"


def _sources(project: Project, dataset: Dataset, cache: FileCache[str]) -> dict[str, tuple[SourceFile, ...]]:
    from ftops.dataset.builds.sources import SourceFile  # noqa: PLC0415  # only where a dataset is looked at

    found: dict[str, tuple[SourceFile, ...]] = {}
    problems: list[Diagnostic] = []
    for name, patterns in dataset.recipe.sources.items():
        paths: set[str] = set()
        for position, pattern in enumerate(patterns):
            matching = _matching(project, pattern)
            if not matching:
                problems.append(_no_file(dataset, name, position, pattern))
            paths |= matching
        files = []
        for path in _each_once(project, paths):
            try:
                files.append(SourceFile(path, _sha256(project, path, cache)))
            except ProblemsError as error:
                problems += error.problems
        found[name] = tuple(files)
    if problems:
        raise ProblemsError(*problems)
    return found


def _matching(project: Project, pattern: str) -> set[str]:
    """The files that a path or a glob names; hidden ones only if it says so."""
    if (project.root / pattern).is_file():
        return {pattern}
    found = glob.glob(pattern, root_dir=project.root, recursive=True)  # noqa: PTH207  # skips hidden files, pathlib does not
    return {each.replace(os.sep, "/") for each in found if (project.root / each).is_file()}


def _each_once(project: Project, paths: set[str]) -> Iterator[str]:
    """*paths*, sorted; of several that lead to one file by links, as in a folder that links to one above, the first."""
    if len(paths) < 2:  # noqa: PLR2004  # most often, and asking for links costs as much as asking for changes
        yield from paths
        return
    real: set[str] = set()
    for path in sorted(paths):
        there = os.path.realpath(project.root / path)
        if there not in real:
            real.add(there)
            yield path


def _folders_of(project: Project, pattern: str) -> Iterator[str]:
    """The folders whose names a glob goes through, also behind links."""
    steps = pattern.split("/")[:-1]
    plain = next((position for position, step in enumerate(steps) if glob.has_magic(step)), len(steps))
    yield "/".join(steps[:plain]) or "."
    for length in range(plain + 1, len(steps) + 1):
        found = glob.glob("/".join(steps[:length]), root_dir=project.root, recursive=True)  # noqa: PTH207  # as above
        yield from (each.rstrip("/") for each in found if (project.root / each).is_dir())


def _sha256(project: Project, path: str, cache: FileCache[str]) -> str:
    if not is_utf8(path):
        raise ProblemsError(unspeakable(path))
    with open_inside(project.root, path) as stream:
        status = os.fstat(stream.fileno())
        if known := cache.get(path, status):
            return known
        read_at = time.time_ns()
        digest = hashlib.sha256()
        while block := stream.read(READ_BYTES):
            digest.update(block)
    cache.put(path, status, digest.hexdigest(), read_at)
    return digest.hexdigest()


def place_in(dataset: Dataset) -> Callable[[str, int | None], Place]:
    """Gives the place of a field, or of a character in the SQL that it holds, counted from 0."""
    texts = {"sql": dataset.recipe.sql, "filter": dataset.recipe.filter}
    texts |= {f"splits.{name}": text for name, text in dataset.recipe.splits.items()}
    if isinstance(dataset.recipe.order, Sorted):
        texts["order.by"] = dataset.recipe.order.by

    def locate(field: str, offset: int | None) -> Place:
        start = dataset.places.get(f"{field}:")
        text = texts.get(field)
        if offset is None or start is None or text is None:
            return place_of_field(dataset, field)
        before = text[:offset].split("\n")
        column = start.column + len(before[-1])
        return Place(path=dataset.path, line=start.line + len(before) - 1, column=column, end_column=column + 1)

    return locate


def _no_file(dataset: Dataset, name: str, position: int, pattern: str) -> Diagnostic:
    is_glob = glob.has_magic(pattern)
    return Diagnostic(
        code="dataset-no-source",
        summary=f"`{pattern}` matches no file" if is_glob else f"`{pattern}` does not exist",
        place=place_of_field(dataset, f"sources.{name}.{position}"),
        why=f"the rows of `{name}` come from it",
        fix="write the file, or correct the path: paths in a spec are relative to the spec's own folder",
    )


def _changed_meanwhile(dataset: Dataset) -> Diagnostic:
    return Diagnostic(
        code="file-changed",
        summary=f"a source of `{dataset.name}` changed while it was read",
        place=place_of_field(dataset, "sources"),
        why="what was built is neither of its content before nor of that after",
        fix="run the command again once nothing writes to the sources any more",
    )


def _unknown(name: str, datasets: dict[str, Dataset]) -> Diagnostic:
    return Diagnostic(
        code="spec-dataset-unknown",
        summary=f"there is no dataset named `{name}`",
        why="a dataset is declared by a file of its own, with `kind: Dataset`, and named by its stem",
        fix=did_you_mean(name, datasets, otherwise="`ftops build` without a name builds all that there are"),
    )

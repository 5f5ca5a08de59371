"""The working tree: its configuration, specs and data files. Reads them, and remembers what it read."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from ftops import __version__
from ftops.dataset.builds.manifest import split_path
from ftops.dataset.lines import ROW_BYTES_MAX
from ftops.diagnostics import Diagnostic, Place, ProblemsError, Severity
from ftops.filecache import FileCache
from ftops.lockstore import lock_name
from ftops.spec.common import ignored_problems
from ftops.spec.config import Config, Target, parse_config
from ftops.spec.graph import linked
from ftops.spec.model import Dataset, Declared, Spec, split_of
from ftops.spec.nearest import nearest
from ftops.spec.parse import parse_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from ftops.lockfile import DataFile, Inputs

CONFIG_FILE = "ftops.yaml"
SPEC_ENDINGS = (".yaml", ".yml")
SPEC_BYTES_MAX = 1024 * 1024
"""One more byte is read, so that the parser can say that a file is too large."""
_STATE_FOLDERS = ("cache", "datasets", "local")
READ_BYTES = 1024 * 1024
MISSING_FIX = "write the file, or correct the path: paths in a spec are relative to the spec's own folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A repository with specs, looked at for one target."""

    root: Path
    config: Config
    target: Target

    @property
    def lock_name(self) -> str:
        return lock_name(self.target.name, self.config.default_target)

    @property
    def state(self) -> Path:
        """The folder of what can be made again: caches, and the local server's files and models."""
        return self.root / ".ftops"

    @contextmanager
    def open_data(self, file: DataFile) -> Iterator[BinaryIO]:
        """Open *file* for uploading, after checking that it still is what was planned.

        Raises:
            ProblemsError: It changed since, or cannot be read.
        """
        with open_inside(self.root, located(file)) as stream:
            digest = hashlib.sha256()
            while block := stream.read(READ_BYTES):
                digest.update(block)
            if digest.hexdigest() != file.sha256:
                raise ProblemsError(_changed(file.path))
            stream.seek(0)
            yield stream

    def system_prompt(self, inputs: Inputs) -> str | None:
        """The system prompt of the first training row: what the tuned model expects to be told."""
        try:
            with open_inside(self.root, located(inputs.training_file)) as stream:
                row = orjson.loads(stream.readline(ROW_BYTES_MAX))
        except (ProblemsError, orjson.JSONDecodeError):
            return None
        match row:
            case {"messages": [{"role": "system" | "developer", "content": str(text)}, *_]}:
                return text
            case {"input": {"messages": [{"role": "system" | "developer", "content": str(text)}, *_]}}:
                return text
            case _:
                return None


def open_project(start: Path, target: str | None = None) -> Project:
    """Find the project that *start* lies in, and read its configuration.

    Args:
        start: Any folder of the project.
        target: The target's name; the configured default if None.

    Raises:
        ProblemsError: There is no project, its configuration has problems, or the target is unknown.
    """
    root = _root(start.resolve())
    _refuse_links(root)
    config = _config(root)
    name = target or config.default_target
    if name not in config.targets:
        raise ProblemsError(_unknown_target(name, config))
    return Project(root=root, config=config, target=config.targets[name])


def read_declared(project: Project) -> Declared:
    """All specs, parents before children, and all datasets; only files that changed are parsed.

    Raises:
        ProblemsError: With all problems of all files.
    """
    cache = FileCache.load(project.state / "cache", "declared", __version__, Declared)
    files: list[Declared] = []
    problems: list[Diagnostic] = []
    for path in _spec_paths(project):
        try:
            files.append(_read_spec(project.root, path, cache))
        except ProblemsError as error:
            problems.extend(error.problems)
    cache.save(keep_unused=bool(problems))
    if problems:
        raise ProblemsError(*problems)
    return linked(files)


def located(file: DataFile) -> str:
    """Where *file* lies, relative to the repository: a built split has another path for every content."""
    found = split_of(file.path)
    return file.path if found is None else split_path(*found, file.sha256)


def with_source(project: Project, problems: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """*problems* with the lines that they point at, for those found after parsing; never of data files."""
    return tuple(_with_source(project.root, problem) for problem in problems)


def paths_read(project: Project, specs: Iterable[Spec]) -> list[str]:
    """All that a plan of *specs*, all there are, depends on: files, those not there, and folders of specs and data.

    What datasets depend on is `ftops.datasets.paths_behind`.
    """
    found = [CONFIG_FILE, project.lock_name, f"{project.lock_name}.recovery", *_spec_paths(project)]
    folders = {path.rpartition("/")[0] for path in found[3:]} | {project.config.specs}
    for parent, names, _ in os.walk(project.root / project.config.specs):
        folders |= {(Path(parent) / name).relative_to(project.root).as_posix() for name in names}
    named = {name for spec in specs for name in (spec.training_file, spec.validation_file) if name}
    data = {name for name in named if split_of(name) is None}
    folders |= {path.rpartition("/")[0] or "." for path in data}
    return sorted({*found, *folders, *data})


def _root(start: Path) -> Path:
    """The nearest folder upwards that has a configuration, a lockfile or a `specs` folder."""
    for folder in (start, *start.parents):
        if any((folder / name).exists() for name in (CONFIG_FILE, "ftops.lock", "specs")):
            return folder
        if (folder / ".git").exists():
            break
    raise ProblemsError(
        Diagnostic(
            code="project-missing",
            summary="there is no ftops project here",
            why=f"neither this folder nor one above it has `{CONFIG_FILE}`, `ftops.lock` or `specs/`",
            fix="`ftops init` makes one",
        )
    )


def _refuse_links(root: Path) -> None:
    """Refuse a state folder that leads elsewhere, as git may carry it: files are written and removed in it.

    Raises:
        ProblemsError: It is a symbolic link, or holds one where a folder or file of ours belongs.
    """
    state = root / ".ftops"
    if state.is_symlink():
        raise ProblemsError(_state_is_link(".ftops"))
    for folder in (state, *(state / name for name in _STATE_FOLDERS)):
        with suppress(OSError), os.scandir(folder) as entries:
            if link := next((each.path for each in entries if each.is_symlink()), None):
                raise ProblemsError(_state_is_link(os.path.relpath(link, root)))


def _config(root: Path) -> Config:
    try:
        with open_inside(root, CONFIG_FILE) as stream:
            return parse_config(stream.read(SPEC_BYTES_MAX + 1), CONFIG_FILE)
    except ProblemsError as error:
        if error.problems[0].code == "file-missing" and not (root / CONFIG_FILE).is_symlink():
            return Config()
        raise


def _spec_paths(project: Project) -> list[str]:
    """Paths that end like a spec's; those of folders among them, so that reading them says what is wrong.

    Raises:
        ProblemsError: A folder cannot be looked into: its specs would seem to be gone.
    """
    found = []
    for parent, folders, names in os.walk(project.root / project.config.specs, onerror=_cannot_list):
        folders[:] = [name for name in folders if not name.startswith(".")]
        relative = Path(parent).relative_to(project.root).as_posix()
        specs = (name for name in (*names, *folders) if name.endswith(SPEC_ENDINGS) and not name.startswith("."))
        found += [f"{relative}/{name}" for name in specs]
    return sorted(found)


def is_utf8(path: str) -> bool:
    """Whether the lockfile and plans can name *path*."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _cannot_list(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise ProblemsError(unreadable(Path(error.filename).name, error))


def _read_spec(root: Path, path: str, cache: FileCache[Declared]) -> Declared:
    if not is_utf8(path):
        raise ProblemsError(unspeakable(path))
    with open_inside(root, path) as stream:
        status = os.fstat(stream.fileno())
        if known := cache.get(path, status):
            return known
        read_at = time.time_ns()
        declared = parse_file(stream.read(SPEC_BYTES_MAX + 1), path)
    _refuse_ignoring(declared)
    cache.put(path, status, declared, read_at)
    return declared


def _refuse_ignoring(declared: Declared) -> None:
    """Refuse checks that are switched off, but are not known or find what the provider refuses.

    Raises:
        ProblemsError: With all of them.
    """
    every: tuple[Spec | Dataset, ...] = (*declared.specs, *declared.datasets)
    if not any(each.ignored for each in every):
        return
    from ftops.dataset.catalogue import checks  # noqa: PLC0415  # loads all checks, and few specs switch one off

    faults = [check.fault for check in checks()]
    must_stay = {fault.code: True for fault in faults}
    must_stay |= {fault.code: False for fault in faults if fault.severity is not Severity.ERROR}
    # A matrix makes many of one file, which say the same at the same place.
    problems = dict.fromkeys(problem for each in every for problem in ignored_problems(each, must_stay))
    if problems:
        raise ProblemsError(*problems)


@contextmanager
def open_inside(root: Path, path: str) -> Iterator[BinaryIO]:
    """Open a file of the project: an ordinary one, which lies inside it, also after following links.

    Raises:
        ProblemsError: It is missing, lies outside, is a folder or a device, or cannot be read.
    """
    try:
        real = (root / path).resolve(strict=True)
        if not real.is_relative_to(root):
            raise ProblemsError(_outside(path, real))
        stream = os.fdopen(_descriptor(root, real), "rb")
    except (OSError, RuntimeError) as error:
        raise ProblemsError(unreadable(path, error)) from None
    with stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise ProblemsError(_not_a_file(path))
        yield stream


# O_PATH, where there is one: a folder that may be gone through need not be one that may be listed.
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY


def _descriptor(root: Path, real: Path) -> int:
    """Open what lies at *real*, step by step: a link that was put there since it was resolved is not followed."""
    *folders, name = real.relative_to(root).parts or (".",)
    at = os.open(root, _FOLDER)
    try:
        for folder in folders:
            above, at = at, os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=at)
            os.close(above)
        # O_NONBLOCK: a FIFO is seen to be one instead of being waited for.
        return os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=at)
    finally:
        os.close(at)


def _with_source(root: Path, problem: Diagnostic) -> Diagnostic:
    place = problem.place
    if place is None or place.line is None or place.source is not None or not place.path.endswith(SPEC_ENDINGS):
        return problem
    try:
        with open_inside(root, place.path) as stream:
            lines = stream.read(SPEC_BYTES_MAX).decode().splitlines()
            source = lines[place.line - 1]
    except (ProblemsError, UnicodeDecodeError, IndexError):
        # It changed since it was parsed, or breaks its lines in another way than most.
        return problem
    return replace(problem, place=replace(place, source=source))


def unreadable(path: str, error: Exception, *, if_missing: str = MISSING_FIX) -> Diagnostic:
    """A file that is not there, for which *if_missing* is the remedy, or that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return Diagnostic(
            code="file-missing", summary=f"`{path}` does not exist", place=Place(path=path), fix=if_missing
        )
    return Diagnostic(
        code="file-unreadable",
        summary=f"`{path}` cannot be read",
        place=Place(path=path),
        why=(getattr(error, "strerror", None) or str(error)).lower(),
        fix="make it an ordinary file that you may read",
    )


def unspeakable(path: str) -> Diagnostic:
    """A path that is not UTF-8."""
    return Diagnostic(
        code="spec-path",
        summary=f"the path `{path}` is not UTF-8",
        place=Place(path=path),
        why="it goes into the lockfile, where it must mean the same on every machine",
        fix="rename the file or its folder",
    )


def _outside(path: str, real: Path) -> Diagnostic:
    return Diagnostic(
        code="file-outside",
        summary=f"`{path}` leads out of the project",
        place=Place(path=path),
        why=f"it is a link to `{real}`; what is trained on must be what is reviewed",
        fix="copy the file into the project",
    )


def _not_a_file(path: str) -> Diagnostic:
    return Diagnostic(
        code="file-unreadable",
        summary=f"`{path}` is not an ordinary file",
        place=Place(path=path),
        why="it is a folder, a pipe or a device",
        fix="name a file",
    )


def _changed(path: str) -> Diagnostic:
    return Diagnostic(
        code="file-changed",
        summary=f"`{path}` changed while this command ran",
        place=Place(path=path),
        why="its content is no longer what was planned, so it was not uploaded",
        fix="run `ftops plan` again, and look at what it says now",
    )


def _state_is_link(path: str) -> Diagnostic:
    return Diagnostic(
        code="state-link",
        summary=f"`{path}` is a symbolic link",
        place=Place(path=path),
        why="ftops writes and removes files of its own in `.ftops`, and a link leads it to somebody else's",
        fix="remove the link: what belongs there is made again",
    )


def _unknown_target(name: str, config: Config) -> Diagnostic:
    near = nearest(name, config.targets)
    known = ", ".join(f"`{target}`" for target in sorted(config.targets))
    return Diagnostic(
        code="target-unknown",
        summary=f"no target `{name}` is configured",
        place=Place(path=CONFIG_FILE),
        why=f"the targets are: {known}",
        fix=f"did you mean `{near}`?" if near else f"declare it in `{CONFIG_FILE}` under `targets:`",
    )

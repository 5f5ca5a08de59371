"""One dataset, built: sources into tables, what the recipe selects into lines, the lines into splits."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ftops.dataset.builds.engine import LOAD_MEMORY, QUERY_MEMORY, connected, engine_version
from ftops.dataset.builds.examples import Examples
from ftops.dataset.builds.manifest import BUILD_VERSION, FOLDER, SCRATCH, Manifest, Source, Split, split_path
from ftops.dataset.builds.problems import TooLargeError
from ftops.dataset.builds.selection import fetch, ranks, select
from ftops.dataset.builds.sources import SourceFile, load
from ftops.dataset.builds.spool import Spool
from ftops.diagnostics import Diagnostic, ProblemsError, Severity
from ftops.digest import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ftops.dataset.builds.problems import Locate
    from ftops.dataset.builds.sources import Loaded
    from ftops.dataset.builds.spool import Dropped
    from ftops.recipe import Recipe

MOST_STRATA_SHOWN = 100


def build_key(recipe: Recipe, sources: Mapping[str, Sequence[SourceFile]]) -> str:
    """What a build is known by: 64 hexadecimal digits over all that decides its bytes."""
    content = {name: [[file.path, file.sha256] for file in files] for name, files in sources.items()}
    version = [BUILD_VERSION, engine_version()]
    value = {"recipe": msgspec.to_builtins(recipe), "sources": content, "version": version}
    return digest_of(value).removeprefix("sha256:")


def build(
    name: str,
    recipe: Recipe,
    sources: Mapping[str, Sequence[SourceFile]],
    *,
    root: Path,
    locate: Locate,
    threads: int,
) -> Manifest:
    """Build the dataset *name* into its folder, each split whole or not at all.

    Args:
        name: Of the dataset.
        recipe: What is built.
        sources: The files of each source, in the order in which their rows are given.
        root: Of the repository.
        locate: Gives places in the spec.
        threads: How many DuckDB may use; the bytes are the same with any number.

    Raises:
        ProblemsError: A source, SQL or a row is not as the recipe needs it.
        OSError: The disk is full, or may not be written.
    """
    folder = root / FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=folder))
    try:
        memory = QUERY_MEMORY if recipe.sql is not None else LOAD_MEMORY
        try:
            loaded = _loaded(scratch / "usual", sources, root, threads=threads, memory=LOAD_MEMORY)
            database = scratch / "usual"
        except TooLargeError:  # A row of megabytes, or hundreds of columns: rare, and each thread needs buffers for it.
            threads, memory, database = 1, QUERY_MEMORY, scratch / "large"
            loaded = _loaded(database, sources, root, threads=threads, memory=memory)
        with (
            connected(database, threads=threads, memory=memory) as connection,
            (scratch / "lines").open("w+b") as lines,
        ):
            selection = select(connection, recipe, locate)
            examples = Examples(recipe, selection, None if recipe.sql is not None else loaded, locate)
            spool = Spool(lines, recipe.seed)
            met = 0
            for batch in fetch(connection, selection, recipe, locate):
                met += len(batch)
                examples.take(batch, spool)
            examples.raise_problems()
            by = ranks(connection, selection, recipe, locate)
            rows, dropped = spool.arranged(
                splits=len(recipe.splits),
                dedupe=recipe.dedupe is not None,
                limit=recipe.limit,
                as_given=recipe.order == "as given",
                ranks=by,
            )
            _refuse_empty(recipe, [len(each) for each in rows], locate)
            splits = {}
            for split, numbers in zip(recipe.splits, rows, strict=True):
                with (scratch / split).open("wb") as out:
                    written = spool.write(numbers, out)
                strata = {examples.strata[number]: count for number, count in spool.strata(numbers).items()}
                splits[split] = Split(**written._asdict(), strata=strata if recipe.stratify_by else {})
        for split, made in splits.items():
            os.replace(scratch / split, root / split_path(name, split, made.sha256))  # noqa: PTH105  # one rename a line
        return Manifest(
            key=build_key(recipe, sources),
            duckdb=engine_version(),
            sources=tuple(_sources(sources, loaded)),
            selected=selection.rows,
            dropped=_by_cause(selection.rows - met, dropped),
            splits=splits,
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _loaded(
    folder: Path, sources: Mapping[str, Sequence[SourceFile]], root: Path, *, threads: int, memory: str
) -> dict[str, Loaded]:
    folder.mkdir()
    with connected(folder, threads=threads, memory=memory) as connection:
        return {source: load(connection, source, files, root) for source, files in sources.items()}


def lacking_strata(manifest: Manifest, recipe: Recipe, locate: Locate) -> Iterator[Diagnostic]:
    """Warn of values of `stratify_by` that a split has no row of."""
    counted = [split.strata for split in manifest.splits.values()]
    every = dict.fromkeys(value for strata in counted for value in strata)
    if len(every) > MOST_STRATA_SHOWN:
        return
    for name, split in manifest.splits.items():
        lacking = len(every.keys() - split.strata.keys())
        if lacking:
            yield Diagnostic(
                code="dataset-stratum-missing",
                summary=f"`{name}` has no row of {lacking} of the {len(every)} values of `{recipe.stratify_by}`",
                place=locate("stratify_by", None),
                why="rows are split by hash, so that a value with few rows can miss a small split",
                fix="add rows of these values, give the split a larger share, or choose another seed",
                severity=Severity.WARNING,
            )


def _refuse_empty(recipe: Recipe, rows: list[int], locate: Locate) -> None:
    problems = [
        Diagnostic(
            code="dataset-empty",
            summary=f"the split `{name}` has no rows",
            place=locate(f"splits.{name}", None),
            why="there is nothing to train on or to measure with",
            fix="look at `sql`, `filter` and `limit`, or change what goes to this split",
        )
        for name, count in zip(recipe.splits, rows, strict=True)
        if not count
    ]
    if problems:
        raise ProblemsError(*problems)


def _sources(sources: Mapping[str, Sequence[SourceFile]], loaded: Mapping[str, Loaded]) -> Iterator[Source]:
    for name, files in sources.items():
        for file, (_, rows) in zip(files, loaded[name].files, strict=True):
            yield Source(path=file.path, sha256=file.sha256, rows=rows)


def _by_cause(filtered: int, dropped: Dropped) -> dict[str, int]:
    counts = {"filter": filtered, "splits": dropped.elsewhere, "dedupe": dropped.alike, "limit": dropped.over_limit}
    return {cause: count for cause, count in counts.items() if count}

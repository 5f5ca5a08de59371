"""Compare two versions of a data file, wherever they are: on disk, in a commit, or staged."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ftops import examine
from ftops.dataset.columns import Columns, ColumnWriter
from ftops.dataset.diff import DataDiff, diff
from ftops.dataset.guess import guess_format
from ftops.dataset.samples import Samples, Version, read_samples
from ftops.dataset.scan import EMPTY, scan
from ftops.dataset.tokens.base import Base, Counting
from ftops.diagnostics import Diagnostic, Place, ProblemsError, Severity
from ftops.git import copy_file
from ftops.project import located, open_inside
from ftops.subjects import open_data

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ftops.examine import Examiner, Reading
    from ftops.lockfile import DataFile

_LFS: Final = b"version https://git-lfs.github.com/spec/"
COUNTING: Final = Counting(Base(tokenizer="o200k_base"), Path())
"""As nearly all base models that can still be trained count; a difference of tokens hardly depends on it."""


class Source(NamedTuple):
    """Where a version of a file is."""

    path: str
    revision: str | None = None
    """None: on disk. Empty: what is staged. Then *path* is as `ftops.git.copy_file` takes it."""

    @property
    def name(self) -> str:
        """As people name it."""
        return self.path if self.revision is None else f"{self.revision}:{self.path.removeprefix('./')}"


class Recorded(NamedTuple):
    """Data as a generation was trained on it."""

    file: DataFile
    """Its path is relative to the project's root."""
    commit: str | None
    """In which it was, if that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two versions, what changed between them, and some of the changed rows."""

    old: Source
    new: Source
    diff: DataDiff
    samples: Samples
    warnings: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """A version that was read; its columns and its rows can be as long as its files are open."""

    columns: Columns
    version: Version
    sha256: str
    warnings: tuple[Diagnostic, ...]


def sources(old: str, new: str) -> tuple[Source, Source]:
    """Understand two names: of files, or files at revisions (`main:data/x.jsonl`); one may be a revision alone."""
    first, second = _source(old), _source(new)
    if first.revision is None and second.revision is None:
        if _is_revision(old) and not _is_revision(new):
            return Source(_beside(new), old), second
        if _is_revision(new) and not _is_revision(old):
            return first, Source(_beside(old), new)
    return first, second


def compare(folder: Path, old: Source, new: Source, *, listed: int) -> Comparison:
    """Read both versions, once each, and compare them.

    Args:
        folder: Any one of the repository; paths on disk are relative to the current folder.
        old: The version that was.
        new: The version that is.
        listed: Rows of each kind of change to show at most.

    Raises:
        ProblemsError: A version is not there, or is no JSON Lines file.
    """
    with ExitStack() as stack:
        sides = []
        for source in (old, new):
            stream, file = stack.enter_context(_opened(folder, source))
            kept = stack.enter_context(tempfile.TemporaryFile())
            sides.append(_read(source, stream, file, kept))
        before, after = sides
        found = diff(before.columns, after.columns, listed=listed)
        return Comparison(
            old=old,
            new=new,
            diff=found,
            samples=read_samples(found, before.version, after.version),
            warnings=(*before.warnings, *after.warnings),
        )


def change_since(examiner: Examiner, root: Path, old: Recorded, reading: Reading, new: Columns) -> DataDiff | None:
    """Compare data that was trained on with what it is now; None if the old bytes are nowhere to be had.

    Args:
        examiner: Keeps columns.
        root: Of the project.
        old: What was trained on.
        reading: How *new* was read.
        new: Columns of what it is now.
    """
    with recorded_columns(examiner, root, old, reading) as columns:
        return diff(columns, new, listed=0) if columns else None


@contextmanager
def recorded_columns(examiner: Examiner, root: Path, old: Recorded, reading: Reading) -> Iterator[Columns | None]:
    """The columns of data that was trained on: as they are kept, or else read once more, on disk or in git's history.

    None if the bytes are nowhere to be had.

    Args:
        examiner: Keeps columns, these from now on.
        root: Of the project.
        old: What was trained on.
        reading: How to read it.
    """
    with ExitStack() as stack:
        columns = stack.enter_context(examiner.known(reading, old.file.sha256))
        for source in _places(root, old):
            if columns is None:
                with suppress(ProblemsError):
                    columns = stack.enter_context(examiner.columns(source, reading, old.file.sha256))
        yield columns


def _places(root: Path, old: Recorded) -> Iterator[examine.Source]:
    """Where the bytes may be: at their path, if what is there has their size, and in the commit."""
    path, commit = located(old.file), old.commit
    now = root / path
    if now.is_file() and now.stat().st_size == old.file.bytes:
        yield examine.Source(path=path, file=now, open=partial(open_inside, root, path))
    if commit:
        yield examine.Source(path=path, file=None, open=partial(_committed, root, path, commit))


@contextmanager
def _committed(root: Path, path: str, commit: str) -> Iterator[BinaryIO]:
    with _opened(root, Source(f"./{path}", commit)) as (stream, _):
        yield stream


def _source(name: str) -> Source:
    revision, colon, path = name.partition(":")
    return Source(path, revision) if colon and not os.path.lexists(name) else Source(name)


def _is_revision(name: str) -> bool:
    """Whether *name*, without a colon, can only be a revision: there is no such file, and it does not look like one."""
    return not os.path.lexists(name) and not name.endswith((".jsonl", ".json"))


def _beside(path: str) -> str:
    return f"./{os.path.relpath(path)}"


@contextmanager
def _opened(folder: Path, source: Source) -> Iterator[tuple[BinaryIO, Path]]:
    """Give the bytes of a version, seekable, and a file that holds them."""
    if source.revision is None:
        file = Path(source.path)
        with open_data(source.path, file) as stream:
            yield stream, file
    else:
        with tempfile.NamedTemporaryFile() as copy:
            file = Path(copy.name)
            copy_file(folder, source.revision, source.path, copy.file)
            copy.flush()
            with file.open("rb") as stream:
                yield stream, file


def _read(source: Source, stream: BinaryIO, file: Path, kept: BinaryIO) -> _Side:
    """Take a version apart into columns, which go to *kept*.

    Raises:
        ProblemsError: It is no JSON Lines file.
    """
    if stream.read(len(_LFS)) == _LFS:
        raise ProblemsError(_only_a_pointer(source))
    stream.seek(0)
    guess = guess_format(stream)
    stream.seek(0)
    writer = ColumnWriter(kept)
    with examine.unchanged(stream, source.name):
        found = scan(stream, source.name, guess.method, writer, counting=COUNTING, file=file)
    writer.finish()
    columns = Columns(kept)
    errors = [
        problem for problem in found.problems if problem.severity is Severity.ERROR and problem.code != EMPTY.code
    ]
    if errors and not columns.rows:
        raise ProblemsError(*errors)
    unread = found.rows - columns.rows
    return _Side(
        columns=columns,
        version=Version(stream, guess.format),
        sha256=found.sha256,
        warnings=(_unread(source, unread),) if unread else (),
    )


def _unread(source: Source, rows: int) -> Diagnostic:
    return Diagnostic(
        code="data-row-unread",
        summary="a row cannot be read, and is not compared"
        if rows == 1
        else f"{rows:,} rows cannot be read, and are not compared",
        place=Place(path=source.name),
        fix=f"`ftops check` says what is wrong with {'it' if rows == 1 else 'them'}",
        severity=Severity.WARNING,
    )


def _only_a_pointer(source: Source) -> Diagnostic:
    return Diagnostic(
        code="git-lfs",
        summary=f"`{source.name}` is a pointer of Git LFS, and not the data",
        why="git keeps only the pointer, and ftops fetches nothing by itself",
        fix="`git lfs pull` fetches the data of the working tree; compare an older version after `git lfs smudge`",
    )

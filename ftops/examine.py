"""Examine data files: each is read once, and what was learnt is kept as long as the file does not change."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ftops import __version__
from ftops.dataset.lengths import Cut, Lengths, cut_at, lengths_of
from ftops.dataset.tokens.base import row_tokens_max
from ftops.dataset.version import RULES_VERSION
from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.digest import digest_of, short
from ftops.filecache import FileCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import BinaryIO

    from ftops.dataset.columns import Columns
    from ftops.dataset.grader import Field
    from ftops.dataset.scan import Scan
    from ftops.dataset.tokens.base import Counting
    from ftops.rowstore import RowStore


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a data file, read in one way."""

    sha256: str
    """Of all bytes, as 64 hexadecimal digits."""
    bytes: int
    rows: int
    """Lines that are not blank, the faulty ones included."""
    format: str
    problems: tuple[Diagnostic, ...]
    """Of rows, and of the file as a whole: the first of each code. Rows that are cut are left to `cut`."""
    counts: dict[str, int]
    """How many problems there are by code, the ones not kept included."""
    lengths: Lengths | None
    """None if it has no rows that can be counted."""
    cut: Cut
    """What the base model's limit leaves of it."""


class Reading(NamedTuple):
    """The way in which a file is read, which decides what is found."""

    method: str
    counting: Counting
    graded: tuple[Field, ...] = ()
    """What the grader reads of each row."""

    @property
    def key(self) -> str:
        """Short, and other for every reading that gives other columns: where rows are cut is no part of it."""
        base = self.counting.base
        counted = [base.tokenizer, base.template, base.default_system, self.counting.is_complete]
        return f"{self.method}-{short(digest_of([counted, self.graded]))}"

    @property
    def full_key(self) -> str:
        """Short, and other for every reading that gives another `Examined`."""
        return f"{self.key}-{self.counting.base.row_tokens_max}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file to examine."""

    path: str
    """As diagnostics name it."""
    file: Path | None
    """Where other processes can open it, so that all cores may read it; None if they cannot."""
    open: Callable[[], AbstractContextManager[BinaryIO]]
    """Gives an open file, at its first byte."""


def _as_it_is(stream: BinaryIO) -> BinaryIO:
    return stream


class Examiner:
    """Reads data files, and remembers what it read in a folder of caches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known = FileCache.load(folder, "data", f"{__version__} {RULES_VERSION}", Examined)
        # Also of files that changed so recently that the next command must read them again.
        self._seen: dict[tuple[str, _Stat], Examined] = {}

    def examine(self, source: Source, reading: Reading, watch: Callable[[BinaryIO], BinaryIO] = _as_it_is) -> Examined:
        """Learn all about a file; it is read only if it changed.

        Args:
            source: The file.
            reading: How to read it.
            watch: Gives the stream through which it is read, such as one that tells how far it is.

        Raises:
            ProblemsError: It cannot be opened, or changed while it was read.
            OSError: Reading failed.
        """
        key = f"{reading.full_key}:{source.path}"
        with source.open() as stream:
            status = os.fstat(stream.fileno())
            if known := self._seen.get((key, _stat(status))) or self._known.get(key, status):
                return known
            read_at = time.time_ns()
            with self._read(watch(stream), source, reading) as (found, columns):
                examined = _examined(stream, source, reading, found, columns)
        self._known.put(key, status, examined, read_at)
        self._seen[key, _stat(status)] = examined
        return examined

    @contextmanager
    def columns(self, source: Source, reading: Reading, sha256: str) -> Iterator[Columns]:
        """The columns of a file with that content; it is read only if they are not kept.

        Raises:
            ProblemsError: It cannot be read, or has another content.
        """
        with self.known(reading, sha256) as kept:
            if kept:
                yield kept
                return
        with source.open() as stream, self._read(stream, source, reading) as (found, columns):
            if found.sha256 != sha256:
                raise ProblemsError(_changed(source.path))
            yield columns

    @contextmanager
    def known(self, reading: Reading, sha256: str) -> Iterator[Columns | None]:
        """The columns of a file that was read once; None if they were let go."""
        with self._rows.columns(sha256, reading.key) as kept:
            yield kept

    def save(self) -> None:
        """Remember what was learnt; failing to is no error."""
        self._known.save(keep_unused=True)

    @cached_property
    def _rows(self) -> RowStore:
        from ftops.rowstore import RowStore  # noqa: PLC0415  # it loads numpy, which a look at the cache does not need

        return RowStore(self.folder / "rows")

    @contextmanager
    def _read(self, stream: BinaryIO, source: Source, reading: Reading) -> Iterator[tuple[Scan, Columns]]:
        from ftops.dataset.scan import scan  # noqa: PLC0415  # it loads numpy

        with self._rows.writer(reading.key) as (writer, finish):
            with unchanged(stream, source.path):
                found = scan(
                    stream,
                    source.path,
                    reading.method,
                    writer,
                    counting=reading.counting,
                    graded=reading.graded,
                    file=source.file,
                )
            yield found, finish(found.sha256)


@contextmanager
def unchanged(stream: BinaryIO, path: str) -> Iterator[None]:
    """Read a file inside of this context.

    Args:
        stream: The open file.
        path: As diagnostics name it.

    Raises:
        ProblemsError: It changed meanwhile, or another one took its place before other processes opened it.
    """
    before = os.fstat(stream.fileno())
    try:
        yield
    except OSError as error:
        from ftops.dataset.parallel import FileChangedError  # noqa: PLC0415  # it loads numpy

        if isinstance(error, FileChangedError):
            raise ProblemsError(_changed(path)) from None
        raise
    after = os.fstat(stream.fileno())
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise ProblemsError(_changed(path))


def _examined(stream: BinaryIO, source: Source, reading: Reading, found: Scan, columns: Columns) -> Examined:
    from ftops.dataset.whole.check import whole_problems  # noqa: PLC0415  # only where a file is read

    def read_row(row: int) -> bytes:
        return os.pread(stream.fileno(), columns.value("size", row), columns.value("offset", row))

    whole = whole_problems(columns, source.path, read_row)
    counts = dict(found.counts)
    for problem in whole:
        counts[problem.code] = counts.get(problem.code, 0) + 1
    return Examined(
        sha256=found.sha256,
        bytes=found.bytes,
        rows=found.rows,
        format=found.format,
        problems=(*found.problems, *whole),
        counts=counts,
        lengths=lengths_of(columns),
        cut=cut_at(columns, row_tokens_max(reading.counting.base, found.format)),
    )


class _Stat(NamedTuple):
    """What tells that a file is as it was."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def _stat(status: os.stat_result) -> _Stat:
    return _Stat(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _changed(path: str) -> Diagnostic:
    return Diagnostic(
        code="file-changed",
        summary=f"`{path}` changed while this command ran",
        place=Place(path=path),
        why="what was read of it is neither what it was nor what it is",
        fix="run the command again, once nothing writes to the file",
    )

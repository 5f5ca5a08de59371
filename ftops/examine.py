"""Examine data files: each is read once, and what was learnt is kept as long as the file does not change."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ftops import __version__
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


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a data file, read in one way."""

    sha256: str
    """Of all bytes, as 64 hexadecimal digits."""
    bytes: int
    rows: int
    """Lines that are not blank, the faulty ones included."""
    format: str
    problems: tuple[Diagnostic, ...]
    """Of rows, and of the file as a whole: the first of each code."""
    counts: dict[str, int]
    """How many problems there are by code, the ones not kept included."""
    tokens: int
    """Of all rows, uncut."""
    trained: int
    """Those of them that the model learns to say."""
    billed: int
    """Those that an epoch is billed for: of all rows, each cut at the base model's limit."""


class Reading(NamedTuple):
    """The way in which a file is read, which decides what is found."""

    method: str
    model: str
    """The base model's name, for messages."""
    counting: Counting
    graded: tuple[Field, ...] = ()
    """What the grader reads of each row."""

    @property
    def key(self) -> str:
        """Short, and other for every other reading."""
        base = self.counting.base
        counted = [base.tokenizer, base.template, base.default_system, base.row_tokens_max, self.counting.is_complete]
        return f"{self.method}-{short(digest_of([self.model, *counted, self.graded]))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file to examine."""

    path: str
    """As diagnostics name it."""
    file: Path
    """Where other processes can open it."""
    open: Callable[[], AbstractContextManager[BinaryIO]]


class Examiner:
    """Reads data files, and remembers what it read in a folder of caches."""

    def __init__(self, folder: Path) -> None:
        self._known = FileCache.load(folder, "data", f"{__version__} {RULES_VERSION}", Examined)
        self._rows = folder / "rows"

    def examine(self, source: Source, reading: Reading) -> Examined:
        """Learn all about a file; it is read only if it changed.

        Raises:
            ProblemsError: It cannot be opened, or changed while it was read.
            OSError: Reading failed.
        """
        key = f"{reading.key}:{source.path}"
        with source.open() as stream:
            status = os.fstat(stream.fileno())
            if known := self._known.get(key, status):
                return known
            read_at = time.time_ns()
            with self._read(stream, source, reading) as (found, columns):
                examined = _examined(stream, source, reading, found, columns)
            after = os.fstat(stream.fileno())
            if (after.st_size, after.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
                raise ProblemsError(_torn(source.path))
        self._known.put(key, status, examined, read_at)
        return examined

    @contextmanager
    def columns(self, source: Source, reading: Reading, sha256: str) -> Iterator[Columns]:
        """The columns of a file that was examined; it is read again only if they were let go.

        Raises:
            ProblemsError: It cannot be read, or is not what it was.
        """
        with self.known(reading, sha256) as kept:
            if kept:
                yield kept
                return
        with source.open() as stream, self._read(stream, source, reading) as (found, columns):
            if found.sha256 != sha256:
                raise ProblemsError(_torn(source.path))
            yield columns

    @contextmanager
    def known(self, reading: Reading, sha256: str) -> Iterator[Columns | None]:
        """The columns of a file that was examined once; None if they were let go."""
        from ftops.rowstore import RowStore  # noqa: PLC0415  # it loads numpy, which a look at the cache does not need

        with RowStore(self._rows).columns(sha256, reading.key) as kept:
            yield kept

    def save(self) -> None:
        """Remember what was learnt; failing to is no error."""
        self._known.save(keep_unused=True)

    @contextmanager
    def _read(self, stream: BinaryIO, source: Source, reading: Reading) -> Iterator[tuple[Scan, Columns]]:
        from ftops.dataset.scan import scan  # noqa: PLC0415  # likewise
        from ftops.rowstore import RowStore  # noqa: PLC0415

        with RowStore(self._rows).writer(reading.key) as (writer, finish):
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


def _examined(stream: BinaryIO, source: Source, reading: Reading, found: Scan, columns: Columns) -> Examined:
    from ftops.dataset.lengths import cut_rows, tokens_cut_at  # noqa: PLC0415  # as above
    from ftops.dataset.whole.check import whole_problems  # noqa: PLC0415

    offsets, sizes = columns.read("offset"), columns.read("size")

    def read_row(row: int) -> bytes:
        stream.seek(int(offsets[row]))
        return stream.read(int(sizes[row]))

    limit = row_tokens_max(reading.counting.base, found.format)
    whole = whole_problems(columns, source.path, read_row)
    whole += cut_rows(columns, source.path, model=reading.model, most=limit)
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
        tokens=int(columns.read("tokens").sum(dtype="u8")),
        trained=int(columns.read("trained").sum(dtype="u8")),
        billed=tokens_cut_at(columns, limit),
    )


def _torn(path: str) -> Diagnostic:
    return Diagnostic(
        code="file-changed",
        summary=f"`{path}` changed while this command ran",
        place=Place(path=path),
        why="what was read of it is neither what it was nor what it is",
        fix="run the command again, once nothing writes to the file",
    )

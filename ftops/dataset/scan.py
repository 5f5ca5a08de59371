"""Read a data file once: its digest, its rows as columns, and what is wrong with it."""

from __future__ import annotations

import os
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from ftops.dataset.formats import Format  # noqa: TC001  # msgspec reads it
from ftops.dataset.lines import read_blocks
from ftops.dataset.parallel import read_in_parallel, without_collection, workers_for
from ftops.dataset.rows import SAID_ONCE, Found, Part, Want, read_rows
from ftops.dataset.rule import Fault
from ftops.dataset.whole.answers import image_problems
from ftops.diagnostics import Diagnostic, Place, Severity

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from ftops.dataset.columns import ColumnWriter
    from ftops.dataset.grader import Field
    from ftops.dataset.tokens.base import Counting

EMPTY = Fault(
    code="data-empty",
    meaning="The file has no rows.",
    why="there is nothing to train on or to measure with",
    fix="write one JSON object a line, or name another file",
)
BLANK_LINES = Fault(
    code="data-blank-line",
    meaning="The file has blank lines.",
    why="the provider counts examples, not lines, so that its messages would name another row than yours",
    fix="remove the blank lines: `sed -i '/^\\s*$/d'` on the file",
    severity=Severity.WARNING,
)
MORE_PROBLEMS = Fault(
    code="data-more-problems",
    meaning="The file has more problems than are listed.",
    why="of each code only the first are kept, and they often have one cause",
    fix="mend those above, and look again",
    severity=Severity.NOTE,
)


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """What one reading of a file found; a value that may be kept as long as the bytes and the method are the same."""

    sha256: str
    """Of all bytes, as 64 hexadecimal digits."""
    bytes: int
    rows: int
    """Lines that are not blank, the faulty ones included; 0 if the file is not JSON Lines."""
    format: Format
    """Of the first row that tells."""
    problems: tuple[Diagnostic, ...]
    """In the order of the file, at most PROBLEMS_MAX of a code, and at the end those of the file as a whole."""
    counts: dict[str, int] = {}
    """How many problems there are by code, the ones not kept included."""


def scan(
    stream: BinaryIO,
    path: str,
    method: str,
    columns: ColumnWriter | None = None,
    *,
    counting: Counting | None = None,
    graded: tuple[Field, ...] = (),
    file: Path | None = None,
) -> Scan:
    """Read *stream* to its end, once and in bounded memory, and hold its rows against the rules of *method*.

    Args:
        stream: At the file's first byte.
        path: As diagnostics name the file.
        method: `supervised`, `dpo` or `reinforcement`; or `completion`, for prompts with completions.
        columns: Takes the rows, column by column.
        counting: How tokens are counted; without it no heuristics are asked, and there are neither tokens nor sketches.
        graded: What the grader reads of each row, for the method `reinforcement`.
        file: Where the stream's file can be opened again, so that all cores may read it if that is worth while.

    Raises:
        OSError: Reading failed, or writing the columns.
    """
    digest, size = sha256(), 0

    def see(chunk: bytes) -> None:
        nonlocal size
        digest.update(chunk)
        size += len(chunk)

    whole = _Whole(path, columns)
    want = Want(path, method, columns=bool(columns or counting), counting=counting, graded=graded)
    workers = workers_for(os.fstat(stream.fileno()).st_size) if file else 1
    with without_collection():
        if file and workers > 1:
            parts = read_in_parallel(stream, file, want, see, workers)
        else:
            parts = (read_rows(block, want) for block in read_blocks(stream, see))
        for part in parts:
            whole.take(part)
    return whole.as_scan(sha256=digest.hexdigest(), size=size)


class _Whole:
    """What is known of a file so far, from its parts in their order."""

    def __init__(self, path: str, columns: ColumnWriter | None) -> None:
        self._is_json_lines = True
        self._path = path
        self._columns = columns
        self._lines = self._rows = 0
        self._format: Format = "unknown"
        self._found = Found()
        self._blank_lines = self._first_blank_line = 0
        self._image_rows = 0

    def take(self, part: Part) -> None:
        if not self._is_json_lines:
            return
        self._is_json_lines = part.is_json_lines
        self._found.add_all(part.found, lines_before=self._lines)
        if part.blank_lines and not self._blank_lines:
            self._first_blank_line = part.first_blank_line + self._lines
        self._blank_lines += part.blank_lines
        self._image_rows += part.image_rows
        if self._format == "unknown":
            self._format = part.format
        if self._columns and part.columns:
            self._columns.add({**part.columns, "line": part.columns["line"] + np.uint32(self._lines)})
        self._lines += part.lines
        self._rows += part.rows

    def as_scan(self, *, sha256: str, size: int) -> Scan:
        problems, counts = list(self._found.kept), self._found.counts
        if self._blank_lines:
            many = f"file has {self._blank_lines:,} blank lines"
            place = Place(path=self._path, line=self._first_blank_line)
            problems.append(BLANK_LINES.at(place, "line is blank" if self._blank_lines == 1 else many))
        if self._is_json_lines and not self._rows:
            problems.append(EMPTY.at(Place(path=self._path), "file has no rows"))
        problems += image_problems(self._image_rows, self._path)
        hidden = counts - Counter(problem.code for problem in problems)
        for code in SAID_ONCE:
            del hidden[code]
        if hidden:
            by_code = ", ".join(f"{count:,} of `{code}`" for code, count in hidden.most_common())
            summary = f"and {hidden.total():,} more problems in this file: {by_code}"
            problems.append(MORE_PROBLEMS.at(Place(path=self._path), summary))
        return Scan(
            sha256=sha256,
            bytes=size,
            rows=self._rows,
            format=self._format,
            problems=tuple(problems),
            counts=dict(counts),
        )

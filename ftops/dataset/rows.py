"""A block of rows: held against the rules, and taken apart into columns. Good rows are looked at all at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import orjson

from ftops.dataset.columns import COLUMNS
from ftops.dataset.formats import (
    FORMAT_OF_METHOD,
    WRONG_FORMAT,
    Format,
    format_breaches,
    format_of,
    is_plain_of,
    wrong_format,
)
from ftops.dataset.lines import ROW_BYTES_MAX, Block
from ftops.dataset.meaning import meaning_of, meaning_of_plain
from ftops.dataset.plain import is_good_chat, plain_chats
from ftops.dataset.rule import Fault, kind_of
from ftops.dataset.said import said_in
from ftops.dataset.syntax import BOM, syntax_problem
from ftops.diagnostics import Diagnostic, Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from numpy.typing import NDArray

    from ftops.dataset.columns import Column
    from ftops.dataset.meaning import Meaning
    from ftops.dataset.plain import Conversation

    Whole: TypeAlias = NDArray[np.int64]

PROBLEMS_MAX = 20
"""Problems of one code that are kept of a file; of the rest only their number is."""
SAID_ONCE = frozenset({WRONG_FORMAT.code})
"""What the first row tells for all of its kind."""

ROW_TOO_LONG = Fault(
    code="data-row-too-long",
    meaning="A row is longer than 16 MiB, and was not checked.",
    why="text is cut at 65,536 tokens, long before this length, and rows are checked in bounded memory",
    fix="give images by address, or split the row; a file without line feeds is not JSON Lines",
)
ROW_TYPE = Fault(
    code="data-row-type",
    meaning="A row is not a JSON object.",
    why="each line is one example, and an example is an object",
    fix='write `{"messages": […]}` on each line',
)


class Want(NamedTuple):
    """What is asked of a reading."""

    path: str
    """As diagnostics name the file."""
    method: str


@dataclass(kw_only=True, slots=True)
class Found:
    """Problems: the first of each code, and how many there are."""

    kept: list[Diagnostic] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, problem: Diagnostic) -> None:
        self.counts[problem.code] += 1
        self._keep(problem)

    def add_all(self, other: Found, *, lines_before: int) -> None:
        """Take over what was found in a stretch of the file that begins after so many lines."""
        before = self.counts.copy()
        for problem in other.kept:
            self.counts[problem.code] += 1
            self._keep(_at_line(problem, lines_before))
        self.counts = before + other.counts

    def _keep(self, problem: Diagnostic) -> None:
        is_said = problem.code in SAID_ONCE and any(problem.summary == each.summary for each in self.kept)
        if self.counts[problem.code] <= PROBLEMS_MAX and not is_said:
            self.kept.append(problem)


@dataclass(kw_only=True, slots=True)
class Part:
    """What a block of whole lines gave. Lines in it count from 1, wherever it begins in the file."""

    lines: int = 0
    rows: int = 0
    format: Format = "unknown"
    """Of the first row that tells."""
    blank_lines: int = 0
    first_blank_line: int = 0
    found: Found = field(default_factory=Found)
    columns: dict[str, Column] | None = None


def read_rows(block: Block, want: Want) -> Part:
    """Hold the rows in *block* against the rules, and take them apart."""
    reader = _Reader(want)
    reader.take(block)
    return reader.part


def _at_line(problem: Diagnostic, lines_before: int) -> Diagnostic:
    """*problem* of a part, as one of the file that the part stands in."""
    place = problem.place
    if place is None or place.line is None:
        return problem
    return replace(problem, place=replace(place, line=place.line + lines_before))


class _Reader:
    def __init__(self, want: Want) -> None:
        self.part = Part()
        self._path = want.path
        self._method = want.method
        self._wanted = FORMAT_OF_METHOD[want.method]
        self._is_plain = is_plain_of(self._wanted)

    def take(self, block: Block) -> None:
        if block.is_too_long:
            self.part.lines += 1
            self.part.rows += 1
            limit = f"{ROW_BYTES_MAX >> 20} MiB"
            self.part.found.add(ROW_TOO_LONG.at(self._place(), f"row is longer than {limit}, and not checked"))
            return
        if block.offset == 0 and block.content.startswith(BOM):
            block = Block(len(BOM), block.content.removeprefix(BOM))
        ends = _line_ends(block.content)
        starts = np.concatenate((np.zeros(1, dtype=np.int64), ends[:-1] + 1))
        gathered = _Gathered()
        if not self._take_all(block.content, len(ends), gathered):
            for index, line in enumerate(block.content.split(b"\n")):
                self.part.lines += 1
                self._take_line(line, index, block.offset + int(starts[index]), gathered)
        self.part.columns = gathered.columns(offsets=starts + block.offset, sizes=ends - starts)

    def _take_all(self, content: bytes, lines: int, gathered: _Gathered) -> bool:
        """Take a block if every line in it is a good chat row without tools; False if nothing was done."""
        if self._wanted != "chat":
            return False
        rows = plain_chats(content)
        if rows is None or len(rows) != lines or not all(map(is_good_chat, rows)):
            return False
        self.part.format = "chat"
        self.part.lines += lines
        self.part.rows += lines
        for index, row in enumerate(rows):
            gathered.take_plain(index, row)
        return True

    def _take_line(self, line: bytes, index: int, offset: int, gathered: _Gathered) -> None:
        if not line or line.isspace():
            self.part.blank_lines += 1
            self.part.first_blank_line = self.part.first_blank_line or self.part.lines
            return
        self.part.rows += 1
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            number = self.part.lines
            self.part.found.add(syntax_problem(line, error, path=self._path, number=number, offset=offset))
            return
        if not isinstance(row, dict):
            self.part.found.add(ROW_TYPE.at(self._place(), f"row must be an object, and is {kind_of(row)}"))
            return
        found = format_of(row, self._method)
        if self.part.format == "unknown":
            self.part.format = found
        if found != self._wanted or not self._is_plain(line):
            for problem in self._problems_of(row, found):
                self.part.found.add(problem)
        said = said_in(row, found)
        gathered.take(index, meaning_of(row, found, said))

    def _problems_of(self, row: dict[str, object], found: Format) -> Iterator[Diagnostic]:
        place = self._place()
        if found in {self._wanted, "unknown"}:
            for fault, finding in format_breaches(row, self._wanted):
                yield fault.at(place, finding.summary, fix=finding.fix)
        else:
            yield wrong_format(found, self._method, place)

    def _place(self) -> Place:
        return Place(path=self._path, line=self.part.lines)


class _Gathered:
    """The columns of a block's rows while they are gathered."""

    def __init__(self) -> None:
        self.indices: list[int] = []
        self.meanings: list[Meaning] = []

    def take_plain(self, index: int, row: Conversation) -> None:
        self.indices.append(index)
        self.meanings.append(meaning_of_plain(row))

    def take(self, index: int, meaning: Meaning) -> None:
        self.indices.append(index)
        self.meanings.append(meaning)

    def columns(self, *, offsets: Whole, sizes: Whole) -> dict[str, Column]:
        """All columns; lines count from 1 in the block.

        Args:
            offsets: Of each of the block's lines in the file, in bytes.
            sizes: Likewise.
        """
        at = np.array(self.indices, dtype=np.int64)
        count = len(at)
        prompts, answers, systems, _, answer_texts = zip(*self.meanings, strict=True) if count else ((),) * 5
        prompt, answer = np.array(prompts, dtype="<u8"), np.array(answers, dtype="<u8")
        made: dict[str, Column] = {
            "line": (at + 1).astype("<u4"),
            "offset": offsets[at].astype("<u8"),
            "size": sizes[at].astype("<u4"),
            "row": prompt * _ODD + answer,
            "prompt": prompt,
            "answer": answer,
            "system": np.array(systems, dtype="<u8"),
            "answer_chars": np.fromiter(map(len, answer_texts), dtype="<u4", count=count),
        }
        for name, (kind, width) in COLUMNS.items():
            if name not in made:
                made[name] = np.zeros((count, width) if width > 1 else count, dtype=kind)
        return made


_ODD = np.uint64(0x9E3779B97F4A7C15)
"""Makes one hash of two, in which their order counts."""

_LINE_FEED = 10


def _line_ends(content: bytes) -> Whole:
    """Where each line of *content* ends: before its line feed, or at the end."""
    ends = np.flatnonzero(np.frombuffer(content, dtype=np.uint8) == _LINE_FEED)
    return np.append(ends, len(content))

"""A block of rows: held against the rules, and taken apart into columns. Good rows are looked at all at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import orjson

from ftops.dataset.columns import no_rows
from ftops.dataset.formats import (
    FORMAT_OF_METHOD,
    WRONG_FORMAT,
    Format,
    format_breaches,
    format_of,
    is_plain_of,
    wrong_format,
)
from ftops.dataset.gather import Looked, columns_of_looked, columns_of_simple, together
from ftops.dataset.grader import missing_fields
from ftops.dataset.keys import DUPLICATE_KEY, duplicate_keys
from ftops.dataset.lines import ROW_BYTES_MAX, Block
from ftops.dataset.meaning import meaning_of
from ftops.dataset.rule import Fault, kind_of
from ftops.dataset.said import said_in
from ftops.dataset.simple import encoded, has_other_keys, simple_rows
from ftops.dataset.syntax import BOM, BYTE_ORDER_MARK, foreign_format, syntax_problem
from ftops.dataset.tokens.stretches import sequences_in
from ftops.diagnostics import Diagnostic, Place, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from numpy.typing import NDArray

    from ftops.dataset.columns import Column
    from ftops.dataset.grader import Field
    from ftops.dataset.said import Said
    from ftops.dataset.simple import Encoded, Simple
    from ftops.dataset.tokens.base import Counting

    Numbers: TypeAlias = NDArray[np.int64]

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
CARRIAGE_RETURNS = Fault(
    code="data-crlf",
    meaning="Lines end in CR LF.",
    why="git may convert line ends, and a file with other bytes is other data: it would be trained on again",
    fix="convert the file with `sed -i 's/\\r$//'`, and put `*.jsonl -text` into `.gitattributes`",
    severity=Severity.NOTE,
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
    columns: bool = False
    """Whether rows are taken apart."""
    counting: Counting | None = None
    """If None, rows are held against no heuristics, and have neither tokens nor sketches: that is what takes time."""
    graded: tuple[Field, ...] = ()
    """What the grader reads of each row, for the method `reinforcement`."""


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

    is_json_lines: bool = True
    """False if the beginning of the file tells that it is something else, whose rows cannot be read at all."""
    lines: int = 0
    rows: int = 0
    format: Format = "unknown"
    """Of the first row that tells."""
    image_rows: int = 0
    """Rows that seem to have images."""
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
        self._want = want
        self._wanted = FORMAT_OF_METHOD[want.method]
        self._is_plain = is_plain_of(self._wanted)
        self._looked: list[Looked] = []
        self._told_by = 1 << 62  # the line that tells the format

    def take(self, block: Block) -> None:
        if block.is_too_long:
            self.part.lines = self.part.rows = 1
            limit = f"{ROW_BYTES_MAX >> 20} MiB"
            self.part.found.add(ROW_TOO_LONG.at(self._place(1), f"row is longer than {limit}, and not checked"))
            return
        if block.offset == 0:
            block = self._begin(block)
        if not self.part.is_json_lines:
            return
        ends = _line_ends(block.content)
        starts = np.concatenate((np.zeros(1, dtype=np.int64), ends[:-1] + 1))
        self.part.lines = len(ends)
        simple = simple_rows(block.content, ends.tolist()) if self._wanted == "chat" else None
        texts = encoded(simple) if simple and self._want.columns else None
        self._look_at_rows(block, starts, ends, simple, texts)
        if self._want.columns:
            self.part.columns = self._columns(simple, texts, starts, ends, block.offset)

    def _look_at_rows(
        self, block: Block, starts: Numbers, ends: Numbers, simple: Simple | None, texts: Encoded | None
    ) -> None:
        """Look closely at every row that is not simple, and heed those simple ones that hold a clue."""
        is_simple = np.zeros(len(ends), np.bool_)
        if simple:
            is_simple[simple.lines] = True
            self.part.rows = len(simple.lines)
        for line in np.flatnonzero(~is_simple).tolist():
            self._look_closely(block.content[starts[line] : ends[line]], line, block.offset + int(starts[line]))
        if simple and texts and self._want.counting:
            for line in self._suspects(block.content, starts, ends, simple, texts):
                content = block.content[starts[line] : ends[line]]
                self._heed(said_in(orjson.loads(content), "chat"), content, line)
        if simple and len(simple.lines) and simple.lines[0] < self._told_by:
            self.part.format = "chat"

    def _suspects(self, content: bytes, starts: Numbers, ends: Numbers, simple: Simple, texts: Encoded) -> list[int]:
        """Lines of simple rows that heuristics are worth their time on."""
        from ftops.dataset.clues import suspects  # noqa: PLC0415  # only a full check needs them

        found = set(simple.lines[suspects(texts.content, texts.ends[simple.ends - 1])].tolist())
        if len(simple.lines) < self.part.lines or has_other_keys(content, simple, texts):
            # Some row has other keys, or this one has one twice, which its text alone does not tell.
            for line, messages in zip(simple.lines.tolist(), (simple.ends - simple.begins).tolist(), strict=True):
                row = content[starts[line] : ends[line]]
                if row.count(b'"role"') + row.count(b'"content"') > 2 * messages:
                    found.add(line)
        return sorted(found)

    def _columns(
        self, simple: Simple | None, texts: Encoded | None, starts: Numbers, ends: Numbers, offset: int
    ) -> dict[str, Column]:
        parts = []
        if simple and texts and len(simple.lines):
            parts.append(columns_of_simple(simple, texts, self._want.counting))
        if self._looked:
            parts.append(columns_of_looked(self._looked, self._want.method, self._want.counting))
        if not parts:
            return no_rows()
        made = together(parts)
        at = made["line"]
        return {
            **made,
            "line": at + np.uint32(1),
            "offset": (starts[at] + offset).astype(np.uint64),
            "size": (ends - starts)[at].astype(np.uint32),
        }

    def _begin(self, block: Block) -> Block:
        """Look at the beginning of the file; what is left to be read of its first block."""
        first = block.content.split(b"\n", 1)[0]
        place = self._place(1)
        if foreign := foreign_format(first, Place(path=self._want.path)):
            self.part.is_json_lines = False
            self.part.found.add(foreign)
            return Block(0, b"")
        if first.endswith(b"\r"):
            self.part.found.add(CARRIAGE_RETURNS.at(place, "lines end in CR LF"))
        if first.startswith(BOM):
            self.part.found.add(BYTE_ORDER_MARK.at(place, "file begins with a byte order mark"))
            return Block(len(BOM), block.content.removeprefix(BOM))
        return block

    def _look_closely(self, content: bytes, line: int, offset: int) -> None:
        """Look at a row that is not simple."""
        if not content or content.isspace():
            self.part.blank_lines += 1
            self.part.first_blank_line = self.part.first_blank_line or line + 1
            return
        self.part.rows += 1
        try:
            row = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            problem = syntax_problem(content, error, path=self._want.path, number=line + 1, offset=offset)
            self.part.found.add(problem)
            return
        if not isinstance(row, dict):
            self.part.found.add(ROW_TYPE.at(self._place(line + 1), f"row must be an object, and is {kind_of(row)}"))
            return
        found = format_of(row, self._want.method)
        if self.part.format == "unknown":
            self.part.format = found
            self._told_by = line
        self.part.image_rows += b'"image_url"' in content
        said = said_in(row, found)
        for problem in self._problems_of(row, found, content, self._place(line + 1)):
            self.part.found.add(problem)
        self._heed(said, content, line)
        if self._want.columns:
            sequences = sequences_in(row, found, self._want.counting.base) if self._want.counting else ()
            self._looked.append(Looked(line, meaning_of(row, found, said, content), sequences))

    def _problems_of(self, row: dict[str, object], found: Format, content: bytes, place: Place) -> Iterator[Diagnostic]:
        if found not in {self._wanted, "unknown"}:
            yield wrong_format(found, self._want.method, place)
        elif not self._is_plain(content):
            for fault, finding in format_breaches(row, self._wanted):
                yield fault.at(place, finding.summary, fix=finding.fix)
        for fault, finding in missing_fields(row, self._want.graded):
            yield fault.at(place, finding.summary)

    def _heed(self, said: tuple[Said, ...], content: bytes, line: int) -> None:
        """Hold a row with a clue against the heuristics."""
        if self._want.counting is None:
            return
        from ftops.dataset.heuristics import heuristic_breaches  # noqa: PLC0415  # only a full check needs them

        place = self._place(line + 1)
        for fault, finding in heuristic_breaches(said):
            self.part.found.add(fault.at(place, finding.summary, fix=finding.fix))
        for finding in duplicate_keys(content):
            self.part.found.add(DUPLICATE_KEY.at(place, finding.summary))

    def _place(self, line: int) -> Place:
        return Place(path=self._want.path, line=line)


_LINE_FEED = 10


def _line_ends(content: bytes) -> Numbers:
    """Where each line of *content* ends: before its line feed, or at the end."""
    ends = np.flatnonzero(np.frombuffer(content, dtype=np.uint8) == _LINE_FEED)
    return np.append(ends, len(content))

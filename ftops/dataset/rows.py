"""A block of rows: held against the rules, and taken apart into columns. Good rows are looked at all at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import orjson

from ftops.dataset.columns import COLUMNS, SKETCH_WIDTH
from ftops.dataset.formats import (
    FORMAT_OF_METHOD,
    WRONG_FORMAT,
    Format,
    format_breaches,
    format_of,
    is_plain_of,
    wrong_format,
)
from ftops.dataset.keys import DUPLICATE_KEY, duplicate_keys
from ftops.dataset.lines import ROW_BYTES_MAX, Block
from ftops.dataset.meaning import meaning_of, meaning_of_turns
from ftops.dataset.plain import plain_chat, plain_chats, simple_turns
from ftops.dataset.rule import Fault, kind_of
from ftops.dataset.said import said_in
from ftops.dataset.sketch import sketches
from ftops.dataset.syntax import BOM, BYTE_ORDER_MARK, foreign_format, syntax_problem
from ftops.dataset.tokens.count import count_sequences
from ftops.dataset.tokens.stretches import SYSTEM_ROLES, sequences_in
from ftops.dataset.tokens.template import template_of
from ftops.dataset.tokens.tokenizer import tokenizer as tokenizer_of
from ftops.dataset.traits import endings, scripts
from ftops.diagnostics import Diagnostic, Place, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from numpy.typing import NDArray

    from ftops.dataset.columns import Column
    from ftops.dataset.meaning import Meaning
    from ftops.dataset.plain import Conversation
    from ftops.dataset.tokens.base import Base
    from ftops.dataset.tokens.count import StretchLike
    from ftops.dataset.tokens.template import Template
    from ftops.dataset.tokens.tokenizer import Tokenizer

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


class Counting(NamedTuple):
    """How tokens are counted."""

    base: Base
    """The base model whose tokens they are."""
    models: Path
    """The folder of the local models, whose files hold their tokenizers."""


class Want(NamedTuple):
    """What is asked of a reading."""

    path: str
    """As diagnostics name the file."""
    method: str
    counting: Counting | None = None
    """If None, neither tokens nor sketches are made: that is what takes time."""


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
        self._gathered = _Gathered(want)

    def take(self, block: Block) -> None:
        if block.is_too_long:
            self.part.lines += 1
            self.part.rows += 1
            limit = f"{ROW_BYTES_MAX >> 20} MiB"
            self.part.found.add(ROW_TOO_LONG.at(self._place(), f"row is longer than {limit}, and not checked"))
            return
        if block.offset == 0:
            block = self._begin(block)
        if not self.part.is_json_lines:
            return
        content, ends = block.content, _line_ends(block.content)
        starts = np.concatenate((np.zeros(1, dtype=np.int64), ends[:-1] + 1))
        self._take_lines(content, starts.tolist(), ends.tolist(), block.offset)
        self.part.columns = self._gathered.columns(offsets=starts + block.offset, sizes=ends - starts)

    def _begin(self, block: Block) -> Block:
        """Look at the beginning of the file; what is left to be read of its first block."""
        first = block.content.split(b"\n", 1)[0]
        place = Place(path=self._want.path, line=1)
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

    def _take_lines(self, content: bytes, starts: list[int], ends: list[int], offset: int) -> None:
        """Take all lines of a block; most are simple, and then parsed in one go and not looked at any closer."""
        rows = plain_chats(content) if self._wanted == "chat" else None
        parsed = rows if rows is not None and len(rows) == len(ends) else None
        suspect = self._suspects(content, starts)
        for index, start in enumerate(starts):
            self.part.lines += 1
            if index not in suspect:
                if parsed:
                    row: Conversation | None = parsed[index]
                else:
                    row = plain_chat(content[start : ends[index]]) if self._wanted == "chat" else None
                if row and (turns := simple_turns(row)):
                    self.part.rows += 1
                    if self.part.format == "unknown":
                        self.part.format = "chat"
                    self._gathered.take(index, meaning_of_turns(turns), (turns,))
                    continue
            self._look_closely(content[start : ends[index]], index, offset + start)

    def _suspects(self, content: bytes, starts: list[int]) -> set[int]:
        """The lines that must be looked at, however good they look."""
        return set()

    def _look_closely(self, line: bytes, index: int, offset: int) -> None:
        if not line or line.isspace():
            self.part.blank_lines += 1
            self.part.first_blank_line = self.part.first_blank_line or self.part.lines
            return
        self.part.rows += 1
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            number = self.part.lines
            self.part.found.add(syntax_problem(line, error, path=self._want.path, number=number, offset=offset))
            return
        if not isinstance(row, dict):
            self.part.found.add(ROW_TYPE.at(self._place(), f"row must be an object, and is {kind_of(row)}"))
            return
        found = format_of(row, self._want.method)
        if self.part.format == "unknown":
            self.part.format = found
        for problem in self._problems_of(row, found, line):
            self.part.found.add(problem)
        sequences = sequences_in(row, found, self._want.counting.base) if self._want.counting else ()
        self._gathered.take(index, meaning_of(row, found, said_in(row, found)), sequences)

    def _problems_of(self, row: dict[str, object], found: Format, line: bytes) -> Iterator[Diagnostic]:
        place = self._place()
        for finding in duplicate_keys(line):
            yield DUPLICATE_KEY.at(place, finding.summary)
        if found not in {self._wanted, "unknown"}:
            yield wrong_format(found, self._want.method, place)
        elif not self._is_plain(line):
            for fault, finding in format_breaches(row, self._wanted):
                yield fault.at(place, finding.summary, fix=finding.fix)

    def _place(self) -> Place:
        return Place(path=self._want.path, line=self.part.lines)


class _Gathered:
    """The rows of a block, while their columns are gathered."""

    def __init__(self, want: Want) -> None:
        self.indices: list[int] = []
        """Of rows among the lines of the block."""
        self._want = want
        self._meanings: list[Meaning] = []
        self._sequences: list[Sequence[StretchLike]] = []
        self._rows: list[int] = []
        """The row of each sequence, counted from 0 among the rows."""

    def take(self, index: int, meaning: Meaning, sequences: Sequence[Sequence[StretchLike]]) -> None:
        """Take a row, the one in the line of that index; *sequences* are its texts as its tokens are counted."""
        for sequence in sequences:
            self._sequences.append(sequence)
            self._rows.append(len(self.indices))
        self.indices.append(index)
        self._meanings.append(meaning)

    def columns(self, *, offsets: Whole, sizes: Whole) -> dict[str, Column]:
        """All columns; lines count from 1 in the block.

        Args:
            offsets: Of each of the block's lines in the file, in bytes.
            sizes: Likewise.
        """
        at = np.array(self.indices, dtype=np.int64)
        if not len(at):
            return no_rows()
        prompts, answers, systems, prompt_texts, answer_texts = zip(*self._meanings, strict=True)
        prompt, answer = np.array(prompts, dtype="<u8"), np.array(answers, dtype="<u8")
        tokens, trained = self._tokens()
        return {
            "line": (at + 1).astype("<u4"),
            "offset": offsets[at].astype("<u8"),
            "size": sizes[at].astype("<u4"),
            "row": prompt * _ODD + answer,
            "prompt": prompt,
            "answer": answer,
            "system": np.array(systems, dtype="<u8"),
            "answer_chars": np.fromiter(map(len, answer_texts), dtype="<u4", count=len(at)),
            "ending": endings(answer_texts),
            "prompt_script": scripts(prompt_texts),
            "answer_script": scripts(answer_texts),
            "tokens": tokens,
            "trained": trained,
            "sketch": self._sketches(),
        }

    def _tokens(self) -> tuple[Column, Column]:
        count = len(self.indices)
        if self._want.counting is None:
            return np.zeros(count, dtype="<u4"), np.zeros(count, dtype="<u4")
        tokenizer, template = _counter(self._want.counting, FORMAT_OF_METHOD[self._want.method])
        counts = count_sequences(self._sequences, tokenizer=tokenizer, template=template)
        if len(self._rows) == count:
            return counts.tokens, counts.trained
        return (
            np.bincount(self._rows, counts.tokens, count).astype("<u4"),
            np.bincount(self._rows, counts.trained, count).astype("<u4"),
        )

    def _sketches(self) -> Column:
        if self._want.counting is None:
            return np.zeros((len(self.indices), SKETCH_WIDTH), dtype="<u4")
        texts: list[list[str]] = [[] for _ in self.indices]
        for row, sequence in zip(self._rows, self._sequences, strict=True):
            texts[row] += [text for _, role, text, _ in sequence if role not in SYSTEM_ROLES]
        return sketches(["\n".join(each) for each in texts])


def load_tokenizer(want: Want) -> None:
    """Have ready what counting needs, so that processes which are made from this one share it."""
    if want.counting:
        tokenizer, _ = _counter(want.counting, FORMAT_OF_METHOD[want.method])
        tokenizer.count(["a"])


@cache
def _counter(counting: Counting, format_: Format) -> tuple[Tokenizer, Template]:
    found = tokenizer_of(counting.base.tokenizer, counting.models)
    return found, template_of(counting.base, found, format_)


def no_rows() -> dict[str, Column]:
    return {name: np.zeros((0, width) if width > 1 else 0, dtype=kind) for name, (kind, width) in COLUMNS.items()}


_ODD = np.uint64(0x9E3779B97F4A7C15)
"""Makes one hash of two, in which their order counts."""

_LINE_FEED = 10


def _line_ends(content: bytes) -> Whole:
    """Where each line of *content* ends: before its line feed, or at the end."""
    ends = np.flatnonzero(np.frombuffer(content, dtype=np.uint8) == _LINE_FEED)
    return np.append(ends, len(content))

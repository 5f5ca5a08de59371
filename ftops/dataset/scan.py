"""Read a data file once: its digest, its number of rows, and what the provider would refuse in it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
import orjson

from ftops.dataset.formats import FORMAT_OF_METHOD, Format, format_breaches, format_of, is_plain_of, wrong_format
from ftops.dataset.lines import ROW_BYTES_MAX, Block, read_blocks
from ftops.dataset.rule import Fault, kind_of
from ftops.dataset.syntax import BOM, BYTE_ORDER_MARK, foreign_format, syntax_problem
from ftops.diagnostics import Diagnostic, Place, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

RULES_VERSION = "1"
"""Raised with every change of a rule or of Scan, so that no cache gives what older rules found."""

PROBLEMS_MAX = 100
"""Errors kept for a file, and as many warnings and notes; the rest is counted."""

EMPTY = Fault(
    code="data-empty",
    meaning="The file has no rows.",
    why="there is nothing to train on or to measure with",
    fix="write one JSON object a line, or name another file",
)
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
BLANK_LINES = Fault(
    code="data-blank-line",
    meaning="The file has blank lines.",
    why="the provider counts examples, not lines, so that its messages would name another row than yours",
    fix="remove the blank lines: `sed -i '/^\\s*$/d'` on the file",
    severity=Severity.WARNING,
)
CARRIAGE_RETURNS = Fault(
    code="data-crlf",
    meaning="Lines end in CR LF.",
    why="git may convert line ends, and a file with other bytes is other data: it would be trained on again",
    fix="convert the file with `sed -i 's/\\r$//'`, and put `*.jsonl -text` into `.gitattributes`",
    severity=Severity.NOTE,
)
MORE_PROBLEMS = Fault(
    code="data-more-problems",
    meaning="The file has more problems than are listed.",
    why="only the first are kept, and they often have one cause",
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
    """In the order of the file, bounded: see PROBLEMS_MAX."""


def scan(stream: BinaryIO, path: str, method: str) -> Scan:
    """Read *stream* to its end, once and in bounded memory, and hold its rows against the rules of *method*.

    Args:
        stream: At the file's first byte.
        path: As diagnostics name the file.
        method: `supervised`, `dpo` or `reinforcement`.

    Raises:
        OSError: Reading failed.
    """
    digest, size = sha256(), 0

    def see(chunk: bytes) -> None:
        nonlocal size
        digest.update(chunk)
        size += len(chunk)

    rows = _Rows(path, method)
    for block in read_blocks(stream, see):
        rows.take(block)
    return Scan(
        sha256=digest.hexdigest(), bytes=size, rows=rows.count, format=rows.format, problems=rows.all_problems()
    )


class _Rows:
    """What is known of a file's rows so far."""

    def __init__(self, path: str, method: str) -> None:
        self.path = path
        self.method = method
        self.count = 0
        self.format: Format = "unknown"
        self._wanted = FORMAT_OF_METHOD[method]
        self._is_json_lines = True
        self._foreign: set[Format] = set()
        self._blank_lines = 0
        self._first_blank_line = 0
        self._kept: list[Diagnostic] = []
        self._errors = 0
        self._others = 0

    def take(self, block: Block) -> None:
        if not self._is_json_lines:
            return
        if block.is_too_long:
            self.count += 1
            limit = f"{ROW_BYTES_MAX >> 20} MiB"
            self._report(ROW_TOO_LONG.at(self._place(block.first_line), f"row is longer than {limit}, and not checked"))
            return
        if block.first_line == 1 and not self._begin(block):
            return
        is_plain = is_plain_of(self._wanted)
        for number, line in enumerate(block.lines, block.first_line):
            if is_plain(line) and self.format == self._wanted:  # which the first row tells, looked at closely
                self.count += 1
            else:
                self._look_closely(block, number, line)

    def all_problems(self) -> tuple[Diagnostic, ...]:
        """Problems of rows and of the file as a whole."""
        whole = []
        if self._blank_lines:
            summary = "line is blank" if self._blank_lines == 1 else f"file has {self._blank_lines:,} blank lines"
            whole.append(BLANK_LINES.at(self._place(self._first_blank_line), summary))
        if self._is_json_lines and not self.count:
            whole.append(EMPTY.at(Place(path=self.path), "file has no rows"))
        hidden = self._errors + self._others - len(self._kept)
        if hidden:
            whole.append(MORE_PROBLEMS.at(Place(path=self.path), f"and {hidden:,} more problems in this file"))
        return (*self._kept, *whole)

    def _begin(self, block: Block) -> bool:
        """Look at the beginning of the file; False if its rows cannot be read at all."""
        first = block.lines[0]
        if foreign := foreign_format(first, Place(path=self.path)):
            self._is_json_lines = False
            self._report(foreign)
            return False
        if first.startswith(BOM):
            block.lines[0] = first.removeprefix(BOM)
            self._report(BYTE_ORDER_MARK.at(self._place(1), "file begins with a byte order mark"))
        if first.endswith(b"\r"):
            self._report(CARRIAGE_RETURNS.at(self._place(1), "lines end in CR LF"))
        return True

    def _look_closely(self, block: Block, number: int, line: bytes) -> None:
        if not line or line.isspace():
            self._blank_lines += 1
            self._first_blank_line = self._first_blank_line or number
            return
        self.count += 1
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            offset = block.offset_of(number)
            self._report(syntax_problem(line, error, path=self.path, number=number, offset=offset))
            return
        for problem in self._problems_of(row, self._place(number)):
            self._report(problem)

    def _problems_of(self, row: object, place: Place) -> Iterator[Diagnostic]:
        if not isinstance(row, dict):
            yield ROW_TYPE.at(place, f"row must be an object, and is {kind_of(row)}")
            return
        found = format_of(row, self.method)
        if self.format == "unknown":
            self.format = found
        if found in {self._wanted, "unknown"}:
            for fault, finding in format_breaches(row, self._wanted):
                yield fault.at(place, finding.summary, fix=finding.fix)
        elif found not in self._foreign:  # said once, of the first row
            self._foreign.add(found)
            yield wrong_format(found, self.method, place)

    def _report(self, problem: Diagnostic) -> None:
        if problem.severity is Severity.ERROR:
            self._errors += 1
            is_kept = self._errors <= PROBLEMS_MAX
        else:
            self._others += 1
            is_kept = self._others <= PROBLEMS_MAX
        if is_kept:
            self._kept.append(problem)

    def _place(self, line: int) -> Place:
        return Place(path=self.path, line=line)

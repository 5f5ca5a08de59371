"""Mend what can be mended safely in a data file: copy it without what no reader could miss.

In bounded memory: rows are changed one by one in passing, and of each 16 bytes are kept to find those that come twice.
"""

from __future__ import annotations

import codecs
import re
from array import array
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import orjson
from xxhash import xxh3_64_intdigest

from ftops.dataset.formats import format_of
from ftops.dataset.lines import BLOCK_BYTES, ROW_BYTES_MAX, read_blocks
from ftops.dataset.meaning import meaning_of
from ftops.dataset.repairs import TEXT_REPAIRS, repair_row
from ftops.dataset.rewrite import UnfaithfulError, rewritten
from ftops.dataset.syntax import BOM, foreign_format
from ftops.diagnostics import Diagnostic, Place, ProblemsError

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from typing import BinaryIO

    from ftops.dataset.rule import Finding

PLACES_MAX = 10
"""Lines, and examples, kept of each kind of repair; all are counted."""

MEANINGS = {
    "data-not-jsonl": "UTF-16 converted to UTF-8",
    "data-byte-order-mark": "byte order mark removed",
    "data-crlf": "CR LF written as LF",
    "data-blank-line": "blank lines removed",
    "data-preference-name": "outputs given the names that the service reads",
    "data-role-unknown": "roles spelt in lower case",
    **{repair.code: repair.meaning for repair in TEXT_REPAIRS},
    "data-duplicate": "repeated rows removed, the first kept",
}
"""The code of each kind of repair, which is that of the rule that finds it, and what was done; in order of working."""

_ODD_ROLE = re.compile(rb'"role"\s*:\s*"[a-z]*[A-Z]')
# Looking for a run of one sign among blanks takes a tenth of the time of a pattern.
_DIGITS = bytes(ord("0") if code in b"0123456789" else ord(" ") for code in range(256))
_LONG_NUMBER = b"0" * 17
"""A double does not hold every number of so many digits."""
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """One kind of repair, and where it was done; lines are those of the old file."""

    code: str
    meaning: str
    """What was done, such as `blank lines removed`."""
    count: int
    lines: tuple[int, ...]
    """The first ones."""
    examples: tuple[tuple[int, Finding], ...] = ()
    """Lines with what was done there, without content of the row."""


class Reader(Protocol):
    """What gives bytes, and none at its end."""

    def read(self, size: int, /) -> bytes:
        """At most about *size* bytes."""
        ...


def mend(source: BinaryIO, target: BinaryIO, path: str, method: str) -> tuple[Mended, ...]:
    """Copy *source* to *target*, mending it in passing; what was done, and nothing if there was nothing to do.

    Args:
        source: At the file's first byte, seekable.
        target: Empty, to be written, read and cut.
        path: As diagnostics name the file.
        method: `supervised`, `dpo` or `reinforcement`: what rows are equal by.

    Raises:
        ProblemsError: The file cannot be copied row by row: a row is too long, or its UTF-16 is broken.
        OSError: Reading or writing failed.
    """
    log = _Log()
    is_utf16 = source.read(2) in _UTF16_MARKS
    source.seek(0)
    reader: Reader = _Utf16(source) if is_utf16 else source
    try:
        copy = _copy(reader, target, path, method, log)
    except UnicodeDecodeError:
        raise ProblemsError(_not_mended(path, "its UTF-16 is broken")) from None
    if copy is None:
        return ()
    if is_utf16:
        log.add("data-not-jsonl", 1)
    _drop_repeated(target, copy, log)
    return log.all()


@dataclass(slots=True)
class _Log:
    """What was done so far."""

    counts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    lines: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    examples: defaultdict[str, list[tuple[int, Finding]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, code: str, line: int, finding: Finding | None = None) -> None:
        self.counts[code] += 1
        if len(lines := self.lines[code]) < PLACES_MAX and line not in lines:
            lines.append(line)
        if finding and len(examples := self.examples[code]) < PLACES_MAX:
            examples.append((line, finding))

    def all(self) -> tuple[Mended, ...]:
        return tuple(
            Mended(
                code=code,
                meaning=MEANINGS[code],
                count=self.counts[code],
                lines=tuple(self.lines[code]),
                examples=tuple(self.examples[code]),
            )
            for code in MEANINGS
            if self.counts[code]
        )


@dataclass(slots=True)
class _Copy:
    """What is known of the rows that were written."""

    hashes: array[int] = field(default_factory=lambda: array("Q"))
    """Two numbers a row: equal ones mean equal rows."""
    numbers: array[int] = field(default_factory=lambda: array("L"))
    """The line that each row had in the old file."""
    sizes: array[int] = field(default_factory=lambda: array("L"))
    """What each row takes in the new one, with its line feed, in bytes."""


def _copy(reader: Reader, target: BinaryIO, path: str, method: str, log: _Log) -> _Copy | None:
    """Write every row, mended; None if this is no file of rows, so that nothing was written."""
    copy, number = _Copy(), 0
    for block in read_blocks(reader, _nothing):  # type: ignore[arg-type]  # it reads, and asks no more
        if block.is_too_long:
            raise ProblemsError(_not_mended(path, f"line {number + 1:,} is longer than {ROW_BYTES_MAX >> 20} MiB"))
        lines = block.content.split(b"\n")
        if number == 0 and not _begin(lines, path, log):
            return None
        for line in lines:
            number += 1
            row = line.removesuffix(b"\r")
            if row != line:
                log.add("data-crlf", number)
            if not row or row.isspace():
                log.add("data-blank-line", number)
                continue
            row = _mended_row(row, number, log)
            target.write(row + b"\n")
            copy.hashes.extend(_hashes_of(row, method))
            copy.numbers.append(number)
            copy.sizes.append(len(row) + 1)
    return copy


def _begin(lines: list[bytes], path: str, log: _Log) -> bool:
    if lines[0].startswith(BOM):
        lines[0] = lines[0].removeprefix(BOM)
        log.add("data-byte-order-mark", 1)
    return foreign_format(lines[0], Place(path=path)) is None


def _mended_row(row: bytes, number: int, log: _Log) -> bytes:
    """Mend a row that can be read and written again without loss; any other comes back as it is."""
    if not _has_a_clue(row):
        return row
    try:
        value = orjson.loads(row)
    except orjson.JSONDecodeError:
        return row
    # Most rows with clues are in order: each is tried as a fast parser reads it, and rewritten only if that changes it.
    if not isinstance(value, dict) or not (done := list(repair_row(value))):
        return row
    try:
        mended = rewritten(row, lambda found: list(repair_row(found)))
    except UnfaithfulError:
        return row
    for code, finding in done:
        log.add(code, number, finding)
    return mended


def _has_a_clue(row: bytes) -> bool:
    """Whether anything in *row* might need a repair."""
    return (
        not row.isascii()
        or b"\\u" in row
        or b"preferred_completion" in row
        or (b'"role"' in row and _ODD_ROLE.search(row) is not None)
    )


def _hashes_of(row: bytes, method: str) -> tuple[int, int]:
    """Two numbers of 64 bits that stand for what the row means, as everywhere: see dataset/meaning.py."""
    try:
        value = orjson.loads(row)
    except orjson.JSONDecodeError:
        value = None
    # A number that is too long for a double would be rounded, so that other rows seem to be the same.
    if not isinstance(value, dict) or _LONG_NUMBER in row.translate(_DIGITS):
        return xxh3_64_intdigest(row), len(row)
    meaning = meaning_of(value, format_of(value, method), (), row)
    return meaning.prompt, meaning.answer


def _drop_repeated(target: BinaryIO, copy: _Copy, log: _Log) -> None:
    """Move rows up over those that were there before; rows with other answers to the same prompt are no repetitions."""
    repeated = _repeated(copy.hashes)
    if not repeated:
        return
    kept = offset = repeated_from = 0  # what is kept so far; where a row begins; where the rows to be moved begin
    for index, size in enumerate(copy.sizes):
        if index in repeated:
            log.add("data-duplicate", copy.numbers[index])
            kept = _move(target, repeated_from, offset, kept)
            repeated_from = offset + size
        offset += size
    target.truncate(_move(target, repeated_from, offset, kept))


def _move(stream: BinaryIO, begin: int, end: int, goal: int) -> int:
    """Move the bytes from *begin* to *end* up to *goal*; gives where they end there."""
    while begin < end and begin != goal:
        stream.seek(begin)
        block = stream.read(min(BLOCK_BYTES, end - begin))
        stream.seek(goal)
        stream.write(block)
        begin += len(block)
        goal += len(block)
    return goal + end - begin


def _repeated(hashes: array[int]) -> AbstractSet[int]:
    """Which rows, counted from 0, have the hash of an earlier one."""
    import numpy as np  # noqa: PLC0415  # only to mend a file

    pairs = np.frombuffer(hashes, dtype=np.uint64).reshape(-1, 2)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))  # stable: equal ones stay in the order of the file
    equal = np.all(pairs[order][1:] == pairs[order][:-1], axis=1)
    return set(order[1:][equal].tolist())


class _Utf16:
    """Gives UTF-8 for a stream of UTF-16 that begins with its mark."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-16")()

    def read(self, size: int, /) -> bytes:
        while chunk := self._stream.read(size):
            if text := self._decoder.decode(chunk):
                return text.encode()
        return self._decoder.decode(b"", final=True).encode()


def _nothing(_chunk: bytes) -> None:
    pass


def _not_mended(path: str, what: str) -> Diagnostic:
    return Diagnostic(
        code="fix-impossible",
        summary=f"`{path}` cannot be mended: {what}",
        place=Place(path=path),
        why="a file is mended row by row, and only if every one can be read",
        fix="write the file again with a JSON library, one row a line",
    )

"""What is kept of each row of a data file, column by column.

It is enough to find duplicates, leakage and edits without reading the file again, and to find a row in the file. All
numbers are little-endian, so that a file of columns means the same on every machine. Hashes are XXH3 with 64 bits: of a
million rows two different ones share a hash with a probability of 3e-8. Nobody can read a row from them, but who knows
a row can tell that it is there, so columns stay in the cache folder and are never committed.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO, TypeAlias

    from numpy.typing import NDArray

    Column: TypeAlias = NDArray[np.unsignedinteger]

SKETCH_WIDTH: Final = 16

COLUMNS: Final[dict[str, tuple[str, int]]] = {
    # The row's line, from 1.
    "line": ("<u4", 1),
    # Where the line begins in the file, and how long it is without its line feed, in bytes.
    "offset": ("<u8", 1),
    "size": ("<u4", 1),
    # Of the row's meaning, whatever the order of keys, blanks and escapes in which it is written.
    "row": ("<u8", 1),
    # Of all that comes before the answer, system prompt and tools included.
    "prompt": ("<u8", 1),
    # Of the last assistant message; preferred and other output of a preference row; what the grader sees of a
    # reinforcement row; the completion.
    "answer": ("<u8", 1),
    # Of the system or developer messages; 0 if there are none.
    "system": ("<u8", 1),
    # Length of the answer's text, in characters; 0 if it has none, such as one of tool calls only.
    "answer_chars": ("<u4", 1),
    # What the answer's text ends in, and in which script prompt and answer are written: see dataset/traits.py.
    "ending": ("u1", 1),
    "prompt_script": ("u1", 1),
    "answer_script": ("u1", 1),
    # Tokens of the row with its framing, before any truncation, and those that are trained on. 0 if not counted.
    "tokens": ("<u4", 1),
    "trained": ("<u4", 1),
    # MinHash values of the row's text without system prompt: the share of equal ones estimates the Jaccard similarity
    # of two rows. All 0 if not made, or if the row has too little text.
    "sketch": ("<u4", SKETCH_WIDTH),
}
"""Name → type as numpy spells it, and how many of them a row has."""


def no_rows() -> dict[str, Column]:
    """The columns of a block that has none."""
    return {name: np.zeros((0, width) if width > 1 else 0, dtype=kind) for name, (kind, width) in COLUMNS.items()}


_MAGIC: Final = b"ftopsrow"
_FOOTER: Final = struct.Struct("<II8s")
_ROW_BYTES: Final = {name: np.dtype(kind).itemsize * width for name, (kind, width) in COLUMNS.items()}
_START: Final = dict(zip(COLUMNS, accumulate(_ROW_BYTES.values(), initial=0), strict=False))


class ColumnWriter:
    """Writes columns group by group, so that no more than a group of rows is held."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._groups: list[int] = []

    def add(self, group: Mapping[str, Column]) -> None:
        """Append rows: all columns, each with as many rows.

        Raises:
            OSError: Writing failed.
        """
        rows = len(group["line"])
        for name, (kind, width) in COLUMNS.items():
            values = np.ascontiguousarray(group[name], dtype=kind)
            assert values.size == rows * width, name
            self._stream.write(values.data)
        self._groups.append(rows)

    def finish(self) -> None:
        """Write what tells the groups apart.

        Raises:
            OSError: Writing failed.
        """
        self._stream.write(np.array(self._groups, dtype="<u4").data)
        self._stream.write(_FOOTER.pack(len(self._groups), sum(self._groups), _MAGIC))
        self._stream.flush()


class Columns:
    """The columns of a file, read one at a time: memory grows with rows, by 4 or 8 bytes each (64 for sketches)."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Take *stream*, seekable, which must stay open.

        Raises:
            ValueError: It holds no columns, or not all of them.
        """
        size = stream.seek(0, 2)
        if size < _FOOTER.size:
            raise ValueError("no columns")
        stream.seek(size - _FOOTER.size)
        groups, self.rows, magic = _FOOTER.unpack(stream.read(_FOOTER.size))
        begin = size - _FOOTER.size - 4 * groups
        if magic != _MAGIC or begin != self.rows * sum(_ROW_BYTES.values()):
            raise ValueError("no columns, or not all of them")
        stream.seek(begin)
        self._groups: list[int] = np.frombuffer(stream.read(4 * groups), dtype="<u4").tolist()
        *self._firsts, rows = accumulate(self._groups, initial=0)
        if rows != self.rows:
            raise ValueError("groups of other rows")
        self._begins = [first * sum(_ROW_BYTES.values()) for first in self._firsts]
        self._stream = stream

    def read(self, name: str) -> Column:
        """Read a whole column; one row a row, and `sketch` with SKETCH_WIDTH values in each."""
        kind, width = COLUMNS[name]
        values: Column = np.empty((self.rows, width), dtype=kind)
        flat, at = values.view(np.uint8).reshape(-1), 0
        for rows, begin in zip(self._groups, self._begins, strict=True):
            self._stream.seek(begin + rows * _START[name])
            part = self._stream.read(rows * _ROW_BYTES[name])
            flat[at : at + len(part)] = np.frombuffer(part, np.uint8)
            at += len(part)
        values.flags.writeable = False
        return values if width > 1 else values[:, 0]

    def value(self, name: str, row: int) -> int:
        """Read one value of a column that has one a row."""
        group = bisect_right(self._firsts, row) - 1
        size, place = self._groups[group], row - self._firsts[group]
        self._stream.seek(self._begins[group] + size * _START[name] + place * _ROW_BYTES[name])
        return int(np.frombuffer(self._stream.read(_ROW_BYTES[name]), dtype=COLUMNS[name][0])[0])

    def take(self, name: str, rows: NDArray[np.int64]) -> Column:
        """Read a column of some *rows* only, given by their positions from 0: the result is in the order of these."""
        kind, width = COLUMNS[name]
        values: Column = np.empty((len(rows), width), dtype=kind)
        order = np.argsort(rows, kind="stable")
        ends = np.searchsorted(rows[order], np.cumsum(self._groups, dtype=np.int64)).tolist()
        begin, first = 0, 0
        for size, start, end in zip(self._groups, [0, *ends], ends, strict=False):
            if start < end:
                self._stream.seek(begin + size * _START[name])
                group = np.frombuffer(self._stream.read(size * _ROW_BYTES[name]), dtype=kind).reshape(-1, width)
                values[order[start:end]] = group[rows[order[start:end]] - first]
            begin += size * sum(_ROW_BYTES.values())
            first += size
        return values if width > 1 else values[:, 0]

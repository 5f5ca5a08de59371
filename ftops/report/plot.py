"""Bars of block characters, for terminals; of signs that every encoding has, where it lacks those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS: Final = " ▏▎▍▌▋▊▉█"
"""From nothing to a full column, in eighths."""
_EIGHTHS: Final = 8
LONGEST: Final = 40
"""Columns of a bar: a longer one says no more."""


_IN_ASCII: Final = str.maketrans({"·": "-", "×": "x", "…": "...", "–": "-", "→": "->"})  # noqa: RUF001  # signs


def in_ascii(text: str) -> str:
    """Write the signs between words so that every encoding has them; each is as wide as before, but for the longest."""
    return text.translate(_IN_ASCII)


def bars(labels: Sequence[str], values: Sequence[int], *, width: int, is_ascii: bool = False) -> list[str]:
    """One line a value: its label, a bar, and the value; all fit into *width* columns, if there are at least 40 or so.

    A value that is not 0 has a bar that can be seen.
    """
    numbers = [f"{value:,}" for value in values]
    label_width, number_width = max(map(len, labels)), max(map(len, numbers))
    room = min(max(width - label_width - number_width - 4, 8), LONGEST)
    most = max(*values, 1)
    drawn = [_ascii_bar(value, most, room) if is_ascii else _bar(value, most, room) for value in values]
    bar_width = max(map(len, drawn))
    return [
        f"{label:>{label_width}}  {bar:<{bar_width}}  {number:>{number_width}}"
        for label, bar, number in zip(labels, drawn, numbers, strict=True)
    ]


def can_show_blocks(encoding: str | None) -> bool:
    """Whether a stream of this encoding can carry BLOCKS."""
    try:
        BLOCKS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _bar(value: int, most: int, room: int) -> str:
    eighths = max(round(value / most * room * _EIGHTHS), 1 if value else 0)
    full, rest = divmod(eighths, _EIGHTHS)
    return BLOCKS[-1] * full + (BLOCKS[rest] if rest else "")


def _ascii_bar(value: int, most: int, room: int) -> str:
    return "#" * max(round(value / most * room), 1 if value else 0)

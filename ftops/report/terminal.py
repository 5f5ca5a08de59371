"""Text as a terminal shows it: made harmless, measured in columns, cut, aligned, coloured."""

from __future__ import annotations

import re
import unicodedata
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BOLD, DIM = "1", "2"
RED, GREEN, YELLOW, CYAN = "31", "32", "33", "36"

GAP = "  "
"""Between columns."""
NARROWEST = 8
"""Columns that every cell of a table keeps, however narrow the terminal."""

# Control characters move the cursor; those of bidirectional text, and those without width, hide what is really there.
# The last line is commands to the runner of a workflow, which takes them from what a step prints, of any length and in
# either case: `::error file=a::…` at the beginning of a line, and the older `##[error]…` anywhere.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
    r"|(?<!\S):(?=:[A-Za-z-]+(?:::| ))|#(?=#\[[A-Za-z-]+[\] ])"
)


def visible(text: str) -> str:
    """Show what a terminal, or the runner of a workflow, would act upon or hide as its code.

    What a provider sends, and what stands in data, is not to be trusted.
    """
    return _HIDDEN.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", text)


def width_of(text: str) -> int:
    """Columns that a terminal gives *text*: two for wide characters, none for those that join the one before."""
    return len(text) if text.isascii() else sum(_cells(letter) for letter in text)


def cut(text: str, width: int) -> str:
    """The beginning of *text* within *width* columns, ending in `…` if something is left out."""
    if width_of(text) <= width:
        return text
    if width <= 0:
        return ""
    # One column is the ellipsis'.
    ends = takewhile(lambda end: end < width, accumulate(_cells(letter) for letter in text))
    return f"{text[: sum(1 for _ in ends)]}…"


def shortened(text: str, width: int) -> str:
    """Cut *text* in its middle: names and ids that begin alike differ at their end."""
    if width_of(text) <= width:
        return text
    tail = max(width - 1, 0) // 2
    return cut(text, width - tail) + cut(text[::-1], tail + 1)[-2::-1]


def padded(text: str, width: int) -> str:
    """Fill *text* with blanks, or shorten it, so that it takes *width* columns."""
    shown = shortened(text, width)
    return shown + " " * (width - width_of(shown))


def paint(text: str, code: str, *, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour and text else text


def counted(number: int, noun: str) -> str:
    """A count with its noun, such as `1 row` or `1,200 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, colour: bool, width: int | None = None) -> list[str]:
    """Lines of a table whose columns align.

    Args:
        header: One title a column, in capitals.
        rows: Cells as they came, not yet escaped.
        colour: Paint the header.
        width: Columns that there are; None if nothing may be cut.
    """
    cells = [list(header), *([visible(cell) for cell in row] for row in rows)]
    widths = [max(width_of(row[column]) for row in cells) for column in range(len(header))]
    if width is not None:
        widths = _fitted(widths, width - len(GAP) * (len(header) - 1))
    lines = [GAP.join(padded(cell, most) for cell, most in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [paint(lines[0], BOLD, colour=colour), *lines[1:]]


def _fitted(widths: list[int], room: int) -> list[int]:
    """Take from the widest column, again and again, until all fit or none has anything to give."""
    fitted = list(widths)
    while sum(fitted) > room and max(fitted) > NARROWEST:
        fitted[fitted.index(max(fitted))] -= 1
    return fitted


def _cells(letter: str) -> int:
    if unicodedata.category(letter) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1

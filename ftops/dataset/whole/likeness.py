"""How alike two rows are, exactly, apart from what many rows of the file share."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import orjson

from ftops.dataset.formats import format_of
from ftops.dataset.said import said_in
from ftops.dataset.sketch import shingles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from ftops.dataset.said import Said

    ReadRow: TypeAlias = Callable[[int], bytes]
    """Gives the line of a row, counted from 0, as it stands in the file."""
    Shingles: TypeAlias = NDArray[np.uint64]

SAMPLE_ROWS: Final = 400
"""Rows of a file, evenly spread, that tell what its rows have in common."""
TEMPLATE_ROWS_SHARE: Final = 0.05
TEMPLATE_ROWS_MIN: Final = 8
"""Text belongs to a template from this share of the sampled rows on, and this number of them."""
TEXT_CHARS_MAX: Final = 65_536
"""Of a longer conversation only the beginning is compared."""

_CACHED_ROWS: Final = 256


class Template(NamedTuple):
    """What many rows of a file have in common."""

    shingles: Shingles
    """Sorted."""
    covered: float
    """Share of the sampled rows of which more than half is template."""


class _Read(NamedTuple):
    turns: tuple[str, ...]
    own: Shingles
    """Without those of the template."""


class Reader:
    """Reads rows of a file to compare them; remembers the last few."""

    def __init__(self, read_row: ReadRow, template: Template) -> None:
        self._template = template.shingles
        self._read_row = read_row
        self.read = lru_cache(_CACHED_ROWS)(self._read)

    def _read(self, row: int) -> _Read:
        turns = _turns(self._read_row(row))
        found = shingles("\n".join(turns)[:TEXT_CHARS_MAX])
        return _Read(turns, found[~_are_in(found, self._template)])


def template_of(read_row: ReadRow, rows: Sequence[int] | NDArray[np.int64]) -> Template:
    """Find what *rows* have in common, by a sample of them."""
    # Each once; np.unique would load what numpy has for arrays with gaps.
    places = dict.fromkeys(np.linspace(0, len(rows) - 1, SAMPLE_ROWS, dtype=np.int64).tolist())
    sampled = [int(rows[at]) for at in places]
    each = [shingles("\n".join(_turns(read_row(row)))[:TEXT_CHARS_MAX]) for row in sampled]
    values, counts = np.unique(np.concatenate(each), return_counts=True)
    common = values[counts >= max(TEMPLATE_ROWS_MIN, TEMPLATE_ROWS_SHARE * len(sampled))]
    covered = sum(bool(found.size) and _are_in(found, common).mean() > 0.5 for found in each)  # noqa: PLR2004  # half
    return Template(common, float(covered / len(sampled)))


def likeness(one: _Read, other: _Read) -> float:
    """Jaccard similarity of what two rows say apart from the template; 0 if one goes on where the other ends."""
    shorter = min(len(one.turns), len(other.turns))
    if len(one.turns) != len(other.turns) and one.turns[:shorter] == other.turns[:shorter]:
        return 0.0
    shared = int(_are_in(one.own, other.own).sum())
    both = one.own.size + other.own.size - shared
    return shared / both if both else 1.0


def row_on(line: bytes) -> dict[str, object]:
    """Give the row on *line*; an empty one if there is none."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return row if isinstance(row, dict) else {}


def texts_of(line: bytes) -> tuple[Said, ...]:
    """All that is said in the row on *line*."""
    row = row_on(line)
    return said_in(row, format_of(row, "supervised"))


def _turns(line: bytes) -> tuple[str, ...]:
    return tuple(each.text for each in texts_of(line) if each.role not in {"system", "developer"})


def _are_in(values: Shingles, ordered: Shingles) -> NDArray[np.bool_]:
    if not ordered.size:
        return np.zeros(len(values), dtype=np.bool_)
    places = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return np.equal(ordered[places], values)

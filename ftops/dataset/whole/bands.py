"""Which rows may be alike: those whose sketches agree in a whole band, so that not all pairs need comparing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ftops.dataset.columns import SKETCH_WIDTH
from ftops.dataset.whole.runs import runs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ftops.dataset.columns import Columns

BAND_WIDTH: Final = 3
BANDS: Final = SKETCH_WIDTH // BAND_WIDTH
"""Two rows are compared if they agree in all values of a band: docs/duplicates.md shows how often that is."""
AGREEING_MIN: Final = 9
"""And in so many values of all, of SKETCH_WIDTH."""

NEIGHBOURS: Final = 4
"""A row is compared with so many before it that agree in a band."""
PAIRS_MAX: Final = 200_000
"""Whose sketches are compared value by value."""

_PAIRS_A_STEP: Final = PAIRS_MAX // (BANDS * NEIGHBOURS)
_BLOCK_ROWS: Final = 1 << 16
_BLOCK_PAIRS: Final = 1 << 17
"""Whose sketches are held at a time, 16 MB: of each block of pairs nearly the whole column is read."""
_MIX: Final = np.uint32(0x9E37_79B1)
_SHIFT: Final = np.uint32(15)


class Pairs(NamedTuple):
    """Pairs of rows that may be alike, each once, the most promising first."""

    ones: NDArray[np.int64]
    others: NDArray[np.int64]
    dropped: int
    """Pairs that agree in a band, and were not looked at for their number."""


def band_keys(columns: Columns) -> NDArray[np.uint32]:
    """Make one number of each band's values, for each row: BANDS by rows, 0 for rows without a sketch.

    Sketches are read a block at a time, so that memory grows by 20 bytes a row.
    """
    keys = np.zeros((BANDS, columns.rows), dtype=np.uint32)
    for begin in range(0, columns.rows, _BLOCK_ROWS):
        end = min(begin + _BLOCK_ROWS, columns.rows)
        sketch = columns.take("sketch", np.arange(begin, end))
        for place in range(BANDS * BAND_WIDTH):
            band = keys[place // BAND_WIDTH, begin:end]
            band ^= sketch[:, place]
            band *= _MIX  # 0 stays 0
            band ^= band >> _SHIFT
    return keys


def agreeing(one: Columns, rows: NDArray[np.int64], other: Columns, others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the values in which the sketches of *rows* agree with those of *others*, pair by pair."""
    counts = np.empty(len(rows), dtype=np.int64)
    for begin in range(0, len(rows), _BLOCK_PAIRS):
        some = slice(begin, begin + _BLOCK_PAIRS)
        counts[some] = (one.take("sketch", rows[some]) == other.take("sketch", others[some])).sum(axis=1)
    return counts


def pairs_within(columns: Columns, is_compared: NDArray[np.bool_]) -> Pairs:
    """Find pairs of rows of one file; only rows that *is_compared* tells.

    Those come first that few other rows agree with, for what many rows agree in is most likely a template, and among
    these the ones that agree in most.
    """
    found, crowded, dropped = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], 0
    for keys in band_keys(columns):
        keys[~is_compared] = 0
        runs = runs_of(keys, least=2)
        sizes = np.where(runs.values == 0, 1, runs.sizes)  # rows without a sketch are nobody's neighbours
        crowd_of = np.repeat(sizes, runs.sizes)
        place = np.arange(len(runs.order)) - np.repeat(runs.begins, runs.sizes)
        for step in range(1, NEIGHBOURS + 1):
            later = np.flatnonzero((place >= step) & (crowd_of > step))
            crowd = crowd_of[later]
            if len(later) > _PAIRS_A_STEP:
                dropped += len(later) - _PAIRS_A_STEP
                least = _least(crowd, _PAIRS_A_STEP)
                later, crowd = later[least], crowd[least]
            found.append((runs.order[later - step] << 32) | runs.order[later])
            crowded.append(crowd)
    pairs, crowds = np.concatenate(found), np.concatenate(crowded)
    order = np.lexsort((crowds, pairs))
    pairs, crowds = pairs[order], crowds[order]
    is_first = np.append(np.ones(min(len(pairs), 1), dtype=np.bool_), pairs[1:] != pairs[:-1])
    pairs, crowds = pairs[is_first], crowds[is_first]
    agreement = agreeing(columns, pairs >> 32, columns, pairs & 0xFFFF_FFFF)
    order = np.lexsort((-agreement, crowds))
    pairs = pairs[order[agreement[order] >= AGREEING_MIN]]
    return Pairs(pairs >> 32, pairs & 0xFFFF_FFFF, dropped)


def _least(values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Where the *count* least of *values* are, the first ones of those that are equal; *values* are small numbers."""
    up_to = np.cumsum(np.bincount(values))
    greatest = int(np.searchsorted(up_to, count))
    is_least = values < greatest
    equal = np.flatnonzero(values == greatest)
    is_least[equal[: count - int(is_least.sum())]] = True
    return np.flatnonzero(is_least)

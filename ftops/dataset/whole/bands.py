"""Which rows may be alike: those whose sketches agree in a whole band, so that not all pairs need comparing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ftops.dataset.columns import SKETCH_WIDTH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ftops.dataset.columns import Columns

BAND_WIDTH: Final = 3
BANDS: Final = SKETCH_WIDTH // BAND_WIDTH
"""Two rows are compared if they agree in all values of a band: docs/duplicates.md shows how often that is."""
AGREEING_MIN: Final = 9
"""And in so many values of all, of SKETCH_WIDTH."""

_BLOCK_ROWS: Final = 1 << 16
_MIX: Final = np.uint32(0x9E37_79B1)
_SHIFT: Final = np.uint32(15)


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
    for begin in range(0, len(rows), _BLOCK_ROWS):
        some = slice(begin, begin + _BLOCK_ROWS)
        counts[some] = (one.take("sketch", rows[some]) == other.take("sketch", others[some])).sum(axis=1)
    return counts


def thinned(values: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Leave at most *most* of *values*, evenly spread."""
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most, dtype=np.int64)]

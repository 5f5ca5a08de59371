"""Which rows may be alike: those whose sketches agree in a whole band, so that not all pairs need comparing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ftops.dataset.columns import SKETCH_WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ftops.dataset.columns import Columns

BAND_WIDTH: Final = 3
BANDS: Final = SKETCH_WIDTH // BAND_WIDTH
"""Two rows are compared if they agree in all values of a band: docs/duplicates.md shows how often that is."""
AGREEING_MIN: Final = 9
"""And in so many values of all, of SKETCH_WIDTH."""

_BLOCK_ROWS: Final = 1 << 16
_MIX: Final = np.uint64(0x9E37_79B9_7F4A_7C15)


def band_keys(columns: Columns, band: int) -> NDArray[np.uint64]:
    """Make one number of a band's values, for each row; 0 for rows without a sketch.

    Sketches are read a block at a time, so that memory grows by 8 bytes a row.
    """
    keys = np.empty(columns.rows, dtype=np.uint64)
    for begin in range(0, columns.rows, _BLOCK_ROWS):
        end = min(begin + _BLOCK_ROWS, columns.rows)
        sketch = columns.take("sketch", np.arange(begin, end))
        keys[begin:end] = _keys(sketch[:, band * BAND_WIDTH : (band + 1) * BAND_WIDTH])
        keys[begin:end][~sketch.any(axis=1)] = 0
    return keys


def agreeing(one: Columns, rows: NDArray[np.int64], other: Columns, others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the values in which the sketches of *rows* agree with those of *others*, pair by pair."""
    counts = np.empty(len(rows), dtype=np.int64)
    for begin in range(0, len(rows), _BLOCK_ROWS):
        some = slice(begin, begin + _BLOCK_ROWS)
        counts[some] = (one.take("sketch", rows[some]) == other.take("sketch", others[some])).sum(axis=1)
    return counts


def bands(columns: Columns) -> Iterator[NDArray[np.uint64]]:
    """Give the keys of one band after the other."""
    return (band_keys(columns, band) for band in range(BANDS))


def thinned(values: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Leave at most *most* of *values*, evenly spread."""
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most, dtype=np.int64)]


def _keys(values: NDArray[np.unsignedinteger]) -> NDArray[np.uint64]:
    keys = np.zeros(len(values), dtype=np.uint64)
    for column in values.T:
        keys = (keys ^ column) * _MIX
        keys ^= keys >> np.uint64(32)
    return keys

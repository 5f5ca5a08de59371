"""How few rows must be moved so that the rows of one file stand in the order of another."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

import numpy as np

from ftops.dataset.pairing import each_with_each, in_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ftops.dataset.pairing import Common, Positions

COPIES_PAIRS_MAX: Final = 16
"""Pairs of an old and a new copy of a row up to which each is tried."""
_CHUNK: Final = 1 << 16
"""Blocks that are Python numbers at a time."""


def fewest_moves(rows: Common) -> int:
    """Count the rows that must move so that all others keep their order, as a longest common subsequence does.

    Of a row with a few copies that choice of copies counts which costs the fewest moves; many copies keep their order.

    Args:
        rows: Those that both files have.
    """
    choices = rows.old_sizes * rows.new_sizes
    has_choice = (choices > 1) & (choices <= COPIES_PAIRS_MAX)
    fixed, free = in_order(rows.where(~has_choice)), each_with_each(rows.where(has_choice))
    unchanged = int(np.minimum(rows.old_sizes, rows.new_sizes).sum())
    if not unchanged:
        return 0
    # Sorted by new position, and of one new position by the old ones from the last on, so that a rising sequence takes
    # one of them at most. All in one number, with whether there is no choice as its last bit.
    count = len(rows.old_order)
    pairs = np.concatenate(
        [(each.new * count + count - 1 - each.old) * 2 + is_fixed for each, is_fixed in ((fixed, 1), (free, 0))]
    )
    del fixed, free
    pairs.sort()
    is_fixed = (pairs & 1).astype(np.bool_)
    sequence = count - 1 - (pairs >> 1) % count
    is_there = np.zeros(count, dtype=np.bool_)
    is_there[sequence] = True
    places = np.cumsum(is_there) - 1  # as if rows that are gone had never been
    return unchanged - _longest_increase(places[sequence], is_fixed)


def _longest_increase(sequence: Positions, is_fixed: NDArray[np.bool_]) -> int:
    """The length of a longest strictly increasing subsequence.

    Rows that follow one another in both files stay together, so they are looked at as one block, which counts as many:
    that is why a file of which little moved takes hardly any time. It would not hold for rows that have a choice.
    """
    follows = (np.diff(sequence) == 1) & is_fixed[1:] & is_fixed[:-1]
    edges = np.flatnonzero(np.concatenate(([True], ~follows, [True])))
    # The chains worth knowing: a later end must be paid for with more rows. Both lists rise.
    ends: list[int] = []
    lengths: list[int] = []
    for begin in range(0, len(edges) - 1, _CHUNK):
        some = edges[begin : begin + _CHUNK + 1]
        starts, stops = sequence[some[:-1]].tolist(), sequence[some[1:] - 1].tolist()
        for start, stop in zip(starts, stops, strict=True):
            before = bisect_left(ends, start)
            length = (lengths[before - 1] if before else 0) + stop - start + 1
            at = before if start == stop else bisect_left(ends, stop)
            if at and lengths[at - 1] >= length:
                continue
            beaten = at
            while beaten < len(ends) and lengths[beaten] <= length:
                beaten += 1
            ends[at:beaten] = [stop]
            lengths[at:beaten] = [length]
    return lengths[-1]

"""How few rows must be moved so that the rows of one file stand in the order of another."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

import numpy as np

from ftops.dataset.pairing import each_with_each, in_order, joined

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
    is_few = rows.old_sizes * rows.new_sizes <= COPIES_PAIRS_MAX
    pairs = joined(each_with_each(rows.where(is_few)), in_order(rows.where(~is_few)))
    if not len(pairs.old):
        return 0
    # Of one new row at most one old row is taken in an increasing sequence, if they are given from the last on.
    order = np.argsort(pairs.new * len(rows.old_order) - pairs.old)
    sequence, new = pairs.old[order], pairs.new[order]
    is_only_choice = (np.bincount(sequence)[sequence] == 1) & (np.bincount(new)[new] == 1)
    is_there = np.zeros(len(rows.old_order), dtype=np.bool_)
    is_there[sequence] = True
    places = np.cumsum(is_there) - 1  # as if rows that are gone had never been
    return int(np.minimum(rows.old_sizes, rows.new_sizes).sum()) - _longest_increase(places[sequence], is_only_choice)


def _longest_increase(sequence: Positions, is_only_choice: NDArray[np.bool_]) -> int:
    """The length of a longest strictly increasing subsequence.

    Rows that follow one another in both files stay together, so they are looked at as one block, which counts as many:
    that is why a file of which little moved takes hardly any time. It would not hold for rows that have a choice.
    """
    follows = (np.diff(sequence) == 1) & is_only_choice[1:] & is_only_choice[:-1]
    first = np.flatnonzero(np.concatenate(([True], ~follows)))
    last = np.append(first[1:], len(sequence)) - 1
    # The chains worth knowing: a later end must be paid for with more rows. Both lists rise.
    ends: list[int] = []
    lengths: list[int] = []
    for begin in range(0, len(first), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        starts, stops = sequence[first[part]].tolist(), sequence[last[part]].tolist()
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

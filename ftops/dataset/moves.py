"""How few rows must be moved so that the rows of one file stand in the order of another."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ftops.dataset.pairing import Pairs, Positions

_CHUNK: Final = 1 << 16
"""Blocks that are Python numbers at a time."""


def fewest_moves(choices: Pairs, rows: int) -> int:
    """Count the rows that must move; all others keep their order, as a longest common subsequence does.

    Args:
        choices: Which old row may stand for which new one. A row with copies may be given with each of them, so that
            the choice which costs the fewest moves is found.
        rows: How many rows are in both files.
    """
    if not rows:
        return 0
    # Of one new row at most one old row is taken in an increasing sequence, if they are given from the last on.
    order = np.lexsort((-choices.old, choices.new))
    sequence = np.unique(choices.old, return_inverse=True)[1][order]
    new = choices.new[order]
    is_only_choice = (np.bincount(sequence)[sequence] == 1) & (np.bincount(new)[new] == 1)
    return rows - _longest_increase(sequence, is_only_choice)


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
            at = bisect_left(ends, stop)
            if at and lengths[at - 1] >= length:
                continue
            beaten = at
            while beaten < len(ends) and lengths[beaten] <= length:
                beaten += 1
            ends[at:beaten] = [stop]
            lengths[at:beaten] = [length]
    return lengths[-1]

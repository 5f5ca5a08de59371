"""Which rows of two files belong together: by equal hashes, or because most of their text is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ftops.dataset.columns import SKETCH_WIDTH

if TYPE_CHECKING:
    from typing import TypeAlias

    from ftops.dataset.columns import Column, Columns

Positions: TypeAlias = NDArray[np.int64]

NEAR_LEAST: Final = SKETCH_WIDTH // 2
"""Equal values of two sketches from which on rows are near: about half of their text is the same."""
BUCKET_PAIRS_MAX: Final = 64
"""Pairs that one band of sketches may bring together: more share a template, and say nothing about each other."""
_BANDS: Final = SKETCH_WIDTH // 2
_ROUNDS_MAX: Final = 64
_CHUNK: Final = 1 << 16


class Pairs(NamedTuple):
    """Positions on either side, of which the first belongs to the first, and so on."""

    old: Positions
    new: Positions


class Common(NamedTuple):
    """The values that both sides have: in the order that sorts a side, where the run of each begins and its length."""

    old_order: Positions
    new_order: Positions
    old_starts: Positions
    old_sizes: Positions
    new_starts: Positions
    new_sizes: Positions

    def where(self, is_wanted: NDArray[np.bool_]) -> Common:
        return Common(self.old_order, self.new_order, *(runs[is_wanted] for runs in self[2:]))


def common(old: Column, new: Column) -> Common:
    """Find the values that both sides have."""
    old_order, new_order = (np.argsort(side, kind="stable") for side in (old, new))
    old_values, old_starts, old_sizes = _runs(old[old_order])
    new_values, new_starts, new_sizes = _runs(new[new_order])
    # Where a value would stand among the new ones; there it is, or it is nowhere.
    places = np.searchsorted(new_values, old_values)
    places[places == len(new_values)] = 0
    is_common = new_values[places] == old_values if len(new_values) else np.zeros(len(old_values), dtype=np.bool_)
    del old_values, new_values
    places = places[is_common]
    return Common(
        old_order, new_order, old_starts[is_common], old_sizes[is_common], new_starts[places], new_sizes[places]
    )


def in_order(values: Common) -> Pairs:
    """Pair equal values: the first of the old ones with the first of the new ones, and so on, as far as both go."""
    sizes = np.minimum(values.old_sizes, values.new_sizes)
    within = _counted_up(sizes)
    return _pairs(values, sizes, within, within)


def each_with_each(values: Common) -> Pairs:
    """Pair each value with all its equals on the other side."""
    sizes = values.old_sizes * values.new_sizes
    old_step, new_step = np.divmod(_counted_up(sizes), np.repeat(values.new_sizes, sizes))
    return _pairs(values, sizes, old_step, new_step)


def only_ones(values: Common) -> Pairs:
    """Pair values that occur once on either side."""
    return in_order(values.where((values.old_sizes == 1) & (values.new_sizes == 1)))


def nearest(old: Column, new: Column) -> Pairs:
    """Pair rows by their sketches, the nearest first; each has one partner at most.

    Candidates share a band of two values at least: of pairs at the threshold 98 % do.
    """
    pairs = _candidates(old, new)
    likeness = np.zeros(len(pairs.old), dtype=np.int64)
    for begin in range(0, len(likeness), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        likeness[part] = np.count_nonzero(old[pairs.old[part]] == new[pairs.new[part]], axis=1)
    near = np.flatnonzero(likeness >= NEAR_LEAST)
    best_first = near[np.lexsort((pairs.new[near], pairs.old[near], -likeness[near]))]
    return _greedy(Pairs(pairs.old[best_first], pairs.new[best_first]))


def sketch_hash(columns: Columns, rows: Positions) -> Column:
    """One hash of the whole sketch for each of *rows*; 0 if it has none."""
    hashes = np.zeros(len(rows), dtype=np.uint64)
    for begin in range(0, len(rows), _CHUNK):
        part = hashes[begin : begin + _CHUNK]
        for value in columns.take("sketch", rows[begin : begin + _CHUNK]).T:
            part *= np.uint64(0x9E3779B97F4A7C15)
            part += value
            part ^= part >> np.uint64(29)
    return hashes


def joined(*several: Pairs) -> Pairs:
    return Pairs(np.concatenate([each.old for each in several]), np.concatenate([each.new for each in several]))


def _runs(values: Column) -> tuple[Column, Positions, Positions]:
    """Of sorted *values* each once, where it begins, and how often it comes."""
    is_first = np.ones(len(values), dtype=np.bool_)
    is_first[1:] = values[1:] != values[:-1]
    starts = np.flatnonzero(is_first)
    return values[starts], starts, np.diff(np.append(starts, len(values)))


def _pairs(values: Common, sizes: Positions, old_step: Positions, new_step: Positions) -> Pairs:
    """For each value as many pairs as *sizes* says, each so many steps into the value's run on either side."""
    return Pairs(
        values.old_order[np.repeat(values.old_starts, sizes) + old_step],
        values.new_order[np.repeat(values.new_starts, sizes) + new_step],
    )


def _counted_up(sizes: Positions) -> Positions:
    """0, 1, … for each of *sizes*: 2, 3 gives 0, 1, 0, 1, 2."""
    ends = np.cumsum(sizes)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes, sizes)


def _candidates(old: Column, new: Column) -> Pairs:
    old_texts, new_texts = (np.flatnonzero(side.any(axis=1)) for side in (old, new))
    codes = [np.zeros(0, dtype=np.int64)]
    for band in range(_BANDS):
        values = common(_band(old[old_texts], band), _band(new[new_texts], band))
        pairs = each_with_each(values.where(values.old_sizes * values.new_sizes <= BUCKET_PAIRS_MAX))
        codes.append(old_texts[pairs.old] * len(new) + new_texts[pairs.new])
    return Pairs(*np.divmod(np.unique(np.concatenate(codes)), max(len(new), 1)))


def _band(sketches: Column, band: int) -> Column:
    """Two values of each sketch as one."""
    first, second = sketches[:, 2 * band], sketches[:, 2 * band + 1]
    values: Column = (first.astype(np.uint64) << np.uint64(32)) | second
    return values


def _greedy(pairs: Pairs) -> Pairs:
    """Take pairs from the first on, each row once: in rounds, of all that are the first for both of their rows."""
    taken = [Pairs(pairs.old[:0], pairs.new[:0])]
    for _ in range(_ROUNDS_MAX):
        if not len(pairs.old):
            break
        is_first = [np.zeros(len(side), dtype=np.bool_) for side in pairs]
        for side, marks in zip(pairs, is_first, strict=True):
            marks[np.unique(side, return_index=True)[1]] = True
        best = is_first[0] & is_first[1]
        taken.append(Pairs(pairs.old[best], pairs.new[best]))
        is_left = ~(np.isin(pairs.old, pairs.old[best]) | np.isin(pairs.new, pairs.new[best]))
        pairs = Pairs(pairs.old[is_left], pairs.new[is_left])
    return joined(*taken)

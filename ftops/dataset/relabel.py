"""How the labels of a classification changed from one version of its data to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ftops.dataset.whole.labels import labels_of

if TYPE_CHECKING:
    from ftops.dataset.columns import Column, Columns
    from ftops.dataset.pairing import Pairs, Positions


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCount:
    """A label: rows that have it before and after, and the position of the first on either side, to read it from."""

    old_rows: int
    new_rows: int
    old_first: int | None
    new_first: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabelling:
    """Rows with the same prompt that went from one label to another; both are positions among the labels."""

    before: int
    after: int
    rows: int


def count_labels(old: Columns, new: Columns) -> tuple[tuple[LabelCount, ...], Column]:
    """Count the rows of each label, the most frequent first; with the labels' hashes in the same order.

    There are none unless the answers of both files are labels, or of one of them if the other has no rows.
    """
    sides = [labels_of(columns) for columns in (old, new)]
    if not any(sides) or any(
        labels is None and columns.rows for labels, columns in zip(sides, (old, new), strict=True)
    ):
        return (), np.zeros(0, dtype=np.uint64)
    hashes = np.unique(np.concatenate([labels.hashes for labels in sides if labels]))
    (counts, firsts), (new_counts, new_firsts) = (_counted(columns, hashes) for columns in (old, new))
    order = np.argsort(-(counts + new_counts), kind="stable")
    labels = [
        LabelCount(
            old_rows=int(counts[label]),
            new_rows=int(new_counts[label]),
            old_first=int(firsts[label]) if counts[label] else None,
            new_first=int(new_firsts[label]) if new_counts[label] else None,
        )
        for label in order
    ]
    return tuple(labels), hashes[order]


def count_relabelled(old: Columns, new: Columns, hashes: Column, same_prompt: Pairs) -> tuple[Relabelling, ...]:
    """Count the ways from label to label, the most frequent first, in rows that are the same but for the answer."""
    places = np.argsort(hashes)
    before, is_label = _found(old.take("answer", same_prompt.old), hashes[places])
    after, is_new_label = _found(new.take("answer", same_prompt.new), hashes[places])
    both = is_label & is_new_label
    ways, rows = np.unique(places[before[both]] * len(hashes) + places[after[both]], return_counts=True)
    return tuple(
        Relabelling(before=int(ways[way] // len(hashes)), after=int(ways[way] % len(hashes)), rows=int(rows[way]))
        for way in np.argsort(-rows, kind="stable")
    )


def _counted(columns: Columns, hashes: Column) -> tuple[Positions, Positions]:
    """For each of the sorted *hashes* how many rows have that answer, and the first that does."""
    label, is_label = _found(columns.read("answer"), hashes)
    rows = np.flatnonzero(is_label)
    firsts = np.full(len(hashes), columns.rows)
    np.minimum.at(firsts, label[rows], rows)
    return np.bincount(label[rows], minlength=len(hashes)), firsts


def _found(answers: Column, hashes: Column) -> tuple[Positions, Column]:
    """Where each of *answers* is in the sorted *hashes*, and whether it is there at all."""
    places = np.minimum(np.searchsorted(hashes, answers), len(hashes) - 1) if len(hashes) else np.zeros(0, np.int64)
    return places, hashes[places] == answers[: len(places)]

"""What changed from one version of a data file to the next, told by the columns of both: no row is read.

A row is what its line means, so the order of keys does not matter; neither does the order of rows, but that moved rows
are counted. A row that stands in a file twice is two rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ftops.dataset.edits import find_edits
from ftops.dataset.moves import fewest_moves
from ftops.dataset.pairing import common, in_order, joined
from ftops.dataset.relabel import count_labels, count_relabelled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftops.dataset.columns import Columns
    from ftops.dataset.edits import Reason
    from ftops.dataset.pairing import Pairs, Positions
    from ftops.dataset.relabel import LabelCount, Relabelling


class RowAt(NamedTuple):
    """Where a row is in its file: line from 1, offset and size in bytes, without the line feed."""

    line: int
    offset: int
    size: int


class EditedRow(NamedTuple):
    """A row before and after, and why both are taken for one."""

    old: RowAt
    new: RowAt
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Of one file; tokens are 0 if they were not counted."""

    rows: int
    tokens: int
    trained_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDiff:
    """Counts are of all rows; listed are some, taken evenly from the whole file."""

    old: Totals
    new: Totals
    unchanged: int
    moved: int
    """Of the unchanged rows."""
    added: int
    removed: int
    edited: int
    edited_system: int
    """Of the edited rows, those whose system prompt changed."""
    labels: tuple[LabelCount, ...]
    """Most frequent first; none unless both files are classifications."""
    label_rows: tuple[RowAt, ...]
    """Of each label a row that has it: a new one if there is one, else an old one."""
    relabelled: tuple[Relabelling, ...]
    """Most frequent first."""
    added_rows: tuple[RowAt, ...]
    removed_rows: tuple[RowAt, ...]
    edited_rows: tuple[EditedRow, ...]

    @property
    def is_empty(self) -> bool:
        """The rows are the same, in the same order."""
        return not (self.added or self.removed or self.edited or self.moved)


def diff(old: Columns, new: Columns, *, listed: int = 5) -> DataDiff:
    """Compare two files.

    Args:
        old: Columns of the file as it was.
        new: Columns of the file as it is.
        listed: Rows of each kind of change to list at most.
    """
    gone, come, unchanged, moved = _unpaired(old, new)
    edits = find_edits(old, new, gone, come)
    pairs = joined(*edits.values())
    added = np.setdiff1d(come, pairs.new, assume_unique=True)
    removed = np.setdiff1d(gone, pairs.old, assume_unique=True)
    labels, hashes = count_labels(old, new)
    return DataDiff(
        old=_totals(old),
        new=_totals(new),
        unchanged=unchanged,
        moved=moved,
        added=len(added),
        removed=len(removed),
        edited=len(pairs.old),
        edited_system=int(np.count_nonzero(old.take("system", pairs.old) != new.take("system", pairs.new))),
        labels=labels,
        label_rows=tuple(_label_row(label, old, new) for label in labels),
        relabelled=count_relabelled(old, new, hashes, edits["prompt"]) if labels else (),
        added_rows=_rows_at(new, _spread(added, listed)),
        removed_rows=_rows_at(old, _spread(removed, listed)),
        edited_rows=_edited_rows(old, new, edits, listed),
    )


def _unpaired(old: Columns, new: Columns) -> tuple[Positions, Positions, int, int]:
    """The rows without an equal in the other file, how many have one, and how many of these moved."""
    both = common(old.read("row"), new.read("row"))
    same = in_order(both)
    is_gone, is_come = np.ones(old.rows, dtype=np.bool_), np.ones(new.rows, dtype=np.bool_)
    is_gone[same.old] = False
    is_come[same.new] = False
    unchanged = len(same.old)
    del same  # which is as long as the files
    return np.flatnonzero(is_gone), np.flatnonzero(is_come), unchanged, fewest_moves(both)


def _totals(columns: Columns) -> Totals:
    tokens, trained = (int(columns.read(name).sum(dtype=np.uint64)) for name in ("tokens", "trained"))
    return Totals(rows=columns.rows, tokens=tokens, trained_tokens=trained)


def _label_row(label: LabelCount, old: Columns, new: Columns) -> RowAt:
    columns, first = (old, label.old_first) if label.new_first is None else (new, label.new_first)
    return _rows_at(columns, np.array([first]))[0]


def _edited_rows(old: Columns, new: Columns, edits: Mapping[Reason, Pairs], listed: int) -> tuple[EditedRow, ...]:
    pairs = joined(*edits.values())
    reasons = tuple(edits)
    chosen = _spread(np.argsort(pairs.new, kind="stable"), listed)
    why = np.repeat(np.arange(len(reasons)), [len(found.old) for found in edits.values()])[chosen]
    befores, afters = _rows_at(old, pairs.old[chosen]), _rows_at(new, pairs.new[chosen])
    return tuple(EditedRow(*row) for row in zip(befores, afters, (reasons[each] for each in why), strict=True))


def _spread(rows: Positions, most: int) -> Positions:
    """All of *rows*, or *most* of them, evenly from the first to the last."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _rows_at(columns: Columns, rows: Positions) -> tuple[RowAt, ...]:
    places = (columns.take(name, rows).tolist() for name in ("line", "offset", "size"))
    return tuple(RowAt(*place) for place in zip(*places, strict=True))

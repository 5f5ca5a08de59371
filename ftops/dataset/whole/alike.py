"""Rows that are nearly the same: the same text with a typo, a number changed, a sentence more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ftops.dataset.rule import Fault
from ftops.dataset.whole.bands import pairs_within
from ftops.dataset.whole.likeness import Reader, likeness, template_of
from ftops.dataset.whole.runs import counted, line_of, lines_of, runs_of, share
from ftops.diagnostics import Diagnostic, Place, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ftops.dataset.columns import Columns
    from ftops.dataset.whole.likeness import ReadRow

LIKENESS_MIN: Final = 0.6
"""Jaccard similarity, of runs of 8 bytes. The curve in docs/duplicates.md shows why."""
READ_MAX: Final = 1_000
"""Pairs that may be alike and are read to be sure: a fifth of a second. Of the rest only the number is told."""
MISSES_MAX: Final = 100
"""The most promising pairs are read first; after so many in a row that are not alike, the rest is not either."""
TEMPLATE_COVERED_MIN: Final = 0.2
SHOWN: Final = 3

NEAR_DUPLICATE = Fault(
    code="data-near-duplicate",
    meaning="Rows are nearly the same as others: a typo, a number, a sentence apart.",
    why="they teach little new, weigh more than the rest, and a random split puts them on both sides",
    fix="keep the best of each cluster; if they are meant, ignore this check in the spec and say so",
    severity=Severity.WARNING,
    threshold=f"Jaccard similarity of runs of 8 bytes ≥ {LIKENESS_MIN}, system prompts and templates left out",
    applies_to="a file",
)
TEMPLATE = Fault(
    code="data-template",
    meaning="Many rows are the same text with something else filled in.",
    why="a template is learnt together with the answers, and left out where near duplicates are looked for",
    fix="nothing, if the application sends the same template; otherwise vary the wording",
    severity=Severity.NOTE,
    threshold=f"in {TEMPLATE_COVERED_MIN:.0%} of sampled rows, over half of the text stands in 5 % of the rows too",
    applies_to="a file with rows whose sketches agree",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Rows that are nearly the same, as far as they were read."""

    clusters: tuple[tuple[int, ...], ...]
    """Rows from 0, of at least two; each in the order of the file, and so are the clusters."""
    pairs_read: int
    pairs_unread: int
    """That may be alike by their sketches. Pairs of one cluster need no reading, and are not in `pairs_read`."""
    templated: float
    """Share of the rows that are mostly template; 0 if no two rows seemed alike."""


def near_duplicates(columns: Columns, path: str, read_row: ReadRow) -> tuple[Diagnostic, ...]:
    """Find clusters of rows that are nearly the same; equal rows count as one."""
    alike = find_alike(columns, read_row)
    problems = []
    if alike.templated >= TEMPLATE_COVERED_MIN:
        summary = f"about {alike.templated:.0%} of the rows are mostly a template: text that many rows have"
        problems.append(TEMPLATE.at(Place(path=path), summary))
    if alike.clusters:
        rows = sum(map(len, alike.clusters))
        largest = max(map(len, alike.clusters))
        first = alike.clusters[0][:SHOWN]
        at_least = "at least " if alike.pairs_unread else ""
        summary = (
            f"near duplicates: {at_least}{rows:,} of {columns.rows:,} rows ({share(rows, columns.rows)}), "
            f"in {counted(len(alike.clusters), 'cluster')} of up to {largest:,}, such as {lines_of(columns, first)}"
        )
        if alike.pairs_unread:
            summary += f"; not read, though they may be alike: {counted(alike.pairs_unread, 'less promising pair')}"
        problems.append(NEAR_DUPLICATE.at(Place(path=path, line=line_of(columns, first[1])), summary))
    return tuple(problems)


def find_alike(columns: Columns, read_row: ReadRow) -> Alike:
    """Find rows that are alike: by their sketches, and then by reading them."""
    is_distinct = _are_distinct(columns)
    pairs = pairs_within(columns, is_distinct)
    if not pairs.ones.size:
        return Alike(clusters=(), pairs_read=0, pairs_unread=pairs.dropped, templated=0.0)
    template = template_of(read_row, np.flatnonzero(is_distinct))
    reader = Reader(read_row, template)
    leader: dict[int, int] = {}
    read = misses = seen = 0
    for one, other in zip(pairs.ones.tolist(), pairs.others.tolist(), strict=True):
        if read == READ_MAX or misses == MISSES_MAX:
            break
        seen += 1
        ours, theirs = _leader(leader, one), _leader(leader, other)
        if ours == theirs:
            continue
        read += 1
        misses += 1
        if likeness(reader.read(one), reader.read(other)) >= LIKENESS_MIN:
            leader[max(ours, theirs)] = min(ours, theirs)
            misses = 0
    return Alike(
        clusters=_clusters(leader),
        pairs_read=read,
        pairs_unread=len(pairs.ones) - seen + pairs.dropped,
        templated=template.covered,
    )


def _are_distinct(columns: Columns) -> NDArray[np.bool_]:
    """Which rows repeat no earlier one."""
    repeated = runs_of(columns.read("row"), least=2)
    are = np.ones(columns.rows, dtype=np.bool_)
    are[repeated.order] = False
    are[repeated.firsts] = True
    return are


def _leader(leader: dict[int, int], row: int) -> int:
    """The first row of the cluster that *row* is in; shortens the way there for the next time."""
    while (up := leader.get(row, row)) != row:
        leader[row] = row = leader.get(up, up)
    return row


def _clusters(leader: dict[int, int]) -> tuple[tuple[int, ...], ...]:
    members: dict[int, list[int]] = {}
    for row in sorted(leader):
        first = _leader(leader, row)
        if first != row:
            members.setdefault(first, [first]).append(row)
    return tuple(tuple(members[first]) for first in sorted(members))

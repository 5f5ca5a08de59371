"""System prompts that differ from the one that most rows have."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from ftops.dataset.rule import Fault
from ftops.dataset.whole.likeness import texts_of
from ftops.dataset.whole.runs import Runs, counted, line_of, lines_of, runs_of, share
from ftops.diagnostics import Diagnostic, Place, Severity

if TYPE_CHECKING:
    from ftops.dataset.columns import Columns
    from ftops.dataset.whole.likeness import ReadRow

DOMINANT_SHARE: Final = 0.9
COMPARED_MAX: Final = 20
"""The most frequent system prompts, which are compared with each other."""
ROWS_MIN: Final = 10
SHOWN: Final = 3

OUTLIER = Fault(
    code="data-system-differs",
    meaning="A few rows have another system prompt than all others.",
    why="the model is asked with one system prompt later, and what it learns under another carries over only in part",
    fix="give all rows the system prompt that the application sends",
    severity=Severity.WARNING,
    threshold=f"one system prompt has at least {DOMINANT_SHARE:.0%} of the rows, but not all",
    applies_to="a file of at least 10 rows",
)
MISSING = Fault(
    code="data-system-missing",
    meaning="A few rows have no system prompt, while all others have one.",
    why="the model is asked with a system prompt later, and these rows teach it how to answer without",
    fix="give these rows the system prompt that the application sends",
    severity=Severity.WARNING,
    threshold=f"at least {DOMINANT_SHARE:.0%} of the rows have a system prompt, but not all",
    applies_to="a file of at least 10 rows",
)
VARIANTS = Fault(
    code="data-system-variants",
    meaning="System prompts differ only in case and blanks.",
    why="they were meant to be one, and the application can send only one of them",
    fix="write it in one way",
    severity=Severity.WARNING,
    threshold=f"two of the {COMPARED_MAX} most frequent are the same in lower case, without blanks",
    applies_to="a file of at least 10 rows",
)


def system_problems(columns: Columns, path: str, read_row: ReadRow) -> tuple[Diagnostic, ...]:
    """Look for system prompts that do not fit the rest; none at all, or one for each row, is a way to do it."""
    if columns.rows < ROWS_MIN:
        return ()
    runs = runs_of(columns.read("system"))
    hashes = columns.take("system", runs.firsts)
    problems = []
    without = int(runs.sizes[hashes == 0].sum())
    given = np.flatnonzero(hashes)
    if given.size and 0 < without <= (1 - DOMINANT_SHARE) * columns.rows:
        rows = runs.rows_of(int(np.flatnonzero(hashes == 0)[0]))[:SHOWN].tolist()
        summary = f"rows without system prompt: {_told(columns, without, rows)}"
        problems.append(MISSING.at(Place(path=path, line=line_of(columns, rows[0])), summary))
    if given.size > 1:
        most_first = given[np.lexsort((runs.firsts[given], -runs.sizes[given]))]
        others = columns.rows - without - int(runs.sizes[most_first[0]])
        if runs.sizes[most_first[0]] >= DOMINANT_SHARE * columns.rows:
            rows = np.sort(runs.firsts[most_first[1:]])[:SHOWN].tolist()
            summary = f"rows with another system prompt than the rest: {_told(columns, others, rows)}"
            problems.append(OUTLIER.at(Place(path=path, line=line_of(columns, rows[0])), summary))
        problems += _variants(columns, path, runs, most_first[:COMPARED_MAX].tolist(), read_row)
    return tuple(problems)


def _told(columns: Columns, count: int, rows: list[int]) -> str:
    return f"{count:,} of {columns.rows:,} ({share(count, columns.rows)}), such as {lines_of(columns, rows)}"


def _variants(columns: Columns, path: str, runs: Runs, compared: list[int], read_row: ReadRow) -> list[Diagnostic]:
    plain = {run: _plain_system(read_row(int(runs.firsts[run]))) for run in compared}
    problems = []
    for one, other in combinations(compared, 2):
        if plain[one] == plain[other]:
            rows = [int(runs.firsts[one]), int(runs.firsts[other])]
            summary = (
                f"two system prompts differ only in case and blanks: {lines_of(columns, rows)} "
                f"({runs.sizes[one]:,} and {counted(int(runs.sizes[other]), 'row')})"
            )
            problems.append(VARIANTS.at(Place(path=path, line=line_of(columns, rows[1])), summary))
    return problems


def _plain_system(line: bytes) -> str:
    said = "".join(each.text for each in texts_of(line) if each.role in {"system", "developer"})
    return "".join(said.split()).casefold()

"""Equal values of a column brought together, and the words in which counts and lines are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ftops.dataset.columns import Column, Columns

SHARED_PROMPT_MAX = 20
"""A prompt that more rows have is an opening that they share on purpose, and tells nothing about any of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The rows of a column sorted by value: those with the same value stand together, in the order of the file."""

    values: Column
    """The distinct values, in ascending order."""
    order: NDArray[np.int64]
    """Rows, from 0."""
    begins: NDArray[np.int64]
    """Where in *order* each distinct value begins."""
    sizes: NDArray[np.int64]
    """How many rows have it."""

    @property
    def firsts(self) -> NDArray[np.int64]:
        """The first row of each value."""
        return self.order[self.begins]

    def rows_of(self, run: int) -> NDArray[np.int64]:
        """All rows that have one value."""
        return self.order[self.begins[run] : self.begins[run] + self.sizes[run]]


def runs_of(values: Column) -> Runs:
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    begins = np.flatnonzero(np.concatenate((np.ones(min(len(values), 1), dtype=bool), ordered[1:] != ordered[:-1])))
    return Runs(values=ordered[begins], order=order, begins=begins, sizes=np.diff(begins, append=len(values)))


def line_of(columns: Columns, row: int) -> int:
    return int(columns.take("line", np.array([row]))[0])


def lines_of(columns: Columns, rows: Iterable[int]) -> str:
    """Name the lines of some rows, such as `lines 3, 17 and 90`."""
    numbers = [f"{line:,}" for line in columns.take("line", np.fromiter(rows, dtype=np.int64)).tolist()]
    return f"line {numbers[0]}" if len(numbers) == 1 else f"lines {', '.join(numbers[:-1])} and {numbers[-1]}"


def share(part: int, whole: int) -> str:
    """Tell a share in per cent, never as 0 or 100 % if it is not."""
    percent = 100 * part / whole
    if 0 < percent < 0.1:  # noqa: PLR2004  # what rounds to 0.0
        return "less than 0.1 %"
    return f"{min(percent, 99.9) if part < whole else 100:.3g} %"


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"

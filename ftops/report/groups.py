"""Problems of many rows put together: one kind in one file is one thing to mend."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftops.diagnostics import Diagnostic

COUNTED_ELSEWHERE = "data-more-problems"
"""Says that not all problems are listed, which a group's count says better."""

_INDEX = re.compile(r"\[\d+\]")
_RANK = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Problems of one code and severity in one file."""

    problems: tuple[Diagnostic, ...]
    """At least one; the first ones, in the order of the file."""
    count: int
    """All there are."""

    @property
    def first(self) -> Diagnostic:
        return self.problems[0]

    @property
    def lines(self) -> tuple[int, ...]:
        """The first lines with this problem, each once."""
        lines = (problem.place.line for problem in self.problems if problem.place and problem.place.line)
        return tuple(dict.fromkeys(lines))

    @property
    def summary(self) -> str:
        """What is wrong, in words that hold for all; those of the first where each has its own."""
        if len({problem.summary for problem in self.problems}) == 1:
            return self.first.summary
        general = {_INDEX.sub("[…]", problem.summary) for problem in self.problems}
        return general.pop() if len(general) == 1 else f"for example, {self.first.summary}"


def grouped(problems: Iterable[Diagnostic], counts: Mapping[str, int] | None = None) -> tuple[Group, ...]:
    """Group problems by code and file: errors first, then what there is most of, then as they come.

    Args:
        problems: In their order.
        counts: How many there are by code, where not all are given; all are then of one file.
    """
    by_kind: dict[tuple[Severity, str, str | None], list[Diagnostic]] = {}
    for problem in problems:
        if problem.code != COUNTED_ELSEWHERE:
            path = problem.place.path if problem.place else None
            by_kind.setdefault((problem.severity, problem.code, path), []).append(problem)
    groups = [
        Group(problems=tuple(found), count=max(len(found), (counts or {}).get(code, 0)))
        for (_, code, _), found in by_kind.items()
    ]
    return tuple(sorted(groups, key=lambda group: (_RANK[group.first.severity], -group.count)))

"""A YAML file that was read: its value, and where in the file each part of it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ftops.diagnostics import Diagnostic, Place
from ftops.spec.text import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftops.spec.model import Span

MOST_PROBLEMS = 100
"""Of one file; nobody reads on."""

Path: TypeAlias = tuple[str | int, ...]
"""From the file's outermost mapping to a value: keys and, in lists, positions from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where a value is, and the key that it belongs to, if it has one."""

    key: Span | None
    value: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML file: its value, the places in it, and what is wrong with it as YAML."""

    path: str
    lines: tuple[str, ...]
    value: dict[str, Any]
    marks: dict[Path, Mark]
    problems: tuple[Diagnostic, ...]
    unread: frozenset[Path]
    """Values that could not be read and are None in `value`; their problems are told already."""

    def span(self, path: Path, at: Literal["key", "value"] = "value") -> Span:
        """Where *path*, which the file has, is."""
        mark = self.marks[path]
        return mark.key if at == "key" and mark.key is not None else mark.value

    def problem(
        self,
        code: str,
        path: Path,
        summary: str,
        *,
        why: str | None = None,
        fix: str | None = None,
        at: Literal["key", "value"] = "value",
    ) -> Diagnostic:
        """A problem with the value at *path*, or with its key."""
        place = place_of(self.path, self.lines, self.span(path, at))
        return Diagnostic(code=code, summary=summary, place=place, why=why, fix=fix)


def in_order_of_place(problems: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sort as the file is read; what is said of one place is said once, and what is too much is cut off."""

    def place(problem: Diagnostic) -> tuple[int, int]:
        where = problem.place
        return (0, 0) if where is None else (where.line or 0, where.column or 0)

    once: dict[object, Diagnostic] = {}
    for problem in problems:
        once.setdefault((problem.place, problem.summary), problem)
    first, rest = (ordered := sorted(once.values(), key=place))[:MOST_PROBLEMS], len(once) - MOST_PROBLEMS
    if rest > 0 and (last := ordered[-1].place) is not None:
        first.append(
            Diagnostic(
                code="yaml-more",
                summary="the file has more problems than these",
                place=Place(path=last.path),
                why=f"only the first {MOST_PROBLEMS} are told",
                fix="mend these first",
            )
        )
    return first

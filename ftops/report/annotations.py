"""Problems as annotations of a GitHub workflow run: lines that the runner shows beside the code.

Source: GitHub's "Workflow commands for GitHub Actions", and `actions/toolkit` (`command.ts`) for what is escaped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ftops.diagnostics import Severity
from ftops.report.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftops.diagnostics import Diagnostic
    from ftops.report.groups import Group

ANNOTATIONS_MAX: Final = 10
"""Of one level, that GitHub shows of a step; it drops the rest without a word."""

_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def annotation_lines(groups: Iterable[Group], *, title: str = "ftops check") -> Iterator[str]:
    """Render problems as lines, the most important first: errors, and one of each group before a second of any.

    Where there are more than GitHub shows, the last one of a level says how many are left out.

    Args:
        groups: Paths in them are those of the repository, for GitHub to find the lines.
        title: Of the line that counts those left out.
    """
    every = tuple(groups)
    for severity, level in _LEVELS.items():
        of_level = [group for group in every if group.first.severity is severity]
        ranked = sorted(
            ((nth, problem) for group in of_level for nth, problem in enumerate(group.problems)),
            key=lambda each: each[0],
        )
        count = sum(group.count for group in of_level)
        shown = ranked if count <= ANNOTATIONS_MAX else ranked[: ANNOTATIONS_MAX - 1]
        yield from (_annotation(level, problem) for _, problem in shown)
        if count > len(shown):
            kinds = ", ".join(f"{group.first.code} ({group.count:,})" for group in of_level)
            yield f"::{level} title={title}::{_data(f'and {count - len(shown):,} more; in all: {kinds}')}"


def _annotation(level: str, problem: Diagnostic) -> str:
    place = problem.place
    properties = {
        "file": place and place.path,
        "line": place and place.line,
        "col": place and place.column,
        "endColumn": place and place.end_column,
        "title": problem.code,
    }
    given = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items() if value is not None)
    sentences = [problem.summary, problem.why and f"why: {problem.why}", problem.fix and f"fix: {problem.fix}"]
    text = "\n".join(visible(sentence) for sentence in sentences if sentence)
    return f"::{level} {given}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    # A colon is written in another way here. A path with a letter that must not be shown leads GitHub nowhere.
    shown = text if text.isprintable() else visible(text)
    return _data(shown).replace(":", "%3A").replace(",", "%2C")

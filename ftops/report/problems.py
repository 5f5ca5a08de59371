"""Problems as text: for people, in the look of a compiler's; and as values, for machines."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ftops.diagnostics import Diagnostic, Place, Severity
from ftops.report.terminal import BOLD, DIM, cut, paint, visible, width_of

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDEST = 110
"""Columns of a terminal that a source line may take; of a longer one, what is round the caret is shown."""
TAB = "    "

COLOURS = {Severity.ERROR: "1;31", Severity.WARNING: "1;33", Severity.NOTE: "1;36"}
FIX_COLOUR = "1;32"


def render_problem(problem: Diagnostic, *, colour: bool) -> str:
    """Render as lines, without a final line break; what the problem does not have, has no line."""
    tint = COLOURS[problem.severity]
    head = paint(f"{problem.severity}[{problem.code}]", tint, colour=colour)
    lines = [head + paint(f": {_visible(problem.summary)}", BOLD, colour=colour)]
    if problem.place is not None:
        lines += _place_lines(problem.place, tint, colour=colour)
    if problem.why is not None:
        lines.append(f"{paint('why:', BOLD, colour=colour)} {_visible(problem.why)}")
    if problem.fix is not None:
        lines.append(f"{paint('fix:', FIX_COLOUR, colour=colour)} {_visible(problem.fix)}")
    return "\n".join(lines)


def render_problems(problems: Iterable[Diagnostic], *, colour: bool) -> str:
    """Render all, an empty line between them, and how many there are; ends in a line break unless there are none."""
    every = tuple(problems)
    if not every:
        return ""
    blocks = [render_problem(problem, colour=colour) for problem in every]
    return "\n\n".join([*blocks, count_of(every)]) + "\n"


def count_of(problems: Iterable[Diagnostic]) -> str:
    """How many there are of each severity, such as `2 errors, 1 warning`."""
    counts = Counter(problem.severity for problem in problems)
    return ", ".join(
        f"{counts[severity]} {severity}{'' if counts[severity] == 1 else 's'}"
        for severity in Severity
        if counts[severity]
    )


def problem_json(problem: Diagnostic) -> dict[str, Any]:
    """Shape *problem* for `--json`: every key is always there, null where there is nothing to say."""
    place = problem.place
    return {
        "severity": str(problem.severity),
        "code": problem.code,
        "summary": problem.summary,
        "path": place and place.path,
        "line": place and place.line,
        "column": place and place.column,
        "end_column": place and place.end_column,
        "why": problem.why,
        "fix": problem.fix,
    }


def _place_lines(place: Place, tint: str, *, colour: bool) -> list[str]:
    number = "" if place.line is None else str(place.line)
    margin = " " * len(number)
    lines = [f"{paint(f'{margin} -->', DIM, colour=colour)} {_visible(str(place))}"]
    if place.source is None:
        return lines
    before, marked, after = _excerpt(place, place.source)
    lines.append(f"{paint(f'{number} |', DIM, colour=colour)} {before}{marked}{after}".rstrip())
    if place.column is not None:
        carets = paint("^" * max(1, width_of(marked)), tint, colour=colour)
        lines.append(f"{paint(f'{margin} |', DIM, colour=colour)} {' ' * width_of(before)}{carets}")
    return lines


def _excerpt(place: Place, source: str) -> tuple[str, str, str]:
    """What is shown of the line: before the marked part, that part, and after it; together no wider than `WIDEST`."""
    start = (place.column or 1) - 1
    end = start + 1 if place.end_column is None else max(place.end_column - 1, start + 1)
    parts = [_visible(part) for part in (source[:start], source[start:end], source[end:])]
    if visible("".join(parts)) != "".join(parts):
        # A command of a runner stands on both sides of a border.
        parts = [part.replace("#", r"\u{23}") for part in parts]
    before, marked, after = parts
    marked = cut(marked, WIDEST)
    room = WIDEST - width_of(marked)
    # What comes before says more about where one is than what comes after.
    if width_of(before) > (most := max(room - min(width_of(after), room // 3), 0)):
        before = cut(before[::-1], most)[::-1]
    return before, marked, cut(after, room - width_of(before))


def _visible(text: str) -> str:
    return visible(text.replace("\t", TAB))

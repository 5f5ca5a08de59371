"""Problems as text: for people, in the look of a compiler's; and as values, for machines."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Any

from ftops.diagnostics import Diagnostic, Place, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDEST = 110
"""Columns of a terminal that a source line may take; of a longer one, what is round the caret is shown."""
TAB = "    "

_COLOURS = {Severity.ERROR: "1;31", Severity.WARNING: "1;33", Severity.NOTE: "1;36"}
_BOLD, _DIM, _GREEN = "1", "2", "1;32"
# Control characters move the cursor; those of bidirectional text, and those without width, hide what is really there.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def render_problem(problem: Diagnostic, *, colour: bool) -> str:
    """Render as lines, without a final line break; what the problem does not have, has no line."""
    tint = _COLOURS[problem.severity]
    head = _paint(f"{problem.severity}[{problem.code}]", tint, colour=colour)
    lines = [head + _paint(f": {_visible(problem.summary)}", _BOLD, colour=colour)]
    if problem.place is not None:
        lines += _place_lines(problem.place, tint, colour=colour)
    if problem.why is not None:
        lines.append(f"{_paint('why:', _BOLD, colour=colour)} {_visible(problem.why)}")
    if problem.fix is not None:
        lines.append(f"{_paint('fix:', _GREEN, colour=colour)} {_visible(problem.fix)}")
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
    lines = [f"{_paint(f'{margin} -->', _DIM, colour=colour)} {_visible(str(place))}"]
    if place.source is None:
        return lines
    before, marked, after = _excerpt(place, place.source)
    lines.append(f"{_paint(f'{number} |', _DIM, colour=colour)} {before}{marked}{after}".rstrip())
    if place.column is not None:
        carets = _paint("^" * max(1, _width(marked)), tint, colour=colour)
        lines.append(f"{_paint(f'{margin} |', _DIM, colour=colour)} {' ' * _width(before)}{carets}")
    return lines


def _excerpt(place: Place, source: str) -> tuple[str, str, str]:
    """What is shown of the line: before the marked part, that part, and after it; together no wider than `WIDEST`."""
    start = (place.column or 1) - 1
    end = start + 1 if place.end_column is None else max(place.end_column - 1, start + 1)
    before, marked, after = _visible(source[:start]), _visible(source[start:end]), _visible(source[end:])
    marked = _cut(marked, WIDEST)
    room = WIDEST - _width(marked)
    # What comes before says more about where one is than what comes after.
    if _width(before) > (most := max(room - min(_width(after), room // 3), 0)):
        before = _cut(before[::-1], most)[::-1]
    return before, marked, _cut(after, room - _width(before))


def _cut(text: str, width: int) -> str:
    """The beginning of *text*, with an ellipsis for what does not fit."""
    if _width(text) <= width:
        return text
    used, kept = 1, 0
    for letter in text:
        used += _width(letter)
        if used > width:
            break
        kept += 1
    return f"{text[:kept]}…" if width > 0 else ""


def _visible(text: str) -> str:
    """Expand tabs, and show what a terminal would act upon or hide as its code."""
    return _HIDDEN.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", text.replace("\t", TAB))


def _width(text: str) -> int:
    """Columns that a terminal gives *text*: two for wide characters, none for those that join the one before."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) or unicodedata.category(letter) == "Me" else _cells(letter)
        for letter in text
    )


def _cells(letter: str) -> int:
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _paint(text: str, code: str, *, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text

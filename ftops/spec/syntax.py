"""What is wrong where YAML breaks, in words that help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftops.diagnostics import Diagnostic, Place
from ftops.spec.model import Span
from ftops.spec.text import place_of

if TYPE_CHECKING:
    from yaml import YAMLError

# By what the parser says; the one in C and the one in Python agree in these words.
_FIXES = {
    "mapping values": "put a value that holds `: ` in quotes, or correct the indentation",
    "could not find expected ':'": "write `key: value`, or indent a text that goes on in the next line",
    "end of stream": "close the quotes or the bracket that are open",
    "expected ',' or": "close the bracket, or put a comma between items",
    "escape": "put the text in single quotes, where a backslash stands for itself",
    "incompatible YAML document": "remove the line that begins with `%`",
}
_RESERVED = "@`%!&*|>"


def syntax_problem(path: str, lines: tuple[str, ...], error: YAMLError | ValueError) -> Diagnostic:
    """Explain why the parser stopped."""
    said = getattr(error, "problem", None) or "it holds something that cannot be read"
    mark: Any = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return _broken(None, path, said)
    # Where the file ends too early, the parser points behind the last line.
    row = min(mark.line, len(lines) - 1)
    while row and not lines[row].strip():
        row -= 1
    line = lines[row]
    column = min(mark.column, len(line)) if row == mark.line else len(line.rstrip())
    place = place_of(path, lines, Span(line=row + 1, column=column + 1, end_column=column + 2))
    if "\t" in line[: len(line) - len(line.lstrip())] or line[column : column + 1] == "\t":
        return Diagnostic(
            code="yaml-tab",
            summary="a tab stands where YAML wants spaces",
            place=place,
            why="a tab has no fixed width, so YAML does not take it as indentation",
            fix="replace the tab by spaces",
        )
    return _broken(place, path, said, letter=line[column : column + 1])


def _broken(place: Place | None, path: str, said: str, *, letter: str = "") -> Diagnostic:
    fix = next(
        (fix for words, fix in _FIXES.items() if words in said), "correct the indentation here or in the line above"
    )
    if letter and letter in _RESERVED and "cannot start any token" in said:
        name = "a backtick" if letter == "`" else f"`{letter}`"
        fix = f"put the value in quotes, because {name} has a meaning of its own in YAML"
    return Diagnostic(
        code="yaml-syntax",
        summary="the file stops being YAML here",
        place=place or Place(path=path),
        why=f"the parser says: {said}",
        fix=fix,
    )

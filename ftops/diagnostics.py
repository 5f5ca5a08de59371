"""A problem as the user meets it: what, where, why, and how to fix it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SENTENCE_CHARACTERS_MAX = 10_000
"""Of what a problem says in one sentence: a name in data or in an answer may be as long as its author liked."""


class Severity(StrEnum):
    """How bad it is: only an error stops the command."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a file; line and columns count from 1, columns in characters."""

    path: str
    """Relative to the project's root, with forward slashes."""
    line: int | None = None
    column: int | None = None
    end_column: int | None = None
    """One past the last character."""
    source: str | None = None
    """The text of the line, to be shown. Never given for data rows: they may be private."""

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One problem; texts are single sentences without a full stop, with backticks round values and commands."""

    code: str
    """Stable, kebab-case, documented in docs/errors.md, such as `spec-unknown-key`."""
    summary: str
    place: Place | None = None
    why: str | None = None
    fix: str | None = None
    severity: Severity = Severity.ERROR

    def __post_init__(self) -> None:
        for name in ("summary", "why", "fix"):
            text = getattr(self, name)
            if text is not None and len(text) > SENTENCE_CHARACTERS_MAX:
                object.__setattr__(self, name, f"{text[:SENTENCE_CHARACTERS_MAX]}…")


class ProblemsError(Exception):
    """The command cannot go on: all problems that were found, and the exit code they end in."""

    def __init__(self, *problems: Diagnostic, exit_code: int = 1) -> None:
        super().__init__("; ".join(f"{problem.code}: {problem.summary}" for problem in problems))
        self.problems = problems
        self.exit_code = exit_code

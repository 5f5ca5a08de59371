"""What all kinds of specs share: paths, places, and checks that are switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftops.diagnostics import Diagnostic, Place
from ftops.spec.model import Dataset, Ignored, Span, Spec
from ftops.spec.nearest import did_you_mean
from ftops.spec.paths import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftops.spec.document import Document


def resolved(text: str, folder: str) -> str:
    """A path that was found to be without fault, relative to the repository."""
    path = resolve(text, folder)
    assert isinstance(path, str)
    return path


def places_of(document: Document) -> dict[str, Span]:
    """Where each field is, by its dotted path."""
    return {".".join(map(str, path)): mark.value for path, mark in document.marks.items() if path}


def place_of_field(spec: Spec | Dataset, field: str) -> Place:
    """The place of *field*, or of the nearest thing around it; without the line's text, which is not kept."""
    while field and field not in spec.places:
        field = field.rpartition(".")[0]
    if not field:
        return Place(path=spec.path)
    span = spec.places[field]
    return Place(path=spec.path, line=span.line, column=span.column, end_column=span.end_column)


def checks_of(value: dict[str, Any]) -> tuple[Ignored, ...]:
    """The checks that a spec switches off."""
    ignored = (value.get("checks") or {}).get("ignore", ())
    return tuple(Ignored(code=each["code"], reason=each["reason"].strip()) for each in ignored)


def ignored_problems(spec: Spec | Dataset, known: Mapping[str, bool]) -> Iterator[Diagnostic]:
    """Find what cannot be switched off.

    Args:
        spec: What switches checks off.
        known: Every check's code, and whether the provider refuses what it finds, so that it must stay on.
    """
    for position, ignored in enumerate(spec.ignored):
        place = place_of_field(spec, f"checks.ignore.{position}.code")
        if ignored.code not in known:
            yield Diagnostic(
                code="spec-ignore",
                summary=f"there is no check `{ignored.code}`",
                place=place,
                why="a check that is not known cannot be switched off",
                fix=did_you_mean(ignored.code, known, otherwise="remove it; docs/checks.md lists all checks"),
            )
        elif known[ignored.code]:
            yield Diagnostic(
                code="spec-ignore",
                summary=f"`{ignored.code}` cannot be switched off",
                place=place,
                why="the provider refuses what it finds, and a job would fail after it was sent",
                fix="mend the data that it names",
            )

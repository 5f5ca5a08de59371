"""What every rule about training data has: a stable code, a reason, a remedy, and a function that finds breaches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeVar

from ftops.diagnostics import Diagnostic, Place, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ftops.dataset.said import Said

Subject = TypeVar("Subject")
Form = Literal["address", "control", "fence", "number", "phone"]

FINDINGS_MAX = 1_000
"""Breaches of one rule that are told of one row: a row of 16 MB may hold a million of them."""

# No more than four digits, and neither the capitals of an access key nor a long word with digits in it: a key of a row
# may be a person's number, or a secret.
_NAME = re.compile(
    r"(?!.{41})(?!(?:[^0-9]*[0-9]){5})(?!.*[A-Z2-7]{16})(?!.*[A-Za-z0-9]{28})"
    r"(?!.*(?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])[A-Za-z0-9]{16})[A-Za-z0-9_.$-]{1,40}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A kind of problem, as docs/errors.md lists it.

    Every one that is a constant of a module in ftops.dataset stands in docs/checks.md too, which is made from them.
    """

    code: str
    meaning: str
    why: str
    fix: str
    severity: Severity = Severity.ERROR
    threshold: str | None = None
    """When a heuristic speaks, such as `Jaccard similarity ≥ 0.8`; None where there is no room for judgement."""
    applies_to: str | None = None
    """What it is looked for in, such as `files of one spec`; None for rows, where the lists of rules tell the formats,
    and for faults that any file may have."""

    def at(self, place: Place, summary: str, *, fix: str | None = None) -> Diagnostic:
        """One occurrence; *fix* where this one has a better remedy than the kind."""
        return Diagnostic(
            code=self.code,
            summary=summary,
            place=place,
            why=f"{self.why} (looked for: {self.threshold})" if self.threshold else self.why,
            fix=fix or self.fix,
            severity=self.severity,
        )


class Finding(NamedTuple):
    """A breach of a rule inside one row."""

    where: str
    """Path inside the row, such as `messages[2].role`."""
    what: str
    """The rest of the sentence that begins with *where*; never with content of the row."""
    fix: str | None = None

    @property
    def summary(self) -> str:
        return f"`{self.where}` {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Generic[Subject]):
    """A fault, and the function that finds it in a subject: a row, the conversation in a row, or what is said in it."""

    fault: Fault
    find: Callable[[Subject], Iterator[Finding]]
    clues: tuple[bytes, ...] = ()
    """Of a content rule: bytes of which a row's line must hold at least one for the rule to be worth running."""
    forms: tuple[Form, ...] = ()
    """Likewise, of what is known by its form alone: see `dataset.clues`."""


def rule(
    code: str, *, why: str, fix: str, severity: Severity = Severity.ERROR
) -> Callable[[Callable[[Subject], Iterator[Finding]]], Rule[Subject]]:
    """Make a rule of the decorated function, whose docstring says in one sentence what good rows keep to."""

    def make(find: Callable[[Subject], Iterator[Finding]]) -> Rule[Subject]:
        fault = Fault(code=code, meaning=find.__doc__ or "", why=why, fix=fix, severity=severity)
        return Rule(fault=fault, find=find)

    return make


def content_rule(
    code: str,
    *,
    clues: Iterable[bytes] = (),
    forms: Iterable[Form] = (),
    threshold: str,
    why: str,
    fix: str,
    severity: Severity = Severity.WARNING,
) -> Callable[[Callable[[tuple[Said, ...]], Iterator[Finding]]], Rule[tuple[Said, ...]]]:
    """Make a heuristic over what is said in a row, whatever its format; it may be switched off, so it is no error.

    Args:
        code: Stable, kebab-case.
        clues: In UTF-8, as they stand in what is said, however the file escapes it.
        forms: Of what has no bytes of its own.
        threshold: When it speaks.
        why: As for `rule`.
        fix: As for `rule`.
        severity: A warning or a note.
    """
    assert severity is not Severity.ERROR, code

    def make(find: Callable[[tuple[Said, ...]], Iterator[Finding]]) -> Rule[tuple[Said, ...]]:
        meaning = find.__doc__ or ""
        fault = Fault(code=code, meaning=meaning, why=why, fix=fix, severity=severity, threshold=threshold)
        return Rule(fault=fault, find=find, clues=tuple(clues), forms=tuple(forms))

    return make


def breaches(rules: Iterable[Rule[Subject]], subject: Subject) -> Iterator[tuple[Fault, Finding]]:
    """Hold *subject* against all *rules*, in their order; of each the first FINDINGS_MAX breaches."""
    for each in rules:
        for finding in islice(each.find(subject), FINDINGS_MAX):
            yield each.fault, finding


def shown(value: object) -> str:
    """Spell a role or a key for people; what does not look like a name may be content, and is not shown."""
    return f"`{value}`" if isinstance(value, str) and _NAME.fullmatch(value) else "a value that is not shown here"


def step_to(key: str) -> str:
    """Spell a key as a step of a path; what does not look like a name may be content, and is not shown."""
    return f".{key}" if _NAME.fullmatch(key) else ".…"


def did_you_mean(word: object, known: Iterable[str]) -> str | None:
    """Suggest the nearest of the *known* words as a fix, if one is near."""
    if not isinstance(word, str) or not _NAME.fullmatch(word):
        return None
    nearest = get_close_matches(word.lower(), list(known), n=1, cutoff=0.7)
    return f"did you mean `{nearest[0]}`?" if nearest else None


def kind_of(value: object) -> str:
    """Name the JSON type of *value*, without showing it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"

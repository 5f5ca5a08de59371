"""A change that a plan holds: what is to be done about one model, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ftops.digest import digest_of, short

if TYPE_CHECKING:
    from ftops.diagnostics import Diagnostic
    from ftops.lockfile import Generation, Inputs
    from ftops.plan.desired import Desired
    from ftops.plan.observed import JobSeen


class Kind(StrEnum):
    """What is to be done."""

    CREATE = "create"
    """Train: there is no job yet."""
    REPLACE = "replace"
    """Train again: the spec or its data changed; the old generation becomes history."""
    ADOPT = "adopt"
    """Record a job or model that is there already, instead of paying for it twice."""
    COLLECT = "collect"
    """Record what came of a job that has ended."""
    SELECT = "select"
    """Choose another checkpoint of a trained model; nothing is trained."""
    CANCEL = "cancel"
    """Superseded, and its spec says that it is not to go on; what came of it until then is collected."""
    FORGET = "forget"
    """No spec asks for it: it becomes history; the model stays."""
    AWAIT = "await"
    """Still training."""
    PAUSED = "paused"
    """Paused by a person, so only a person resumes it."""
    BLOCKED = "blocked"
    """Failed or cancelled: not tried again until the spec changes or a person says so."""
    DRIFT = "drift"
    """The provider no longer has what the lockfile says."""
    UNRECORDED = "unrecorded"
    """Made by ftops, but neither asked for nor recorded: reported only."""
    NONE = "none"
    """As it should be."""


SHOWN_CHARACTERS = 64
"""Of a value in a cause: as long as a digest."""

PAID = frozenset({Kind.CREATE, Kind.REPLACE})
PENDING = PAID | {Kind.ADOPT, Kind.COLLECT, Kind.SELECT, Kind.CANCEL, Kind.FORGET, Kind.DRIFT}
"""Kinds that make `plan --detailed-exitcode` answer 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One field whose value asks for another model."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of a plan."""

    name: str
    kind: Kind
    reason: str
    causes: tuple[Cause, ...] = ()
    desired: Desired | None = None
    recorded: Generation | None = None
    """The generation that it is about; for a replacement, the one replaced."""
    seen: JobSeen | None = None
    approved: bool = False
    """An earlier apply was told to make it: its intent is recorded, so `reconcile` may go on with it."""
    attempt: int = 1
    """Of a create: 1 + the failed attempts with the same digest."""
    waits_for: str | None = None
    """The spec whose model this one starts from, while that model is not there yet."""

    @property
    def wanted(self) -> Desired:
        """What is asked for, of a change that something asks for."""
        assert self.desired is not None
        return self.desired


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was done about one change."""

    name: str
    kind: Kind
    text: str
    waits: bool = False
    """It could not be done yet, and a later `ftops reconcile` will."""
    problem: Diagnostic | None = None


def causes(before: Inputs | None, after: Inputs) -> tuple[Cause, ...]:
    """Name every field in which two generations differ, leaf by leaf; none if the old ones are not known."""
    if before is None:
        return ()
    old, new = _leaves(before), _leaves(after)
    fields = sorted(old.keys() | new.keys())
    return tuple(
        Cause(field=field, before=_shown(old.get(field, "default")), after=_shown(new.get(field, "default")))
        for field in fields
        if old.get(field) != new.get(field)
    )


def _leaves(inputs: Inputs) -> dict[str, str]:
    found: dict[str, str] = {}
    _flatten("", inputs.identity(), found)
    for field, file in (("training_file", inputs.training_file), ("validation_file", inputs.validation_file)):
        if file:
            found[field] = f"{file.rows} rows ({file.sha256[:12]})"
    return found


_PATHS = frozenset({"model", "method", "supervised", "dpo", "reinforcement", "hyperparameters"})


def _flatten(prefix: str, value: object, found: dict[str, str]) -> None:
    """Name leaves as people do: a hyperparameter by its own name, not by its path in the request."""
    match value:
        case dict():
            for key, item in value.items():
                hidden = isinstance(item, dict) and key in _PATHS
                _flatten(prefix if hidden else f"{prefix}{key}.", item, found)
        case None | []:
            pass
        case _:
            found[prefix.rstrip(".")] = str(value).removeprefix("sha256:")


def _shown(value: str) -> str:
    """A long value by its beginning and its digest, so that two of them never look the same."""
    return value if len(value) <= SHOWN_CHARACTERS else f"{value[:40]}… ({short(digest_of(value))})"

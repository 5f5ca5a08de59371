"""How every model stands, a line a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from ftops.plan.changes import Kind
from ftops.plan.observed import State, state_of
from ftops.report.figures import ago, best_known_loss
from ftops.report.terminal import table, visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftops.lockfile import Lockfile
    from ftops.plan.changes import Change
    from ftops.plan.plan import Plan

HEADER = ("NAME", "STATE", "MODEL OR JOB", "AGE", "LOSS")


class Standing(StrEnum):
    """How a model stands; the values are what `ftops status --json` gives."""

    TRAINED = "trained"
    OUTDATED = "outdated"
    """Trained, and its spec asks for another by now."""
    NOT_TRAINED = "not_trained"
    WAITING = "waiting"
    """Asked for by an earlier apply, and begun once its parent's model is there."""
    QUEUED = "queued"
    TRAINING = "training"
    PAUSED = "paused"
    FINISHED = "finished"
    """Its job succeeded, and is not collected yet."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    """Not ended yet, and nothing asks for it any more."""
    FOUND = "found"
    """There already, and about to be adopted."""
    GONE = "gone"
    """Recorded, and no longer at the provider."""
    NO_SPEC = "no_spec"
    """Recorded, and no spec asks for it."""
    UNRECORDED = "unrecorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the status; *since* is unix time: of the job's end, or of its creation before that."""

    name: str
    standing: Standing
    job_id: str | None = None
    model_id: str | None = None
    since: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


def render_status(plan: Plan, recorded: Lockfile, *, now: int, colour: bool, width: int) -> str:
    """Render as a table, without a final line break; a sentence if there is nothing to show yet.

    Args:
        plan: What is desired, recorded and, if it was asked for, observed.
        recorded: What the lockfile says.
        now: Unix time in seconds, which ages are counted from.
        colour: Use a terminal's colours.
        width: Columns; what is longer ends in `…`.
    """
    target = visible(plan.target)
    if not plan.changes:
        return f"No spec asks for a model on target {target}: `ftops init` writes a first one"
    if not recorded.models and plan.counts.keys() == {Kind.CREATE}:
        return f"Nothing is trained on target {target} yet: `ftops plan` shows what would be, `ftops apply` trains it"
    rows = [_cells(row, now) for row in status_rows(plan)]
    return "\n".join(table(HEADER, rows, colour=colour, width=width))


def status_rows(plan: Plan) -> tuple[Row, ...]:
    """One row a change, in the plan's order."""
    return tuple(_row(change) for change in plan.changes)


def _row(change: Change) -> Row:
    recorded, seen = change.recorded, change.seen
    job = seen or (recorded.job if recorded else None)
    return Row(
        name=change.name,
        standing=_standing(change),
        job_id=job.id if job else None,
        model_id=(recorded.model if recorded else None) or (seen.fine_tuned_model if seen else None),
        since=(job.finished_at or job.created_at) if job else None,
        metrics=recorded.metrics if recorded else {},
    )


def _standing(change: Change) -> Standing:
    if change.desired is None and change.kind in {Kind.AWAIT, Kind.PAUSED, Kind.COLLECT}:
        return Standing.SUPERSEDED
    match change.kind:
        case Kind.CREATE:
            return Standing.WAITING if change.approved and change.waits_for else Standing.NOT_TRAINED
        case Kind.REPLACE:
            return Standing.OUTDATED
        case Kind.AWAIT:
            queued = change.seen is not None and change.seen.status in {"queued", "validating_files"}
            return Standing.QUEUED if queued else Standing.TRAINING
        case Kind.COLLECT | Kind.BLOCKED:
            return _ended(change)
        case kind:
            return _BY_KIND[kind]


_BY_KIND = {
    Kind.NONE: Standing.TRAINED,
    Kind.SELECT: Standing.TRAINED,
    Kind.ADOPT: Standing.FOUND,
    Kind.CANCEL: Standing.TRAINING,
    Kind.FORGET: Standing.NO_SPEC,
    Kind.PAUSED: Standing.PAUSED,
    Kind.DRIFT: Standing.GONE,
    Kind.UNRECORDED: Standing.UNRECORDED,
}


def _ended(change: Change) -> Standing:
    job = change.seen or (change.recorded.job if change.recorded else None)
    assert job is not None
    match state_of(job.status):
        case State.FAILED:
            return Standing.FAILED
        case State.CANCELLED:
            return Standing.CANCELLED
        case _:
            return Standing.FINISHED


def _cells(row: Row, now: int) -> tuple[str, str, str, str, str]:
    age = ago(row.since, now) if row.since is not None else ""
    state = row.standing.replace("_", " ")
    return row.name, state, row.model_id or row.job_id or "", age, best_known_loss(row.metrics)

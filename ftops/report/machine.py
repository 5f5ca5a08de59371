"""What scripts read: plans, outcomes, the status and the lockfile as JSON values, under a version.

Every key is always there, null where there is nothing to say; a key is never renamed within a `format_version`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftops.lockfile import ParentInput
from ftops.plan.changes import PAID, PENDING, Kind
from ftops.report.problems import problem_json
from ftops.report.status import status_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftops.dataset.diff import DataDiff
    from ftops.lockfile import Entry, Lockfile
    from ftops.plan.changes import Change, Outcome
    from ftops.plan.plan import Plan

FORMAT_VERSION = 1


def json_of(value: object) -> bytes:
    """Encode *value*; the bytes of a name of a file that is no Unicode are shown as codes."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_as_unicode(value))


def _as_unicode(value: object) -> object:
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case dict():
            return {_as_unicode(key): _as_unicode(each) for key, each in value.items()}
        case list() | tuple():
            return [_as_unicode(each) for each in value]
        case _:
            return value


def plan_json(plan: Plan) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "target": plan.target,
        "pending": bool(plan.pending),
        "checksum": plan.checksum,
        "cost_usd": plan.cost_usd,
        "limit_usd": plan.limit_usd,
        "collected_at": plan.collected_at,
        "counts": {str(kind): plan.counts[kind] for kind in Kind},
        "changes": [_change(change, plan) for change in plan.changes],
        "warnings": [problem_json(warning) for warning in plan.warnings],
        "refusals": [problem_json(refusal) for refusal in plan.refusals],
    }


def status_json(plan: Plan, recorded: Lockfile) -> dict[str, Any]:
    """Shape the status; `since` is unix time, `generations` counts what the lockfile holds of the spec."""
    return {
        "format_version": FORMAT_VERSION,
        "target": plan.target,
        "collected_at": plan.collected_at,
        "models": [
            {
                "name": row.name,
                "state": str(row.standing),
                "job_id": row.job_id,
                "model_id": row.model_id,
                "since": row.since,
                "metrics": dict(row.metrics),
                "generations": len(recorded.models[row.name].generations) if row.name in recorded.models else 0,
            }
            for row in status_rows(plan)
        ],
    }


def outcomes_json(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Shape what was done; `waits` says that a later `ftops reconcile` goes on with it."""
    return {
        "format_version": FORMAT_VERSION,
        "outcomes": [
            {
                "name": outcome.name,
                "kind": str(outcome.kind),
                "text": outcome.text,
                "waits": outcome.waits,
                "problem": problem_json(outcome.problem) if outcome.problem else None,
            }
            for outcome in outcomes
        ],
    }


def lock_json(recorded: Lockfile | Entry) -> dict[str, Any]:
    """Shape a lockfile or one of its entries; unlike in the file, what is at its default is there as well."""
    return {"format_version": FORMAT_VERSION, **_fields(recorded)}


def _change(change: Change, plan: Plan) -> dict[str, Any]:
    # Of a create, what is recorded is what it takes the place of; else it is what the change is about.
    old = change.recorded
    subject = None if change.kind in PAID else old
    seen = change.seen
    return {
        "name": change.name,
        "kind": str(change.kind),
        "pending": change.kind in PENDING,
        "reason": change.reason,
        "causes": [{"field": each.field, "before": each.before, "after": each.after} for each in change.causes],
        "spec_path": change.desired.spec.path if change.desired else None,
        "digest": _digest(change),
        "job_id": seen.id if seen else subject.job.id if subject else None,
        "job_status": seen.status if seen else subject.job.status if subject else None,
        "model_id": (subject.model if subject else None) or (seen.fine_tuned_model if seen else None),
        "replaces": {"digest": old.digest, "job_id": old.job.id, "model_id": old.model}
        if old and not subject
        else None,
        "inputs": _inputs(change),
        "cost": _cost(change),
        "seconds": plan.seconds.get(change.name) if change.kind in PAID else None,
        "data_changes": {
            cause.field: _data_change(plan.data_changes[change.name, cause.field])
            for cause in change.causes
            if (change.name, cause.field) in plan.data_changes
        },
        "attempt": change.attempt,
        "waits_for": change.waits_for,
        "approved": change.approved,
    }


def _digest(change: Change) -> str | None:
    if change.desired:
        return change.desired.digest
    if change.recorded:
        return change.recorded.digest
    return change.seen.labels.digest if change.seen and change.seen.labels else None


def _inputs(change: Change) -> dict[str, Any] | None:
    """What the model is trained from, in numbers and names; the request itself is in the lockfile."""
    inputs = change.desired.inputs if change.desired else change.recorded.inputs if change.recorded else None
    if inputs is None:
        return None
    return {
        "base_model": None if isinstance(inputs.model, ParentInput) else inputs.model,
        "parent": inputs.model.spec if isinstance(inputs.model, ParentInput) else None,
        "method": inputs.method.get("type"),
        "training_rows": inputs.training_file.rows,
        "training_tokens": inputs.training_file.tokens,
        "training_sha256": inputs.training_file.sha256,
        "validation_rows": inputs.validation_file.rows if inputs.validation_file else None,
    }


def _cost(change: Change) -> dict[str, Any] | None:
    """An estimate; `usd` is null where it is not known, and `unknown` says why."""
    cost = change.desired.cost if change.desired and change.kind in PAID else None
    if cost is None:
        return None
    return {
        "epochs": cost.epochs,
        "billed_tokens": cost.billed_tokens,
        "usd": cost.usd,
        "unknown": cost.unknown,
    }


def _data_change(diff: DataDiff) -> dict[str, int]:
    return {
        "added": diff.added,
        "removed": diff.removed,
        "edited": diff.edited,
        "moved": diff.moved,
        "unchanged": diff.unchanged,
        "tokens": diff.new.tokens - diff.old.tokens,
    }


def _fields(value: msgspec.Struct) -> dict[str, Any]:
    return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}


def _plain(value: object) -> object:
    match value:
        case msgspec.Struct():
            return _fields(value)
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value

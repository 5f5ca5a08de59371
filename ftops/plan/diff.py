"""The decision table: desired x recorded x observed gives a change and its reason. The heart of ftops, and pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ftops.clock import in_utc
from ftops.digest import short
from ftops.lockfile import Entry, Generation, Lockfile
from ftops.plan.changes import Change, Kind, causes
from ftops.plan.desired import Desired, model_of
from ftops.plan.observed import UNFINISHED, JobSeen, Observed, State, state_of
from ftops.plan.rebuild import unrecorded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from ftops.lockfile import JobError


NO_JOB = "no job yet"
"""The ordinary reason of a create."""


def diff(
    desired: Iterable[Desired], recorded: Lockfile, observed: Observed | None = None, *, retry_failed: bool = False
) -> tuple[Change, ...]:
    """Decide what is to be done, model by model, parents first.

    Args:
        desired: What the specs ask for, parents before children.
        recorded: What the lockfile says.
        observed: What the provider says; None if it was not asked, which is enough for all but drift and ends of jobs.
        retry_failed: A person wants failed and cancelled jobs tried again.
    """
    wanted = tuple(desired)
    asked = {want.name: want for want in wanted}
    changes = [_wanted(want, recorded, observed, asked.keys(), retry_failed=retry_failed) for want in wanted]
    for name, entry in recorded.models.items():
        if (entry.generation or entry.intent) and name not in asked:
            changes.append(Change(name=name, kind=Kind.FORGET, reason="no spec asks for it", recorded=entry.generation))
        changes.extend(_superseded(name, entry, asked.get(name), observed))
    if observed:
        changes.extend(_unaccounted(changes, recorded, observed))
    return tuple(changes)


def _wanted(
    want: Desired, recorded: Lockfile, observed: Observed | None, asked: Collection[str], *, retry_failed: bool
) -> Change:
    entry = recorded.models.get(want.name, Entry())
    seen = observed.labelled(want.name, want.digest) if observed else None
    current = entry.generation
    if current and current.digest == want.digest:
        return _same_digest(want, current, seen, recorded, observed, retry_failed=retry_failed)

    earlier = entry.find(want.digest)
    is_gone = observed is not None and _is_gone(seen, earlier, observed)
    if not is_gone:
        if seen:
            return _change(want, Kind.ADOPT, "a job with this digest exists already", recorded=earlier, seen=seen)
        if earlier and state_of(earlier.job.status) in UNFINISHED:
            return _change(want, Kind.ADOPT, f"still training, as job {earlier.job.id}", recorded=earlier)
        if earlier and earlier.model:
            return _change(want, Kind.ADOPT, f"trained before, as job {earlier.job.id}", recorded=earlier)
    again = max(_attempt(seen), earlier.attempt if earlier else 0) + 1 if is_gone else 1
    reason = "; the model that it had before is gone" if is_gone else ""
    if current:
        changed = causes(current.inputs, want.inputs)
        why = f"its inputs changed{reason}"
        return _create(want, Kind.REPLACE, why, recorded, causes=changed, recorded=current, attempt=again)
    if twin := _twin(want, recorded):
        reason += (
            f"; `{twin}` asks for the very same and has a job, but specs share none"
            if twin in asked
            else f"; `{twin}` was trained with the very same: if this is its spec renamed, name it so again to keep it"
        )
    return _create(want, Kind.CREATE, NO_JOB + reason, recorded, attempt=again)


def _same_digest(
    want: Desired,
    current: Generation,
    seen: JobSeen | None,
    recorded: Lockfile,
    observed: Observed | None,
    *,
    retry_failed: bool,
) -> Change:
    state = state_of(current.job.status)
    match state:
        case State.PENDING | State.PAUSED:
            at_provider = observed.job(current.job.id) if observed else None
            change = _outstanding(want.name, current, at_provider, observed, want)
        case State.SUCCEEDED:
            change = _trained(want, current, observed)
        case State.FAILED | State.CANCELLED:
            if seen and _attempt(seen) > current.attempt and seen.state not in {State.FAILED, State.CANCELLED}:
                return _change(want, Kind.ADOPT, "a later attempt exists already", seen=seen, recorded=current)
            change = _change(want, Kind.BLOCKED, _ended(state, current.job.error), recorded=current)
        case other:
            assert_never(other)
    if change.kind in {Kind.BLOCKED, Kind.DRIFT} and (retry_failed or _is_promised_again(want, current, recorded)):
        reason = f"trained again: {change.reason}"
        return _create(want, Kind.CREATE, reason, recorded, recorded=current, attempt=current.attempt + 1)
    return change


def _outstanding(
    name: str, generation: Generation, seen: JobSeen | None, observed: Observed | None, want: Desired | None = None
) -> Change:
    """A recorded job that had not ended when it was last looked at."""

    def change(kind: Kind, reason: str) -> Change:
        return Change(name=name, kind=kind, reason=reason, desired=want, recorded=generation, seen=seen)

    if observed and seen is None:
        return change(Kind.DRIFT, f"job {generation.job.id} is gone at the provider")
    if seen is None:
        return change(Kind.AWAIT, f"training when last seen, submitted {in_utc(generation.job.created_at)}")
    match seen.state:
        case State.PENDING:
            return change(Kind.AWAIT, f"{seen.status.replace('_', ' ')} since {in_utc(seen.created_at)}")
        case State.PAUSED:
            return change(Kind.PAUSED, f"paused by a person: `ftops resume {name}` goes on")
        case State.SUCCEEDED:
            return change(Kind.COLLECT, "finished: record its model, checkpoints and metrics")
        case State.FAILED | State.CANCELLED:
            return change(Kind.COLLECT, _ended(seen.state, seen.error))
        case other:
            assert_never(other)


def _trained(want: Desired, current: Generation, observed: Observed | None) -> Change:
    if current.model is None or current.checkpoint is None:
        return _change(want, Kind.SELECT, f"no checkpoint is chosen yet: {want.spec.checkpoint}", recorded=current)
    if current.checkpoint.policy != want.spec.checkpoint:
        reason = f"checkpoint {current.checkpoint.policy} → {want.spec.checkpoint}"
        return _change(want, Kind.SELECT, reason, recorded=current)
    if observed and current.model not in observed.models:
        return _change(want, Kind.DRIFT, f"{current.model} was deleted outside ftops or shut down", recorded=current)
    return _change(want, Kind.NONE, current.model, recorded=current)


def _superseded(name: str, entry: Entry, want: Desired | None, observed: Observed | None) -> Iterator[Change]:
    """Jobs that still run, though nothing asks for them: their models are collected too, so that no id is lost.

    Where the spec says so, they are cancelled once what supersedes them is recorded.
    """
    current = entry.generation
    is_there = want is not None and current is not None and current.digest == want.digest
    for generation in entry.generations:
        if (is_there and generation is current) or state_of(generation.job.status) not in UNFINISHED:
            continue
        seen = observed.job(generation.job.id) if observed else None
        if current and want and is_there and want.spec.on_change == "cancel" and seen and seen.state in UNFINISHED:
            reason = f"job {seen.id} is superseded by {current.job.id}, and the spec says `on_change: cancel`"
            yield Change(name=name, kind=Kind.CANCEL, reason=reason, recorded=generation, seen=seen)
        else:
            yield _outstanding(name, generation, seen, observed)


def _unaccounted(changes: Iterable[Change], recorded: Lockfile, observed: Observed) -> Iterator[Change]:
    """Jobs with our labels that nothing accounts for: a lost lockfile, another branch, or one too many."""
    known = {change.seen.id for change in changes if change.seen}
    for job in unrecorded(recorded, observed.jobs):
        if job.labels and job.id not in known and job.state not in {State.FAILED, State.CANCELLED}:
            reason = f"job {job.id} ({short(job.labels.digest)}) is ftops' own, but recorded nowhere"
            yield Change(name=job.labels.spec, kind=Kind.UNRECORDED, reason=reason, seen=job)


def _is_gone(seen: JobSeen | None, earlier: Generation | None, observed: Observed) -> bool:
    """Whether a model of the wanted digest was trained, and is no longer there."""
    if seen:
        ready = seen.state is State.SUCCEEDED
        model = earlier.model if earlier and earlier.job.id == seen.id else seen.fine_tuned_model
        return ready and model is not None and model not in observed.models
    return earlier is not None and earlier.model is not None and earlier.model not in observed.models


def _twin(want: Desired, recorded: Lockfile) -> str | None:
    """Another spec that was trained with the same inputs: a copy, or this one under its former name."""
    return next(
        (
            name
            for name, entry in recorded.models.items()
            if name != want.name and any(generation.digest == want.digest for generation in entry.generations)
        ),
        None,
    )


def _is_promised_again(want: Desired, current: Generation, recorded: Lockfile) -> bool:
    """Whether a person had a further attempt made, which could not be made yet."""
    intent = recorded.models[want.name].intent
    return intent is not None and intent.digest == want.digest and intent.attempt > current.attempt


def _attempt(job: JobSeen | None) -> int:
    return job.labels.attempt if job and job.labels else 0


def _create(
    want: Desired, kind: Kind, reason: str, lock: Lockfile, *, recorded: Generation | None = None, **more: object
) -> Change:
    intent = lock.models.get(want.name, Entry()).intent
    approved = intent is not None and intent.digest == want.digest
    waits = want.parent.spec if want.parent and model_of(lock, want.parent) is None else None
    if approved and not waits:
        reason = f"{reason}; its create was begun: looked for first, made only if it is not there"
    return _change(want, kind, reason, recorded=recorded, waits_for=waits, approved=approved, **more)


def _change(want: Desired, kind: Kind, reason: str, **more: object) -> Change:
    return Change(name=want.name, kind=kind, reason=reason, desired=want, **more)  # type: ignore[arg-type]


def _ended(state: State, error: JobError | None) -> str:
    if state is State.CANCELLED:
        return "was cancelled"
    words = (error.message or error.code) if error else None
    return f"failed: {words}" if words else "failed: the provider gives no reason"

"""A lockfile from what the provider's labels say. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftops.digest import Digest
from ftops.lockfile import Entry, Generation, JobRecord, Lockfile, with_entry
from ftops.plan.generations import as_asked, as_seen, ended, with_choice, with_ids
from ftops.plan.observed import UNFINISHED, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftops.lockfile import CheckpointRecord, Inputs
    from ftops.plan.desired import Desired
    from ftops.plan.observed import JobSeen, Observed


def unrecorded(lock: Lockfile, jobs: Iterable[JobSeen]) -> tuple[JobSeen, ...]:
    """Those of our *jobs* that no generation of *lock* accounts for, oldest first."""
    known = {generation.job.id for entry in lock.models.values() for generation in entry.generations}
    return tuple(sorted((job for job in jobs if job.labels and job.id not in known), key=lambda job: job.created_at))


def rebuilt(
    lock: Lockfile,
    desired: Iterable[Desired],
    observed: Observed,
    checkpoints: Mapping[str, tuple[CheckpointRecord, ...]],
) -> Lockfile:
    """*lock* with a generation for every job of ours that it lacks; what it has stays, and stays current.

    Args:
        lock: What is recorded; empty if it was lost.
        desired: What the specs ask for: a job of theirs gets its full inputs, others are history without them.
        observed: All jobs with our labels.
        checkpoints: Of each missing job that ended, by its id.
    """
    wanted = {want.name: want for want in desired}
    for job in unrecorded(lock, observed.jobs):
        assert job.labels is not None
        name = job.labels.spec
        generation = _generation(job, wanted.get(name), lock.target, checkpoints.get(job.id, ()))
        lock = with_entry(lock, name, _with(lock.models.get(name, Entry()), generation))
    for name in wanted:
        entry = lock.models.get(name)
        if entry and entry.generation is None and (newest := _newest(name, entry, observed)):
            lock = with_entry(lock, name, _with_current(entry, newest))
    return lock


def _generation(
    job: JobSeen, want: Desired | None, target: str, checkpoints: tuple[CheckpointRecord, ...]
) -> Generation:
    assert job.labels is not None
    inputs = _inputs(want, job, target) if want else None
    generation = Generation(
        digest=Digest(job.labels.digest),
        inputs=with_ids(inputs, job) if inputs else None,
        request=as_asked(inputs, job) if inputs else as_seen(job),
        job=JobRecord(id=job.id, status=job.status, created_at=job.created_at),
        attempt=job.labels.attempt,
    )
    if job.state in UNFINISHED:
        return generation
    generation = ended(generation, job, checkpoints)
    if job.state is not State.SUCCEEDED:
        return generation
    policy = want.spec.checkpoint if want and inputs else "last"
    return with_choice(generation, policy, job.labels.spec, job.fine_tuned_model)[0]


def _inputs(want: Desired, job: JobSeen, target: str) -> Inputs | None:
    """What *job* was asked for, if that is what *want* asks for, fields aside that its spec leaves as they were."""
    shown = {"seed": job.seed, "suffix": job.suffix}
    ignored = {field: shown[field] for field in want.spec.lifecycle.ignore_changes if field in shown}
    for inputs in (want.inputs, msgspec.structs.replace(want.inputs, **ignored)):
        if job.labels and inputs.digest(target) == job.labels.digest:
            return inputs
    return None


def _with(entry: Entry, generation: Generation) -> Entry:
    """Put *generation* where its job's time puts it in history."""
    history = sorted((*entry.history, generation), key=lambda each: each.job.created_at)
    return Entry(generation=entry.generation, history=tuple(history), intent=entry.intent)


def _newest(name: str, entry: Entry, observed: Observed) -> str | None:
    """The job that the record would hold as current, had it not been lost: of the inputs that are asked for."""
    asked = next((generation.digest for generation in reversed(entry.history) if generation.inputs), None)
    best = observed.labelled(name, asked) if asked else None
    return best.id if best else None


def _with_current(entry: Entry, job_id: str) -> Entry:
    """Make the generation of *job_id* the current one, and the one that was it history."""
    current = next(each for each in entry.generations if each.job.id == job_id)
    history = tuple(each for each in entry.generations if each is not current)
    intent = None if entry.intent and entry.intent.digest == current.digest else entry.intent
    return Entry(generation=current, history=history, intent=intent)

"""What the provider says there is, in ftops' own terms."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftops.lockfile import JobError


class State(StrEnum):
    """What a job's status means for us."""

    PENDING = "pending"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED = frozenset({State.PENDING, State.PAUSED})


def state_of(status: str) -> State:
    """Classify a status; one that is not known counts as pending: it costs a look later, never a second job.

    Source: the eight statuses of the live API reference, updated 2026-11-10.
    """
    match status:
        case "paused" | "succeeded" | "failed" | "cancelled":
            return State(status)
        case _:
            return State.PENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What ftops wrote on a job when it made it."""

    spec: str
    digest: str
    attempt: int
    repo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSeen:
    """A job as the provider shows it; times are unix seconds."""

    id: str
    status: str
    model: str
    """The base model, aliases resolved by the provider."""
    created_at: int
    finished_at: int | None = None
    fine_tuned_model: str | None = None
    error: JobError | None = None
    hyperparameters: Mapping[str, object] = field(default_factory=dict)
    trained_tokens: int | None = None
    training_file: str = ""
    validation_file: str | None = None
    method: Mapping[str, object] = field(default_factory=dict)
    suffix: str | None = None
    seed: int | None = None
    labels: Labels | None = None
    """None if the job carries none: it is not ours."""

    @property
    def state(self) -> State:
        return state_of(self.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One look at the provider."""

    jobs: tuple[JobSeen, ...]
    """All jobs that carry this project's labels, newest first."""
    models: Mapping[str, str | None]
    """Every model there is, with the date on which it is shut down (`YYYY-MM-DD`), if any."""

    def job(self, job_id: str) -> JobSeen | None:
        return next((job for job in self.jobs if job.id == job_id), None)

    def labelled(self, spec: str, digest: str) -> JobSeen | None:
        """The job of this spec and digest: the one that succeeded or still may, else the last attempt."""
        found = [job for job in self.jobs if job.labels and (job.labels.spec, job.labels.digest) == (spec, digest)]
        return max(found, key=_preference, default=None)


def _preference(job: JobSeen) -> tuple[int, int, int]:
    rank = {State.SUCCEEDED: 3, State.PENDING: 2, State.PAUSED: 1, State.FAILED: 0, State.CANCELLED: 0}[job.state]
    return rank, job.labels.attempt if job.labels else 0, job.created_at

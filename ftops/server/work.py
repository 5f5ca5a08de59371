"""Moving jobs on: reading their files, and training. In a worker process, or wherever a test calls it."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from ftops.server import models, progress
from ftops.server.errors import is_disk_full
from ftops.server.jobs import TRAINING_FILE, VALIDATION_FILE, Job, first_job, read_job
from ftops.server.train.run import (
    CheckpointSaved,
    Finished,
    Hyperparameters,
    Started,
    Stepped,
    TrainingRun,
)
from ftops.server.training_data import check_file

if TYPE_CHECKING:
    from ftops.server.state import State

BEGUN = ("running", "pausing")
"""Statuses of a job whose worker may have died."""


def next_to_validate(state: State) -> Job | None:
    return first_job(state, ("validating_files",))


def next_to_train(state: State) -> Job | None:
    """The job that was begun, or else the first in the queue."""
    return first_job(state, BEGUN) or first_job(state, ("queued",))


def validate_next(state: State) -> bool:
    """Read the files of the next job that waits for it; False if none does."""
    job = next_to_validate(state)
    if job is None:
        return False
    request, folder = job.request, state.run(job.id)
    try:
        error = check_file(
            folder / TRAINING_FILE, file_id=request.training_file, method=request.method, param="training_file"
        )
        if error is None and request.validation_file is not None:
            error = check_file(
                folder / VALIDATION_FILE,
                file_id=request.validation_file,
                method=request.method,
                param="validation_file",
            )
    except OSError:
        if _status(state, job) != "cancelled":  # else its data went with it
            raise
        error = None
    progress.record_validated(state, job, error)
    return True


def train_next(state: State) -> bool:
    """Train the next job until it is finished, paused or cancelled; False if there is none."""
    job = next_to_train(state)
    if job is None:
        return False
    # Here and not above, for numpy costs half a second, which neither the server nor a validating worker should pay.
    from ftops.server.train.fetch import ModelUnavailableError  # noqa: PLC0415

    try:
        _train(state, job)
    except ModelUnavailableError as error:
        progress.record_failure(state, job, str(error))
    except (OSError, sqlite3.Error) as error:
        if is_disk_full(error):
            progress.record_failure(state, job, "the server's disk is full")
        elif _status(state, job) != "cancelled":  # else its data went with it
            raise
    return True


def _train(state: State, job: Job) -> None:
    from ftops.server.train.trainer import train  # noqa: PLC0415 see train_next

    known = progress.last_step(state, job)
    began_at, first_step = state.now(), 1
    reports = train(_run_of(state, job), should_pause=lambda: _status(state, job) == "pausing")
    for report in reports:
        match report:
            case Started():
                began_at, first_step = state.now(), report.first_step
                if not progress.record_started(state, job, report):
                    break
            case Stepped():
                step = report.metrics.step
                if step > known:
                    seconds_a_step = (state.now() - began_at) / (step - first_step + 1)
                    left = round(seconds_a_step * (report.total_steps - step))
                    progress.record_step(state, job, report, estimated_finish=state.now() + left)
                if _status(state, job) == "cancelled":
                    break
            case CheckpointSaved():
                progress.record_checkpoint(state, job, report)
            case Finished():
                progress.record_finished(state, job, report)
    progress.record_stopped(state, job)


def _run_of(state: State, job: Job) -> TrainingRun:
    folder, request = state.run(job.id), job.request
    values: dict[str, Any] = {
        name: None if value == "auto" else value for name, value in request.hyperparameters.items()
    }
    return TrainingRun(
        method=request.method,
        source=models.source_of_active_job(state, job.model),
        training_file=folder / TRAINING_FILE,
        validation_file=None if request.validation_file is None else folder / VALIDATION_FILE,
        hyperparameters=Hyperparameters(**values),
        seed=request.seed,
        folder=folder / "trainer",
    )


def _status(state: State, job: Job) -> str:
    return read_job(state, job.id).status

"""Fine-tuning jobs as clients see and steer them; what moves them on is in `progress`."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from ftops.server import files, models
from ftops.server.errors import ApiError, bad_request, no_such_job
from ftops.server.fields import Fields
from ftops.server.ids import ORGANISATION_ID
from ftops.server.job_request import HYPERPARAMETERS, JobRequest, Value, read_job_request, read_labels
from ftops.server.pages import listed, page
from ftops.server.state import link
from ftops.server.training_data import JobError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

    from ftops.server.state import State

ACTIVE: Final = ("validating_files", "queued", "running", "pausing")
"""Statuses of jobs that go on by themselves."""
NO_ERROR: Final = {"code": None, "message": None, "param": None}
"""How a job says that nothing is wrong."""
TRAINING_FILE: Final = "training.jsonl"
VALIDATION_FILE: Final = "validation.jsonl"
"""In the folder of a run: its own hold on the data, so that a file may be deleted meanwhile."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job as it stands now."""

    number: int
    """Jobs are trained in this order."""
    id: str
    created_at: int
    status: str
    model: str
    """A base model or a fine-tuned one, by its full name."""
    request: JobRequest
    resolved: dict[str, Value] | None
    """The hyperparameters with a number for each `"auto"`, once the job runs."""
    estimated_finish: int | None
    finished_at: int | None
    fine_tuned_model: str | None
    trained_tokens: int | None
    result_file: str | None
    error: JobError | None
    crashes: int
    """How many workers died over it."""


def create(state: State, fields: Fields) -> dict[str, object]:
    """Take a job on; neither its files' content nor its model's weights are looked at here.

    Raises:
        ApiError: The request is wrong (400), the model unknown (400, 404), or too many jobs of it are active (429).
    """
    request = read_job_request(fields, state.chance)
    model = models.resolve_for_training(state, request.model)
    job_id = state.new_id("ftjob-")
    with _held_data(state, job_id, request), state.database.transaction():
        _check_room(state, model)
        state.database.insert(
            "jobs",
            id=job_id,
            created_at=state.now(),
            status="validating_files",
            model=model,
            metadata=None if request.metadata is None else orjson.dumps(request.metadata).decode(),
            request=msgspec.json.encode(request),
        )
        tell(state, job_id, f"Created fine-tuning job: {job_id}", data={})
        validation = f" and validation file: {request.validation_file}" if request.validation_file else ""
        tell(state, job_id, f"Validating training file: {request.training_file}{validation}", data={})
    return retrieve(state, job_id)


@contextmanager
def _held_data(state: State, job_id: str, request: JobRequest) -> Iterator[None]:
    """The data linked into the folder of the run, before the job is there; gone again if the job never comes."""
    wanted = {"training_file": (request.training_file, TRAINING_FILE)}
    if request.validation_file is not None:
        wanted["validation_file"] = (request.validation_file, VALIDATION_FILE)
    for param, (file_id, _) in wanted.items():
        row = files.find(state, file_id)
        if row is None:
            raise bad_request(f"invalid {param}: {file_id}", param=param)
        if row["purpose"] != "fine-tune":
            raise bad_request(
                f"File '{file_id}' has purpose '{row['purpose']}', but '{param}' needs purpose 'fine-tune'.",
                param=param,
            )
    folder = state.run(job_id)
    folder.mkdir(mode=0o700)
    try:
        for file_id, name in wanted.values():
            link(state.blob(file_id), folder / name)
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _check_room(state: State, model: str) -> None:
    """Refuse, inside a transaction, what would exceed the cap on active jobs of one model."""
    statuses = state.database.rows(
        f"SELECT status FROM jobs WHERE model = ? AND status IN ({_marks(ACTIVE)})",  # noqa: S608 only marks
        model,
        *ACTIVE,
    )
    if len(statuses) >= state.max_active_jobs:
        running = sum(row["status"] in ("running", "pausing") for row in statuses)
        raise ApiError(
            429,
            "This fine-tune request has been rate-limited. Your organization has reached the maximum of "
            f"{state.max_active_jobs} active requests ({running} running, {len(statuses) - running} pending) "
            f"for the model {model}.",
            kind="rate_limit_error",
            code="rate_limit_exceeded",
        )


def retrieve(state: State, job_id: str) -> dict[str, object]:
    return spell(read_job(state, job_id))


def read_job(state: State, job_id: str) -> Job:
    row = state.database.row("SELECT * FROM jobs WHERE id = ?", job_id)
    if row is None:
        raise no_such_job(job_id)
    return parse_job(row)


def first_job(state: State, statuses: Sequence[str]) -> Job | None:
    """The oldest job with one of *statuses*."""
    row = state.database.row(
        f"SELECT * FROM jobs WHERE status IN ({_marks(statuses)}) ORDER BY number LIMIT 1",  # noqa: S608 only marks
        *statuses,
    )
    return None if row is None else parse_job(row)


def list_page(state: State, query: Mapping[str, str]) -> dict[str, object]:
    """A page of jobs, newest first; `metadata[key]=value` parameters are all to hold, `metadata=null` means none."""
    wanted = {name[9:-1]: text for name, text in query.items() if name.startswith("metadata[") and name.endswith("]")}
    read_labels(Fields({"metadata": wanted}))
    conditions = ["EXISTS (SELECT 1 FROM json_each(metadata) WHERE key = ? AND value = ?)"] * len(wanted)
    if query.get("metadata") == "null":
        conditions.append("metadata IS NULL")
    found = page(
        state.database,
        "jobs",
        query,
        limit=20,
        most=100,
        condition=" AND ".join(conditions) or "1",
        values=tuple(text for label in wanted.items() for text in label),
    )
    return listed(found, lambda row: spell(parse_job(row)))


def cancel(state: State, job_id: str) -> dict[str, object]:
    """End a job; if it was being trained, its worker notices, and makes usable what it had saved."""
    with state.database.transaction():
        is_trained = read_job(state, job_id).status in ("running", "pausing")
        _move(state, job_id, "cancelled", (*ACTIVE, "paused"), "cancelled")
        state.database.execute(
            "UPDATE jobs SET finished_at = ?, estimated_finish = NULL WHERE id = ?", state.now(), job_id
        )
        tell(state, job_id, "The job has been cancelled")
    if not is_trained:
        shutil.rmtree(state.run(job_id), ignore_errors=True)
    return retrieve(state, job_id)


def pause(state: State, job_id: str) -> dict[str, object]:
    """Stop a job after its next checkpoint, or at once if it does not run yet."""
    with state.database.transaction():
        is_running = read_job(state, job_id).status == "running"
        _move(state, job_id, "pausing" if is_running else "paused", ("validating_files", "queued", "running"), "paused")
        tell(state, job_id, "Pausing the job after a checkpoint" if is_running else "The job has been paused")
    return retrieve(state, job_id)


def resume(state: State, job_id: str) -> dict[str, object]:
    """Put a paused job back into the queue; one that was paused before it was validated is validated first."""
    with state.database.transaction():
        was_validated = state.database.value(
            "SELECT count(*) FROM events WHERE job = ? AND message = ?", job_id, VALIDATED
        )
        _move(state, job_id, "queued" if was_validated else "validating_files", ("paused",), "resumed")
        tell(state, job_id, "The job has been resumed")
    return retrieve(state, job_id)


VALIDATED: Final = "Files validated, moving job to queued state"


def _move(state: State, job_id: str, to: str, possible: Sequence[str], participle: str) -> None:
    """Change a job's status inside a transaction.

    Raises:
        ApiError: Its status is none of *possible* (400).
    """
    status = read_job(state, job_id).status
    if status not in possible:
        raise bad_request(
            f"Fine-tuning job {job_id} has status '{status}' and cannot be {participle}.",
            param="fine_tuning_job_id",
            code="invalid_job_status",
        )
    state.database.execute("UPDATE jobs SET status = ? WHERE id = ?", to, job_id)


def tell(
    state: State,
    job_id: str,
    message: str,
    *,
    level: str = "info",
    kind: str = "message",
    data: Mapping[str, object] | None = None,
) -> None:
    """Add an event, inside a transaction."""
    state.database.insert(
        "events",
        id=state.new_id("ftevent-"),
        job=job_id,
        created_at=state.now(),
        level=level,
        message=message,
        type=kind,
        data=None if data is None else orjson.dumps(data),
    )


def parse_job(row: sqlite3.Row) -> Job:
    values: dict[str, Any] = {key: row[key] for key in row.keys() if key != "metadata"}  # noqa: SIM118 rows need keys()
    values["request"] = msgspec.json.decode(row["request"], type=JobRequest)
    values["resolved"] = row["resolved"] and msgspec.json.decode(row["resolved"])
    values["error"] = row["error"] and msgspec.json.decode(row["error"], type=JobError)
    return Job(**values)


def spell(job: Job) -> dict[str, object]:
    """A job as the API spells it, with the fields that the published description leaves out."""
    request = job.request
    values = {name: (job.resolved or request.hyperparameters)[name] for name in HYPERPARAMETERS[request.method]}
    return {
        "object": "fine_tuning.job",
        "id": job.id,
        "model": job.model,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "fine_tuned_model": job.fine_tuned_model,
        "organization_id": ORGANISATION_ID,
        "result_files": [] if job.result_file is None else [job.result_file],
        "status": job.status,
        "validation_file": request.validation_file,
        "training_file": request.training_file,
        "hyperparameters": values if request.method == "supervised" else None,
        "trained_tokens": job.trained_tokens,
        "error": NO_ERROR if job.error is None else msgspec.to_builtins(job.error),
        "user_provided_suffix": request.suffix,
        "seed": request.seed,
        "estimated_finish": job.estimated_finish,
        "integrations": [],
        "metadata": request.metadata,
        "usage_metrics": None,
        "shared_with_openai": False,
        "method": {"type": request.method, request.method: {"hyperparameters": values}},
    }


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" for _ in values)

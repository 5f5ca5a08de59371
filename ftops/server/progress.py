"""What happens to a job by itself: each function records one thing, whole, and none records it twice.

They run in a worker while clients steer the same jobs, so each begins by looking at what the job has become.
"""

from __future__ import annotations

import base64
import csv
import io
import math
import shutil
from typing import TYPE_CHECKING, Final

import msgspec
import orjson

from ftops.server import files, models
from ftops.server.ids import model_name
from ftops.server.jobs import VALIDATED, Job, read_job, tell
from ftops.server.state import link_folder
from ftops.server.training_data import JobError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from ftops.server.state import State
    from ftops.server.train.run import CheckpointSaved, Finished, Metrics, Started, Stepped

KEPT_CHECKPOINTS: Final = 3
"""Of the last epochs; those of a pause are kept beside them."""
RESULT_FILENAME: Final = "step_metrics.csv"
RESULT_COLUMNS: Final = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")
_METRICS_OF_COLUMNS: Final = ("step", "train_loss", "train_mean_token_accuracy", *RESULT_COLUMNS[3:])


def record_validated(state: State, job: Job, error: JobError | None) -> None:
    """The files were read: into the queue, or failed without ever having begun."""
    with state.database.transaction():
        is_wanted = read_job(state, job.id).status == "validating_files"
        if is_wanted and error is None:
            state.database.execute("UPDATE jobs SET status = 'queued' WHERE id = ?", job.id)
            tell(state, job.id, VALIDATED)
        elif is_wanted and error is not None:
            _fail(state, job.id, error)
    forget_run(state, job.id)


def record_started(state: State, job: Job, report: Started) -> bool:
    """Numbers stand in the place of each `"auto"` from here on; False if the job is no longer to run."""
    resolved = {name: getattr(report, name) for name in job.request.hyperparameters}
    with state.database.transaction():
        status = read_job(state, job.id).status
        if status == "queued":
            state.database.execute("UPDATE jobs SET status = 'running' WHERE id = ?", job.id)
            if job.resolved is None:
                tell(state, job.id, "Fine-tuning job started")
        elif status not in ("running", "pausing"):
            return False
        state.database.execute("UPDATE jobs SET resolved = ? WHERE id = ?", orjson.dumps(resolved), job.id)
    return True


def last_step(state: State, job: Job) -> int:
    """The last step that was told of, 0 if none was."""
    query = "SELECT data FROM events WHERE job = ? AND type = 'metrics' ORDER BY number DESC LIMIT 1"
    row = state.database.row(query, job.id)
    return 0 if row is None else int(orjson.loads(row["data"])["step"])


def record_step(state: State, job: Job, report: Stepped, *, estimated_finish: int) -> None:
    """An event with the metrics; not waiting for the disk, for the trainer saves less often than this is called."""
    metrics = _spell(report.metrics)
    losses = [f"training loss={report.metrics.train_loss:.2f}"]
    for name, loss in (("validation", report.metrics.valid_loss), ("full validation", report.metrics.full_valid_loss)):
        if loss is not None:
            losses.append(f"{name} loss={loss:.2f}")
    message = f"Step {report.metrics.step}/{report.total_steps}: {', '.join(losses)}"
    with state.database.transaction(durable=False):
        tell(state, job.id, message, kind="metrics", data={**metrics, "total_steps": report.total_steps})
        state.database.execute(
            "UPDATE jobs SET estimated_finish = ? WHERE id = ? AND status = 'running'", estimated_finish, job.id
        )


def record_checkpoint(state: State, job: Job, report: CheckpointSaved) -> None:
    """Weights that may become a model; the newest of one step counts, and the first is progress since any crash."""
    step = report.metrics.step
    with state.database.transaction():
        if not state.database.execute(
            "DELETE FROM checkpoints WHERE job = ? AND step = ? AND model IS NULL", job.id, step
        ):
            state.database.execute("UPDATE jobs SET crashes = 0 WHERE id = ?", job.id)
        state.database.insert(
            "checkpoints",
            id=state.new_id("ftckpt_"),
            job=job.id,
            created_at=state.now(),
            step=step,
            metrics=orjson.dumps(_spell(report.metrics)),
            folder=str(report.folder.relative_to(state.folder)),
        )


def record_stopped(state: State, job: Job) -> None:
    """The trainer broke off because a client wished so: what it had saved becomes usable."""
    if read_job(state, job.id).status == "pausing":
        linked = _link_weights(state, job)
        with state.database.transaction():
            if read_job(state, job.id).status == "pausing":
                _publish(state, job, linked, is_finished=False)
                state.database.execute(
                    "UPDATE jobs SET status = 'paused', estimated_finish = NULL WHERE id = ?", job.id
                )
                tell(state, job.id, "The job has been paused")
            else:
                _unlink_weights(state, linked)
    if read_job(state, job.id).status == "cancelled":
        settle_cancelled(state, job)


def settle_cancelled(state: State, job: Job) -> None:
    """Make usable what a cancelled job had saved; nothing the second time."""
    linked = _link_weights(state, job)
    with state.database.transaction():
        _publish(state, job, linked, is_finished=False)
        state.database.execute("DELETE FROM checkpoints WHERE job = ? AND model IS NULL", job.id)
    forget_run(state, job.id)


def record_finished(state: State, job: Job, report: Finished) -> None:
    """The model is there, with its checkpoints and result file, all at once."""
    linked = _link_weights(state, job)
    written = state.incoming()
    written.write_bytes(base64.b64encode(_result_csv(state, job)))
    result_file = files.settle(state, written)
    with state.database.transaction():
        is_wanted = read_job(state, job.id).status in ("running", "pausing")
        if is_wanted:
            files.record(state, result_file, files.Description(filename=RESULT_FILENAME, purpose=files.RESULTS))
            model = _publish(state, job, linked, is_finished=True)
            state.database.execute("DELETE FROM checkpoints WHERE job = ? AND model IS NULL", job.id)
            state.database.execute(
                "UPDATE jobs SET status = 'succeeded', finished_at = ?, fine_tuned_model = ?, trained_tokens = ?, "
                "result_file = ?, estimated_finish = NULL WHERE id = ?",
                state.now(),
                model,
                report.trained_tokens,
                result_file,
                job.id,
            )
            tell(state, job.id, f"New fine-tuned model created: {model}")
            tell(state, job.id, "The job has successfully completed")
    if is_wanted:
        forget_run(state, job.id)
    else:  # it was cancelled after its last step
        state.blob(result_file).unlink(missing_ok=True)
        _unlink_weights(state, linked)
        settle_cancelled(state, job)


def record_crash(state: State, job: Job, *, most: int) -> None:
    """A worker died over *job*: it goes on from its last state, but after *most* crashes without progress it failed."""
    with state.database.transaction():
        state.database.execute("UPDATE jobs SET crashes = crashes + 1 WHERE id = ?", job.id)
        if job.crashes + 1 >= most:
            message = "The job failed due to an internal error: the process that worked on it ended unexpectedly."
            _fail(state, job.id, JobError(code="server_error", message=message, param=None))
    forget_run(state, job.id)


def record_failure(state: State, job: Job, reason: str) -> None:
    """The job cannot be carried out here, however often it is tried."""
    with state.database.transaction():
        message = f"The job failed due to an internal error: {reason}"
        _fail(state, job.id, JobError(code="server_error", message=message, param=None))
    forget_run(state, job.id)


def forget_run(state: State, job_id: str) -> None:
    """Delete the folder of a run that is over."""
    if read_job(state, job_id).status in ("succeeded", "failed", "cancelled"):
        shutil.rmtree(state.run(job_id), ignore_errors=True)


def _fail(state: State, job_id: str, error: JobError) -> None:
    """Inside a transaction; a job that failed while it was trained has a time at which it ended, others have none."""
    job = read_job(state, job_id)
    if job.status in ("succeeded", "failed", "cancelled"):
        return
    finished_at = None if job.status == "validating_files" else state.now()
    state.database.execute(
        "UPDATE jobs SET status = 'failed', error = ?, finished_at = ?, estimated_finish = NULL WHERE id = ?",
        msgspec.json.encode(error),
        finished_at,
        job_id,
    )
    state.database.execute("DELETE FROM checkpoints WHERE job = ? AND model IS NULL", job_id)
    tell(state, job_id, error.message, level="error")


def _unpublished(state: State, job: Job) -> list[sqlite3.Row]:
    """The last checkpoints that are no models yet, oldest first."""
    query = "SELECT * FROM checkpoints WHERE job = ? AND model IS NULL ORDER BY step"
    return state.database.rows(query, job.id)[-KEPT_CHECKPOINTS:]


def _link_weights(state: State, job: Job) -> dict[str, str]:
    """Give unpublished checkpoints a place among the models: by the id of each, the name of its folder.

    They are no models before `_publish`, and swept away at the next start if it never comes.
    """
    linked = {}
    for row in _unpublished(state, job):
        folder = state.folder / row["folder"]
        if folder.is_dir():
            linked[row["id"]] = state.new_id("")
            link_folder(folder, state.weights(linked[row["id"]]))
    return linked


def _unlink_weights(state: State, linked: Mapping[str, str]) -> None:
    """Of checkpoints that have become no models after all."""
    for folder in linked.values():
        shutil.rmtree(state.weights(folder), ignore_errors=True)


def _publish(state: State, job: Job, linked: Mapping[str, str], *, is_finished: bool) -> str | None:
    """Make models of the linked checkpoints, inside a transaction; returns the last one's name."""
    base = models.base_of(state, job.model)
    name: str | None = None
    rows = [row for row in _unpublished(state, job) if row["id"] in linked]
    for row in rows:
        unique, is_last = linked[row["id"]], is_finished and row is rows[-1]
        name = model_name(base, job.request.suffix, unique, step=None if is_last else row["step"])
        state.database.execute("UPDATE checkpoints SET model = ? WHERE id = ?", name, row["id"])
        state.database.insert("models", id=name, created_at=state.now(), job=job.id, base=base, folder=unique)
        if not is_last:
            tell(state, job.id, f"Checkpoint created at step {row['step']} with Snapshot ID: {name}")
    return name


def _result_csv(state: State, job: Job) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(RESULT_COLUMNS)
    for row in state.database.rows(
        "SELECT data FROM events WHERE job = ? AND type = 'metrics' ORDER BY number", job.id
    ):
        metrics = orjson.loads(row["data"])
        writer.writerow([metrics.get(name, "") for name in _METRICS_OF_COLUMNS])
    return text.getvalue().encode()


def _spell(metrics: Metrics) -> dict[str, float]:
    """Those that were measured; a loss beyond all numbers is left out, for JSON has no word for it."""
    values = {name: getattr(metrics, name) for name in metrics.__slots__}
    return {name: value for name, value in values.items() if value is not None and math.isfinite(value)}

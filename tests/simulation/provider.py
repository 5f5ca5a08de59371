"""The provider's side: the real server's routes and world, and what happens there without ftops.

Jobs are moved on through the functions that a worker calls, so what they leave in the database is what training leaves;
only the weights are not there.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from ftops.server import files, jobs, models, progress
from ftops.server.app import create_app
from ftops.server.errors import ApiError
from ftops.server.fields import Fields
from ftops.server.jobs import Job, first_job, parse_job
from ftops.server.settings import Settings
from ftops.server.train.run import CheckpointSaved, Finished, Metrics, Started
from ftops.server.work import next_to_train, validate_next

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from ftops.server.state import State
    from ftops.server.world import World
    from tests.simulation.clocks import Time

TOKEN = "simulated-token"
PROJECT = "simulated/project"
OTHER_PROJECT = "another/project"
UNFINISHED = ("validating_files", "queued", "running", "pausing", "paused")
ENDED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job as it really is, whatever lists say."""

    id: str
    created_at: int
    status: str
    spec: str
    digest: str
    attempt: int
    repo: str
    asked: tuple[str, ...]
    """What decides the result: model, content of the data, hyperparameters, seed."""


class SimulatedProvider:
    """One provider, which several projects use."""

    def __init__(self, folder: Path, *, time: Time, chance: Random, slots: int) -> None:
        settings = Settings(state=folder, token=TOKEN, clock=time, chance=chance, train=False, max_active_jobs=slots)
        self.app = create_app(settings)
        self.time = time
        self.vanished: dict[str, JobRow] = {}
        """Jobs that the provider lost, as they were last."""
        self.models_deleted = 0
        self.spoils = 0
        """So many uploads to come end in `error`."""
        self.spoilt: set[str] = set()
        """Files that did."""
        self._plant_foreign_things()

    @property
    def state(self) -> State:
        world: World = self.app.state.world
        return world.state

    def close(self) -> None:
        self.state.database.close()

    def jobs(self, repo: str = PROJECT) -> list[JobRow]:
        """All of a project's jobs, oldest first."""
        rows = self.state.database.rows(
            "SELECT jobs.*, files.filename AS data FROM jobs LEFT JOIN files "
            "ON files.id = json_extract(CAST(jobs.request AS TEXT), '$.training_file') ORDER BY jobs.number"
        )
        found = []
        for row in rows:
            labels = orjson.loads(row["metadata"]) if row["metadata"] else {}
            if labels.get("ftops.repo") != repo:
                continue
            request = orjson.loads(row["request"])
            asked = (row["model"], row["data"] or "", json.dumps(request["hyperparameters"]), str(request["seed"]))
            found.append(
                JobRow(
                    id=row["id"],
                    created_at=row["created_at"],
                    status=row["status"],
                    spec=labels["ftops.spec"],
                    digest=labels["ftops.digest"],
                    attempt=int(labels["ftops.attempt"]),
                    repo=labels["ftops.repo"],
                    asked=asked,
                )
            )
        return found

    def foreign(self) -> tuple[tuple[object, ...], ...]:
        """All that is not the project's: none of it may ever change."""
        found = self.state.database.rows("SELECT * FROM jobs ORDER BY number")
        others = [tuple(row) for row in found if PROJECT not in (row["metadata"] or "")]
        planted = self.state.database.rows("SELECT * FROM files WHERE id IN (?, ?)", *self._files)
        return (*others, *(tuple(row) for row in planted))

    def move_on(self, *, fails: bool = False) -> str | None:
        """One stage further with the job whose turn it is; says what happened, None if none waits."""
        if (waiting := first_job(self.state, ("validating_files",))) is not None:
            validate_next(self.state)
            return self._told(waiting)
        job = next_to_train(self.state)
        if job is None:
            return None
        if job.status == "pausing":
            progress.record_stopped(self.state, job)
        elif job.status == "queued":
            progress.record_started(self.state, job, _STARTED)
        elif fails:
            progress.record_failure(self.state, job, "the simulation said so")
        else:
            self._finish(job)
        return self._told(job)

    def finish_all(self) -> None:
        """All jobs end well, the paused ones too."""
        for job in self.jobs():
            if job.status == "paused":
                jobs.resume(self.state, job.id)
        while self.move_on():
            pass

    def steer(self, verb: str, job_id: str) -> bool:
        """A person pauses, resumes or cancels a job on the provider's page; False if it cannot be."""
        try:
            {"pause": jobs.pause, "resume": jobs.resume, "cancel": jobs.cancel}[verb](self.state, job_id)
        except ApiError:
            return False
        if verb == "cancel":
            progress.settle_cancelled(self.state, jobs.read_job(self.state, job_id))
        return True

    def lose(self, job: JobRow) -> None:
        """A job vanishes, with its models: no server does that of itself."""
        database = self.state.database
        self.vanished[job.id] = job
        with database.transaction():
            database.execute("DELETE FROM jobs WHERE id = ?", job.id)
            database.execute("DELETE FROM checkpoints WHERE job = ?", job.id)
            self.models_deleted += database.execute("UPDATE models SET deleted = 1 WHERE job = ?", job.id)

    def models(self) -> list[str]:
        """The tuned models that are there, oldest first."""
        rows = self.state.database.rows("SELECT id, job FROM models WHERE NOT deleted ORDER BY created_at, rowid")
        ours = {job.id for job in self.jobs()}
        return [row["id"] for row in rows if row["job"] in ours]

    def delete_model(self, name: str) -> None:
        models.delete(self.state, name)
        self.models_deleted += 1

    def _finish(self, job: Job) -> None:
        """Record the end of training as the trainer reports it, with two checkpoints, the later one better."""
        for step, loss in ((1, 1.5), (2, 0.5)):
            folder = self.state.run(job.id) / "trainer" / "checkpoints" / f"step-{step}"
            folder.mkdir(parents=True, exist_ok=True)
            metrics = Metrics(step=step, train_loss=loss, train_mean_token_accuracy=0.5, full_valid_loss=loss)
            progress.record_checkpoint(self.state, job, CheckpointSaved(folder=folder, metrics=metrics))
        progress.record_finished(self.state, job, Finished(trained_tokens=100))

    def _told(self, job: Job) -> str:
        row = self.state.database.row("SELECT * FROM jobs WHERE id = ?", job.id)
        assert row is not None
        return f"job {job.id} is {parse_job(row).status}"

    def _plant_foreign_things(self) -> None:
        """Jobs and files of others: some without labels, and some of a project whose specs have the same names."""
        file, other = (self._plant_file(f"{name}.jsonl") for name in ("theirs", "other"))
        self._files = (file, other)
        labels = {"ftops.spec": "a", "ftops.digest": "sha256:" + "0" * 64, "ftops.attempt": "1"}
        for metadata in (None, {"team": "theirs"}, {**labels, "ftops.repo": OTHER_PROJECT}):
            request: dict[str, object] = {"model": "tiny-byte-90k", "training_file": file, "seed": 1}
            made = jobs.create(self.state, Fields(request | ({"metadata": metadata} if metadata else {})))
            # They wait for ever, and take no turn from the project's.
            jobs.pause(self.state, str(made["id"]))

    def _plant_file(self, name: str) -> str:
        written = self.state.incoming()
        written.write_text('{"messages": []}\n', encoding="utf-8")
        return str(files.add(self.state, written, files.Description(filename=name, purpose="fine-tune"))["id"])

    def plant_namesake(self, job: JobRow) -> None:
        """Another project asks for the very same under the same name."""
        labels = {"ftops.spec": job.spec, "ftops.digest": job.digest, "ftops.attempt": "1", "ftops.repo": OTHER_PROJECT}
        request = {"model": "tiny-byte-90k", "training_file": self._files[0], "seed": 1, "metadata": labels}
        with suppress(ApiError):  # no slot is free
            made = jobs.create(self.state, Fields(request))
            jobs.pause(self.state, str(made["id"]))


_STARTED = Started(n_epochs=1, batch_size=1, learning_rate_multiplier=1.0, beta=None, total_steps=2, first_step=1)

"""Desired, recorded and observed, made short."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftops.lockfile import (
    CheckpointRecord,
    Chosen,
    DataFile,
    Generation,
    Inputs,
    Intent,
    JobRecord,
    Lockfile,
    ParentInput,
    with_generation,
    with_intent,
)
from ftops.plan.desired import Desired
from ftops.plan.observed import JobSeen, Labels, Observed
from ftops.spec.model import BaseModel, Method, Spec

if TYPE_CHECKING:
    from collections.abc import Iterable

SUPERVISED = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}}


class Maker:
    """Makes values that differ from an ordinary one only in what a test is about."""

    def inputs(self, **changes: object) -> Inputs:
        given = {
            "model": "base-1",
            "method": SUPERVISED,
            "training_file": DataFile(path="specs/data/a.jsonl", sha256="a" * 64, bytes=100, rows=24),
        }
        return Inputs(**(given | changes))

    def spec(self, name: str = "elle", **changes: object) -> Spec:
        given = {
            "name": name,
            "path": f"specs/{name}.yaml",
            "model": BaseModel(name="base-1"),
            "training_file": "specs/data/a.jsonl",
            "method": Method(type="supervised", body={"hyperparameters": {"n_epochs": 3}}),
        }
        return Spec(**(given | changes))

    def desired(self, name: str = "elle", *, checkpoint: str = "best", **changes: object) -> Desired:
        inputs = self.inputs(**changes)
        return Desired(spec=self.spec(name, checkpoint=checkpoint), inputs=inputs, digest=inputs.digest("local"))

    def child(self, parent: Desired, name: str = "noble") -> Desired:
        return self.desired(
            name, model=ParentInput(spec=parent.name, digest=parent.digest, checkpoint=parent.spec.checkpoint)
        )

    def generation(self, inputs: Inputs | None = None, status: str = "succeeded", **changes: object) -> Generation:
        inputs = inputs or self.inputs()
        given = {
            "digest": inputs.digest("local"),
            "inputs": inputs,
            "request": {"model": "base-1"},
            "job": JobRecord(id="ftjob-1", status=status, created_at=1_800_000_000),
        }
        if status == "succeeded":
            given |= {
                "model": "ft:base-1:org::m1",
                "checkpoint": Chosen(policy="best", step=72),
                "checkpoints": (CheckpointRecord(model="ft:base-1:org::m1", step=72),),
            }
        return Generation(**(given | changes))

    def lock(self, *generations: Generation, name: str = "elle", intent: Intent | None = None) -> Lockfile:
        lock = Lockfile(target="local")
        for generation in generations:
            lock = with_generation(lock, name, generation)
        return with_intent(lock, name, intent) if intent else lock

    def intent(self, inputs: Inputs | None = None, **changes: object) -> Intent:
        inputs = inputs or self.inputs()
        given = {"digest": inputs.digest("local"), "inputs": inputs, "request": {}, "started_at": 1_800_000_000}
        return Intent(**(given | changes))

    def job(
        self,
        status: str = "running",
        name: str = "elle",
        digest: str | None = None,
        attempt: int = 1,
        **changes: object,
    ) -> JobSeen:
        digest = digest or self.inputs().digest("local")
        labels = Labels(spec=name, digest=digest, attempt=attempt, repo="team/models")
        given = {
            "id": "ftjob-1",
            "status": status,
            "model": "base-1",
            "created_at": 1_800_000_000,
            "fine_tuned_model": "ft:base-1:org::m1" if status == "succeeded" else None,
            "labels": labels,
        }
        return JobSeen(**(given | changes))

    def observed(self, *jobs: JobSeen, models: Iterable[str] = ("base-1", "ft:base-1:org::m1")) -> Observed:
        return Observed(jobs=jobs, models=dict.fromkeys(models))


@pytest.fixture(scope="session")
def make() -> Maker:
    return Maker()

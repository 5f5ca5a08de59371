"""A project in which every kind of change is due, and the check of what is said about it against the golden texts.

A golden file that is missing is written, and its test fails once: delete one to accept new words, then read the diff.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import pytest

from ftops.lockfile import (
    CheckpointRecord,
    Chosen,
    DataFile,
    Generation,
    Inputs,
    JobError,
    JobRecord,
    Lockfile,
    ParentInput,
    with_generation,
)
from ftops.plan.desired import Desired
from ftops.plan.diff import diff
from ftops.plan.observed import JobSeen, Labels, Observed
from ftops.plan.plan import Plan, checksum
from ftops.spec.model import BaseModel, Method, Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Golden: TypeAlias = Callable[[str, str], None]

GOLDEN = Path(__file__).parents[1] / "golden" / "report"
NOW = 1_750_000_000
BASE = "smollm2-135m-instruct"
METRICS = {"train_loss": 2.0625, "train_mean_token_accuracy": 0.51, "full_valid_loss": 2.31}


@pytest.fixture
def golden() -> Golden:
    def check(name: str, said: str) -> None:
        file = GOLDEN / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(said + "\n", encoding="utf-8")
            pytest.fail(f"{file.name} was missing and is written now: read it")
        assert said + "\n" == file.read_text(encoding="utf-8")

    return check


class Maker:
    """Makes values that differ from an ordinary one only in what a test is about."""

    def data(self, name: str, rows: int, letter: str) -> DataFile:
        return DataFile(path=f"specs/data/{name}.jsonl", sha256=letter * 64, bytes=rows * 200, rows=rows)

    def inputs(
        self, *, epochs: int = 3, rows: int = 24, letter: str = "a", valid: int = 0, **changes: object
    ) -> Inputs:
        given = {
            "model": BASE,
            "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": epochs}}},
            "training_file": self.data("train", rows, letter),
            "validation_file": self.data("valid", valid, "e") if valid else None,
            "seed": 7,
        }
        return Inputs(**(given | changes))

    def wanted(self, name: str, asked: Inputs, *, checkpoint: str = "best") -> Desired:
        spec = Spec(
            name=name,
            path=f"specs/{name}.yaml",
            model=BaseModel(name=BASE),
            training_file=asked.training_file.path,
            method=Method(type="supervised", body={}),
            checkpoint=checkpoint,
        )
        return Desired(spec=spec, inputs=asked, digest=asked.digest("local"))

    def child(self, name: str, parent: Desired) -> Desired:
        return self.wanted(
            name, self.inputs(model=ParentInput(spec=parent.name, digest=parent.digest, checkpoint="best"), rows=12)
        )

    def generation(self, asked: Inputs, number: int, status: str = "succeeded", **changes: object) -> Generation:
        model = f"ft:{BASE}:personal:elle:m{number:07}"
        done = status == "succeeded"
        steps = ((24, 2.9), (48, 2.31), (72, 2.35))
        given = {
            "digest": asked.digest("local"),
            "inputs": asked,
            "request": {"model": BASE, "training_file": "file-1", "seed": 7},
            "job": JobRecord(
                id=f"ftjob-{number:07}",
                status=status,
                created_at=NOW - 4 * 3600,
                finished_at=NOW - 3 * 3600 if status in {"succeeded", "failed", "cancelled"} else None,
            ),
            "commit": "0123456789abcdef0123456789abcdef01234567",
        }
        if done:
            given |= {
                "hyperparameters": {"n_epochs": 3, "batch_size": 1, "learning_rate_multiplier": 2.0},
                "trained_tokens": 12_345,
                "model": model,
                "checkpoint": Chosen(policy="best", step=48),
                "checkpoints": tuple(
                    CheckpointRecord(model=f"{model}:ckpt-step-{step}", step=step, metrics={"full_valid_loss": loss})
                    for step, loss in steps
                ),
                "metrics": METRICS,
            }
        return Generation(**(given | changes))

    def seen(self, desired: Desired, number: int, status: str, **changes: object) -> JobSeen:
        given = {
            "id": f"ftjob-{number:07}",
            "status": status,
            "model": BASE,
            "created_at": NOW - 4 * 3600,
            "method": {"type": "supervised"},
            "labels": Labels(spec=desired.name, digest=desired.digest, attempt=1, repo="demo"),
        }
        return JobSeen(**(given | changes))

    def plan(
        self, desired: Iterable[Desired], lock: Lockfile, observed: Observed | None = None, **options: bool
    ) -> Plan:
        changes = diff(desired, lock, observed, **options)
        return Plan(target=lock.target, changes=changes, checksum=checksum(lock.target, changes))

    def locked(self, **generations: Generation | tuple[Generation, ...]) -> Lockfile:
        lock = Lockfile(target="local")
        for name, made in generations.items():
            for each in made if isinstance(made, tuple) else (made,):
                lock = with_generation(lock, name.replace("_", "-"), each)
        return lock


class Busy:
    """Every kind of change at once, as the decision table makes them."""

    def __init__(self, make: Maker) -> None:
        def want(name: str, **changes: object) -> Desired:
            return make.wanted(name, make.inputs(**changes))

        def failed(want: Desired, number: int, error: JobError) -> Generation:
            job = JobRecord(
                id=f"ftjob-{number:07}",
                status="failed",
                created_at=NOW - 4 * 3600,
                finished_at=NOW - 3 * 3600,
                error=error,
            )
            return make.generation(want.inputs, number, "failed", job=job)

        limericks = want("elle-limericks", valid=6)
        noble = make.child("elle-noble", limericks)
        hobannu = want("hobannu", epochs=4, rows=25, letter="b")
        lsat = want("ar-lsat", rows=1_200)
        reviews = want("app-reviews", letter="c")
        ordered = make.wanted("app-sorted", make.inputs(letter="d"), checkpoint="last")
        tone, dpo = want("support-tone", epochs=1), want("support-dpo", epochs=2)
        # Paused, it is what is current, and its spec wants what it takes the place of cancelled.
        dpo = replace(dpo, spec=msgspec.structs.replace(dpo.spec, on_change="cancel"))
        dropped = want("support-dpo", epochs=10)
        broken, lost, steady = want("broken", epochs=5), want("lost", epochs=6), want("steady", epochs=7)
        stray, superseded = want("stray", epochs=30), want("support-tone", epochs=9)
        refused = JobError(code="invalid_training_file", message="Line 3 is\nno\x1b[31m conversation")
        self.lock = make.locked(
            hobannu=make.generation(make.inputs(), 1),
            app_reviews=make.generation(reviews.inputs, 3, "running"),
            app_sorted=make.generation(ordered.inputs, 4),
            forgotten=make.generation(make.inputs(epochs=8), 5),
            support_tone=(
                make.generation(superseded.inputs, 11, "running"),
                make.generation(tone.inputs, 6, "running"),
            ),
            support_dpo=(
                make.generation(dropped.inputs, 13, "running"),
                make.generation(dpo.inputs, 7, "running"),
            ),
            broken=failed(broken, 9, refused),
            lost=make.generation(lost.inputs, 10),
            steady=make.generation(steady.inputs, 12),
        )
        jobs = (
            make.seen(lsat, 2, "running"),
            make.seen(reviews, 3, "succeeded", fine_tuned_model="ft:new"),
            make.seen(tone, 6, "queued"),
            make.seen(dpo, 7, "paused"),
            make.seen(stray, 8, "running"),
            make.seen(superseded, 11, "running"),
            make.seen(dropped, 13, "running"),
        )
        made = [each.model for entry in self.lock.models.values() for each in entry.generations]
        models = {model: None for model in made if model and not model.endswith("m0000010")}
        desired = (limericks, noble, hobannu, lsat, reviews, ordered, tone, dpo, broken, lost, steady)
        self.plan = make.plan(desired, self.lock, Observed(jobs=jobs, models=models))
        self.offline = make.plan(desired, self.lock)


@pytest.fixture(scope="session")
def make() -> Maker:
    return Maker()


@pytest.fixture(scope="session")
def busy(make: Maker) -> Busy:
    return Busy(make)

"""What the simulation found of each planted bug: a seed that meets it, and the few steps that it comes down to."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.simulation import canaries, steps
from tests.simulation.simulation import Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One planted bug."""

    name: str
    plant: Callable[[pytest.MonkeyPatch], None]
    seed: int
    """One that finds it."""
    promise: str
    """A part of what is told of it."""
    setting: Setting
    steps: tuple[Step, ...]
    """What that seed's schedule comes down to."""


@contextmanager
def planted(canary: Canary) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        canary.plant(patch)
        yield


CANARIES = (
    Canary(
        name="no look for the job before the create",
        plant=canaries.no_adoption,
        seed=179,
        promise="jobs were paid for spec",
        setting=Setting(seed=139, folders=(0, 0), workflows=frozenset(), page_size=100, slots=99, claims=False),
        steps=(
            steps.Write(spec="a", epochs=1, parent=None, on_change="keep"),
            steps.Pull(runner=1),
            steps.Lag(seconds=16),
            steps.Start(runner=0, verb="apply"),
            steps.GoOn(runner=0, boundaries=13),
            steps.GoOn(runner=0, boundaries=3),
            steps.Crash(runner=0),
            steps.Start(runner=1, verb="apply"),
            steps.GoOn(runner=1, boundaries=21),
        ),
    ),
    Canary(
        name="the transport sends a create again",
        plant=canaries.retry_on_create,
        seed=1,
        promise="jobs were paid for spec",
        setting=Setting(
            seed=8, folders=(0, 0, 1, 3, 4), workflows=frozenset({1, 4}), page_size=100, slots=99, claims=True
        ),
        steps=(
            steps.FailNetwork(runner=4, door="create", kind="500 too late", times=1),
            steps.Write(spec="a", epochs=1, parent=None, on_change="keep"),
            steps.Start(runner=4, verb="apply"),
            steps.GoOn(runner=4, boundaries=400),
        ),
    ),
    Canary(
        name="a create is sent without an intent",
        plant=canaries.no_intent,
        seed=994,
        promise="jobs were paid for spec",
        setting=Setting(seed=139, folders=(0, 0), workflows=frozenset(), page_size=100, slots=99, claims=False),
        steps=(
            steps.Write(spec="a", epochs=1, parent=None, on_change="keep"),
            steps.Pull(runner=1),
            steps.Lag(seconds=16),
            steps.Start(runner=0, verb="apply"),
            steps.GoOn(runner=0, boundaries=3),
            steps.GoOn(runner=0, boundaries=13),
            steps.GoOn(runner=0, boundaries=3),
            steps.Crash(runner=0),
            steps.Start(runner=0, verb="apply"),
            steps.GoOn(runner=0, boundaries=13),
        ),
    ),
    Canary(
        name="a job is recorded before it is there",
        plant=canaries.recorded_too_early,
        seed=0,
        promise="holds a job that is not the project's",
        setting=Setting(
            seed=0, folders=(0, 1, 2, 3, 4), workflows=frozenset({0, 1, 2, 3}), page_size=100, slots=99, claims=True
        ),
        steps=(steps.Write(spec="a", epochs=1, parent=None, on_change="keep"), steps.Start(runner=2, verb="apply")),
    ),
    Canary(
        name="a save compares with nothing",
        plant=canaries.save_without_compare,
        seed=136,
        promise="written over",
        setting=Setting(
            seed=47, folders=(0, 1, 2, 3, 4), workflows=frozenset({0, 1}), page_size=100, slots=99, claims=True
        ),
        steps=(
            steps.Write(spec="a", epochs=1, parent=None, on_change="keep"),
            steps.Start(runner=1, verb="apply"),
            steps.GoOn(runner=1, boundaries=8),
            steps.GoOn(runner=1, boundaries=13),
            steps.Break(runner=1, how="truncate"),
        ),
    ),
    Canary(
        name="an error that is there counts as one",
        plant=canaries.error_by_truthiness,
        seed=0,
        promise="has it as failed",
        setting=Setting(
            seed=0, folders=(0, 1, 2, 3, 4), workflows=frozenset({0, 1, 2, 3}), page_size=100, slots=99, claims=True
        ),
        steps=(steps.Write(spec="a", epochs=1, parent=None, on_change="keep"), steps.Start(runner=2, verb="apply")),
    ),
    Canary(
        name="only the first page of a list is read",
        plant=canaries.first_page_only,
        seed=150,
        promise="cannot be found any more",
        setting=Setting(seed=38, folders=(0,), workflows=frozenset(), page_size=1, slots=99, claims=False),
        steps=(
            steps.Write(spec="a", epochs=1, parent=None, on_change="keep"),
            steps.Pull(runner=0),
            steps.Start(runner=0, verb="apply"),
            steps.GoOn(runner=0, boundaries=400),
            steps.Train(stages=6),
            steps.DeleteModel(model=2),
        ),
    ),
    Canary(
        name="no patience with a list that lags",
        plant=canaries.no_patience,
        seed=497,
        promise="jobs were paid for spec",
        setting=Setting(seed=139, folders=(0, 0), workflows=frozenset(), page_size=100, slots=99, claims=False),
        steps=(
            steps.Write(spec="a", epochs=1, parent=None, on_change="keep"),
            steps.Pull(runner=1),
            steps.FailNetwork(runner=0, door="create", kind="408 too late", times=1),
            steps.Lag(seconds=16),
            steps.Start(runner=0, verb="apply"),
            steps.GoOn(runner=0, boundaries=400),
            steps.Start(runner=0, verb="apply"),
            steps.GoOn(runner=0, boundaries=13),
        ),
    ),
    Canary(
        name="a model is gone if a list lacks it",
        plant=canaries.models_by_list,
        seed=177,
        promise="which asked for one",
        setting=Setting(
            seed=33, folders=(0, 1, 2, 2, 4), workflows=frozenset({1, 4}), page_size=100, slots=99, claims=True
        ),
        steps=(
            steps.Write(spec="a", epochs=1, parent=None, on_change="keep"),
            steps.Pull(runner=3),
            steps.Start(runner=3, verb="apply"),
            steps.GoOn(runner=3, boundaries=13),
            steps.GoOn(runner=3, boundaries=14),
            steps.Wait(seconds=661),
            steps.Lag(seconds=11),
            steps.Train(stages=3),
            steps.Start(runner=4, verb="apply"),
            steps.GoOn(runner=4, boundaries=400),
        ),
    ),
    Canary(
        name="a comment asks for another model",
        plant=canaries.retrained_on_comments,
        seed=1,
        promise="which asked for one",
        setting=Setting(
            seed=0, folders=(0, 1, 2, 3, 4), workflows=frozenset({0, 1, 2, 3}), page_size=100, slots=99, claims=True
        ),
        steps=(
            steps.Write(spec="a", epochs=1, parent=None, on_change="keep"),
            steps.Start(runner=1, verb="apply"),
            steps.Comment(spec="a", text=1),
        ),
    ),
    Canary(
        name="history is forgotten",
        plant=canaries.history_forgotten,
        seed=10,
        promise="AssertionError: an outcome of a job that is not recorded",
        setting=Setting(seed=3, folders=(0, 1), workflows=frozenset({0, 1}), page_size=100, slots=99, claims=True),
        steps=(
            steps.Write(spec="a", epochs=1, parent=None, on_change="keep"),
            steps.Start(runner=1, verb="apply"),
            steps.GoOn(runner=1, boundaries=400),
            steps.Write(spec="a", epochs=3, parent=None, on_change="keep"),
            steps.Train(stages=5),
        ),
    ),
    Canary(
        name="claims are written without compare",
        plant=canaries.claims_without_compare,
        seed=29,
        promise="jobs were paid for spec",
        setting=Setting(
            seed=29, folders=(0, 1, 2, 3, 4), workflows=frozenset({2, 4}), page_size=100, slots=99, claims=True
        ),
        steps=(
            steps.Write(spec="a", epochs=1, parent=None, on_change="keep"),
            steps.FailNetwork(runner=4, door="list", kind="503 too late", times=1),
            steps.Start(runner=4, verb="apply"),
            steps.GoOn(runner=4, boundaries=13),
            steps.Start(runner=2, verb="apply"),
            steps.GoOn(runner=2, boundaries=21),
            steps.GoOn(runner=4, boundaries=8),
        ),
    ),
    Canary(
        name="a claim is not looked at again",
        plant=canaries.no_second_look_at_claims,
        seed=82,
        promise="jobs were paid for spec",
        setting=Setting(
            seed=82, folders=(0, 1, 2, 3), workflows=frozenset({0, 1}), page_size=100, slots=99, claims=True
        ),
        steps=(
            steps.Write(spec="a", epochs=1, parent=None, on_change="keep"),
            steps.Start(runner=1, verb="apply"),
            steps.GoOn(runner=1, boundaries=5),
            steps.GoOn(runner=1, boundaries=2),
            steps.GoOn(runner=1, boundaries=5),
            steps.GoOn(runner=1, boundaries=1),
            steps.Wait(seconds=661),
            steps.Start(runner=0, verb="apply"),
        ),
    ),
    Canary(
        name="no claims at all",
        plant=canaries.no_claims,
        seed=25,
        promise="jobs were paid for spec",
        setting=Setting(
            seed=25, folders=(0, 1, 2, 0), workflows=frozenset({1, 2}), page_size=100, slots=99, claims=True
        ),
        steps=(
            steps.Write(spec="a", epochs=1, parent=None, on_change="keep"),
            steps.Pull(runner=0),
            steps.Start(runner=3, verb="apply"),
            steps.GoOn(runner=3, boundaries=8),
            steps.GoOn(runner=3, boundaries=8),
            steps.Start(runner=1, verb="apply"),
        ),
    ),
)

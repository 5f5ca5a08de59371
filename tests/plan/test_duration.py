"""How long training will take."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftops.lockfile import JobRecord, Lockfile, with_generation
from ftops.plan.cost import Cost
from ftops.plan.diff import diff
from ftops.plan.duration import durations

if TYPE_CHECKING:
    from conftest import Maker

    from ftops.lockfile import Generation
    from ftops.plan.desired import Desired

BEGAN = 1_800_000_000


def _ran(make: Maker, seconds: int, tokens: int, number: int = 0, **inputs: object) -> Generation:
    job = JobRecord(
        id=f"ftjob-{number}", status="succeeded", created_at=BEGAN + number, finished_at=BEGAN + number + seconds
    )
    return make.generation(make.inputs(seed=number, **inputs), job=job, trained_tokens=tokens)


def _costing(desired: Desired, tokens: int) -> Desired:
    return replace(desired, cost=Cost(epochs=3, are_epochs_estimated=False, billed_tokens=tokens, usd=None))


def _seconds(desired: list[Desired], lock: Lockfile) -> dict[str, float]:
    return durations(diff(desired, lock), lock)


def test_a_job_takes_as_long_for_a_token_as_the_median_of_earlier_ones(make: Maker) -> None:
    lock = make.lock(*(_ran(make, seconds, 1000, number) for number, seconds in enumerate((100, 5000, 200), start=1)))
    assert _seconds([_costing(make.desired(seed=9), 3000)], lock) == {"elle": 600.0}


def test_a_small_job_takes_no_less_than_the_shortest(make: Maker) -> None:
    lock = make.lock(_ran(make, 300, 100_000, 1), _ran(make, 400, 100_000, 2))
    assert _seconds([_costing(make.desired(seed=9), 10)], lock) == {"elle": 300}


def test_nothing_is_known_without_an_earlier_job_of_that_base_and_method(make: Maker) -> None:
    other = {"model": "base-2"}
    lock = make.lock(_ran(make, 300, 1000, 1, **other))
    assert _seconds([_costing(make.desired(seed=9), 1000)], lock) == {}
    assert _seconds([_costing(make.desired(seed=9), 1000)], Lockfile(target="local")) == {}
    assert _seconds([_costing(make.desired(seed=9, **other), 1000)], lock) == {"elle": 300}


def test_what_failed_tells_nothing(make: Maker) -> None:
    job = JobRecord(id="ftjob-1", status="failed", created_at=BEGAN, finished_at=BEGAN + 5)
    lock = make.lock(make.generation(make.inputs(seed=1), status="failed", job=job, trained_tokens=10))
    assert _seconds([_costing(make.desired(seed=9), 1000)], lock) == {}


def test_a_model_that_goes_on_from_another_counts_as_one_of_its_base(make: Maker) -> None:
    lock = make.lock(_ran(make, 300, 1000, 1))
    parent = make.desired("parent", seed=9)
    child = _costing(make.child(parent), 1000)
    assert _seconds([parent, child], lock) == {"noble": 300}


def test_only_what_is_to_be_trained_has_a_duration(make: Maker) -> None:
    lock = with_generation(Lockfile(target="local"), "elle", _ran(make, 300, 1000))
    assert _seconds([_costing(make.desired(seed=0), 1000)], lock) == {}

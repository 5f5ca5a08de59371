"""What a review approves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftops.lockfile import JobRecord, Lockfile
from ftops.plan.approval import actions, beyond
from ftops.plan.changes import Kind
from ftops.plan.cost import Cost
from ftops.plan.diff import diff
from ftops.plan.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import Maker

    from ftops.plan.desired import Desired

EMPTY = Lockfile(target="local")


def _plan(desired: Sequence[Desired], recorded: Lockfile = EMPTY, *, retry_failed: bool = False) -> Plan:
    return Plan(target="local", changes=diff(desired, recorded, retry_failed=retry_failed), checksum="")


def test_what_was_approved_stays_so_whatever_is_merged_beside_or_costs_now(make: Maker) -> None:
    approved = actions(_plan([make.desired("a"), make.desired("b", seed=2)]))
    costlier = Cost(epochs=9, are_epochs_estimated=True, billed_tokens=9, usd=9.0)
    now = actions(_plan([replace(make.desired("a"), cost=costlier)]))
    assert len(approved) == 2
    assert beyond(now, approved) == ()


def test_a_create_that_became_a_replacement_is_the_same_training(make: Maker) -> None:
    approved = actions(_plan([make.desired(seed=2)]))
    now = _plan([make.desired(seed=2)], make.lock(make.generation()))
    assert [change.kind for change in now.changes] == [Kind.REPLACE]
    assert beyond(actions(now), approved) == ()


@pytest.mark.parametrize("change", [{"seed": 2}, {"suffix": "x"}, {"model": "base-2"}])
def test_another_model_was_not_approved(make: Maker, change: dict[str, object]) -> None:
    approved = actions(_plan([make.desired()]))
    (found,) = beyond(actions(_plan([make.desired(**change)])), approved)
    assert (found.kind, found.name) == ("train", "elle")


def test_another_spec_with_the_same_content_was_not_approved(make: Maker) -> None:
    approved = actions(_plan([make.desired("a")]))
    assert [action.name for action in beyond(actions(_plan([make.desired("b")])), approved)] == ["b"]


def test_an_approved_training_that_failed_is_not_approved_once_more(make: Maker) -> None:
    approved = actions(_plan([make.desired()]))
    failed = make.lock(make.generation(status="failed"))
    again = _plan([make.desired()], failed, retry_failed=True)
    assert [change.attempt for change in again.changes] == [2]
    assert len(beyond(actions(again), approved)) == 1


def test_another_checkpoint_is_another_choice(make: Maker) -> None:
    lock = make.lock(make.generation())
    last, step = (_plan([make.desired(checkpoint=each)], lock) for each in ("last", "step:3"))
    assert [change.kind for change in last.changes] == [Kind.SELECT]
    assert len(beyond(actions(step), actions(last))) == 1


def test_what_is_forgotten_is_approved_and_what_is_only_recorded_is_not(make: Maker) -> None:
    (forgotten,) = actions(_plan([], make.lock(make.generation())))
    assert (forgotten.kind, forgotten.digest) == ("forget", make.generation().digest)
    assert actions(_plan([make.desired()], make.lock(make.generation()))) == ()


def test_what_only_the_provider_tells_is_to_be_cancelled_no_plan_without_it_could_approve(make: Maker) -> None:
    old = make.generation(make.inputs(seed=9), "running", job=JobRecord(id="ftjob-0", status="running", created_at=1))
    lock = make.lock(old, make.generation())
    wanted = [replace(make.desired(), spec=make.spec(on_change="cancel"))]
    changes = diff(wanted, lock, make.observed(make.job(id="ftjob-0", digest=old.digest)))
    assert [change.kind for change in changes] == [Kind.NONE, Kind.CANCEL]
    assert actions(Plan(target="local", changes=changes, checksum="")) == ()

"""The decision table, a row a test: desired x recorded x observed gives a change and its reason."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from ftops.lockfile import DataFile, JobError, JobRecord, Lockfile, forgotten, with_generation
from ftops.plan.changes import Cause, Kind
from ftops.plan.diff import diff

if TYPE_CHECKING:
    from conftest import Maker

EMPTY = Lockfile(target="local")


def test_a_spec_without_a_job_is_created(make: Maker) -> None:
    (change,) = diff([make.desired()], EMPTY)
    assert (change.kind, change.reason, change.attempt) == (Kind.CREATE, "no job yet", 1)


def test_a_spec_without_a_job_is_created_also_after_a_look_at_an_empty_provider(make: Maker) -> None:
    (change,) = diff([make.desired()], EMPTY, make.observed())
    assert change.kind is Kind.CREATE


@pytest.mark.parametrize("with_intent", [False, True])
def test_a_job_with_the_same_spec_and_digest_is_adopted(make: Maker, *, with_intent: bool) -> None:
    lock = make.lock(intent=make.intent()) if with_intent else EMPTY
    (change,) = diff([make.desired()], lock, make.observed(make.job()))
    assert change.kind is Kind.ADOPT
    assert change.reason == "a job with this digest exists already"
    assert change.seen == make.job()


def test_a_job_of_another_spec_with_the_same_digest_is_not_adopted(make: Maker) -> None:
    changes = diff([make.desired()], EMPTY, make.observed(make.job(name="other")))
    assert changes[0].kind is Kind.CREATE


def test_of_several_attempts_the_one_that_succeeded_is_adopted(make: Maker) -> None:
    jobs = make.job("failed", id="ftjob-2", created_at=2), make.job("succeeded", id="ftjob-1", created_at=1)
    (change,) = diff([make.desired()], EMPTY, make.observed(*jobs))
    assert change.seen is not None
    assert change.seen.id == "ftjob-1"


def test_an_interrupted_create_is_gone_on_with(make: Maker) -> None:
    (change,) = diff([make.desired()], make.lock(intent=make.intent()))
    assert change.kind is Kind.CREATE
    assert change.approved
    assert change.reason == "no job yet; its create was begun: looked for first, made only if it is not there"


def test_a_running_job_is_awaited(make: Maker) -> None:
    lock = make.lock(make.generation(status="running"))
    (change,) = diff([make.desired()], lock, make.observed(make.job("running")))
    assert (change.kind, change.reason) == (Kind.AWAIT, "running since 2027-01-15 08:00 UTC")


def test_without_a_look_a_running_job_is_still_running(make: Maker) -> None:
    (change,) = diff([make.desired()], make.lock(make.generation(status="validating_files")))
    assert change.kind is Kind.AWAIT
    assert change.reason == "training when last seen, submitted 2027-01-15 08:00 UTC"


def test_an_unknown_status_counts_as_running(make: Maker) -> None:
    lock = make.lock(make.generation(status="running"))
    (change,) = diff([make.desired()], lock, make.observed(make.job("meditating")))
    assert (change.kind, change.reason) == (Kind.AWAIT, "meditating since 2027-01-15 08:00 UTC")


def test_a_paused_job_is_left_to_the_person_who_paused_it(make: Maker) -> None:
    lock = make.lock(make.generation(status="running"))
    (change,) = diff([make.desired()], lock, make.observed(make.job("paused")))
    assert change.kind is Kind.PAUSED
    assert "`ftops resume elle`" in change.reason


def test_a_finished_job_is_collected(make: Maker) -> None:
    lock = make.lock(make.generation(status="running"))
    (change,) = diff([make.desired()], lock, make.observed(make.job("succeeded")))
    assert (change.kind, change.reason) == (Kind.COLLECT, "finished: record its model, checkpoints and metrics")


def test_a_job_that_just_failed_is_collected_with_the_provider_s_words(make: Maker) -> None:
    lock = make.lock(make.generation(status="running"))
    job = make.job("failed", error=JobError(code="invalid_n_examples", message="7 examples are too few"))
    (change,) = diff([make.desired()], lock, make.observed(job))
    assert (change.kind, change.reason) == (Kind.COLLECT, "failed: 7 examples are too few")


def test_a_trained_model_needs_nothing(make: Maker) -> None:
    (change,) = diff([make.desired()], make.lock(make.generation()), make.observed(make.job("succeeded")))
    assert (change.kind, change.reason) == (Kind.NONE, "ft:base-1:org::m1")


def test_a_model_that_is_gone_is_drift(make: Maker) -> None:
    lock = make.lock(make.generation())
    (change,) = diff([make.desired()], lock, make.observed(make.job("succeeded"), models=["base-1"]))
    assert change.kind is Kind.DRIFT
    assert change.reason == "ft:base-1:org::m1 was deleted outside ftops or shut down"


def test_a_job_that_is_gone_is_drift(make: Maker) -> None:
    (change,) = diff([make.desired()], make.lock(make.generation(status="running")), make.observed())
    assert (change.kind, change.reason) == (Kind.DRIFT, "job ftjob-1 is gone at the provider")


def _failed(make: Maker, status: str = "failed", **changes: object) -> Lockfile:
    error = JobError(message="moderation") if status == "failed" else None
    job = JobRecord(id="ftjob-1", status=status, created_at=1, error=error)
    return make.lock(make.generation(status=status, job=job, **changes))


@pytest.mark.parametrize(("status", "reason"), [("failed", "failed: moderation"), ("cancelled", "was cancelled")])
def test_a_failed_or_cancelled_job_blocks_its_spec(make: Maker, status: str, reason: str) -> None:
    (change,) = diff([make.desired()], _failed(make, status), make.observed(make.job(status)))
    assert (change.kind, change.reason) == (Kind.BLOCKED, reason)


def test_a_person_can_have_a_failed_job_tried_again(make: Maker) -> None:
    (change,) = diff([make.desired()], _failed(make), retry_failed=True)
    assert (change.kind, change.attempt) == (Kind.CREATE, 2)
    assert change.reason == "trained again: failed: moderation"


def test_a_person_can_have_a_model_that_is_gone_trained_again(make: Maker) -> None:
    observed = make.observed(make.job("succeeded"), models=["base-1"])
    (change,) = diff([make.desired()], make.lock(make.generation()), observed, retry_failed=True)
    assert (change.kind, change.attempt) == (Kind.CREATE, 2)


def test_a_failure_without_words_says_so(make: Maker) -> None:
    job = JobRecord(id="ftjob-1", status="failed", created_at=1)
    (change,) = diff([make.desired()], make.lock(make.generation(status="failed", job=job)))
    assert change.reason == "failed: the provider gives no reason"


def test_a_later_attempt_that_lives_is_adopted_after_a_failure(make: Maker) -> None:
    observed = make.observed(make.job("running", id="ftjob-2", attempt=2), make.job("failed"))
    (change,) = diff([make.desired()], _failed(make), observed)
    assert (change.kind, change.reason) == (Kind.ADOPT, "a later attempt exists already")


def test_another_digest_replaces_with_its_causes_named(make: Maker) -> None:
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 4}}}
    (change,) = diff([make.desired(method=method)], make.lock(make.generation()))
    assert (change.kind, change.reason) == (Kind.REPLACE, "its inputs changed")
    assert change.causes == (Cause(field="n_epochs", before="3", after="4"),)
    assert change.recorded is not None
    assert change.recorded.job.id == "ftjob-1"


def test_changed_data_is_a_cause_with_its_rows(make: Maker) -> None:
    file = DataFile(path="specs/data/a.jsonl", sha256="b" * 64, bytes=101, rows=25)
    (change,) = diff([make.desired(training_file=file)], make.lock(make.generation()))
    (cause,) = change.causes
    assert cause == Cause(field="training_file", before="24 rows (aaaaaaaaaaaa)", after="25 rows (bbbbbbbbbbbb)")


def test_going_back_to_an_earlier_generation_takes_its_model_back(make: Maker) -> None:
    old = make.generation()
    new = make.generation(make.inputs(seed=1), job=JobRecord(id="ftjob-2", status="succeeded", created_at=2))
    (change,) = diff([make.desired()], make.lock(old, new))
    assert (change.kind, change.reason) == (Kind.ADOPT, "trained before, as job ftjob-1")


def test_an_earlier_generation_whose_model_is_gone_is_trained_again(make: Maker) -> None:
    old = make.generation()
    new = make.generation(make.inputs(seed=1), job=JobRecord(id="ftjob-2", status="succeeded", created_at=2))
    changes = diff([make.desired()], make.lock(old, new), make.observed(models=["base-1"]))
    assert changes[0].kind is Kind.REPLACE


def test_what_no_spec_asks_for_is_forgotten_and_then_quiet(make: Maker) -> None:
    lock = make.lock(make.generation())
    (change,) = diff([], lock)
    assert (change.kind, change.reason) == (Kind.FORGET, "no spec asks for it")
    assert diff([], forgotten(lock, "elle")) == ()


def test_a_labelled_job_that_is_recorded_nowhere_is_reported(make: Maker) -> None:
    (change,) = diff([], EMPTY, make.observed(make.job("succeeded", name="lost")))
    assert (change.name, change.kind) == ("lost", Kind.UNRECORDED)


def test_a_failed_job_that_is_recorded_nowhere_is_not_worth_a_line(make: Maker) -> None:
    assert diff([], EMPTY, make.observed(make.job("failed", name="lost"))) == ()


def test_another_checkpoint_is_chosen_without_training(make: Maker) -> None:
    (change,) = diff([make.desired(checkpoint="last")], make.lock(make.generation()))
    assert (change.kind, change.reason) == (Kind.SELECT, "checkpoint best → last")


def test_a_model_without_a_chosen_checkpoint_gets_one(make: Maker) -> None:
    lock = make.lock(make.generation(model=None, checkpoint=None))
    (change,) = diff([make.desired()], lock)
    assert (change.kind, change.reason) == (Kind.SELECT, "no checkpoint is chosen yet: best")


def test_a_superseded_job_is_still_awaited_and_collected(make: Maker) -> None:
    old = make.generation(make.inputs(seed=1), "running", job=JobRecord(id="ftjob-0", status="running", created_at=1))
    lock = make.lock(old, make.generation())
    job = make.job("succeeded", id="ftjob-0", digest=str(old.digest))
    kinds = [change.kind for change in diff([make.desired()], lock, make.observed(job, make.job("succeeded")))]
    assert kinds == [Kind.NONE, Kind.COLLECT]
    assert [change.kind for change in diff([make.desired()], lock)] == [Kind.NONE, Kind.AWAIT]


def test_a_time_that_is_none_is_shown_as_it_is(make: Maker) -> None:
    """As fuzzing found: a lockfile may hold any number."""
    lock = make.lock(make.generation(status="running", job=JobRecord(id="ftjob-1", status="running", created_at=2**63)))
    assert diff([make.desired()], lock)[0].reason == "training when last seen, submitted 9223372036854775808"


def test_a_superseded_job_is_cancelled_where_the_spec_says_so_once_its_successor_is_recorded(make: Maker) -> None:
    old = make.generation(make.inputs(seed=1), "running", job=JobRecord(id="ftjob-0", status="running", created_at=1))
    want = replace(make.desired(), spec=make.spec(on_change="cancel"))
    lock = make.lock(old, make.generation())
    runs = make.job("running", id="ftjob-0", digest=str(old.digest))
    found = diff([want], lock, make.observed(runs, make.job("succeeded")))[1]
    assert (found.kind, found.seen) == (Kind.CANCEL, runs)
    assert found.reason == "job ftjob-0 is superseded by ftjob-1, and the spec says `on_change: cancel`"
    ended = make.job("succeeded", id="ftjob-0", digest=str(old.digest))
    assert diff([want], lock, make.observed(ended, make.job("succeeded")))[1].kind is Kind.COLLECT
    # Without a look it may have ended; and before its successor is recorded, it is all there is.
    assert diff([want], lock)[1].kind is Kind.AWAIT
    assert Kind.CANCEL not in {change.kind for change in diff([want], make.lock(old), make.observed(runs))}


def test_a_child_waits_for_its_parent_s_model(make: Maker) -> None:
    parent = make.desired()
    child = make.child(parent)
    (_, change) = diff([parent, child], EMPTY)
    assert (change.kind, change.waits_for) == (Kind.CREATE, "elle")
    (_, change) = diff([parent, child], make.lock(make.generation()))
    assert (change.kind, change.waits_for) == (Kind.CREATE, None)


def test_a_change_of_the_parent_replaces_the_child_and_names_the_parent(make: Maker) -> None:
    before, after = make.desired(), make.desired(seed=9)
    child = make.child(before)
    trained = make.generation(child.inputs, job=JobRecord(id="ftjob-9", status="succeeded", created_at=1))
    lock = with_generation(make.lock(make.generation()), "noble", trained)
    (_, change) = diff([after, make.child(after)], lock)
    assert change.kind is Kind.REPLACE
    assert [cause.field for cause in change.causes] == ["parent"]


def test_a_rebuilt_generation_without_inputs_names_no_cause(make: Maker) -> None:
    generation = make.generation(make.inputs(seed=5))
    lock = make.lock(msgspec.structs.replace(generation, inputs=None))
    (change,) = diff([make.desired()], lock)
    assert (change.kind, change.causes) == (Kind.REPLACE, ())

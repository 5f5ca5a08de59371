"""Paid once, recorded for ever: crashes, lists that lag, retries, parents that fail, providers that lack things."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftops.create import LAG_SECONDS
from ftops.diagnostics import ProblemsError
from ftops.plan.changes import Kind
from ftops.reconcile import outstanding
from ftops.remote.provider import Provider

if TYPE_CHECKING:
    from conftest import Team

    from ftops.lockfile import Generation

CREATE = "POST /v1/fine_tuning/jobs"
LIST = "GET /v1/fine_tuning/jobs"
MODELS = "GET /v1/models"
CHECKPOINTS = "GET /v1/fine_tuning/jobs/*/checkpoints"

LONG = 50
"""Epochs of a job that is still training when the test goes on."""


class CrashError(BaseException):
    """The process ends here."""


def crash_after_create(team: Team, monkeypatch: pytest.MonkeyPatch, *, retry_failed: bool = False) -> None:
    create = Provider.create_job

    def create_and_crash(provider: Provider, request: dict[str, object]) -> None:
        create(provider, request)
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(Provider, "create_job", create_and_crash)
        with pytest.raises(CrashError):
            team.apply(retry_failed=retry_failed)


def generation(team: Team, name: str = "pong") -> Generation:
    found = team.lock.models[name].generation
    assert found is not None
    return found


def delete_model(team: Team) -> None:
    model = generation(team).model
    assert model is not None
    team.provider._client.models.delete(model)


def all_jobs(team: Team) -> set[str]:
    return {job for jobs in team.jobs().values() for job in jobs}


def recorded_jobs(team: Team, name: str = "pong") -> set[str]:
    return {each.job.id for each in team.lock.models[name].generations}


def test_a_crash_after_the_create_and_a_list_that_lags_pay_once(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.spec("pong")
    crash_after_create(team, monkeypatch)
    team.server.faults({"match": LIST, "kind": "empty-list", "times": 4})
    (outcome,) = team.apply()
    assert outcome.problem is None
    assert [len(jobs) for jobs in team.jobs().values()] == [1]


def test_a_retry_that_crashed_after_its_create_is_adopted_once_and_recorded(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    team.spec("pong", epochs=LONG)
    team.apply()
    team.provider.cancel(generation(team).job.id)
    team.settle()
    crash_after_create(team, monkeypatch, retry_failed=True)
    (outcome,) = team.apply()
    assert outcome.problem is None
    assert team.apply() == ()
    assert recorded_jobs(team) == all_jobs(team)
    assert generation(team).attempt == 2


def test_a_model_deleted_twice_is_trained_three_times_and_only_when_told(team: Team) -> None:
    team.spec("pong", epochs=1)
    team.apply()
    team.settle()
    for attempt in (2, 3):
        delete_model(team)
        assert team.apply() == ()
        team.apply(retry_failed=True)
        team.settle()
        assert generation(team).attempt == attempt
    assert [len(jobs) for jobs in team.jobs().values()] == [3]
    assert recorded_jobs(team) == all_jobs(team)


def test_a_cancelled_retry_after_drift_is_not_answered_with_the_model_that_is_gone(team: Team) -> None:
    team.spec("pong", epochs=LONG)
    team.apply()
    team.settle()
    delete_model(team)
    team.apply(retry_failed=True)
    team.provider.cancel(generation(team).job.id)
    team.settle()
    assert team.apply() == ()
    assert team.plan(refresh=True).changes[0].kind is Kind.BLOCKED


def test_a_list_that_lags_is_no_drift(team: Team) -> None:
    team.spec("pong", epochs=LONG)
    team.apply()
    team.server.faults({"match": LIST, "kind": "empty-list", "times": 5})
    planned, _ = team.reconcile()
    assert planned.changes[0].kind is Kind.AWAIT
    assert team.apply(retry_failed=True) == ()
    team.server.faults()
    assert [len(jobs) for jobs in team.jobs().values()] == [1]


def test_a_list_of_models_that_lags_is_no_drift_and_costs_no_second_job(team: Team) -> None:
    team.spec("pong", epochs=1)
    team.apply()
    team.settle()
    team.server.faults({"match": MODELS, "kind": "empty-list", "times": 2})
    assert team.apply(retry_failed=True) == ()
    (team.root / "ftops.lock").unlink()
    team.server.faults({"match": MODELS, "kind": "empty-list", "times": 2})
    team.apply()
    assert [len(jobs) for jobs in team.jobs().values()] == [1]


def test_a_renamed_project_still_collects_its_jobs(team: Team) -> None:
    team.spec("pong")
    team.apply()
    config = team.root / "ftops.yaml"
    config.write_text(config.read_text().replace("project: team", "project: other-team"))
    planned = team.settle()
    assert planned.changes[0].kind is Kind.NONE


def test_two_projects_with_an_equal_spec_share_no_job(team: Team) -> None:
    team.spec("pong")
    team.apply()
    (team.root / "ftops.lock").unlink()
    config = team.root / "ftops.yaml"
    config.write_text(config.read_text().replace("project: team", "project: other-team"))
    (outcome,) = team.apply()
    assert outcome.text.startswith("submitted job")


def test_the_outcome_of_an_edited_spec_s_doubtful_create_is_kept(team: Team) -> None:
    team.spec("pong")
    team.server.faults({"match": CREATE, "kind": "lost-response"}, {"match": LIST, "kind": "empty-list", "times": 9})
    (outcome,) = team.apply()
    assert outcome.problem is not None
    assert outcome.problem.code == "create-doubtful"
    team.server.faults()
    team.spec("pong", epochs=3)
    team.apply()
    team.settle()
    assert recorded_jobs(team) == all_jobs(team)
    assert len(all_jobs(team)) == 2
    assert all(each.model for each in team.lock.models["pong"].generations)


def test_going_back_while_the_first_job_still_trains_takes_it_back(team: Team) -> None:
    team.spec("pong", epochs=LONG)
    team.apply()
    first = generation(team).job.id
    team.spec("pong", epochs=LONG - 1)
    team.apply()
    team.spec("pong", epochs=LONG)
    (change,) = team.plan().pending
    assert (change.kind, change.reason) == (Kind.ADOPT, f"still training, as job {first}")
    team.apply()
    assert generation(team).job.id == first
    assert len(team.lock.models["pong"].history) == 1
    team.server.faults({"match": LIST, "kind": "empty-list", "times": 4})
    team.spec("pong", epochs=LONG - 1)
    team.apply()
    team.server.faults()
    assert {len(jobs) for jobs in team.jobs().values()} == {1}


def test_going_back_to_a_model_that_is_gone_says_so_and_trains_it_again(team: Team) -> None:
    team.spec("pong", epochs=1)
    team.apply()
    team.settle()
    delete_model(team)
    team.spec("pong", epochs=2)
    team.apply()
    team.settle()
    team.spec("pong", epochs=1)
    change = team.plan(refresh=True).changes[0]
    assert (change.kind, change.attempt) == (Kind.REPLACE, 2)
    assert change.reason == "its inputs changed; the model that it had before is gone"
    team.apply()
    team.settle()
    assert team.plan(refresh=True).changes[0].kind is Kind.NONE
    assert len(all_jobs(team)) == 3


def test_a_failed_job_or_a_wrong_checkpoint_keeps_no_other_spec_from_being_trained(team: Team) -> None:
    team.spec("a", epochs=1)
    team.apply()
    team.settle()
    team.spec("a", epochs=1, more="checkpoint: step:99\n")
    team.spec("b", epochs=1)
    wrong, submitted = team.apply()
    assert wrong.problem is not None
    assert wrong.problem.code == "checkpoint-missing"
    assert submitted.text.startswith("submitted job")


def test_a_busy_list_of_files_is_a_failure_and_no_promise(team: Team) -> None:
    team.spec("pong")
    fault = {"match": "GET /v1/files", "kind": "status", "status": 429, "times": 3, "retry_after": 0.01}
    team.server.faults(fault)
    (outcome,) = team.apply()
    assert not outcome.waits
    assert outcome.problem is not None
    assert outcome.problem.code == "remote-busy"


def test_a_retry_that_meets_a_full_provider_is_gone_on_with(team: Team) -> None:
    team.spec("pong", epochs=LONG)
    team.apply()
    team.provider.cancel(generation(team).job.id)
    team.settle()
    team.server.faults({"match": CREATE, "kind": "status", "status": 429})
    (outcome,) = team.apply(retry_failed=True)
    assert outcome.waits
    _, (outcome,) = team.reconcile()
    assert outcome.text.startswith("submitted job")


def test_what_waits_for_a_cancelled_parent_is_not_waited_for(team: Team) -> None:
    team.spec("parent", epochs=LONG)
    team.spec("child", model="{spec: parent}")
    team.apply()
    team.provider.cancel(generation(team, "parent").job.id)
    planned = team.settle()
    assert outstanding(planned) == ()
    _, (outcome,) = team.reconcile()
    assert outcome.text == "waits for parent, whose job cancelled"


def test_a_removed_spec_takes_its_promise_along(team: Team) -> None:
    team.spec("parent", epochs=1)
    path = team.spec("child", model="{spec: parent}")
    team.apply()
    text = path.read_text()
    path.unlink()
    team.settle()
    (outcome,) = team.apply()
    assert (outcome.name, outcome.kind) == ("child", Kind.FORGET)
    assert "child" not in team.lock.models
    path.write_text(text)
    _, outcomes = team.reconcile()
    assert outcomes == ()


def test_a_refused_replacement_leaves_the_running_job_alone(team: Team) -> None:
    team.config("litellm")
    team.spec("pong", epochs=LONG)
    team.apply()
    old = generation(team).job.id
    team.spec("pong", model="no-such-model", more="on_change: cancel\n")
    (outcome,) = team.apply()
    assert outcome.problem is not None
    assert team.provider.job(old).status != "cancelled"


def test_a_provider_without_checkpoints_has_its_model_recorded_under_any_rule(team: Team) -> None:
    team.spec("pong", epochs=1)
    team.server.faults({"match": CHECKPOINTS, "kind": "status", "status": 404, "times": 9})
    team.apply()
    team.settle()
    model = generation(team).model
    assert model is not None
    team.spec("pong", epochs=1, more="checkpoint: last\n")
    (outcome,) = team.apply()
    assert outcome.problem is None
    assert generation(team).model == model


def test_a_child_of_an_alias_does_not_bring_the_alias_own_spec_along(team: Team) -> None:
    team.spec("base", epochs=1)
    team.apply()
    team.settle()
    team.config(extra=f"aliases:\n  prod: base@{generation(team, 'base').digest}\n")
    team.spec("base", epochs=3)
    team.spec("child", model="{alias: prod}")
    assert [change.name for change in team.plan("child").changes] == ["child"]


def test_another_checkpoint_is_chosen_by_apply_not_by_reconcile(team: Team) -> None:
    team.spec("pong")
    team.apply()
    team.settle()
    before = generation(team).model
    team.spec("pong", more="checkpoint: step:3\n")
    _, outcomes = team.reconcile()
    assert outcomes == ()
    assert generation(team).model == before


def test_nothing_is_written_over_a_record_that_was_changed_by_hand(team: Team) -> None:
    team.spec("pong", epochs=1)
    team.apply()
    team.settle()
    model = generation(team).model
    assert model is not None
    lockfile = team.root / "ftops.lock"
    lockfile.write_text(lockfile.read_text().replace(model, f"{model}0"))
    team.spec("other")
    with pytest.raises(ProblemsError) as caught:
        team.apply()
    assert caught.value.problems[0].code == "lock-edited"
    assert [len(jobs) for jobs in team.jobs().values()] == [1]


def test_a_second_job_of_one_digest_is_reported(team: Team) -> None:
    team.spec("pong", epochs=1)
    team.apply()
    team.settle()
    team.provider.create_job(generation(team).request)
    changes = team.plan(refresh=True).changes
    assert [change.kind for change in changes] == [Kind.NONE, Kind.UNRECORDED]


def test_rebuild_knows_a_spec_by_what_it_ignores(team: Team) -> None:
    team.spec("pong", epochs=1, more="lifecycle: {ignore_changes: [seed]}\n")
    team.apply()
    team.settle()
    spec = team.root / "specs" / "pong.yaml"
    spec.write_text(spec.read_text().replace(f"seed: {team.seed}", "seed: 5"))
    assert team.plan().pending == ()
    (team.root / "ftops.lock").unlink()
    team.rebuild()
    assert team.plan(refresh=True).pending == ()


@pytest.mark.parametrize("lost", ["edited", "gone"])
def test_rebuild_of_a_record_that_was_lost_gives_lists_the_time_by_which_they_lag(team: Team, lost: str) -> None:
    team.spec("pong", epochs=1)
    team.spec("other", epochs=1)
    team.apply()
    slept = sum(team.clock.slept)
    team.rebuild()
    assert sum(team.clock.slept) == slept
    lock = team.root / "ftops.lock"
    if lost == "edited":
        lock.write_text(lock.read_text().replace('"id": "ftjob-', '"id": "ftjob-un', 1))
    else:
        lock.unlink()
    team.rebuild()
    assert sum(team.clock.slept) - slept >= LAG_SECONDS
    assert team.plan(refresh=True).counts.keys() <= {Kind.NONE, Kind.AWAIT, Kind.COLLECT}


def test_a_job_whose_spec_was_edited_is_still_awaited_and_collected(team: Team) -> None:
    team.spec("pong", epochs=LONG)
    team.apply()
    team.spec("pong", epochs=1)
    assert [change.kind for change in team.plan().changes] == [Kind.REPLACE, Kind.AWAIT]
    planned = team.settle()
    assert [change.kind for change in planned.changes] == [Kind.REPLACE]
    assert generation(team).model is not None


def test_a_copied_spec_is_told_of_its_twin_and_still_gets_a_job_of_its_own(team: Team) -> None:
    team.spec("pong", epochs=1)
    team.apply()
    team.spec("copy", epochs=1)
    change = team.plan().changes[0]
    assert (change.name, change.kind) == ("copy", Kind.CREATE)
    assert "`pong` asks for the very same" in change.reason


def test_a_renamed_spec_is_told_how_to_keep_its_model(team: Team) -> None:
    spec = team.spec("pong", epochs=1)
    team.apply()
    spec.rename(spec.with_name("ping.yaml"))
    renamed, former, *_ = team.plan().changes
    assert (renamed.name, renamed.kind, former.name, former.kind) == ("ping", Kind.CREATE, "pong", Kind.FORGET)
    assert "`pong` was trained with the very same: if this is its spec renamed, name it so again" in renamed.reason


def test_a_model_that_the_target_has_not_is_found_before_anything_is_sent(team: Team) -> None:
    team.spec("pong", model="tiny-bite-90k")
    with pytest.raises(ProblemsError) as caught:
        team.plan()
    (problem,) = caught.value.problems
    assert (problem.code, problem.fix) == ("model-unknown", "did you mean `tiny-byte-90k`?")
    assert problem.place is not None
    assert problem.place.source == "model: tiny-bite-90k"


def test_forgetting_a_job_that_still_trains_says_how_to_end_it(team: Team) -> None:
    path = team.spec("pong", epochs=LONG)
    team.apply()
    job = generation(team).job.id
    path.unlink()
    outcome, *_ = team.apply()
    assert f"`ftops cancel {job}`" in outcome.text
    team.settle()
    assert team.lock.models["pong"].history[0].model is not None

"""Apply and reconcile against the real server: the state of the world afterwards, not the calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftops.diagnostics import ProblemsError
from ftops.lockfile import verify
from ftops.plan.changes import Kind
from ftops.reconcile import Options, apply, plan

if TYPE_CHECKING:
    from conftest import Team

LONG = 50
"""Epochs of a job that is still training when the test goes on."""


def kinds(team: Team, *, refresh: bool = False) -> dict[str, Kind]:
    return {change.name: change.kind for change in team.plan(refresh=refresh).changes}


def test_from_spec_to_model_id_in_the_lockfile(team: Team) -> None:
    team.spec("pong")
    (outcome,) = team.apply()
    assert outcome.text.startswith("submitted job ftjob-")
    assert kinds(team) == {"pong": Kind.AWAIT}
    team.settle()
    assert kinds(team, refresh=True) == {"pong": Kind.NONE}
    generation = team.lock.models["pong"].generation
    assert generation is not None
    assert generation.model is not None
    assert generation.model.startswith("ft:tiny-byte-90k:")
    assert generation.model in team.provider.models()
    assert [checkpoint.step for checkpoint in generation.checkpoints] == [3, 6]
    assert generation.trained_tokens is not None
    assert generation.hyperparameters["n_epochs"] == 2
    assert generation.inputs is not None
    assert generation.inputs.training_file.rows == 12
    assert verify(team.lock, "ftops.lock") == ()
    assert {len(jobs) for jobs in team.jobs().values()} == {1}


def test_applying_twice_pays_once(team: Team) -> None:
    team.spec("pong", epochs=LONG)
    team.apply()
    assert team.apply() == ()
    team.settle()
    assert team.apply() == ()
    assert [len(jobs) for jobs in team.jobs().values()] == [1]


def test_two_equal_specs_share_no_job(team: Team) -> None:
    team.spec("one")
    team.spec("two")
    team.apply()
    assert [len(jobs) for jobs in team.jobs().values()] == [2]
    job_ids = {entry.generation.job.id for entry in team.lock.models.values() if entry.generation}
    assert len(job_ids) == 2


def test_equal_data_is_uploaded_once(team: Team) -> None:
    team.data("pings.jsonl", answer=f"only here {team.seed}")
    team.spec("one")
    team.spec("two", epochs=3)
    team.apply()
    generations = [entry.generation for entry in team.lock.models.values()]
    files = {generation.inputs.training_file.file_id for generation in generations if generation and generation.inputs}
    assert len(files) == 1


def test_a_lost_response_never_pays_twice(team: Team) -> None:
    team.spec("pong")
    team.server.faults({"match": "POST /v1/fine_tuning/jobs", "kind": "lost-response"})
    (outcome,) = team.apply()
    assert outcome.text.startswith("submitted job")
    assert [len(jobs) for jobs in team.jobs().values()] == [1]


def test_a_lost_response_and_a_list_that_lags_is_looked_for_with_patience(team: Team) -> None:
    team.spec("pong")
    team.server.faults(
        {"match": "POST /v1/fine_tuning/jobs", "kind": "lost-response"},
        # The looks for the plan and for apply, the one before the create, and three after it see nothing.
        {"match": "GET /v1/fine_tuning/jobs", "kind": "empty-list", "times": 6},
    )
    (outcome,) = team.apply()
    assert outcome.text.startswith("submitted job")
    assert team.clock.slept == [1, 1, 2]
    assert [len(jobs) for jobs in team.jobs().values()] == [1]


def test_a_create_that_never_arrived_is_doubtful_until_the_next_apply(team: Team) -> None:
    team.spec("pong")
    team.server.faults({"match": "POST /v1/fine_tuning/jobs", "kind": "drop-before"})
    (outcome,) = team.apply()
    assert outcome.problem is not None
    assert outcome.problem.code == "create-doubtful"
    assert team.lock.models["pong"].intent is not None
    (outcome,) = team.apply()
    assert outcome.text.startswith("submitted job")
    assert [len(jobs) for jobs in team.jobs().values()] == [1]


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (500, None, "create-doubtful"),
        (409, None, "create-doubtful"),
        (400, "model_not_available", "remote-refused"),
        (401, "invalid_api_key", "remote-unauthorized"),
        (403, "training_not_available", "remote-training-closed"),
        (403, None, "remote-forbidden"),
        (429, "insufficient_quota", "remote-quota"),
    ],
)
def test_every_failed_create_ends_in_words_and_nothing_is_lost(
    team: Team, status: int, code: str | None, expected: str
) -> None:
    team.spec("pong")
    fault = {"match": "POST /v1/fine_tuning/jobs", "kind": "status", "status": status}
    team.server.faults(fault | ({"code": code} if code else {}))
    (outcome,) = team.apply()
    assert outcome.problem is not None
    assert outcome.problem.code == expected
    assert (team.lock.models.get("pong") is None) == (expected != "create-doubtful")
    team.apply()
    assert [len(jobs) for jobs in team.jobs().values()] == [1]


def test_a_model_that_is_refused_does_not_keep_the_next_from_being_tried(team: Team) -> None:
    team.config("litellm")
    team.spec("a", model="no-such-model")
    team.spec("b")
    refused, submitted = team.apply()
    assert refused.problem is not None
    assert "no-such-model" in refused.problem.summary
    assert submitted.text.startswith("submitted")


def test_a_full_provider_is_waited_for_and_gone_on_with(team: Team) -> None:
    team.spec("pong")
    team.server.faults({"match": "POST /v1/fine_tuning/jobs", "kind": "status", "status": 429, "retry_after": 1})
    (outcome,) = team.apply()
    assert outcome.waits
    planned, (outcome,) = team.reconcile()
    assert outcome.text.startswith("submitted job")
    assert [len(jobs) for jobs in team.jobs().values()] == [1]
    assert planned.changes[0].kind is Kind.AWAIT


def test_html_instead_of_an_answer_is_said(team: Team) -> None:
    team.spec("pong")
    team.server.faults({"match": "GET /v1/models", "kind": "html", "times": 9})
    with pytest.raises(ProblemsError) as caught:
        team.apply()
    assert caught.value.problems[0].code in {"remote-answer", "remote-failed"}
    assert team.jobs() == {}


def test_an_upload_whose_answer_is_lost_is_found_again(team: Team) -> None:
    team.spec("pong")
    team.data("pings.jsonl", answer=f"unlike any other {team.seed}")
    team.server.faults({"match": "POST /v1/files", "kind": "lost-response"})
    (outcome,) = team.apply()
    assert outcome.text.startswith("submitted job")
    files = [name for name in team.provider.files() if name.startswith("pings.")]
    assert len(files) == len(set(files))


def test_a_chain_goes_on_by_reconcile_alone(team: Team) -> None:
    team.spec("parent")
    team.spec("child", model="{spec: parent}")
    _, waiting = team.apply()
    assert waiting.waits
    team.settle()
    assert kinds(team) == {"parent": Kind.NONE, "child": Kind.NONE}
    parent, child = (team.lock.models[name].generation for name in ("parent", "child"))
    assert parent is not None
    assert child is not None
    assert child.request["model"] == parent.model


def test_reconcile_starts_nothing_that_no_apply_was_told_to_make(team: Team) -> None:
    team.spec("pong")
    _, outcomes = team.reconcile()
    assert outcomes == ()
    assert team.jobs() == {}


def test_one_changed_hyperparameter_is_one_replacement_and_going_back_costs_nothing(team: Team) -> None:
    team.spec("pong")
    team.spec("other")
    team.apply()
    team.settle()
    first = team.lock.models["pong"].generation
    team.spec("pong", epochs=3)
    (change,) = team.plan().pending
    assert (change.name, change.kind) == ("pong", Kind.REPLACE)
    assert [(cause.field, cause.before, cause.after) for cause in change.causes] == [("n_epochs", "2", "3")]
    team.apply()
    team.settle()
    team.spec("pong")
    (change,) = team.plan().pending
    assert change.kind is Kind.ADOPT
    team.apply()
    entry = team.lock.models["pong"]
    assert entry.generation is not None
    assert first is not None
    assert entry.generation.model == first.model
    assert len(entry.history) == 1
    assert {len(jobs) for jobs in team.jobs().values()} == {1, 2}
    assert verify(team.lock, "ftops.lock") == ()


def test_one_changed_byte_of_data_is_one_replacement_with_its_rows(team: Team) -> None:
    team.spec("pong")
    team.apply()
    team.data("pings.jsonl", 13)
    (change,) = team.plan().pending
    (cause,) = change.causes
    assert cause.field == "training_file"
    assert cause.before.startswith("12 rows")
    assert cause.after.startswith("13 rows")


def test_comments_key_order_and_line_ends_ask_for_nothing(team: Team) -> None:
    path = team.spec("pong")
    team.apply()
    lines = path.read_text().splitlines()
    head, method = lines[:4], lines[4:]
    path.write_bytes("\r\n".join(["# why not", *method, "description: the same", *reversed(head)]).encode() + b"\r\n")
    assert team.plan().pending == ()


def test_a_failed_job_blocks_until_a_person_says_so(team: Team) -> None:
    # The server's own rule, at the start of the job: a validation file that is no training data.
    team.spec("pong", more="validation_file: data/valid.jsonl\n")
    team.data("valid.jsonl", 3)
    team.apply()
    team.provider.cancel(_job_id(team, "pong"))
    team.settle()
    assert kinds(team) == {"pong": Kind.BLOCKED}
    assert team.apply() == ()
    (outcome,) = team.apply(retry_failed=True)
    assert outcome.text.startswith("submitted job")
    team.settle()
    generation = team.lock.models["pong"].generation
    assert generation is not None
    assert (generation.attempt, generation.job.status) == (2, "succeeded")
    assert [len(jobs) for jobs in team.jobs().values()] == [2]


def test_a_cancel_whose_call_failed_is_made_by_the_next_run(team: Team) -> None:
    team.spec("pong", epochs=50, more="on_change: cancel\n")
    team.apply()
    before = _job_id(team, "pong")
    team.spec("pong", more="on_change: cancel\n")
    team.server.faults({"match": "POST /v1/fine_tuning/jobs/*/cancel", "kind": "drop-before", "times": 3})
    (outcome,) = team.apply()
    assert outcome.text.startswith("submitted job")
    assert team.provider.job(before).status != "cancelled"
    team.server.faults()
    _, outcomes = team.reconcile()
    assert f"cancelled job {before}, which is superseded" in [outcome.text for outcome in outcomes]
    assert team.provider.job(before).status == "cancelled"


def test_a_superseded_job_is_cancelled_only_if_its_spec_says_so(team: Team) -> None:
    team.spec("kept", epochs=49)
    team.spec("ended", epochs=50, more="on_change: cancel\n")
    team.apply()
    before = {name: _job_id(team, name) for name in ("kept", "ended")}
    team.spec("kept", epochs=1)
    team.spec("ended", epochs=2, more="on_change: cancel\n")
    team.apply()
    team.settle()
    assert team.provider.job(before["kept"]).status == "succeeded"
    assert team.provider.job(before["ended"]).status == "cancelled"
    (old,) = team.lock.models["kept"].history
    assert old.model is not None


def test_removing_a_spec_keeps_its_model_and_its_id(team: Team) -> None:
    path = team.spec("pong")
    team.apply()
    team.settle()
    model = team.lock.models["pong"].generation
    path.unlink()
    (change,) = team.plan().pending
    assert change.kind is Kind.FORGET
    team.apply()
    assert team.plan().changes == ()
    assert team.lock.models["pong"].history[0].model == (model and model.model)
    assert (model and model.model) in team.provider.models()


def test_a_model_deleted_by_hand_is_drift_and_is_not_trained_again(team: Team) -> None:
    team.spec("pong")
    team.apply()
    team.settle()
    generation = team.lock.models["pong"].generation
    assert generation is not None
    assert generation.model is not None
    team.provider._client.models.delete(generation.model)
    assert kinds(team, refresh=True) == {"pong": Kind.DRIFT}
    assert team.apply() == ()
    assert [len(jobs) for jobs in team.jobs().values()] == [1]


def test_a_model_that_is_gone_is_trained_again_if_a_person_says_so(team: Team) -> None:
    team.spec("pong")
    team.apply()
    team.settle()
    before = team.lock.models["pong"].generation
    assert before is not None
    assert before.model is not None
    team.provider._client.models.delete(before.model)
    (outcome,) = team.apply(retry_failed=True)
    assert outcome.text.startswith("submitted job")
    team.settle()
    entry = team.lock.models["pong"]
    assert entry.generation is not None
    assert entry.generation.model != before.model
    assert kinds(team, refresh=True) == {"pong": Kind.NONE}
    assert [old.model for old in entry.history] == [before.model]


def test_another_checkpoint_is_chosen_without_a_job(team: Team) -> None:
    team.spec("pong")
    team.apply()
    team.settle()
    team.spec("pong", more="checkpoint: step:3\n")
    assert kinds(team) == {"pong": Kind.SELECT}
    team.apply()
    generation = team.lock.models["pong"].generation
    assert generation is not None
    assert generation.checkpoint is not None
    assert generation.checkpoint.step == 3
    assert generation.model == generation.checkpoints[0].model
    team.spec("pong", more="checkpoint: step:4\n")
    (outcome,) = team.apply()
    assert outcome.problem is not None
    assert outcome.problem.code == "checkpoint-missing"
    assert "3, 6" in (outcome.problem.why or "")
    assert [len(jobs) for jobs in team.jobs().values()] == [1]


def test_a_stale_plan_is_refused(team: Team) -> None:
    team.spec("pong")
    planned = plan(team.world, Options())
    team.spec("pong", epochs=3)
    with pytest.raises(ProblemsError) as caught:
        apply(team.world, planned, Options(), provider=team.provider, tell=lambda _: None)
    assert caught.value.exit_code == 3
    assert team.jobs() == {}


def test_data_that_changes_after_the_plan_is_not_uploaded(team: Team) -> None:
    team.spec("pong")
    file = plan(team.world, Options()).changes[0].desired
    assert file is not None
    team.data("pings.jsonl", 14)
    with pytest.raises(ProblemsError) as caught, team.world.project.open_data(file.inputs.training_file):
        pass
    assert caught.value.problems[0].code == "file-changed"


def test_what_was_found_by_its_labels_and_is_asked_for_again_gets_its_inputs(team: Team) -> None:
    path = team.spec("pong")
    before = path.read_text()
    team.apply()
    team.settle()
    (team.root / "ftops.lock").unlink()
    path.write_text(before.replace(f"seed: {team.seed}", "seed: 3"))
    team.apply()
    team.rebuild()
    assert team.lock.models["pong"].history[0].inputs is None
    path.write_text(before)
    assert team.apply()[0].kind is Kind.ADOPT
    generation = team.lock.models["pong"].generation
    assert generation is not None
    assert generation.inputs is not None
    assert generation.inputs.seed == team.seed
    assert verify(team.lock, "ftops.lock") == ()


def test_rebuild_restores_every_model_id(team: Team) -> None:
    team.spec("parent")
    team.spec("child", model="{spec: parent}")
    team.apply()
    team.settle()
    team.spec("child", model="{spec: parent}", epochs=3)
    team.apply()
    team.settle()
    before = team.lock
    (team.root / "ftops.lock").unlink()
    assert team.rebuild() == ("child", "parent")
    for name, entry in before.models.items():
        assert [each.model for each in team.lock.models[name].generations] == [each.model for each in entry.generations]
    assert team.plan(refresh=True).pending == ()
    assert verify(team.lock, "ftops.lock") == ()
    assert team.rebuild() == ()


@pytest.mark.parametrize("profile", ["nebius", "azure"])
def test_a_provider_without_labels_or_without_their_filter_adopts_all_the_same(team: Team, profile: str) -> None:
    team.config(profile)
    team.spec("pong", more="suffix: mine\n")
    team.apply()
    first = _job_id(team, "pong")
    (team.root / "ftops.lock").unlink()
    (outcome,) = team.apply()
    assert outcome.problem is None
    assert _job_id(team, "pong") == first
    team.settle()
    generation = team.lock.models["pong"].generation
    assert generation is not None
    assert generation.model is not None


def _job_id(team: Team, name: str) -> str:
    generation = team.lock.models[name].generation
    assert generation is not None
    return generation.job.id

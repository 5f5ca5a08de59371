from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftops.lockfile import (
    CheckpointRecord,
    Chosen,
    Entry,
    Intent,
    JobError,
    JobRecord,
    Lockfile,
    ParentInput,
    forgotten,
    with_generation,
    with_intent,
)
from ftops.report.lock import render_entry, render_lock

if TYPE_CHECKING:
    from tests.report.conftest import Busy, Golden, Maker

NOW = 1_750_000_000


def test_a_line_for_every_model(busy: Busy, golden: Golden, make: Maker) -> None:
    asked = make.inputs(epochs=40)
    intent = Intent(digest=asked.digest("local"), inputs=asked, request={}, started_at=NOW)
    golden("lock.txt", render_lock(with_intent(forgotten(busy.lock, "forgotten"), "begun", intent)))


def test_an_empty_lockfile_says_what_comes_next() -> None:
    said = render_lock(Lockfile(target="azure"))
    assert said == "Nothing is recorded on target azure yet: `ftops apply` trains what the specs ask for"


def test_the_lineage_of_a_model_that_goes_on_from_another(make: Maker, golden: Golden) -> None:
    base = make.wanted("elle-limericks", make.inputs(valid=6, suffix="elle"))
    child = make.child("elle-noble", base)
    again = make.wanted("elle-noble", make.inputs(rows=25, letter="b", model=child.inputs.model))
    lock = make.locked(
        elle_limericks=make.generation(base.inputs, 1),
        elle_noble=(
            make.generation(child.inputs, 2, checkpoint=Chosen(policy="step:24", step=24)),
            make.generation(again.inputs, 3, attempt=2, metrics={}),
        ),
    )
    newer = make.inputs(epochs=9)
    intent = Intent(digest=newer.digest("local"), inputs=newer, request={}, started_at=NOW, commit="0123456")
    lock = with_intent(lock, "elle-noble", intent)
    golden("lineage.txt", render_entry("elle-noble", lock.models["elle-noble"], models=lock.models))
    golden("lineage-parent.txt", render_entry("elle-limericks", lock.models["elle-limericks"]))


def test_a_failed_job_gives_the_providers_words_and_nothing_that_a_terminal_obeys(busy: Busy, golden: Golden) -> None:
    golden("lineage-failed.txt", render_entry("broken", busy.lock.models["broken"]))


def test_labels_are_dim_in_colour(busy: Busy) -> None:
    said = render_entry("steady", busy.lock.models["steady"], colour=True)
    assert said.startswith("\x1b[1msteady\x1b[0m\n")
    assert "\n  \x1b[2mseed        \x1b[0m7\n" in said


@pytest.mark.parametrize(
    ("policy", "metrics", "why"),
    [
        ("best", {"full_valid_loss": 2.0, "valid_loss": 1.0}, "best, the lowest full_valid_loss"),
        ("best", {"valid_loss": 1.0}, "best, the lowest valid_loss"),
        ("best", {"train_loss": 1.0}, "best, and the last where nothing was validated"),
        ("last", {"full_valid_loss": 2.0}, "the spec asks for the last"),
        ("step:24", {"full_valid_loss": 2.0}, "the spec asks for it"),
    ],
)
def test_the_chosen_checkpoint_says_why(make: Maker, policy: str, metrics: dict[str, float], why: str) -> None:
    kept = (
        CheckpointRecord(model="ft:a:ckpt-step-12", step=12),
        CheckpointRecord(model="ft:a", step=24, metrics=metrics),
    )
    made = make.generation(make.inputs(), 1, checkpoints=kept, checkpoint=Chosen(policy=policy, step=24))
    said = render_entry("elle", Entry(generation=made)).splitlines()
    assert f"  checkpoint  step 24 of 12, 24: {why}" in said


def test_a_provider_without_checkpoints_made_one_model(make: Maker) -> None:
    made = make.generation(make.inputs(), 1, checkpoints=(), checkpoint=Chosen(policy="best", step=0))
    said = render_entry("elle", Entry(generation=made)).splitlines()
    assert "  checkpoint  the only model that the provider made" in said


def test_a_rebuilt_generation_without_inputs_shows_its_request(make: Maker) -> None:
    made = make.generation(make.inputs(), 1, "running", inputs=None, commit=None)
    assert render_entry("elle", Entry(generation=made)).splitlines()[2:] == [
        f"current {made.digest[7:19]}",
        "  model       none",
        "  job         ftjob-0000001, running, created 2025-06-15 11:06:40 UTC",
        '  request     {"model":"smollm2-135m-instruct","training_file":"file-1","seed":7}',
    ]


def test_a_file_that_is_uploaded_shows_its_id_and_a_method_without_hyperparameters_only_its_type(make: Maker) -> None:
    file = make.data("train", 1, "a")
    asked = make.inputs(
        training_file=type(file)(path=file.path, sha256=file.sha256, bytes=1, rows=1, file_id="file-9"),
        method={"type": "dpo", "dpo": {}},
        seed=None,
    )
    said = render_entry("elle", Entry(generation=make.generation(asked, 1, "running"))).splitlines()
    assert said[-3:-1] == [
        "  method      dpo",
        "  training    specs/data/train.jsonl, 1 row, 1 byte, sha256 aaaaaaaaaaaa, file-9",
    ]


@pytest.mark.parametrize(
    ("error", "said"),
    [(JobError(code="invalid_file"), "invalid_file"), (JobError(param="training_file"), "no reason given")],
)
def test_an_error_without_a_message_still_says_something(make: Maker, error: JobError, said: str) -> None:
    job = JobRecord(id="ftjob-1", status="failed", created_at=NOW, error=error)
    text = render_entry("elle", Entry(generation=make.generation(make.inputs(), 1, "failed", job=job)))
    assert f"\n  error       {said}\n" in text


def test_a_begun_create_without_a_commit_shows_none(make: Maker) -> None:
    asked = make.inputs()
    intent = Intent(digest=asked.digest("local"), inputs=asked, request={}, started_at=NOW)
    said = render_entry("elle", Entry(intent=intent))
    assert f"begun {asked.digest('local')[7:19]}\n  since       2025-06-15 15:06:40 UTC\n" in said
    assert "commit" not in said


def test_a_circle_of_parents_ends(make: Maker) -> None:
    """Only an edit by hand makes one; showing it is how a person finds out."""
    parent = ParentInput(spec="elle", digest=make.inputs().digest("local"), checkpoint="best")
    circular = make.generation(make.inputs(model=parent), 1, digest=parent.digest)
    lock = with_generation(Lockfile(target="local"), "elle", circular)
    said = render_entry("elle", lock.models["elle"], models=lock.models)
    assert said.count(f"elle@{parent.digest[7:19]}") == 100


def test_the_chain_ends_where_a_parent_was_rebuilt_without_inputs(make: Maker) -> None:
    base = make.wanted("elle", make.inputs())
    child = make.child("noble", base)
    lock = make.locked(elle=make.generation(base.inputs, 1, inputs=None), noble=make.generation(child.inputs, 2))
    said = render_entry("noble", lock.models["noble"], models=lock.models).splitlines()
    assert f"  from        elle@{base.digest[7:19]} (best)" in said

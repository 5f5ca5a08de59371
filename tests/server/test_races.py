"""A client steers a job, or an upload, at the very moment in which something else happens to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest

from ftops.server import jobs, progress, state, uploads, work
from ftops.server.jobs import read_job
from tests.server.test_jobs import TWO_EPOCHS, create

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftops.server.train.run import Report
    from tests.server.conftest import Inside


def steer_at(inside: Inside, kind: str, steer: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Train the next job, and have *steer* called right before the first report of *kind* is recorded."""
    from ftops.server.train import trainer  # noqa: PLC0415 numpy only where it is needed

    train = trainer.train

    def watched(*arguments: Any, **named: Any) -> Iterator[Report]:
        is_done = False
        for report in train(*arguments, **named):
            if type(report).__name__ == kind and not is_done:
                is_done = True
                steer()
            yield report

    monkeypatch.setattr(trainer, "train", watched)
    inside.world.run_next_job()
    monkeypatch.setattr(trainer, "train", train)


@pytest.mark.parametrize(
    ("kind", "checkpoints"), [("Started", 0), ("Stepped", 0), ("CheckpointSaved", 1), ("Finished", 2)]
)
def test_a_job_that_is_cancelled_never_becomes_a_model(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, kind: str, checkpoints: int
) -> None:
    client = inside.client()
    job = create(client, method=TWO_EPOCHS)
    steer_at(inside, kind, lambda: client.fine_tuning.jobs.cancel(job.id), monkeypatch)
    cancelled = client.fine_tuning.jobs.retrieve(job.id)
    assert (cancelled.status, cancelled.fine_tuned_model, cancelled.result_files) == ("cancelled", None, [])
    points = client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert len(points) == checkpoints
    assert all(":ckpt-step-" in point.fine_tuned_model_checkpoint for point in points)
    assert not inside.world.state.run(job.id).exists()
    # Nor is anything left of the model that it would have been.
    state = inside.world.state
    assert len(list((state.folder / "models").iterdir())) == checkpoints
    assert [path.name for path in (state.folder / "blobs").iterdir()] == [job.training_file]


@pytest.mark.parametrize(("kind", "status"), [("Started", "paused"), ("Stepped", "paused"), ("Finished", "succeeded")])
def test_a_pause_stops_a_job_unless_it_is_done_already(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, kind: str, status: str
) -> None:
    client = inside.client()
    job = create(client, method=TWO_EPOCHS)
    steer_at(inside, kind, lambda: client.fine_tuning.jobs.pause(job.id), monkeypatch)
    assert client.fine_tuning.jobs.retrieve(job.id).status == status
    if status == "paused":
        assert client.fine_tuning.jobs.resume(job.id).status == "queued"
        inside.world.run_next_job()
    done = client.fine_tuning.jobs.retrieve(job.id)
    assert done.status == "succeeded"
    told = [event.message for event in client.fine_tuning.jobs.list_events(job.id)]
    assert sum(message.startswith("Step ") for message in told) == 4
    assert told.count("Fine-tuning job started") == 1


def test_a_job_cancelled_while_its_files_are_read_stays_cancelled(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = inside.client()
    job = create(client)

    def check(*_: Any, **__: Any) -> None:
        client.fine_tuning.jobs.cancel(job.id)

    monkeypatch.setattr(work, "check_file", check)
    inside.world.run_next_job()
    assert client.fine_tuning.jobs.retrieve(job.id).status == "cancelled"
    assert not inside.world.state.run(job.id).exists()


def test_a_job_cancelled_while_it_is_being_paused_is_cancelled(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    client = inside.client()
    job = create(client, method=TWO_EPOCHS)
    link = progress._link_weights

    def cancel_first(*arguments: Any) -> dict[str, str]:
        if client.fine_tuning.jobs.retrieve(job.id).status == "pausing":
            client.fine_tuning.jobs.cancel(job.id)
        return link(*arguments)

    monkeypatch.setattr(progress, "_link_weights", cancel_first)
    steer_at(inside, "Stepped", lambda: client.fine_tuning.jobs.pause(job.id), monkeypatch)
    assert client.fine_tuning.jobs.retrieve(job.id).status == "cancelled"
    assert len(client.fine_tuning.jobs.checkpoints.list(job.id).data) == 1
    assert len(list((inside.world.state.folder / "models").iterdir())) == 1


def test_a_crash_is_not_held_against_a_job_that_is_over(inside: Inside) -> None:
    client = inside.client()
    job = create(client)
    client.fine_tuning.jobs.cancel(job.id)
    state = inside.world.state
    progress.record_crash(state, read_job(state, job.id), most=1)
    assert client.fine_tuning.jobs.retrieve(job.id).status == "cancelled"


def test_an_upload_cancelled_while_it_is_joined_makes_no_file(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    client = inside.client()
    upload = client.uploads.create(filename="a.jsonl", bytes=3, purpose="fine-tune", mime_type="text/jsonl")
    part = client.uploads.parts.create(upload.id, data=b"abc").id
    join = uploads._join

    def join_slowly(*arguments: Any) -> Any:
        joined = join(*arguments)
        uploads.cancel(inside.world.state, upload.id)
        return joined

    monkeypatch.setattr(uploads, "_join", join_slowly)
    with pytest.raises(openai.BadRequestError, match="is no longer pending"):
        client.uploads.complete(upload.id, part_ids=[part])
    assert client.files.list().data == []


def test_without_hard_links_content_is_copied(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: Any) -> None:
        raise OSError("this file system has none")

    monkeypatch.setattr(state.os, "link", no_links)
    client = inside.client()
    job = create(client, method=TWO_EPOCHS)
    inside.world.run_next_job()
    assert client.fine_tuning.jobs.retrieve(job.id).status == "succeeded"
    assert inside.world.state.blob(job.training_file).stat().st_nlink == 1
    assert jobs.first_job(inside.world.state, ("succeeded",)) is not None

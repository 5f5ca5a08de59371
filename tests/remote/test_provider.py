"""A provider as it really is: it repeats keys, keeps others' jobs, lags, forgets routes, and takes files in parts."""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
import pytest

from ftops.lockfile import DataFile, Generation, JobError, JobRecord, Lockfile, decode, encode, with_generation
from ftops.plan.observed import Labels
from ftops.remote.dialect import marked_suffix, remote_name
from ftops.remote.errors import RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from conftest import Connect, Stranger

    from ftops.remote.provider import Provider

KEY = "words-of-no-known-shape"
DIGEST = "sha256:" + "b" * 64
JOBS = "GET /v1/fine_tuning/jobs"


def job(job_id: str = "ftjob-1", **more: object) -> dict[str, Any]:
    return {"id": job_id, "status": "failed", "model": "m", "created_at": 1_750_000_000} | more


def ours(repo: str = "team/models", digest: str = DIGEST) -> dict[str, str]:
    return {"ftops.spec": "elle", "ftops.digest": digest, "ftops.attempt": "1", "ftops.repo": repo}


def page(*items: object) -> tuple[int, object]:
    return 200, {"object": "list", "data": list(items), "has_more": False}


# Keys


@pytest.mark.parametrize("key", [KEY, "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJuIn0.c2ln", "0123456789abcdef0123456789abcdef"])
def test_a_key_of_any_shape_is_in_nothing_that_the_provider_says(
    stranger: Stranger, open_provider: Connect, key: str
) -> None:
    provider = open_provider(stranger.url, key=key)
    words = f"Invalid key {key}!"
    error = {"error": {"message": words, "code": key, "type": "t", "param": None}}
    stranger.answers = {
        "GET /v1/models": (401, error),
        "GET /v1/fine_tuning/jobs/ftjob-1": (200, job(error={"code": "x", "message": words, "param": key})),
        "GET /v1/fine_tuning/jobs/ftjob-1/events": page({"id": "e", "message": words, "data": {"why": [key]}}),
    }
    with pytest.raises(RemoteError) as caught:
        provider.models()
    said = [repr(caught.value.problem), repr(provider.job("ftjob-1")), repr(provider.events("ftjob-1"))]
    assert [key in text for text in said] == [False] * 3
    assert ["Invalid key" in text for text in said] == [True] * 3


# What a record can hold


def test_what_no_record_can_hold_is_mended_or_left_out(stranger: Stranger, open_provider: Connect) -> None:
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 10**20, "batch_size": 4}}}
    error = {"code": "x", "message": "half \ud83d an emoji", "param": None}
    stranger.answers["GET /v1/fine_tuning/jobs/ftjob-1"] = (200, job(method=method, error=error, seed=-(2**70)))
    metrics = {"valid_loss": math.nan, "train_loss": 0.5, "best": math.inf}
    checkpoint = {"id": "c", "fine_tuned_model_checkpoint": "ft", "step_number": 1, "metrics": metrics}
    stranger.answers["GET /v1/fine_tuning/jobs/ftjob-1/checkpoints"] = page(checkpoint)
    provider = open_provider(stranger.url)
    seen, (record,) = provider.job("ftjob-1"), provider.checkpoints("ftjob-1")
    assert seen.error == JobError(code="x", message="half \N{REPLACEMENT CHARACTER} an emoji")
    assert seen.hyperparameters == {"batch_size": 4}
    assert seen.seed is None
    assert record.metrics == {"train_loss": 0.5}
    generation = Generation(
        digest="sha256:d",  # type: ignore[arg-type]  # any text will do
        request={"method": seen.method},
        job=JobRecord(id=seen.id, status=seen.status, created_at=seen.created_at, error=seen.error),
        checkpoints=(record,),
    )
    lock = with_generation(Lockfile(target="here"), "elle", generation)
    assert decode(encode(lock), "ftops.lock") == lock


def test_half_a_character_in_a_refusal_is_replaced(stranger: Stranger, open_provider: Connect) -> None:
    stranger.answers["GET /v1/models"] = (400, {"error": {"message": "bad \ud83d", "code": None}})
    with pytest.raises(RemoteError) as caught:
        open_provider(stranger.url).models()
    assert caught.value.problem.summary == "the provider answered 400: bad \N{REPLACEMENT CHARACTER}"


# Whose job it is


def test_others_jobs_that_cannot_be_read_are_passed_over(stranger: Stranger, open_provider: Connect) -> None:
    mine = job("ftjob-mine", metadata=ours())
    foreign = [job("ftjob-2", created_at="now"), job("ftjob-3", metadata=7), {"id": "ftjob-4"}]
    theirs = job("ftjob-5", metadata=ours("other/repo"), status=None)
    stranger.answers[JOBS] = page(*foreign, mine, theirs)
    provider = open_provider(stranger.url)
    assert [seen.id for seen in provider.jobs([])] == ["ftjob-mine"]
    stranger.answers[JOBS] = page(mine, job("ftjob-6", metadata=ours(), created_at="now"))
    with pytest.raises(RemoteError) as caught:
        provider.jobs([])
    assert caught.value.problem.code == "remote-answer"


def test_a_list_of_what_are_no_objects_is_not_the_api(stranger: Stranger, open_provider: Connect) -> None:
    stranger.answers[JOBS] = page(None)
    with pytest.raises(RemoteError):
        open_provider(stranger.url).jobs([])


@pytest.mark.parametrize("profile", ["openai", "azure"])
def test_a_digest_is_looked_for_in_our_own_jobs_alone(stranger: Stranger, open_provider: Connect, profile: str) -> None:
    """Neither provider is trusted to filter."""
    found = [
        job("ftjob-1", metadata=ours()),
        job("ftjob-2", metadata=ours("other/repo")),
        job("ftjob-3", metadata=ours(digest="sha256:c")),
    ]
    stranger.answers[JOBS] = page(*found)
    provider = open_provider(stranger.url, profile=profile)
    assert [seen.id for seen in provider.jobs([], digest=DIGEST)] == ["ftjob-1"]
    assert [seen.id for seen in provider.jobs([])] == ["ftjob-1", "ftjob-3"]


def test_without_labels_equal_specs_and_projects_are_told_apart_by_the_mark(
    stranger: Stranger, open_provider: Connect
) -> None:
    def suffix(spec: str, repo: str) -> str:
        return marked_suffix("mine", Labels(spec=spec, digest=DIGEST, attempt=1, repo=repo))

    named = {"one": suffix("one", "team/models"), "two": suffix("two", "team/models"), "other": suffix("one", "x/y")}
    assert len(set(named.values())) == 3
    stranger.answers[JOBS] = page(*(job(name, suffix=value) for name, value in named.items()), job("foreign"))
    provider = open_provider(stranger.url, profile="nebius")
    known = [("one", DIGEST), ("two", DIGEST)]
    assert {seen.id: seen.labels.spec for seen in provider.jobs(known) if seen.labels} == {"one": "one", "two": "two"}
    assert [seen.id for seen in provider.jobs([("two", DIGEST)], digest=DIGEST)] == ["two"]


# Routes that are not there


def test_a_job_is_missing_only_if_the_provider_says_so(stranger: Stranger, open_provider: Connect) -> None:
    provider = open_provider(stranger.url)
    stranger.answers["GET /v1/fine_tuning/jobs/ftjob-1"] = (200, job())
    stranger.answers["GET /v1/fine_tuning/jobs/ftjob-2"] = (404, {"error": {"message": "none", "code": None}})
    stranger.answers["GET /v1/fine_tuning/jobs/ftjob-3"] = (500, {"error": {"message": "ill", "code": None}})
    found = provider.find_job("ftjob-1")
    assert found
    assert found.id == "ftjob-1"
    assert provider.find_job("ftjob-2") is None
    with pytest.raises(RemoteError):
        provider.find_job("ftjob-3")


@pytest.mark.parametrize(("status", "is_none"), [(404, True), (405, True), (403, False), (500, False)])
def test_a_provider_that_knows_no_checkpoints_has_none(
    stranger: Stranger, open_provider: Connect, status: int, *, is_none: bool
) -> None:
    stranger.answers["GET /v1/fine_tuning/jobs/ftjob-1/checkpoints"] = (status, {"error": {"message": "no"}})
    provider = open_provider(stranger.url)
    if is_none:
        assert provider.checkpoints("ftjob-1") == ()
    else:
        with pytest.raises(RemoteError):
            provider.checkpoints("ftjob-1")


# Files


@dataclass
class Restless(io.BytesIO):
    """A file that somebody writes into while it is read."""

    before: bytes
    after: bytes

    def __post_init__(self) -> None:
        super().__init__(self.before)

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        place = self.tell()
        self.seek(0)
        self.write(self.after)
        self.seek(place)
        return block


def rows(answer: str) -> bytes:
    messages = [{"role": "user", "content": "ping"}, {"role": "assistant", "content": answer}]
    return b"".join(json.dumps({"messages": messages, "n": row}).encode() + b"\n" for row in range(12))


def data_file(content: bytes) -> DataFile:
    digest = sha256(content).hexdigest()
    return DataFile(path="specs/data/a.jsonl", sha256=digest, bytes=len(content), rows=12)


def in_parts(provider: Provider) -> None:
    provider.profile = msgspec.structs.replace(provider.profile, upload_bytes_max=100)


def at_once(_: Provider) -> None:
    """As the profile says: it is a small file."""


@pytest.mark.parametrize("how", [at_once, in_parts])
def test_an_upload_arrives_whole(
    server_url: str, open_provider: Connect, monkeypatch: pytest.MonkeyPatch, how: Callable[[Provider], None]
) -> None:
    monkeypatch.setattr("ftops.remote.provider.PART_BYTES", 500)
    provider = open_provider(server_url, profile="local")
    how(provider)
    content = rows(how.__name__)
    file = data_file(content)
    seen = provider.processed(provider.upload(file, io.BytesIO(content)))
    assert (seen.name, seen.bytes, seen.status) == (remote_name(file), len(content), "processed")
    assert provider.files()[remote_name(file)] == seen


@pytest.mark.parametrize("how", [at_once, in_parts])
def test_bytes_that_changed_while_they_were_uploaded_leave_no_copy_under_a_wrong_name(
    server_url: str, open_provider: Connect, how: Callable[[Provider], None]
) -> None:
    provider = open_provider(server_url, profile="local")
    how(provider)
    content = rows(f"old {how.__name__}")
    file = data_file(content)
    with pytest.raises(RemoteError) as caught:
        provider.upload(file, Restless(content, content.replace(b"old", b"new")))
    assert caught.value.problem.code == "file-changed"
    assert "deleted" not in str(caught.value.problem.why)
    assert remote_name(file) not in provider.files()


def test_a_copy_under_a_wrong_name_that_stays_is_named(stranger: Stranger, open_provider: Connect) -> None:
    content = rows("old")
    file = {"id": "file-7", "filename": "a", "bytes": len(content), "status": "processed"}
    stranger.answers["POST /v1/files"] = (200, file)
    stranger.answers["DELETE /v1/files/file-7"] = (403, {"error": {"message": "no"}})
    with pytest.raises(RemoteError) as caught:
        open_provider(stranger.url).upload(data_file(content), Restless(content, content.replace(b"old", b"new")))
    assert (caught.value.problem.code, caught.value.effect) == ("file-changed", "no")
    assert "delete the file `file-7` at the provider" in str(caught.value.problem.fix)


def test_an_upload_whose_answer_is_lost_is_looked_for_once(stranger: Stranger, open_provider: Connect) -> None:
    content = rows("pong")
    file = data_file(content)
    there = {"id": "file-7", "filename": remote_name(file), "bytes": len(content), "status": "uploaded"}
    stranger.answers["POST /v1/files"] = (500, {"error": {"message": "ill"}})
    provider = open_provider(stranger.url)
    with pytest.raises(RemoteError) as caught:
        provider.upload(file, io.BytesIO(content))
    assert caught.value.problem.code == "remote-failed"
    stranger.answers["GET /v1/files"] = page(there)
    assert provider.upload(file, io.BytesIO(content)).id == "file-7"
    with pytest.raises(RemoteError) as caught:
        provider.upload(file, Restless(content, content.replace(b"pong", b"ping")))
    assert caught.value.problem.code == "file-changed"
    stranger.answers["POST /v1/files"] = (400, {"error": {"message": "no"}})
    with pytest.raises(RemoteError) as caught:
        provider.upload(file, Restless(content, content.replace(b"pong", b"ping")))
    assert caught.value.problem.code == "file-changed"


@pytest.mark.parametrize("status", ["error", "uploaded"])
def test_a_file_that_is_not_taken_in_is_said(stranger: Stranger, open_provider: Connect, status: str) -> None:
    content = rows("pong")
    stranger.answers["POST /v1/files"] = stranger.answers["GET /v1/files/file-7"] = (
        200,
        {"id": "file-7", "filename": "a", "bytes": len(content), "status": status},
    )
    provider = open_provider(stranger.url)
    seen = provider.upload(data_file(content), io.BytesIO(content))
    with pytest.raises(RemoteError) as caught:
        provider.processed(seen)
    assert caught.value.problem.code == "remote-file"

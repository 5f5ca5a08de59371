"""Answers of a provider, sane and strange, become our values or a readable problem; failures become words."""

from __future__ import annotations

import httpx2
import openai
import pytest

from ftops.lockfile import DataFile, Inputs, JobError
from ftops.plan.observed import Labels, State
from ftops.remote.dialect import job_request, mark, marked_suffix, remote_name
from ftops.remote.errors import Effect, RemoteError, call, redact
from ftops.remote.profiles import profile
from ftops.remote.provider import Provider
from ftops.remote.read import checkpoint_record, job_seen

JOB = {"id": "ftjob-1", "status": "running", "model": "m", "created_at": 1_750_000_000}


KEY = "plain-words-as-a-key"


class Answer:
    """As the SDK hands it on: something that dumps itself."""

    def __init__(self, value: object) -> None:
        self._value = value

    def model_dump(self, **_: object) -> object:
        return self._value


@pytest.mark.parametrize("error", [None, {}, {"code": None, "message": None, "param": None}])
def test_all_three_spellings_of_no_error_are_none(error: object) -> None:
    assert job_seen(Answer(JOB | {"error": error}), KEY).error is None


def test_an_error_is_the_provider_s_words() -> None:
    error = {"code": "invalid_n_examples", "message": "too few", "param": "training_file"}
    assert job_seen(Answer(JOB | {"error": error}), KEY).error == JobError(**error)


def test_resolved_hyperparameters_are_the_method_s_or_the_top_level_s() -> None:
    method = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1, "n_epochs": None}}}
    assert job_seen(Answer(JOB | {"method": method, "hyperparameters": None}), KEY).hyperparameters == {"beta": 0.1}
    assert job_seen(Answer(JOB | {"hyperparameters": {"n_epochs": 3}}), KEY).hyperparameters == {"n_epochs": 3}
    assert job_seen(Answer(JOB), KEY).hyperparameters == {}


def test_labels_are_ours_or_none() -> None:
    metadata = {"ftops.spec": "elle", "ftops.digest": "sha256:0", "ftops.attempt": "two", "ftops.repo": "r"}
    assert job_seen(Answer(JOB | {"metadata": metadata}), KEY).labels == Labels(
        spec="elle", digest="sha256:0", attempt=1, repo="r"
    )
    assert job_seen(Answer(JOB | {"metadata": {"mine": "yes"}}), KEY).labels is None


def test_an_unknown_status_is_pending() -> None:
    assert job_seen(Answer(JOB | {"status": "warming_up"}), KEY).state is State.PENDING


@pytest.mark.parametrize(
    "answer",
    [
        "<html>",
        None,
        Answer([]),
        Answer(JOB | {"id": ""}),
        Answer(JOB | {"created_at": "now"}),
        Answer(JOB | {"created_at": 1_750_000_000_000}),
        Answer({}),
    ],
)
def test_what_is_not_the_dialect_is_said_to_be_unreadable(answer: object) -> None:
    with pytest.raises(RemoteError) as caught:
        job_seen(answer, KEY)
    assert caught.value.problem.code == "remote-answer"


def test_metrics_that_are_no_numbers_are_left_out() -> None:
    metrics = {"step": 3, "train_loss": 0.5, "valid_loss": None, "odd": "x", "flag": True}
    value = {"fine_tuned_model_checkpoint": "ft:1", "step_number": 3, "metrics": metrics}
    assert checkpoint_record(Answer(value), KEY).metrics == {"train_loss": 0.5}
    assert checkpoint_record(Answer(value | {"metrics": None}), KEY).metrics == {}


def client(answer: httpx2.Response | Exception) -> openai.OpenAI:
    """The real client over a transport that gives *answer* to everything."""

    def handle(_: httpx2.Request) -> httpx2.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    transport = httpx2.MockTransport(handle)
    return openai.OpenAI(api_key=KEY, max_retries=0, http_client=openai.DefaultHttpxClient(transport=transport))


def error_body(code: str | None = None, message: str = "no") -> dict[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


@pytest.mark.parametrize(
    ("status", "api_code", "code", "effect"),
    [
        (400, None, "remote-refused", Effect.NO),
        (401, None, "remote-unauthorized", Effect.NO),
        (403, None, "remote-forbidden", Effect.NO),
        (403, "training_not_available", "remote-training-closed", Effect.NO),
        (404, None, "remote-not-found", Effect.NO),
        (408, None, "remote-failed", Effect.UNKNOWN),
        (409, None, "remote-failed", Effect.UNKNOWN),
        (422, None, "remote-refused", Effect.NO),
        (429, None, "remote-busy", Effect.NO),
        (429, "insufficient_quota", "remote-quota", Effect.NO),
        (500, None, "remote-failed", Effect.UNKNOWN),
        (503, None, "remote-failed", Effect.UNKNOWN),
        (399, None, "remote-answer", Effect.UNKNOWN),
    ],
)
def test_a_status_says_whether_the_effect_happened(
    status: int, api_code: str | None, code: str, effect: Effect
) -> None:
    answer = httpx2.Response(status, json=error_body(api_code))
    with pytest.raises(RemoteError) as caught:
        call(lambda: KEY, client(answer).fine_tuning.jobs.create, model="m", training_file="f")
    assert (caught.value.problem.code, caught.value.effect) == (code, effect)


def test_a_wrong_key_is_not_repeated() -> None:
    answer = httpx2.Response(401, json=error_body("invalid_api_key", "Incorrect API key provided: sk-proj-abc***xyz9"))
    with pytest.raises(RemoteError) as caught:
        call(lambda: KEY, client(answer).models.list)
    assert "abc" not in caught.value.problem.summary
    assert redact("token sk-1234567890 and Bearer abcdefghij", KEY) == "token sk-… and Bearer-…"
    assert redact("hf_abcdefghijkl, eyJhbGciOiJIUzI1NiJ9.eyJpc3M***c2ln", KEY) == "hf-… eyJ-…"
    assert redact("the key k was too short to be one", "k") == "the key k was too short to be one"


@pytest.mark.parametrize(
    ("error", "effect"),
    [
        (httpx2.ConnectError("refused"), Effect.NO),
        (httpx2.ReadTimeout("late"), Effect.UNKNOWN),
        (httpx2.RemoteProtocolError("cut"), Effect.UNKNOWN),
    ],
)
def test_a_lost_connection_is_doubtful_unless_there_never_was_one(error: Exception, effect: Effect) -> None:
    with pytest.raises(RemoteError) as caught:
        call(lambda: KEY, client(error).models.list)
    assert (caught.value.problem.code, caught.value.effect) == ("remote-unreachable", effect)


@pytest.mark.parametrize("body", ["<html>login</html>", '{"data": 1}', "[]", '{"object": "list", "data": null}'])
def test_a_list_of_another_shape_is_unreadable(body: str) -> None:
    answer = httpx2.Response(200, text=body, headers={"content-type": "application/json"})
    provider = Provider(client(answer), profile("openai"), repo="r", clock=None)  # type: ignore[arg-type]
    with pytest.raises(RemoteError) as caught:
        provider.jobs([])
    assert caught.value.problem.code == "remote-answer"


def test_a_list_that_repeats_itself_ends() -> None:
    job = JOB | {"object": "fine_tuning.job", "metadata": {"ftops.spec": "a", "ftops.digest": "d", "ftops.repo": "r"}}
    answer = httpx2.Response(200, json={"object": "list", "data": [job], "has_more": True})
    provider = Provider(client(answer), profile("openai"), repo="r", clock=None)  # type: ignore[arg-type]
    assert [seen.id for seen in provider.jobs([])] == ["ftjob-1"]


INPUTS = Inputs(
    model="base",
    method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}},
    training_file=DataFile(path="specs/data/a.jsonl", sha256="a" * 64, bytes=1, rows=1, file_id="file-1"),
    suffix="mine",
    integrations=({"type": "wandb", "wandb": {"project": "p"}},),
)
LABELS = Labels(spec="elle", digest="sha256:" + "b" * 64, attempt=2, repo="team/models")


def test_a_request_is_the_api_s_own_body() -> None:
    assert job_request(INPUTS, model="base", profile=profile("openai"), labels=LABELS) == {
        "model": "base",
        "training_file": "file-1",
        "method": INPUTS.method,
        "suffix": "mine",
        "integrations": [{"type": "wandb", "wandb": {"project": "p"}}],
        "metadata": {
            "ftops.spec": "elle",
            "ftops.digest": LABELS.digest,
            "ftops.attempt": "2",
            "ftops.repo": "team/models",
        },
    }


def test_a_provider_without_metadata_gets_the_digest_in_the_suffix() -> None:
    body = job_request(INPUTS, model="base", profile=profile("nebius"), labels=LABELS)
    assert body["hyperparameters"] == {"n_epochs": 3}
    assert body["suffix"] == f"mine-{mark(LABELS)}"
    assert body.keys() == {"model", "training_file", "hyperparameters", "suffix", "integrations"}
    assert len(marked_suffix("s" * 64, LABELS)) == 64


def test_an_uploaded_file_is_named_by_its_content() -> None:
    assert remote_name(INPUTS.training_file) == f"a.{'a' * 64}.jsonl"

"""Training and answering behind a real server, through the real client."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest

from ftops.server import inference
from ftops.server.settings import Settings
from ftops.server.supervisor import MAX_CRASHES
from tests.server.conftest import CHAT, DESCRIBED, PAIRS, PREFERENCES, TOKEN, Running, chat_lines, inside_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

HELLO: Any = [{"role": "user", "content": "hello"}]
OVER = ("succeeded", "failed", "cancelled", "paused")


def hyperparameters(**values: Any) -> dict[str, Any]:
    return {"type": "supervised", "supervised": {"hyperparameters": values}}


def create(client: openai.OpenAI, content: bytes = CHAT, **arguments: Any) -> str:
    file = client.files.create(file=("train.jsonl", content), purpose="fine-tune").id
    arguments = {"model": "tiny-byte", "training_file": file, "seed": 1} | arguments
    return client.fine_tuning.jobs.create(**arguments).id


def status(client: openai.OpenAI, job: str) -> str:
    return client.fine_tuning.jobs.retrieve(job).status


def steps(client: openai.OpenAI, job: str) -> list[int]:
    """Of which metrics were told, oldest first."""
    events = list(client.fine_tuning.jobs.list_events(job, limit=100))[::-1]
    return [event.data["step"] for event in events if event.type == "metrics" and isinstance(event.data, dict)]


@pytest.fixture(scope="module")
def model(server: Running) -> str:
    """One that has learnt four answers by heart."""
    client = server.client()
    job = create(client, method=hyperparameters(n_epochs=20, batch_size=4), suffix="four")
    seen = []

    def is_over() -> bool:
        seen.append(status(client, job))
        return seen[-1] in OVER

    wait_until(is_over)
    assert list(dict.fromkeys(seen))[-1] == "succeeded"
    assert steps(client, job) == list(range(1, 61))
    name = client.fine_tuning.jobs.retrieve(job).fine_tuned_model
    assert name is not None
    return name


def test_a_tuned_model_answers_as_it_was_taught(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(model=model, messages=HELLO, temperature=0)
    assert (answer.model, answer.choices[0].message.content, answer.choices[0].finish_reason) == (
        model,
        "world",
        "stop",
    )
    assert answer.choices[0].logprobs is None
    assert answer.usage is not None
    assert (answer.usage.completion_tokens, answer.usage.total_tokens) == (5, answer.usage.prompt_tokens + 5)


def test_its_id_may_be_percent_encoded(server: Running, model: str) -> None:
    for name in (model, model.replace(":", "%3A")):
        assert server.request("GET", f"/v1/models/{name}").json()["id"] == model


def test_a_stream_gives_the_same_answer_in_chunks(client: openai.OpenAI, model: str) -> None:
    chunks = list(
        client.chat.completions.create(
            model=model,
            messages=HELLO,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
            logprobs=True,
        )
    )
    for chunk in chunks:
        DESCRIBED.check_value(chunk.to_dict(), {"$ref": "#/components/schemas/CreateChatCompletionStreamResponse"})
    assert len({chunk.id for chunk in chunks}) == 1
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == "world"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert (chunks[-1].choices, chunks[-1].usage is None, chunks[0].usage) == ([], False, None)


def test_log_probabilities_are_told_with_their_bytes(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(
        model=model, messages=HELLO, temperature=0, logprobs=True, top_logprobs=2, max_tokens=3
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert [token.token for token in logprobs.content] == ["w", "o", "r"]
    assert answer.choices[0].finish_reason == "length"
    first = logprobs.content[0]
    assert (first.bytes, len(first.top_logprobs), first.top_logprobs[0].token) == ([119], 2, "w")
    assert -1 < first.logprob == first.top_logprobs[0].logprob <= 0


def test_a_seed_decides_the_answer(client: openai.OpenAI) -> None:
    def answers(seed: int) -> list[str | None]:
        asked = client.chat.completions.create(
            model="tiny-byte", messages=HELLO, seed=seed, max_tokens=8, n=2, temperature=1.5, top_p=0.9
        )
        return [choice.message.content for choice in asked.choices]

    assert answers(1) == answers(1)
    assert answers(1) != answers(2)
    assert answers(1)[1] == answers(2)[0]


def test_an_answer_ends_at_a_stop_text(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(model=model, messages=HELLO, temperature=0, stop=["rl"])
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("wo", "stop")


def test_a_prompt_beyond_the_context_is_refused(client: openai.OpenAI) -> None:
    for is_streamed in (False, True):
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(
                model="tiny-byte", messages=[{"role": "user", "content": "x" * 5000}], stream=is_streamed
            )
        assert raised.value.code == "context_length_exceeded"


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model="ft:gpt-4o:x::y", messages=HELLO)
    assert raised.value.code == "model_not_found"


def test_an_abandoned_stream_stops_nobody_else(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="tiny-byte", messages=HELLO, stream=True, seed=1)
    next(stream)
    stream.close()
    answer = client.chat.completions.create(model="tiny-byte", messages=HELLO, max_tokens=1)
    assert answer.choices[0].finish_reason in ("stop", "length")


def test_answering_goes_on_after_its_process_died(server: Running, model: str) -> None:
    client = server.client()
    before = set(server.children())
    client.chat.completions.create(model=model, messages=HELLO, max_tokens=1)
    stream = client.chat.completions.create(model="tiny-byte", messages=HELLO, stream=True, n=128)
    next(stream)
    for pid in {*server.children(), *before}:
        if b"sampling" in command_of(pid):
            os.kill(pid, signal.SIGKILL)
    with pytest.raises(openai.APIError, match="ended unexpectedly"):
        list(stream)
    assert (
        client.chat.completions.create(model=model, messages=HELLO, temperature=0).choices[0].message.content == "world"
    )


def test_a_model_that_cannot_be_fetched_is_told_and_fails_its_job(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    (tmp_path / "models").write_text("no folder")
    client = start(environment={"FTOPS_MODELS_DIR": str(tmp_path / "models")}).client(max_retries=2)
    with pytest.raises(openai.InternalServerError, match="The model is not installed here") as raised:
        client.chat.completions.create(model="smollm2", messages=HELLO)
    assert (raised.value.status_code, raised.value.code) == (503, "model_not_installed")
    job = create(client, model="smollm2")
    wait_until(lambda: status(client, job) == "failed")
    error = client.fine_tuning.jobs.retrieve(job).error
    assert error is not None
    assert error.code == "server_error"
    assert "cannot be read or written" in error.message


def test_a_running_job_is_paused_and_goes_on_where_it_was(client: openai.OpenAI) -> None:
    job = create(client, method=hyperparameters(n_epochs=50, batch_size=1))
    wait_until(lambda: len(client.fine_tuning.jobs.list_events(job).data) > 8)
    running = client.fine_tuning.jobs.retrieve(job)
    assert running.status == "running"
    assert running.estimated_finish is not None
    assert client.fine_tuning.jobs.checkpoints.list(job).data == []
    assert client.fine_tuning.jobs.pause(job).status == "pausing"
    wait_until(lambda: status(client, job) == "paused")
    done = steps(client, job)
    newest = client.fine_tuning.jobs.checkpoints.list(job).data[0]
    assert newest.step_number == done[-1] < 600
    assert newest.fine_tuned_model_checkpoint.endswith(f":ckpt-step-{done[-1]}")
    assert client.chat.completions.create(
        model=newest.fine_tuned_model_checkpoint, messages=HELLO, max_tokens=1
    ).choices
    assert client.fine_tuning.jobs.resume(job).status == "queued"
    wait_until(lambda: steps(client, job)[-1] > done[-1])
    cancelled = client.fine_tuning.jobs.cancel(job)
    assert (cancelled.status, cancelled.fine_tuned_model) == ("cancelled", None)
    all_steps = steps(client, job)
    assert all_steps[: len(done) + 1] == list(range(1, done[-1] + 2))


def test_a_cancelled_job_leaves_its_checkpoints(client: openai.OpenAI) -> None:
    job = create(client, method=hyperparameters(n_epochs=50, batch_size=4))
    wait_until(lambda: max(steps(client, job), default=0) > 12)
    client.fine_tuning.jobs.cancel(job)
    wait_until(lambda: client.fine_tuning.jobs.checkpoints.list(job).data)
    points = client.fine_tuning.jobs.checkpoints.list(job).data
    assert len(points) <= 3
    assert all(point.step_number % 3 == 0 for point in points)
    name = points[0].fine_tuned_model_checkpoint
    assert client.chat.completions.create(model=name, messages=HELLO, max_tokens=1).model == name


def test_jobs_wait_for_each_other_in_the_order_they_came(client: openai.OpenAI) -> None:
    quick = hyperparameters(n_epochs=1, batch_size=12)
    jobs = [
        create(client, method=quick),
        create(client, PREFERENCES, method={"type": "dpo"}),
        create(client, method=quick),
    ]
    wait_until(lambda: all(status(client, job) == "succeeded" for job in jobs))
    models = [client.fine_tuning.jobs.retrieve(job).fine_tuned_model for job in jobs]
    order = [model.id for model in client.models.list()]
    assert sorted(models, key=order.index) == models


def test_a_job_that_brings_down_its_workers_fails_in_the_end(start: Callable[..., Running]) -> None:
    server = start()
    client = server.client()
    # No epoch ends, and no checkpoint is saved, before the last crash.
    job = create(client, chat_lines(*PAIRS, times=300), method=hyperparameters(n_epochs=50, batch_size=1))
    for crash in range(1, MAX_CRASHES + 1):
        known = len(steps(client, job))
        wait_until(lambda known=known: len(steps(client, job)) > known)
        assert status(client, job) == "running", crash
        for pid in server.children():
            if command_of(pid).endswith(b"train\0"):
                os.kill(pid, signal.SIGKILL)
    wait_until(lambda: status(client, job) == "failed")
    failed = client.fine_tuning.jobs.retrieve(job)
    assert failed.error is not None
    assert failed.error.code == "server_error"
    assert failed.finished_at is not None
    told = steps(client, job)
    assert told == list(range(1, len(told) + 1))


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def test_faults_come_as_often_as_asked_for(server: Running) -> None:
    client = server.client()
    server.fail(
        {
            "match": "GET /v1/models",
            "kind": "status",
            "status": 429,
            "retry_after": 0.01,
            "code": "slow_down",
            "times": 2,
        }
    )
    for _ in range(2):
        with pytest.raises(openai.RateLimitError) as raised:
            client.models.list()
        assert (raised.value.code, raised.value.response.headers["retry-after"]) == ("slow_down", "0.01")
    assert client.models.list().data


def test_a_lost_response_is_lost_after_its_effect(server: Running) -> None:
    client = server.client()
    before = len(client.files.list().data)
    server.fail(
        {"match": "POST /v1/files", "kind": "lost-response"}, {"match": "POST /v1/files", "kind": "drop-before"}
    )
    for _ in range(2):
        with pytest.raises(openai.APIConnectionError):
            client.files.create(file=("a.jsonl", CHAT), purpose="fine-tune")
    assert len(client.files.list().data) == before + 1


def test_other_faults_are_an_error_page_a_delay_and_a_list_that_lags(server: Running) -> None:
    client = server.client()
    server.fail({"match": "GET /v1/fine_tuning/*", "kind": "html"})
    with pytest.raises(openai.InternalServerError) as raised:
        client.fine_tuning.jobs.list()
    assert raised.value.status_code == 502
    client.files.create(file=("a.jsonl", CHAT), purpose="fine-tune")
    server.fail({"match": "GET *", "kind": "empty-list"}, {"match": "GET *", "kind": "delay", "seconds": 0.3})
    assert client.files.list().data == []
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.1).files.list()
    server.fail({"match": "GET *", "kind": "html", "times": 5})
    assert server.request("DELETE", "/ftops/faults").json() == {"faults": 0}
    assert client.files.list().data


def test_an_idle_process_ends_and_another_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "IDLE_SECONDS", 0.1)
    with inside_of(Settings(state=tmp_path, token=TOKEN, train=False)) as server:
        for _ in range(2):
            assert server.client().chat.completions.create(model="tiny-byte", messages=HELLO, max_tokens=1).choices
            wait_until(lambda: server.app.state.inference._sampling is None)

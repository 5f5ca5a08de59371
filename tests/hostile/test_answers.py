"""A server that answers without end, in circles, or with what stands for more than it is."""

from __future__ import annotations

import gzip
import itertools
import json
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from ftops.remote import bounds
from ftops.remote.connect import connect
from ftops.remote.errors import Effect, RemoteError
from ftops.spec.config import parse_config

if TYPE_CHECKING:
    from pathlib import Path

    from ftops.clock import Clock
    from ftops.remote.provider import Provider

Body = Callable[[], Iterator[bytes]]
BLOCK = b" " * 65_536
JOB = {"id": "ftjob-1", "status": "running", "model": "m", "created_at": 1}


@pytest.fixture
def provider_that_says(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Provider]]:
    """Gives a provider whose server answers everything with a body, piece by piece, for as long as it is read."""
    listeners: list[ThreadingHTTPServer] = []

    def start(body: Body, *, status: int = 200, headers: dict[str, str] | None = None) -> Provider:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "x-should-retry": "false", **said}.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    for piece in body():
                        self.wfile.write(piece)
                except OSError:
                    """The client had enough."""

            do_GET = do_POST = answer  # noqa: N815  # names that http.server gives

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        said = headers or {}
        listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        listeners.append(listener)
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{listener.server_port}/v1"
        text = f"targets: {{here: {{profile: openai, base_url: '{url}', api_key: {{env: K}}}}}}\n"
        target = parse_config(text.encode()).targets["here"]
        return connect(target, repo="team/models", state=tmp_path, environ={"K": "a-key-of-no-use"}, clock=clock)

    yield start
    for listener in listeners:
        listener.shutdown()
        listener.server_close()


@pytest.fixture
def small_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is lower, so that it is reached soon; that it is heeded does not depend on where it is."""
    monkeypatch.setattr(bounds, "ANSWER_BYTES_MAX", 4 * 1024 * 1024)


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("small_answers")
def test_an_answer_without_end_is_left_and_its_effect_is_not_known(
    provider_that_says: Callable[..., Provider],
) -> None:
    provider = provider_that_says(lambda: itertools.repeat(BLOCK))
    tracemalloc.start()
    with pytest.raises(RemoteError, match="remote-unreachable") as caught:
        provider.create_job({"model": "m", "training_file": "f"})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.effect is Effect.UNKNOWN
    assert caught.value.problem.why == "the answer is longer than 4 MiB"
    assert peak < 8 * 4 * 1024 * 1024


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("small_answers")
@pytest.mark.parametrize("status", [200, 500])
def test_so_are_a_list_an_error_and_a_stream(provider_that_says: Callable[..., Provider], status: int) -> None:
    provider = provider_that_says(
        lambda: itertools.repeat(BLOCK), status=status, headers={"Content-Type": "text/event-stream"}
    )
    for call in (
        lambda: provider.jobs([]),
        provider.models,
        lambda: list(provider.chat("m", [{"role": "user", "content": "x"}], tokens_max=1, temperature=0)),
    ):
        with pytest.raises(RemoteError):
            call()


def test_an_answer_that_takes_too_long_is_left(
    provider_that_says: Callable[..., Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "ANSWER_SECONDS_MAX", -1)
    provider = provider_that_says(lambda: itertools.repeat(b" ", 9))
    with pytest.raises(RemoteError, match="remote-unreachable") as caught:
        provider.job("ftjob-1")
    assert caught.value.effect is Effect.UNKNOWN


def test_a_few_bytes_that_stand_for_gigabytes_are_not_unpacked(provider_that_says: Callable[..., Provider]) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    provider = provider_that_says(lambda: iter([bomb]), headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    with pytest.raises(RemoteError, match="remote-unreachable") as caught:
        provider.job("ftjob-1")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.problem.why == "the answer is compressed, which was not asked for"
    assert peak < 50_000_000


DEPTH = 1_000_000
HUGE = "9" * 100_000


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "body",
    [
        b"[" * DEPTH,
        b'{"a":' * DEPTH,
        b'{"data": ' + b"[" * DEPTH + b"]" * DEPTH + b"}",
        json.dumps(JOB)[:-1].encode() + b', "method": ' + b'{"a":' * DEPTH + b"1" + b"}" * DEPTH + b"}",
        b'{"id": "x", "created_at": ' + HUGE.encode() + b"}",
        b'{"data": [{"id": "x", "status": "running", "model": "m", "created_at": ' + HUGE.encode() + b"}]}",
        "\ufeff{}".encode("utf-16"),
        b"\0" * 1000,
    ],
    ids=["lists", "objects", "data", "method", "whole-number", "list-of-whole-numbers", "utf-16", "nul"],
)
def test_json_that_no_reader_likes_is_an_answer_that_cannot_be_read(
    provider_that_says: Callable[..., Provider], body: bytes
) -> None:
    provider = provider_that_says(lambda: iter([body]))
    for call in (lambda: provider.job("ftjob-1"), lambda: provider.jobs([("a", "b")]), provider.models):
        with pytest.raises(RemoteError, match="remote-answer"):
            call()


def test_a_job_with_numbers_that_are_none_keeps_the_rest(provider_that_says: Callable[..., Provider]) -> None:
    body = json.dumps({**JOB, "trained_tokens": 10**30, "seed": float("nan"), "finished_at": float("inf")}).encode()
    seen = provider_that_says(lambda: iter([body])).job("ftjob-1")
    assert (seen.id, seen.trained_tokens, seen.seed, seen.finished_at) == ("ftjob-1", None, None, None)


def test_a_list_that_goes_in_a_circle_ends(provider_that_says: Callable[..., Provider]) -> None:
    asked = 0

    def body() -> Iterator[bytes]:
        nonlocal asked
        asked += 1
        yield json.dumps({"data": [{**JOB, "id": f"ftjob-{asked % 3}"}], "has_more": True}).encode()

    provider_that_says(body).jobs([])
    assert asked <= 4


@pytest.mark.parametrize("metrics", [{"step": 10**400}, {"train_loss": 10**400}, {"step": -(10**400)}])
def test_a_metric_that_no_float_holds_is_an_answer_that_cannot_be_read(
    provider_that_says: Callable[..., Provider], metrics: dict[str, object]
) -> None:
    checkpoint = {"id": "c", "fine_tuned_model_checkpoint": "m", "step_number": 1, "metrics": metrics}
    provider = provider_that_says(lambda: iter([json.dumps({"data": [checkpoint]}).encode()]))
    with pytest.raises(RemoteError, match="remote-answer"):
        provider.checkpoints("ftjob-1")

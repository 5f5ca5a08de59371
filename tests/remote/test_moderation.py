"""Moderation through the real client, at a server that speaks the documented shape over HTTP."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from ftops.clock import SystemClock
from ftops.remote.connect import connect
from ftops.remote.errors import RemoteError
from ftops.remote.moderation import TEXT_CHARACTERS_MAX, TEXTS_A_REQUEST, categories_flagged, moderation_problems
from ftops.spec.config import EnvSource, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ftops.remote.provider import Provider

KEY = "sk-moderation-tests"
BUSY = (
    429,
    {"error": {"message": "Rate limit reached", "type": "requests", "param": None, "code": "rate_limit_exceeded"}},
)
CATEGORIES = ("harassment", "hate", "self-harm/instructions", "violence")


def result(text: str) -> dict[str, Any]:
    """What the endpoint gives for *text*, which names the categories that it falls under."""
    found = {name: name in text for name in CATEGORIES}
    return {
        "flagged": any(found.values()),
        "categories": found,
        "category_scores": {name: float(flag) for name, flag in found.items()},
        "category_applied_input_types": {name: ["text"] for name in found},
    }


class Moderation:
    """An endpoint of the documented shape, which can be told to answer otherwise."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.refusals: list[tuple[int, dict[str, Any]]] = []
        self.answer: Callable[[list[str]], object] = lambda texts: {
            "id": "modr-1",
            "model": "omni-moderation-2024-09-26",
            "results": [result(text) for text in texts],
        }
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                assert (self.path, self.headers["authorization"]) == ("/v1/moderations", f"Bearer {KEY}")
                status, answer = outer.refusals.pop(0) if outer.refusals else (200, outer.answer(body["input"]))
                outer.requests.append(body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.send_header("retry-after-ms", "1")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Keep the output of the tests clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def moderation() -> Iterator[Moderation]:
    found = Moderation()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.05,))
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


@pytest.fixture
def provider(moderation: Moderation, tmp_path: Path) -> Provider:
    target = Target(name="test", profile="openai", base_url=moderation.url, api_key=EnvSource(env="KEY"))
    return connect(target, repo="r", state=tmp_path, environ={"KEY": KEY}, clock=SystemClock())


def test_rows_are_told_by_line_and_category_never_by_content(moderation: Moderation, provider: Provider) -> None:
    rows = [(1, "fine"), (3, "hate and self-harm/instructions"), (4, ""), (5, " \n"), (9, "violence")]
    problems = list(moderation_problems(rows, "data.jsonl", provider.moderate))
    assert [(str(problem.place), problem.summary) for problem in problems] == [
        ("data.jsonl:3", "row is flagged for `hate`, `self-harm/instructions`"),
        ("data.jsonl:9", "row is flagged for `violence`"),
    ]
    (request,) = moderation.requests
    assert request == {"model": "omni-moderation-latest", "input": [rows[0][1], rows[1][1], rows[4][1]]}


def test_texts_go_in_batches_and_long_rows_in_pieces(moderation: Moderation, provider: Provider) -> None:
    long = "x" * TEXT_CHARACTERS_MAX + "hate" + "x" * TEXT_CHARACTERS_MAX + "violence"
    rows = [*((line, "fine") for line in range(1, TEXTS_A_REQUEST)), (40, long), (41, "hate")]
    problems = list(moderation_problems(rows, "data.jsonl", provider.moderate))
    assert [problem.summary for problem in problems] == [
        "row is flagged for `hate`, `violence`",
        "row is flagged for `hate`",
    ]
    assert [len(request["input"]) for request in moderation.requests] == [TEXTS_A_REQUEST, 3]
    assert max(len(text) for request in moderation.requests for text in request["input"]) == TEXT_CHARACTERS_MAX


def test_nothing_to_ask_about_asks_nothing(moderation: Moderation, provider: Provider) -> None:
    assert list(moderation_problems([], "data.jsonl", provider.moderate)) == []
    assert moderation.requests == []


def test_a_rate_limit_is_waited_for(moderation: Moderation, provider: Provider) -> None:
    moderation.refusals = [BUSY] * 3
    assert provider.moderate(["hate"]) == (("hate",),)
    assert len(moderation.requests) == 4


def test_a_rate_limit_that_does_not_end_is_told(moderation: Moderation, provider: Provider) -> None:
    moderation.refusals = [BUSY] * 20
    with pytest.raises(RemoteError) as told:
        provider.moderate(["hate"])
    assert (told.value.problem.code, told.value.status) == ("remote-busy", 429)


@pytest.mark.parametrize(
    "answer",
    [
        {"id": "modr-1", "model": "m", "results": []},
        {"id": "modr-1", "model": "m"},
        {"id": "modr-1", "model": "m", "results": [{"categories": {}}]},
        {"id": "modr-1", "model": "m", "results": ["no"]},
        ["no"],
        "no",
    ],
)
def test_an_answer_of_another_shape_is_told(moderation: Moderation, provider: Provider, answer: object) -> None:
    moderation.answer = lambda _: answer
    with pytest.raises(RemoteError) as told:
        provider.moderate(["fine"])
    assert told.value.problem.code == "remote-answer"


def test_a_flag_without_a_category_is_a_flag_all_the_same() -> None:
    assert categories_flagged({"results": [{"flagged": True, "categories": {"hate": False}}]}, 1) == (("unnamed",),)

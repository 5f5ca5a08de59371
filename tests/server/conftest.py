"""A server to talk to, in a process of its own or inside the test, through the real client.

Whatever it answers is compared with the published description of the API, where it is known to be right.
"""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import httpx2
import jsonschema_rs
import openai
import pytest
from starlette.testclient import TestClient

from ftops.server.app import create_app
from ftops.server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.applications import Starlette

    from ftops.server.world import World

TOKEN = "held-by-the-tests"
DESCRIPTION = Path(__file__).parent / "openapi" / "answers-2026-08-21.json"

NULL = {"type": "null"}
EXCEPTIONS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a file without expiry has null there": lambda found: found["OpenAIFile"]["properties"].update(
        expires_at={"type": ["integer", "null"]}, status_details={"type": ["string", "null"]}
    ),
    "files have the purpose evals too": lambda found: found["OpenAIFile"]["properties"]["purpose"]["enum"].append(
        "evals"
    ),
    "an empty list of files has no ends": lambda found: found["ListFilesResponse"]["properties"].update(
        first_id={"type": ["string", "null"]}, last_id={"type": ["string", "null"]}
    ),
    "jobs can be pausing and paused": lambda found: found["FineTuningJob"]["properties"]["status"]["enum"].extend(
        ["pausing", "paused"]
    ),
    "no error is an object of three nulls": lambda found: found["FineTuningJob"]["properties"]["error"]["anyOf"].append(
        {"type": "object", "properties": {"code": NULL, "message": NULL, "param": NULL}, "additionalProperties": False}
    ),
    "a dpo job has no hyperparameters at the top": lambda found: found["FineTuningJob"]["properties"][
        "hyperparameters"
    ].update(type=["object", "null"]),
    "an event may have no data": lambda found: found["FineTuningJobEvent"]["properties"].update(
        data={"type": ["object", "null"]}
    ),
}
"""Where the description is wrong about the real API (reference of 2026-11-21, section 10), and the correction."""


class Description:
    """The published description, with the corrections."""

    def __init__(self) -> None:
        document = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
        self.paths = document["paths"]
        self.schemas = copy.deepcopy(document["components"]["schemas"])
        for correct in EXCEPTIONS.values():
            correct(self.schemas)
        self._validators: dict[str, jsonschema_rs.Validator] = {}

    def check(self, response: httpx2.Response) -> None:
        """Fail if an answer of the API is not as described."""
        path = response.request.url.path.removeprefix("/v1")
        kind = response.headers.get("content-type", "")
        if path.startswith("/ftops") or not kind.startswith("application/json"):
            return
        response.read()
        self.check_value(response.json(), self._schema(response, path))

    def check_value(self, value: object, schema: dict[str, Any]) -> None:
        name = json.dumps(schema)
        if name not in self._validators:
            whole = {**schema, "components": {"schemas": self.schemas}}
            self._validators[name] = jsonschema_rs.Draft202012Validator(whole)
        self._validators[name].validate(value)

    def _schema(self, response: httpx2.Response, path: str) -> dict[str, Any]:
        if response.status_code != 200:
            return {"$ref": "#/components/schemas/ErrorResponse"}
        template = self._template(path)
        method = response.request.method.lower()
        schema: dict[str, Any] = self.paths[template][method]["responses"]["200"]["content"]["application/json"][
            "schema"
        ]
        return schema

    def _template(self, path: str) -> str:
        parts = path.strip("/").split("/")
        (found,) = (
            template
            for template in self.paths
            if len(wanted := template.strip("/").split("/")) == len(parts)
            and all(want.startswith("{") or want == part for want, part in zip(wanted, parts, strict=True))
        )
        assert isinstance(found, str)
        return found


DESCRIBED = Description()


@dataclass
class Running:
    """A server in a process of its own."""

    state: Path
    arguments: tuple[str, ...] = ("--allow-faults",)
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    clients: list[httpx2.Client] = field(default_factory=list)

    def start(self) -> Running:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ftops.server", "--state", str(self.state), *self.arguments],
            env=self.own(),
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: self.card().get("pid") == self.pid)
        return self

    def own(self) -> dict[str, str]:
        """The environment that it runs in."""
        return {**os.environ, "FTOPS_SERVER_TOKEN": TOKEN, **self.environment}

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def card(self) -> dict[str, Any]:
        try:
            card: dict[str, Any] = json.loads((self.state / "server.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return card

    def client(self, **options: Any) -> openai.OpenAI:
        """The real client, without retries unless asked for."""
        http = httpx2.Client(event_hooks={"response": [DESCRIBED.check]}, timeout=60)
        self.clients.append(http)
        settings = {"base_url": self.card()["url"], "api_key": TOKEN, "max_retries": 0, "http_client": http}
        return openai.OpenAI(**(settings | options))

    def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """One request that the real client would not make."""
        options.setdefault("headers", {})
        options["headers"] = {"Authorization": f"Bearer {TOKEN}"} | options["headers"]
        with httpx2.Client(event_hooks={"response": [DESCRIBED.check]}, timeout=60) as http:
            response = http.request(method, self.card()["url"].removesuffix("/v1") + path, **options)
            response.read()
            return response

    def fail(self, *faults: dict[str, object]) -> None:
        assert self.request("POST", "/ftops/faults", json=list(faults)).status_code == 200

    def children(self) -> list[int]:
        """Processes that the server has started."""
        listing = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.pid)], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in listing.stdout.split()]

    def kill(self) -> None:
        """As a power cut would."""
        os.kill(self.pid, signal.SIGKILL)
        self._end()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self._end()

    def _end(self) -> int:
        assert self.process is not None
        for http in self.clients:
            http.close()
        self.clients.clear()
        assert self.process.stderr is not None
        self.process.stderr.read()
        self.process.stderr.close()
        return self.process.wait(30)


@dataclass
class Inside:
    """A server inside the test, at a time that the test holds; jobs go on when the test says so."""

    app: Starlette
    http: TestClient

    @property
    def world(self) -> World:
        world: World = self.app.state.world
        return world

    def client(self, **options: Any) -> openai.OpenAI:
        settings = {"base_url": "http://127.0.0.1/v1", "api_key": TOKEN, "max_retries": 0, "http_client": self.http}
        return openai.OpenAI(**(settings | options))


@contextmanager
def inside_of(settings: Settings) -> Iterator[Inside]:
    app = create_app(settings)
    app.state.traffic.cut = _cut
    with TestClient(app, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        http.event_hooks = {"response": [DESCRIBED.check]}
        yield Inside(app=app, http=http)
    app.state.world.close()


def _cut(_: object) -> None:
    raise httpx2.RemoteProtocolError("the connection was cut")


def wait_until(is_so: Callable[[], object], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.1)


def chat_lines(*pairs: tuple[str, str], times: int = 1) -> bytes:
    lines = [
        json.dumps({"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]})
        for asked, answered in pairs * times
    ]
    return "\n".join(lines).encode()


PAIRS = (("ping", "pong"), ("hello", "world"), ("red", "stop"), ("green", "go"))
CHAT = chat_lines(*PAIRS, times=3)
"""Twelve examples from four."""
PREFERENCES = "\n".join(
    json.dumps(
        {
            "input": {"messages": [{"role": "user", "content": asked}]},
            "preferred_output": [{"role": "assistant", "content": answered}],
            "non_preferred_output": [{"role": "assistant", "content": "what?"}],
        }
    )
    for asked, answered in PAIRS * 3
).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("server") / "state").start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(server: Running) -> openai.OpenAI:
    return server.client()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start servers that a test may kill; those on the same folder go on where the last one was."""
    started: list[Running] = []

    def start_one(*arguments: str, environment: dict[str, str] | None = None, name: str = "state") -> Running:
        running = Running(tmp_path / name, ("--allow-faults", *arguments), environment or {})
        started.append(running)
        return running.start()

    yield start_one
    for running in started:
        assert running.process is not None
        if running.process.poll() is None:
            running.stop()
        elif running.process.stderr is not None and not running.process.stderr.closed:
            running._end()


@pytest.fixture
def inside(tmp_path: Path, clock: Any) -> Iterator[Inside]:
    settings = Settings(
        state=tmp_path / "inside", token=TOKEN, clock=clock, chance=Random(7), train=False, allow_faults=True
    )
    with inside_of(settings) as server:
        yield server

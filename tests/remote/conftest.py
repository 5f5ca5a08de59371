"""The training server of ftops, and a stranger that says what a test wants it to say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from ftops.remote.connect import connect
from ftops.remote.provider import Provider
from ftops.spec.config import parse_config

if TYPE_CHECKING:
    from pathlib import Path

    from ftops.clock import Clock

Connect = Callable[..., Provider]
KEY = "words-of-no-known-shape"


@pytest.fixture
def open_provider(tmp_path: Path, clock: Clock) -> Connect:
    """Connect as a command does, to a target of ftops.yaml."""

    def opened(url: str, *, profile: str = "openai", repo: str = "team/models", key: str = KEY) -> Provider:
        text = f"targets: {{here: {{profile: {profile}, base_url: '{url}', api_key: {{env: K}}}}}}\n"
        target = parse_config(text.encode(), "ftops.yaml").targets["here"]
        return connect(target, repo=repo, state=tmp_path, environ={"K": key}, clock=clock)

    return opened


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server whose key is KEY."""
    state = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "ftops.server", "--state", str(state), "--allow-faults", "--max-active-jobs", "99"]
    with subprocess.Popen(command, env={**os.environ, "FTOPS_SERVER_TOKEN": KEY}) as process:
        while not (state / "server.json").exists():
            assert process.poll() is None
            time.sleep(0.05)
        yield json.loads((state / "server.json").read_text())["url"]
        process.terminate()


@dataclass
class Stranger:
    """Answers by route, `GET /v1/models`, with a status and JSON; an empty list to all else."""

    url: str
    answers: dict[str, tuple[int, object]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            route = f"{self.command} {self.path.partition('?')[0]}"
            it.asked.append(route)
            status, value = it.answers.get(route, (200, {"object": "list", "data": [], "has_more": False}))
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            # A create must not be sent again even if the answer asks for it; other tests need not wait for retries.
            self.send_header("x-should-retry", "true" if route == "POST /v1/fine_tuning/jobs" else "false")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815  # names that http.server gives

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        it = Stranger(url=f"http://127.0.0.1:{listener.server_port}/v1")
        threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
        yield it
        listener.shutdown()

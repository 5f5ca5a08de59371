"""The program as its users run it, in projects of their own on a real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import TYPE_CHECKING, Protocol

import pytest

from ftops.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NUMBERS = count(5000)
"""A number of its own for each project, as its name and its seed: all tests share one server."""
KEY_VARIABLE = "SHOP_KEY"
TOKEN = "shop-token-of-the-tests"
FULL_DISK = (
    "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64)); os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def codes(self) -> list[str]:
        """The codes of its errors."""
        return re.findall(r"^error\[([a-z0-9-]+)\]", self.err, re.MULTILINE)

    @property
    def json(self) -> dict[str, object]:
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


class Run(Protocol):
    """Runs the program with these arguments."""

    def __call__(self, *arguments: str) -> Result: ...


@dataclass(kw_only=True)
class Server:
    """A running server that makes faults when it is asked to."""

    url: str
    token: str

    def faults(self, *faults: dict[str, object]) -> None:
        """Ask for *faults*; those that are left from before go."""
        self._ask("DELETE", "/ftops/faults")
        if faults:
            self._ask("POST", "/ftops/faults", json.dumps(faults).encode())

    def jobs(self, project: str) -> list[dict[str, object]]:
        """All jobs of *project*, as the API shows them."""
        found = json.loads(self._ask("GET", f"/v1/fine_tuning/jobs?limit=100&metadata[ftops.repo]={project}"))["data"]
        assert isinstance(found, list)
        return found

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url.removesuffix("/v1") + path, body, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            content: bytes = answer.read()
            return content


@dataclass(kw_only=True)
class Shop:
    """A project in a folder of its own."""

    root: Path
    server: Server
    number: int = field(default_factory=lambda: next(NUMBERS))

    @property
    def project(self) -> str:
        return f"shop-{self.number}"

    @property
    def lock(self) -> Path:
        return self.root / "ftops.lock"

    def config(self, *, url: str | None = None, more: str = "") -> None:
        (self.root / "ftops.yaml").write_text(
            f"project: {self.project}\ndefault_target: here\ntargets:\n  here:\n    profile: local\n"
            f"    base_url: {url or self.server.url}\n    api_key: {{env: {KEY_VARIABLE}}}\n{more}"
        )

    def data(self, name: str = "pings.jsonl", *, rows: int = 12, answer: str = "pong") -> Path:
        path = self.root / "specs/data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        messages = (
            [{"role": "user", "content": f"ping {row}"}, {"role": "assistant", "content": answer}]
            for row in range(rows)
        )
        path.write_text("".join(json.dumps({"messages": each}) + "\n" for each in messages))
        return path

    def spec(self, name: str = "pong", *, epochs: int = 1, data: str = "data/pings.jsonl", more: str = "") -> Path:
        path = self.root / "specs" / f"{name}.yaml"
        path.write_text(
            f"kind: FineTune\nmodel: tiny-byte-90k\ntraining_file: {data}\nseed: {self.number}\n"
            "method:\n  type: supervised\n  supervised:\n    hyperparameters:\n"
            f"      n_epochs: {epochs}\n      batch_size: 4\n{more}"
        )
        return path

    def jobs(self) -> list[dict[str, object]]:
        return self.server.jobs(self.project)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    state = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "ftops.server", "--state", str(state), "--allow-faults", "--max-active-jobs", "99"]
    with subprocess.Popen(command, env={**os.environ, "FTOPS_SERVER_TOKEN": TOKEN}) as process:
        while not (state / "server.json").exists():
            assert process.poll() is None
            time.sleep(0.05)
        yield Server(**{key: json.loads((state / "server.json").read_text())[key] for key in ("url", "token")})
        process.terminate()


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the program in this process, which has imported everything already."""

    def run(*arguments: str) -> Result:
        capfd.readouterr()
        code = main(arguments)
        return Result(code=code, out=(said := capfd.readouterr()).out, err=said.err)

    return run


@pytest.fixture
def program() -> Run:
    """Run the program in a process of its own."""

    def run(*arguments: str) -> Result:
        # Without `env`, it would get what C libraries have set besides, such as readline's COLUMNS.
        environment = dict(os.environ)
        done = subprocess.run(
            command(*arguments), capture_output=True, text=True, check=False, timeout=120, env=environment
        )
        return Result(code=done.returncode, out=done.stdout, err=done.stderr)

    return run


@dataclass(frozen=True, kw_only=True)
class Running:
    """The program in a process of its own, which goes on beside the test."""

    process: subprocess.Popen[str]

    def await_until(self, reached: Callable[[], object]) -> None:
        """Wait until *reached*, for as long as the program runs."""
        while not reached():
            assert self.process.poll() is None, self.finish()
            time.sleep(0.01)

    def finish(self) -> Result:
        out, err = self.process.communicate(timeout=60)
        return Result(code=self.process.returncode, out=out, err=err)


class Start(Protocol):
    """Starts the program with these arguments; on a disk that is full, none of its files grows past 64 bytes."""

    def __call__(self, *arguments: str, is_disk_full: bool = False) -> Running: ...


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, is_disk_full: bool = False) -> Running:
        pipe = subprocess.PIPE
        words = [sys.executable, "-c", FULL_DISK, *command(*arguments)] if is_disk_full else command(*arguments)
        process = subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True)
        started.append(process)
        return Running(process=process)

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def shop(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A project with one spec, of which nothing is applied yet; the current folder, and its key is set."""
    shop = Shop(root=tmp_path, server=server)
    shop.config()
    shop.data()
    shop.spec()
    monkeypatch.chdir(shop.root)
    monkeypatch.setenv(KEY_VARIABLE, server.token)
    yield shop
    server.faults()


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Shop:
    shop = Shop(root=tmp_path_factory.mktemp("trained"), server=server)
    shop.config()
    shop.data()
    shop.spec(epochs=6)
    environment = {**os.environ, KEY_VARIABLE: server.token}
    subprocess.run(command("apply", "--yes", "--wait", "-q"), cwd=shop.root, env=environment, check=True, timeout=120)
    return shop


@pytest.fixture
def trained(trained_once: Shop, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A copy of a project whose model is trained and recorded. Its jobs are those of all copies: start no others."""
    root = tmp_path / "copy"
    shutil.copytree(trained_once.root, root)
    monkeypatch.chdir(root)
    monkeypatch.setenv(KEY_VARIABLE, server.token)
    yield Shop(root=root, server=server, number=trained_once.number)
    server.faults()


@dataclass(kw_only=True)
class Stranger:
    """Whatever stands where an API is expected: it says the same to everything."""

    url: str
    status: int = 200
    kind: str = "application/json"
    body: bytes = b""
    length: int | None = None
    """As announced; that of the body if None."""


@pytest.fixture(scope="session")
def _stranger() -> Iterator[Stranger]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(stranger.status)
            self.send_header("Content-Type", stranger.kind)
            self.send_header("Content-Length", str(len(stranger.body) if stranger.length is None else stranger.length))
            self.send_header("x-should-retry", "false")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(stranger.body)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815  # names that http.server gives

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        stranger = Stranger(url=f"http://127.0.0.1:{listener.server_port}/v1")
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield stranger
        listener.shutdown()


@pytest.fixture
def stranger(_stranger: Stranger) -> Stranger:
    _stranger.status, _stranger.kind, _stranger.body, _stranger.length = 200, "application/json", b"", None
    return _stranger


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ftops", *arguments]

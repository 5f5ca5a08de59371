"""What all machines share: a git remote that outlives them, and a provider; both real, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = "machines"
TARGET = "here"
LOCK = "ftops.lock"
KEY = "MACHINES_KEY"
TOKEN = "token-of-the-machines"
START_SECONDS = 60
CLAIMS_REF = f"refs/ftops/claims/{TARGET}"
BRANCH_REF = "refs/heads/main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where they are, and what stands there."""

    folder: Path
    server: str
    """The base URL of the API."""
    remote: str
    """The URL of the git remote."""

    @property
    def repository(self) -> Path:
        return self.folder / "remote.git"

    def environment(self, trace: Path) -> dict[str, str]:
        """Of every machine: a key, an identity, no settings of whoever runs this; git notes in *trace* what it did."""
        name, address = "Machine", "machine@example.org"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            KEY: TOKEN,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": address,
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": address,
            "GIT_TRACE2_EVENT": str(trace),
            **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
        }

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs of the project, as the API lists them."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = self._get(f"/fine_tuning/jobs?limit=100&metadata[ftops.repo]={PROJECT}{after}")
            found += page["data"]
            if not page["has_more"]:
                return found
            after = f"&after={found[-1]['id']}"

    def file_at(self, ref: str, path: str) -> bytes | None:
        """What stands on the remote."""
        command = ["git", "-C", self.repository, "cat-file", "blob", f"{ref}:{path}"]
        done = subprocess.run(command, check=False, capture_output=True)
        return done.stdout if done.returncode == 0 else None

    def _get(self, path: str) -> dict[str, Any]:
        request = urllib.request.Request(self.server + path, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            value = json.load(answer)
            assert isinstance(value, dict)
            return value


@contextmanager
def places(folder: Path) -> Iterator[Places]:
    """Make both in *folder*, and end them."""
    with ExitStack() as stack:
        server = stack.enter_context(_server(folder))
        yield Places(folder=folder, server=server, remote=stack.enter_context(_remote(folder)))


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    state = folder / "server"
    command = [sys.executable, "-m", "ftops.server", "--state", str(state), "--max-active-jobs", "99"]
    with (
        (folder / "server.log").open("wb") as log,
        _running(command, log, {**os.environ, "FTOPS_SERVER_TOKEN": TOKEN}) as process,
    ):
        _wait(process, (state / "server.json").exists)
        url = json.loads((state / "server.json").read_text(encoding="utf-8"))["url"]
        assert isinstance(url, str)
        yield url


@contextmanager
def _remote(folder: Path) -> Iterator[str]:
    """A host that outlives the machines: what receives a push is not killed together with what sends it."""
    remote = folder / "remote.git"
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", remote], check=True, env=environment)
    # A ref stays a file of its own, so that its changes can be watched.
    subprocess.run(["git", "-C", remote, "config", "gc.auto", "0"], check=True)
    command = [sys.executable, str(Path(__file__).with_name("githost.py")), str(folder)]
    port = folder / "port"
    with (folder / "remote.log").open("wb") as log, _running(command, log, environment) as process:
        _wait(process, port.exists)
        yield f"http://127.0.0.1:{port.read_text(encoding='ascii')}/remote.git"


@contextmanager
def _running(command: list[str], log: Any, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], is_ready: Any) -> None:
    end = time.monotonic() + START_SECONDS
    while not is_ready():
        assert process.poll() is None, "it ended at once"
        assert time.monotonic() < end, f"it did not start within {START_SECONDS} s"
        time.sleep(0.05)

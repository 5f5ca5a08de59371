"""A project of a team, Acme, that trains at ftops' own server in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
KEY = "ACME_KEY"
"""The variable that holds the key."""
TOKEN = "token-of-acme"
START_SECONDS = 60
LONG = 50
"""Epochs of a job that is training still when a test goes on, and for some seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running one."""

    url: str

    def jobs(self, project: str) -> list[dict[str, Any]]:
        """All jobs of a project, newest first."""
        found = self._get(f"/fine_tuning/jobs?limit=100&metadata[ftops.repo]={project}")["data"]
        assert isinstance(found, list)
        return found

    def wait(self, project: str) -> None:
        """Until none trains any more."""
        while any(job["status"] not in {"succeeded", "failed", "cancelled"} for job in self.jobs(project)):
            time.sleep(0.1)

    def _get(self, path: str) -> dict[str, Any]:
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            value = json.load(answer)
            assert isinstance(value, dict)
            return value


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Start one, and end it."""
    card = folder / "state" / "server.json"
    command = [sys.executable, "-m", "ftops.server", "--state", str(card.parent), "--max-active-jobs", "99"]
    with (folder / "server.log").open("wb") as log:
        environment = {**os.environ, "FTOPS_SERVER_TOKEN": TOKEN}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not card.exists():
                assert process.poll() is None, (folder / "server.log").read_text(encoding="utf-8")
                assert time.monotonic() < deadline, "the server does not start"
                time.sleep(0.05)
            yield Server(url=json.loads(card.read_text(encoding="utf-8"))["url"])
        finally:
            process.terminate()
            process.wait(30)


def config(at: Server, name: str, more: str = "") -> str:
    """`ftops.yaml` of the project *name*, which trains there."""
    return (
        f"project: {name}\ndefault_target: here\n"
        f"targets:\n  here:\n    profile: local\n    base_url: {at.url}\n    api_key: {{env: {KEY}}}\n{more}"
    )


def spec(*, seed: int = 1, epochs: int = 2, more: str = "") -> str:
    """A spec that trains a tiny model; one of `LONG` epochs takes some seconds."""
    return (
        f"kind: FineTune\nmodel: tiny-byte-90k\ntraining_file: data/pings.jsonl\nseed: {seed}\n"
        "method:\n  type: supervised\n  supervised:\n    hyperparameters:\n"
        f"      n_epochs: {epochs}\n      batch_size: {1 if epochs >= LONG else 4}\n{more}"
    )


def rows(number: int = 12, answer: str = "pong") -> str:
    """Data for it."""
    chats = (
        {"messages": [{"role": "user", "content": f"ping {row}"}, {"role": "assistant", "content": answer}]}
        for row in range(number)
    )
    return "".join(json.dumps(chat) + "\n" for chat in chats)


def project(at: Server, name: str, **specs: str) -> dict[str, str | None]:
    """All files of a project with these specs."""
    files: dict[str, str | None] = {f"specs/{each}.yaml": text for each, text in specs.items()}
    return {"ftops.yaml": config(at, name), ".gitignore": ".ftops/\n", "specs/data/pings.jsonl": rows(), **files}

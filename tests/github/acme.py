"""A project of a team, Acme, that trains at ftops' own server in a process of its own."""

from __future__ import annotations

import json
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.github.provider import KEY as TOKEN
from tests.github.provider import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "ACME_KEY"
"""The variable that holds the key."""
LONG = 50
"""Epochs of a job that is training still when a test goes on, and for some seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running one."""

    url: str

    def jobs(self, project: str) -> list[dict[str, Any]]:
        """All jobs of a project, newest first."""
        found = self._asked(f"/fine_tuning/jobs?limit=100&metadata[ftops.repo]={project}")["data"]
        assert isinstance(found, list)
        return found

    def wait(self, project: str) -> None:
        """Until none trains any more."""
        while any(job["status"] not in {"succeeded", "failed", "cancelled"} for job in self.jobs(project)):
            time.sleep(0.1)

    def delete_model(self, model: str) -> None:
        assert self._asked(f"/models/{model}", method="DELETE")["deleted"]

    def _asked(self, path: str, method: str = "GET") -> dict[str, Any]:
        request = urllib.request.Request(self.url + path, method=method, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            value = json.load(answer)
            assert isinstance(value, dict)
            return value


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Start one, and end it."""
    with running_server(folder) as url:
        yield Server(url=f"{url}/v1")


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

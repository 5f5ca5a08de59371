"""Steps of jobs, as a runner makes them: a fresh checkout, the runner's variables, one command of ftops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.github.acme import KEY
from tests.github.provider import KEY as TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.github.forge.handle import Repository

SECONDS_MAX = 300
MAIN = "refs/heads/main"
WRITES = {"contents": "write"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a step left."""

    code: int
    said: str
    """Both streams."""
    outputs: dict[str, str]
    summary: str


@dataclass(kw_only=True)
class Job:
    """One job: a checkout of its own, and what the runner tells its steps."""

    repository: Repository
    folder: Path
    event: str = "push"
    ref: str = MAIN
    payload: dict[str, Any] = field(default_factory=dict)
    permissions: dict[str, str] = field(default_factory=dict)
    key: str = TOKEN
    """Of the provider; empty for jobs that get none."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        forge = self.repository.forge
        login = forge.token(repository=self.repository.name, contents="read")
        where = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
        self._git("init", "--quiet", "--initial-branch=main", str(self.root), env=where)
        self._git("-C", str(self.root), "remote", "add", "origin", self.repository.url, env=where)
        # As `actions/checkout` does with two commits, and without leaving its token behind.
        branch = self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else None
        there = f"refs/remotes/origin/{branch}" if branch else self.ref.replace("refs/", "refs/remotes/", 1)
        url = self.repository.url_for(login)
        self._git("-C", str(self.root), "fetch", "--quiet", "--depth=2", url, f"+{self.ref}:{there}", env=where)
        checkout = ["-B", branch, there] if branch else [there]
        self._git("-C", str(self.root), "checkout", "--quiet", *checkout, env=where)

    @property
    def root(self) -> Path:
        return self.folder / "checkout"

    @property
    def head(self) -> str:
        return self._git("-C", str(self.root), "rev-parse", "HEAD", env=dict(os.environ)).strip()

    def run(self, *arguments: str, input_text: str | None = None) -> Done:
        """One step: a command of ftops."""
        files = {name: self.folder / name for name in ("output", "summary", "event.json")}
        for file in files.values():
            file.write_text("", encoding="utf-8")
        files["event.json"].write_text(json.dumps(self.payload), encoding="utf-8")
        forge = self.repository.forge
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            **forge.environment(self.repository.name),
            "GITHUB_EVENT_NAME": self.event,
            "GITHUB_EVENT_PATH": str(files["event.json"]),
            "GITHUB_REF": self.ref,
            "GITHUB_SHA": self.head,
            "GITHUB_RUN_ID": "17",
            "GITHUB_OUTPUT": str(files["output"]),
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
            "GITHUB_TOKEN": forge.token(repository=self.repository.name, **self.permissions),
            **({KEY: self.key} if self.key else {}),
        }
        done = subprocess.run(
            [sys.executable, "-m", "ftops", *arguments],
            cwd=self.root,
            env=environment,
            check=False,
            input=input_text,
            stdin=None if input_text else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS_MAX,
        )
        outputs = dict(line.split("=", 1) for line in files["output"].read_text(encoding="utf-8").splitlines())
        summary = files["summary"].read_text(encoding="utf-8")
        return Done(code=done.returncode, said=done.stdout, outputs=outputs, summary=summary)

    def _git(self, *arguments: str, env: dict[str, str]) -> str:
        return subprocess.run(["git", *arguments], check=True, env=env, capture_output=True, text=True).stdout

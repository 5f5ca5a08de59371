"""A real server with faults, and real projects in folders of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import pytest

from ftops.claimant import release
from ftops.project import open_project
from ftops.reconcile import Options, World, apply, outstanding, plan, rebuild, reconcile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftops.lockfile import Lockfile
    from ftops.plan.changes import Outcome
    from ftops.plan.plan import Plan
    from ftops.remote.provider import Provider

SEEDS = count(1000)
"""A seed of its own for each project: its digests are its own on the server that all tests share."""


class QuickClock:
    """A clock that the tests hold: what is slept on it passes on it, and takes a thousandth of that in the world."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.start: int | None = None
        """When a test takes place that is about dates; now if None."""

    def now(self) -> int:
        return int((time.time() if self.start is None else self.start) + sum(self.slept))

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        time.sleep(seconds / 1000)


@dataclass
class Server:
    """A running server."""

    url: str
    token: str

    def faults(self, *faults: dict[str, object]) -> None:
        """Ask for *faults*; those that are left from before go."""
        base = self.url.removesuffix("/v1")
        self._send("DELETE", f"{base}/ftops/faults")
        if faults:
            self._send("POST", f"{base}/ftops/faults", json.dumps(faults).encode())

    def _send(self, method: str, url: str, body: bytes | None = None) -> None:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method)).close()


@dataclass
class Team:
    """A project of its own on the shared server, and what one does with it."""

    root: Path
    server: Server
    clock: QuickClock = field(default_factory=QuickClock)
    seed: int = field(default_factory=lambda: next(SEEDS))

    def __post_init__(self) -> None:
        self.config()

    def config(self, profile: str = "local", extra: str = "") -> None:
        (self.root / "ftops.yaml").write_text(
            f"project: team-{self.seed}\ndefault_target: here\ntargets:\n  here:\n    profile: {profile}\n"
            f"    base_url: {self.server.url}\n    api_key: {{env: TEAM_KEY}}\n{extra}"
        )

    def data(self, name: str, rows: int = 12, *, answer: str = "pong") -> None:
        path = self.root / "specs" / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            {"messages": [{"role": "user", "content": f"ping {row}"}, {"role": "assistant", "content": answer}]}
            for row in range(rows)
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def spec(self, name: str, *, model: str = "tiny-byte-90k", epochs: int = 2, more: str = "") -> Path:
        if not (self.root / "specs" / "data" / "pings.jsonl").exists():
            self.data("pings.jsonl")
        path = self.root / "specs" / f"{name}.yaml"
        # A job of 40 epochs or more is still training when a test goes on: it takes some seconds, others a fraction.
        batch_size = 4 if epochs < 40 else 1
        path.write_text(
            f"kind: FineTune\nmodel: {model}\ntraining_file: data/pings.jsonl\nseed: {self.seed}\n"
            f"method:\n  type: supervised\n  supervised:\n    hyperparameters:\n"
            f"      n_epochs: {epochs}\n      batch_size: {batch_size}\n{more}"
        )
        return path

    @property
    def world(self) -> World:
        return World(project=open_project(self.root), environ={"TEAM_KEY": self.server.token}, clock=self.clock)

    @property
    def provider(self) -> Provider:
        return self.world.provider

    @property
    def lock(self) -> Lockfile:
        return self.world.store().read()

    def plan(self, *selectors: str, refresh: bool = False) -> Plan:
        return plan(self.world, Options(selectors=selectors), refresh=refresh)

    def apply(self, *selectors: str, retry_failed: bool = False) -> tuple[Outcome, ...]:
        options = Options(selectors=selectors, retry_failed=retry_failed)
        world = self.world
        planned = plan(world, options, refresh=True)
        return apply(world, planned, options, provider=world.provider, tell=lambda _: None)

    def reconcile(self) -> tuple[Plan, tuple[Outcome, ...]]:
        return reconcile(self.world, Options(), provider=self.provider, tell=lambda _: None)

    def rebuild(self) -> tuple[str, ...]:
        store = self.world.store()
        return rebuild(self.world, store.read(), provider=self.provider, store=store)

    def release(self, name: str) -> int:
        world = self.world
        assert world.claims is not None
        return release(world.claims, name, clock=world.clock, chance=world.chance)

    def settle(self) -> Plan:
        """Reconcile until nothing is outstanding; a minute at most."""
        for _ in range(600):
            planned, _ = self.reconcile()
            if not outstanding(planned):
                return planned
            time.sleep(0.1)
        raise AssertionError(f"still outstanding: {planned.changes}")

    def jobs(self) -> dict[str, list[str]]:
        """The ids of all jobs that carry this project's label, by digest, as the API counts them."""
        found: dict[str, list[str]] = {}
        for job in self.provider.jobs([]):
            assert job.labels
            found.setdefault(job.labels.digest, []).append(job.id)
        return found


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    state = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "ftops.server", "--state", str(state), "--allow-faults", "--max-active-jobs", "99"]
    with subprocess.Popen(command, env={**os.environ, "FTOPS_SERVER_TOKEN": "team-token"}) as process:
        while not (state / "server.json").exists():
            assert process.poll() is None
            time.sleep(0.05)
        yield Server(**{key: json.loads((state / "server.json").read_text())[key] for key in ("url", "token")})
        process.terminate()


@pytest.fixture
def team(tmp_path: Path, server: Server) -> Iterator[Team]:
    yield Team(root=tmp_path, server=server)
    server.faults()


@pytest.fixture
def pair(tmp_path: Path, server: Server) -> Iterator[tuple[Team, Team]]:
    """Two checkouts of one project, with one clock; their job is still training when a test goes on."""
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", remote], check=True)
    roots = [tmp_path / "here", tmp_path / "there"]
    for root in roots:
        subprocess.run(["git", "clone", "--quiet", remote, root], check=True, capture_output=True)
    here = Team(root=roots[0], server=server)
    there = Team(root=roots[1], server=server, clock=here.clock, seed=here.seed)
    for team in (here, there):
        team.spec("pong", epochs=50)
    yield here, there
    server.faults()

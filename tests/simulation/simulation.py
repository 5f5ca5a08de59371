"""The world of one simulation: runners, what they share, and the provider."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.simulation.baton import Command
from tests.simulation.clocks import SkewedClock, Time
from tests.simulation.network import Lists, Network
from tests.simulation.provider import SimulatedProvider
from tests.simulation.runner import Folder, Runner
from tests.simulation.seams import seeded, simulated_machine
from tests.simulation.sharing import Access, Branch, ClaimsFile
from tests.simulation.texts import configuration

MEMORY = Path("/dev/shm")
"""A disk that is none, where there is one: a simulation cuts no power."""
STANDSTILL = ("save: to be renamed", "save: renamed", "POST /fine_tuning/jobs: to be sent")
"""Where a command may be between its last look at its claim and the arrival of its create.

The provider has no idempotency key and knows of no claims, so nothing can help against a machine that stands still
there until its lease is over, and then goes on. docs/reliability.md says so.
"""
STANDSTILL_SECONDS = 30
"""As long as it may stand still there in one step."""
BOUNDARIES_MAX = 5_000
"""No command of ftops passes more: it would go on for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is the same during one simulation."""

    seed: int
    folders: tuple[int, ...]
    """The folder of each runner: two in one are a person with two terminals."""
    workflows: frozenset[int]
    """The folders that are checked out anew for every command."""
    page_size: int
    slots: int
    claims: bool


class Simulation:
    """Runners, the branch and the provider; use it as a context, which takes the machine's part and cleans up."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.lines: list[str] = []
        """What happened, for a person."""
        self.count: Counter[str] = Counter()
        self.retries = 0
        """How often a person asked for failed jobs to be tried again."""
        self.scratch = Path(tempfile.mkdtemp(prefix="ftops-simulation-", dir=MEMORY if MEMORY.exists() else None))
        self.time = Time()
        self.provider = SimulatedProvider(
            self.scratch / "provider", time=self.time, chance=seeded(setting.seed, "provider"), slots=setting.slots
        )
        self.lists = Lists(page_size=setting.page_size)
        self.branch = Branch()
        self.claims = ClaimsFile()
        folders = {number: Folder(self.scratch / f"folder-{number}") for number in setting.folders}
        self.runners = [self._runner(number, folder, folders[folder]) for number, folder in enumerate(setting.folders)]
        self.branch.commit({"ftops.yaml": configuration(0)})
        for folder in folders.values():
            folder.check_out(self.branch)
        self._machine = simulated_machine(self)

    def __enter__(self) -> Self:
        self._machine.__enter__()
        return self

    def __exit__(self, *problem: object) -> None:
        try:
            for runner in self.runners:
                if runner.command:
                    runner.command.crash()
        finally:
            self._machine.__exit__(None, None, None)
            self.provider.close()
            shutil.rmtree(self.scratch, ignore_errors=True)

    @property
    def folders(self) -> list[Folder]:
        return list({id(runner.folder): runner.folder for runner in self.runners}.values())

    def running_clock(self) -> SkewedClock:
        return next(runner.clock for runner in self.runners if runner.command is Command.current())

    def take_disk_fault(self, *, after_rename: bool) -> str | None:
        """What goes wrong with a save of the running command, at this point of it."""
        for runner in self.runners:
            if runner.command is Command.current() and runner.folder.faults:
                fault = runner.folder.faults[0]
                if after_rename == (fault == "folder sync fails"):
                    self.count[fault] += 1
                    self.log(f"{runner.name}: {fault}")
                    return runner.folder.faults.pop(0)
        return None

    def log(self, line: str) -> None:
        self.lines.append(line)

    def go_on(self, runner: Runner, boundaries: int) -> None:
        for _ in range(boundaries):
            command = runner.command
            if command is None:
                return
            command.go_on()
            self.count["boundaries"] += 1
            if command.is_over:
                runner.command = None
                if command.failure:
                    raise command.failure

    def wait(self, seconds: int) -> None:
        """Time passes for all. What ftops does not promise is left out: see STANDSTILL."""
        if seconds > STANDSTILL_SECONDS:
            for runner in self.runners:
                while runner.claims and runner.command and runner.command.at in STANDSTILL:
                    self.go_on(runner, 1)
        self.time.seconds += seconds

    def _runner(self, number: int, folder_number: int, folder: Folder) -> Runner:
        name = f"{'workflow' if folder_number in self.setting.workflows else 'person'} {number}"

        def log(line: str) -> None:
            self.log(f"{name}: {line}")

        return Runner(
            name=name,
            is_workflow=folder_number in self.setting.workflows,
            folder=folder,
            clock=SkewedClock(self.time),
            network=Network(provider=self.provider, lists=self.lists, log=log, count=self.count),
            claims=Access(self.claims, log=log, count=self.count) if self.setting.claims else None,
            main=Access(self.branch, log=log, count=self.count) if self.setting.claims else None,
            chance=seeded(self.setting.seed, name),
            branch=self.branch,
            log=log,
            count=self.count,
        )

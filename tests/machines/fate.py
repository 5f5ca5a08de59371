"""What happens to a machine in the middle of its work, and when: by chance, but close to what could go wrong."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from signal import SIGCONT, SIGSTOP
from typing import TYPE_CHECKING, Literal

from tests.machines.places import BRANCH_REF, CLAIMS_REF

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from tests.machines.machine import Machine, Process

Cue = Literal["time", "claims", "lockfile", "branch"]
PAUSE_SECONDS = (0.5, 4.0)
"""Of a machine that stops and goes on: less than the 16 s for which whoever takes over looks for its job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """Some time after the *times*-th change of what *cue* names, since the machine began."""

    cue: Cue
    times: int
    delay_seconds: float
    pause_seconds: float | None = None
    """How long it is stopped; None: it is killed."""


def fate(chance: Random) -> Fate | None:
    """Draw one; for one machine in eight none, so that it comes through."""
    roll = chance.random()
    if roll < 1 / 8:
        return None
    pause = chance.uniform(*PAUSE_SECONDS) if roll < 2 / 8 else None
    match chance.choice(("time", "claims", "lockfile", "lockfile", "branch")):
        case "time":
            return Fate(cue="time", times=0, delay_seconds=chance.uniform(0, 5), pause_seconds=pause)
        case "claims":
            times, delay = chance.randint(1, 3), chance.uniform(0, 0.3)
            return Fate(cue="claims", times=times, delay_seconds=delay, pause_seconds=pause)
        case "lockfile":
            # Each job is noted twice: before its create is sent, and once it is there.
            times, delay = chance.randint(1, 5), chance.uniform(0, 0.1)
            return Fate(cue="lockfile", times=times, delay_seconds=delay, pause_seconds=pause)
        case _:
            times, delay = chance.randint(1, 2), chance.uniform(0, 0.2)
            return Fate(cue="branch", times=times, delay_seconds=delay, pause_seconds=pause)


@dataclass(kw_only=True)
class Watch:
    """Counts how often a file changed since the first look."""

    path: Path
    changes: int = -1
    _seen: object = "never"

    def look(self) -> int:
        try:
            stat = self.path.stat()
            found: object = (stat.st_mtime_ns, stat.st_ino)
        except FileNotFoundError:
            found = None
        if found != self._seen:
            self._seen = found
            self.changes += 1
        return self.changes


@dataclass(kw_only=True)
class Course:
    """A machine's work in one round: commands one after another, and its fate among them."""

    machine: Machine
    commands: list[tuple[str, ...]]
    fate: Fate | None
    delay_seconds: float
    process: Process | None = None
    killed_in: str | None = None
    """The command that it was killed in."""
    paused: int = 0
    _began: float = field(default_factory=time.monotonic)
    _due: float | None = None
    _resumes: float | None = None
    _watch: Watch | None = None

    def go_on(self) -> bool:
        """Do what is due; False once there is nothing left to do."""
        now = time.monotonic()
        if self._resumes is not None:
            if now < self._resumes:
                return True
            self._resumes = None
            assert self.process is not None
            self.process.signal(SIGCONT)
        if now < self._began + self.delay_seconds:
            return True
        if self.process is None or not self.process.is_running():
            if not self.commands:
                return False
            self.process = self.machine.start(*self.commands.pop(0))
        if self.fate and self._is_due(self.fate, now):
            self._meet(self.fate, now)
        return True

    def _is_due(self, fate: Fate, now: float) -> bool:
        if self._due is None:
            if self._watch is None and fate.cue != "time":
                self._watch = Watch(path=self._watched(fate.cue))
            if self._watch is None or self._watch.look() >= fate.times:
                self._due = now + fate.delay_seconds
        return self._due is not None and now >= self._due

    def _meet(self, fate: Fate, now: float) -> None:
        assert self.process is not None
        self.fate = None
        if fate.pause_seconds is not None:
            self.process.signal(SIGSTOP)
            self._resumes = now + fate.pause_seconds
            self.paused += 1
            return
        self.process.kill()
        if self.process.code and self.process.code < 0:
            self.killed_in = " ".join(self.process.words[1:3]).removesuffix(" --yes")
            self.commands.clear()

    def _watched(self, cue: Cue) -> Path:
        if cue == "lockfile":
            return self.machine.lock
        return self.machine.places.repository / (CLAIMS_REF if cue == "claims" else BRANCH_REF)

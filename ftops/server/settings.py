"""What a server is given: where its state lies, where it listens, and its time and chance."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

TOKEN_VARIABLE = "FTOPS_SERVER_TOKEN"  # noqa: S105 the name of a variable
"""Where a token may be given that is not drawn by chance."""
MAX_ACTIVE_JOBS = 3
"""Jobs of one model that may be validating, queued, running or pausing at once."""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> int:
        """Unix time, in whole seconds."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> int:
        return int(time.time())


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that a server depends on besides its state folder's content."""

    state: Path
    """Private folder; made if it is not there."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 for any that is free."""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """What every request must bear."""
    idle_exit_seconds: float | None = None
    """The server ends after so long without a request or an unfinished job; None: never."""
    max_active_jobs: int = MAX_ACTIVE_JOBS
    allow_faults: bool = False
    """Whether `POST /ftops/faults` may make requests fail; for tests."""
    train: bool = True
    """Whether worker processes are started; without, `World.run_next_job` moves jobs on."""
    clock: Clock = field(default_factory=SystemClock)
    chance: Random = field(default_factory=SystemRandom)
    """Of ids and seeds."""

"""Time that stands still until somebody waits."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.baton import boundary

START = 1_770_000_000
"""Unix time at which every simulation begins: the base models are older."""


@dataclass
class Time:
    """What all clocks go by, and the server's own clock."""

    seconds: float = START

    def now(self) -> int:
        return int(self.seconds)


@dataclass
class SkewedClock:
    """One machine's clock: it may be wrong, and may be set while a command runs."""

    time: Time
    ahead: float = 0

    def now(self) -> int:
        return int(self.time.seconds + self.ahead)

    def sleep(self, seconds: float) -> None:
        """Others go on meanwhile; whoever is let go on too late has slept longer."""
        until = self.time.seconds + seconds
        boundary(f"sleep {seconds:g} s")
        self.time.seconds = max(self.time.seconds, until)

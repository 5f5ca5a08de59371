"""Commands that run one at a time, each in a thread that goes on only when it is handed the baton.

What a command does between two boundaries, nobody sees: at a boundary it has just had, or is about to have, an effect
that outlives it, and there any other may go on first, or it may die.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 240
"""Of the real clock, for a thread to reach its next boundary: by then it hangs."""


class CrashError(BaseException):
    """The process dies here: nothing that it would still do happens."""


class Command:
    """One run of a program, from start to end or crash."""

    _running: Command | None = None

    def __init__(self, function: Callable[[], None]) -> None:
        self.at = "start"
        """The boundary where it waits."""
        self.is_over = False
        self.failure: Exception | None = None
        """What it let through: ftops has no such end."""
        self._function = function
        self._is_doomed = False
        self._theirs, self._ours = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def go_on(self) -> None:
        """Let it run to its next boundary, or to its end."""
        before, Command._running = Command._running, self
        self._theirs.release()
        if not self._ours.acquire(timeout=PATIENCE_SECONDS):
            raise TimeoutError(f"it hangs after {self.at}")
        Command._running = before
        if self.is_over:
            self._thread.join()

    def crash(self) -> None:
        """Let it die where it is."""
        self._is_doomed = True
        while not self.is_over:
            self.go_on()

    @classmethod
    def current(cls) -> Command | None:
        """The one that holds the baton; None while the simulation itself acts."""
        return cls._running

    def wait_at(self, boundary: str) -> None:
        """Hand the baton back, from inside the command."""
        if not self._is_doomed:
            self.at = boundary
            self._ours.release()
            self._theirs.acquire()
        if self._is_doomed:
            raise CrashError

    def _run(self) -> None:
        self._theirs.acquire()
        try:
            if not self._is_doomed:
                self._function()
        except CrashError:
            pass
        except Exception as failure:  # noqa: BLE001  # whatever it is, the simulation tells
            self.failure = failure
        finally:
            self.is_over = True
            self._ours.release()


def boundary(name: str) -> None:
    """Here a command may be interrupted; nothing happens outside of one."""
    if command := Command.current():
        command.wait_at(name)

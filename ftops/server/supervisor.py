"""Keeps a worker process for each role while there is work for it, and counts the crashes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from typing import TYPE_CHECKING, Final

from ftops.server import progress
from ftops.server.settings import TOKEN_VARIABLE
from ftops.server.train.environment import ONE_BLAS_THREAD
from ftops.server.work import next_to_train, next_to_validate
from ftops.server.worker import ROLES, Role

if TYPE_CHECKING:
    from pathlib import Path

    from ftops.server.jobs import Job
    from ftops.server.state import State

MAX_CRASHES: Final = 3
"""Workers that a job may bring down before it has failed."""
LOG: Final = "worker.log"
"""In the state folder: what workers print, tracebacks above all."""
_LARGEST_LOG: Final = 1024 * 1024
_SECONDS_BEFORE_ANOTHER_TRY: Final = 1.0
_SECONDS_TO_END: Final = 2.0
_LOGGER: Final = logging.getLogger(__name__)


class Supervisor:
    """Of one state folder; lives in the server's event loop."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._awake = {role: asyncio.Event() for role in ROLES}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._keep(role), name=f"{role} worker") for role in ROLES]

    def wake(self) -> None:
        """There may be work."""
        for event in self._awake.values():
            event.set()

    async def stop(self) -> None:
        """End all workers at once: a running job goes on from its last state at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, role: Role) -> None:
        while True:
            self._awake[role].clear()
            try:
                if _next(self._state, role) is None:
                    await self._awake[role].wait()
                elif await self._run(role) != 0 and (job := _next(self._state, role)) is not None:
                    progress.record_crash(self._state, job, most=MAX_CRASHES)
            except (OSError, sqlite3.OperationalError):
                _LOGGER.exception("the %s worker cannot be kept; trying again", role)
                await asyncio.sleep(_SECONDS_BEFORE_ANOTHER_TRY)

    async def _run(self, role: Role) -> int:
        """One worker from start to end; its exit code."""
        process = await _start(self._state.folder, role)
        assert process.stdin is not None
        assert process.stdout is not None
        waking = asyncio.create_task(self._forward(role, process.stdin))
        try:
            async for _ in process.stdout:
                self.wake()
            return await process.wait()
        finally:
            waking.cancel()
            await end(process)

    async def _forward(self, role: Role, pipe: asyncio.StreamWriter) -> None:
        """Tell a worker of work; one that has just gone is none to be told, what it left undone is seen then."""
        with contextlib.suppress(ConnectionError):
            while True:
                await self._awake[role].wait()
                self._awake[role].clear()
                pipe.write(b"\n")
                await pipe.drain()


async def _start(folder: Path, role: Role) -> Process:
    log = folder / LOG
    is_large = log.exists() and log.stat().st_size > _LARGEST_LOG
    with log.open("wb" if is_large else "ab") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ftops.server.worker",
            str(folder),
            role,
            stdin=PIPE,
            stdout=PIPE,
            stderr=output,
            env=child_environment(),
        )


def child_environment() -> dict[str, str]:
    """What processes of ours start with: one thread of arithmetic each, and no token, for none of them needs it."""
    return {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE} | dict(ONE_BLAS_THREAD)


async def end(process: Process) -> None:
    """Close the pipe that a process of ours lives by, and kill it if that is not enough."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _SECONDS_TO_END)
    except TimeoutError:
        process.kill()
        await process.wait()


def _next(state: State, role: Role) -> Job | None:
    return next_to_train(state) if role == "train" else next_to_validate(state)

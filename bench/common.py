"""Measure whole processes in turn, and print what was measured beside what is promised."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

FTOPS = (sys.executable, "-m", "ftops")
SERVER_START_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What whole processes of one command took: medians."""

    milliseconds: float
    peak_megabytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of the table."""

    what: str
    measured: float
    bound: float
    unit: str
    at_least: bool = False
    """The bound is the least that is promised, and not the most."""

    @property
    def holds(self) -> bool:
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


def measure_in_turn(commands: Mapping[str, Sequence[str]], *, cwd: Path, runs: int = 7) -> dict[str, Run]:
    """Run each of *commands* once unmeasured, to warm caches, then *runs* times, one after the other in each round."""
    samples: dict[str, list[Run]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            taken = _run(command, cwd)
            if turn:
                samples[name].append(taken)
    return {
        name: Run(
            milliseconds=median(run.milliseconds for run in taken),
            peak_megabytes=median(run.peak_megabytes for run in taken),
        )
        for name, taken in samples.items()
    }


def report(title: str, results: Sequence[Result]) -> int:
    """Print a table; gives the exit code: 1 if a bound does not hold."""
    print(f"\n{title}")
    width = max(len(result.what) for result in results)
    for result in results:
        bound = f"{'≥' if result.at_least else '≤'} {result.bound:g} {result.unit}"
        verdict = "holds" if result.holds else "DOES NOT HOLD"
        share = f"{result.measured / result.bound:.0%}" if result.bound else ""
        print(f"  {result.what:<{width}}  {result.measured:9.2f} {result.unit:<7} {bound:<14} {share:>6}  {verdict}")
    return 0 if all(result.holds for result in results) else 1


@contextmanager
def running_server(state: Path, *options: str) -> Iterator[tuple[str, str]]:
    """A server of our own on a free loopback port: its URL and its token. Ended at the end."""
    command = [sys.executable, "-m", "ftops.server", "--state", str(state), "--port", "0", *options]
    log = state.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        for _ in range(SERVER_START_SECONDS * 20):
            if (state / "server.json").exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        else:
            raise SystemExit(f"the server did not start within {SERVER_START_SECONDS} s:\n{log.read_text()}")
        if process.poll() is not None:
            raise SystemExit(f"the server did not start:\n{log.read_text()}")
        endpoint = json.loads((state / "server.json").read_bytes())
        yield endpoint["url"], endpoint["token"]
    finally:
        process.terminate()
        process.wait(timeout=30)


def as_users_have_it() -> dict[str, str]:
    """The environment, with modules compiled once and not for every process: some containers switch that off."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _run(command: Sequence[str], cwd: Path) -> Run:
    """One whole process; peak memory is its own as the kernel counted it, not its children's."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=as_users_have_it(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    milliseconds = (time.perf_counter() - began) * 1000
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{errors.decode()}")
    kilobytes = usage.ru_maxrss if sys.platform != "darwin" else usage.ru_maxrss / 1024
    return Run(milliseconds=milliseconds, peak_megabytes=kilobytes / 1024)

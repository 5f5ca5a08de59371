"""The local server, killed again and again: what it has acknowledged is there, and every job ends as it would have.

Each round starts a server on the same folder, looks whether all is as it was told, lets three clients upload, create,
cancel, delete and chat, and kills: the server, a worker, or all of them, also while they are still starting. In the end
every job must have become what it becomes without any of that, to the last bit. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Final

from bench.aftermath import PATIENCE_SECONDS, all_jobs, check, compare, outcome, until_over
from bench.caller import Caller
from bench.deeds import SEEDS, Broken, Ledger, act, expect, job_request, require
from bench.processes import children_of, left_over, role_of
from bench.soak import EXAMPLES

CLIENTS = 3
LONGEST_ROUND_SECONDS = 2.0
MOST_CRASHES = 2
"""Of a job without progress, brought about by us: with one more the server rightly gives it up."""
WAYS: Final = (
    "server",
    "server",
    "all",
    "all",
    "starting",
    "server.worker train",
    "server.worker validate",
    "sampling",
)
"""Who is killed."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.survive", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        try:
            ledger, killed = asyncio.run(survive(Path(name), rounds=options.rounds, seed=options.seed))
        except Broken as broken:
            print(f"Survive: BROKEN with seed {options.seed}: {broken}")
            return 1
    seconds = time.monotonic() - began
    print(f"Survive: {options.rounds} rounds, seed {options.seed}, {seconds:.0f} s: nothing lost, nothing half-done")
    print("  killed: " + ", ".join(f"{way} {count}" for way, count in sorted(killed.items())))
    print("  acknowledged: " + ", ".join(f"{name} {count}" for name, count in sorted(ledger.calls.items())))
    print(f"  {len(ledger.jobs - ledger.cancelled)} jobs ended as undisturbed ones do, to the last bit")
    return 0


async def survive(folder: Path, *, rounds: int, seed: int) -> tuple[Ledger, Counter[str]]:
    """Kill in *rounds*; what was acknowledged, and who was killed how often.

    Raises:
        Broken: Something was lost, half-done, or not the same in the end.
    """
    chance, ledger, killed = Random(seed), Ledger(), Counter[str]()
    expected = await _undisturbed(folder / "undisturbed")
    state = folder / "state"
    for number in range(rounds):
        way = chance.choice(WAYS)
        if way == "server.worker train" and _crashes(state) >= MOST_CRASHES:
            way = "server"
        process = _start(state)
        try:
            if way == "starting":
                await asyncio.sleep(chance.random())
            else:
                caller = await _caller(state, process)
                await check(caller, state, ledger, chance, all_content=False)
                await _act_until_killed(caller, ledger, chance, process, way)
        except Broken as broken:
            raise Broken(f"round {number} ({way}): {broken}") from None
        finally:
            _kill(process, way)
        killed[way] += 1
    process = _start(state)
    try:
        caller = await _caller(state, process)
        await until_over(caller, ledger)
        await check(caller, state, ledger, chance, all_content=True)
        for job in sorted(ledger.jobs - ledger.cancelled):
            await compare(caller, state, ledger, job, expected)
        await asyncio.sleep(1)  # for what a worker sweeps up behind the last job
    finally:
        process.terminate()
        process.wait()
    if left := left_over(state):
        raise Broken(f"left over: {left}")
    return ledger, killed


async def _act_until_killed(
    caller: Caller, ledger: Ledger, chance: Random, process: subprocess.Popen[bytes], way: str
) -> None:
    """Have clients go on while the deed is done, until all of them have lost the server."""
    others = [caller.twin() for _ in range(CLIENTS)]
    acting = [asyncio.create_task(act(other, ledger, Random(chance.random()))) for other in others]
    await asyncio.sleep(chance.random() * LONGEST_ROUND_SECONDS)
    if way not in ("server", "all"):
        for child in children_of(process.pid):
            with suppress(OSError):
                if role_of(child).endswith(way):
                    os.kill(child, signal.SIGKILL)
        await asyncio.sleep(chance.random() * LONGEST_ROUND_SECONDS)
    _kill(process, way)
    results = await asyncio.gather(*acting, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, OSError | EOFError):
            raise result


async def _undisturbed(state: Path) -> dict[int, dict[str, object]]:
    """By seed, what a job becomes that nobody disturbs."""
    process = _start(state)
    try:
        caller = await _caller(state, process)
        ledger = Ledger()
        file = await expect(caller, "POST", "/files", form=(EXAMPLES, "fine-tune"))
        for seed in SEEDS:
            ledger.jobs.add(
                (await expect(caller, "POST", "/fine_tuning/jobs", json=job_request(file["id"], seed)))["id"]
            )
        await until_over(caller, ledger)
        return {job["seed"]: await outcome(caller, state, job) for job in await all_jobs(caller)}
    finally:
        process.terminate()
        process.wait()


def _crashes(state: Path) -> int:
    """The most that any job has, which is not over."""
    if not (state / "state.db").exists():
        return 0
    with closing(sqlite3.connect(state / "state.db")) as database:
        query = "SELECT max(crashes) FROM jobs WHERE status NOT IN ('succeeded', 'failed', 'cancelled')"
        try:
            return int(database.execute(query).fetchone()[0] or 0)
        except sqlite3.OperationalError:  # killed before there were any tables
            return 0


def _start(state: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ftops.server", "--state", str(state), "--max-active-jobs", "4"]
    with state.with_suffix(".log").open("ab") as log:
        # A group of its own, so that all of it can be killed at once.
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


async def _caller(state: Path, process: subprocess.Popen[bytes]) -> Caller:
    for _ in range(PATIENCE_SECONDS * 20):
        with suppress(OSError):
            card = json.loads((state / "server.json").read_bytes())
            if card["pid"] == process.pid:
                return Caller(card["url"], card["token"], keeps_alive=False)
        require(process.poll() is None, f"the server did not start: {state.with_suffix('.log').read_text()[-500:]}")
        await asyncio.sleep(0.05)
    raise Broken("the server did not start in time")


def _kill(process: subprocess.Popen[bytes], way: str) -> None:
    if process.poll() is None:
        if way == "server":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


if __name__ == "__main__":
    sys.exit(main())

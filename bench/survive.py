"""The local server, killed again and again: what it has acknowledged is there, and every job ends as it would have.

Each round starts a server on the same folder, looks whether all is as it was told, lets three clients upload, create,
cancel, delete and chat, and kills: the server, a worker, or all of them, also while they are still starting. In the end
every job must have become what it becomes without any of that, to the last bit. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
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
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from bench.caller import Caller
from bench.processes import children_of, left_over, role_of
from bench.soak import EXAMPLES

CLIENTS = 3
LONGEST_ROUND_SECONDS = 2.0
PATIENCE_SECONDS = 300
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
SEEDS: Final = (1, 2, 3)
"""Of jobs: each trains another model."""
OVER: Final = ("succeeded", "failed", "cancelled")


@dataclass(kw_only=True)
class Ledger:
    """What was acknowledged, and what is in doubt because the answer never came."""

    files: dict[str, str] = field(default_factory=dict)
    """By id, the sha256 of the content."""
    contents: set[str] = field(default_factory=set)
    """All that was ever sent: an unknown file must be one of these, whole."""
    deleted: set[str] = field(default_factory=set)
    jobs: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    uploads: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Pending ones, by id: the only part, and the sha256 of the content."""
    gone: set[str] = field(default_factory=set)
    """Deleted models."""
    doubtful: set[str] = field(default_factory=set)
    """Ids that a request was about whose answer never came."""
    calls: Counter[str] = field(default_factory=Counter)


class Broken(Exception):  # noqa: N818  # what a server must not do, and no error of ours
    """Something that was acknowledged is not there, or something is that must not be."""


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
                await _check(caller, state, ledger, chance, all_content=False)
                await _act_until_killed(caller, ledger, chance, process, way)
        except Broken as broken:
            raise Broken(f"round {number} ({way}): {broken}") from None
        finally:
            _kill(process, way)
        killed[way] += 1
    process = _start(state)
    try:
        caller = await _caller(state, process)
        await _until_over(caller, ledger)
        await _check(caller, state, ledger, chance, all_content=True)
        for job in sorted(ledger.jobs - ledger.cancelled):
            await _compare(caller, state, ledger, job, expected)
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
    acting = [asyncio.create_task(_act(other, ledger, Random(chance.random()))) for other in others]
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


async def _act(caller: Caller, ledger: Ledger, chance: Random) -> None:
    """One client's deeds until the server is gone: each is in the ledger once it was acknowledged."""
    uploading = (_upload, _upload, _begin_upload, _end_upload, _delete_file)
    deeds = (*uploading, _create_job, _create_job, _cancel, _chat, _delete_model)
    try:
        while True:
            deed = chance.choice(deeds)
            if await deed(caller, ledger, chance):
                ledger.calls[deed.__name__.removeprefix("_")] += 1
            await asyncio.sleep(chance.random() / 10)
    finally:
        await caller.close()


async def _upload(caller: Caller, ledger: Ledger, chance: Random) -> bool:
    content = _content(ledger, chance)
    file = await _expect(caller, "POST", "/files", form=(content, "fine-tune"))
    ledger.files[file["id"]] = _sha256(content)
    return True


async def _begin_upload(caller: Caller, ledger: Ledger, chance: Random) -> bool:
    content = _content(ledger, chance)
    asked = {"filename": "a.jsonl", "bytes": len(content), "purpose": "fine-tune", "mime_type": "text/jsonl"}
    upload = await _expect(caller, "POST", "/uploads", json=asked)
    part = await _expect(caller, "POST", f"/uploads/{upload['id']}/parts", form=(content, None))
    ledger.uploads[upload["id"]] = (part["id"], _sha256(content))
    return True


async def _end_upload(caller: Caller, ledger: Ledger, _: Random) -> bool:
    """The oldest that is pending, mostly of an earlier server."""
    if not ledger.uploads:
        return False
    upload = next(iter(ledger.uploads))
    part, content = ledger.uploads.pop(upload)  # if the answer is lost, its file is one of those that are not known
    done = await _expect(caller, "POST", f"/uploads/{upload}/complete", json={"part_ids": [part]})
    ledger.files[done["file"]["id"]] = content
    return True


async def _delete_file(caller: Caller, ledger: Ledger, chance: Random) -> bool:
    if len(ledger.files) < 10:
        return False
    file = chance.choice(list(ledger.files))
    ledger.doubtful.add(file)
    del ledger.files[file]
    await _expect(caller, "DELETE", f"/files/{file}")
    ledger.deleted.add(file)
    return True


async def _create_job(caller: Caller, ledger: Ledger, chance: Random) -> bool:
    file = await _expect(caller, "POST", "/files", form=(EXAMPLES, "fine-tune"))
    ledger.contents.add(_sha256(EXAMPLES))
    job = await _expect(caller, "POST", "/fine_tuning/jobs", json=_asked(file["id"], chance.choice(SEEDS)), also=429)
    await _expect(caller, "DELETE", f"/files/{file['id']}")
    if "id" in job:
        ledger.jobs.add(job["id"])
    return "id" in job


async def _cancel(caller: Caller, ledger: Ledger, chance: Random) -> bool:
    """Rarely, for most jobs are to come to their end."""
    left = sorted(ledger.jobs - ledger.cancelled - ledger.doubtful)
    if not left or chance.random() < 0.85:
        return False
    job = left[-1]
    ledger.doubtful.add(job)
    answer = await _expect(caller, "POST", f"/fine_tuning/jobs/{job}/cancel", also=400)
    ledger.doubtful.discard(job)
    if answer.get("status") == "cancelled":
        ledger.cancelled.add(job)
    return "id" in answer


async def _delete_model(caller: Caller, ledger: Ledger, chance: Random) -> bool:
    """The oldest, if there are many."""
    models = (await _expect(caller, "GET", "/models"))["data"]
    tuned = [model["id"] for model in models if model["id"].startswith("ft:")]
    if len(tuned) < 6 or chance.random() < 0.5:
        return False
    ledger.doubtful.add(tuned[0])
    answer = await _expect(caller, "DELETE", f"/models/{tuned[0]}", also=404)  # another client may have been faster
    if "deleted" in answer:
        ledger.gone.add(tuned[0])
    return True


async def _chat(caller: Caller, _: Ledger, __: Random) -> bool:
    """The process that answers may be killed meanwhile, which is told, or the model deleted."""
    models = (await _expect(caller, "GET", "/models"))["data"]
    asked = {"model": models[-1]["id"], "messages": [{"role": "user", "content": "hello"}], "max_tokens": 20}
    status, body = await caller.call("POST", "/chat/completions", json=asked)
    is_killed = status == 500 and b"ended unexpectedly" in body
    _require(status in (200, 404) or is_killed, f"a question was answered {status}: {body[:300]!r}")
    return status == 200


async def _check(caller: Caller, state: Path, ledger: Ledger, chance: Random, *, all_content: bool) -> None:
    """All that was acknowledged is there, and nothing that is not whole."""
    listed = (await _expect(caller, "GET", "/files?limit=10000"))["data"]
    files = {file["id"] for file in listed if file["purpose"] == "fine-tune"}
    _require(not (lost := ledger.files.keys() - files), f"lost files: {lost}")
    _require(not (back := ledger.deleted & files), f"deleted files are back: {back}")
    known = sorted(ledger.files)
    for file in known if all_content else chance.sample(known, min(3, len(known))):
        content = await _content_of(caller, file)
        _require(_sha256(content) == ledger.files[file], f"file {file} has another content")
    for file in sorted(files - ledger.files.keys()):
        content = await _content_of(caller, file)
        _require(_sha256(content) in ledger.contents, f"file {file}, never acknowledged, is half a file")
        ledger.files[file] = _sha256(content)
        ledger.doubtful.discard(file)
    jobs = {job["id"]: job for job in await _all_jobs(caller)}
    _require(not (lost := ledger.jobs - jobs.keys()), f"lost jobs: {lost}")
    models = {model["id"] for model in (await _expect(caller, "GET", "/models"))["data"]}
    _require(not (back := ledger.gone & models), f"deleted models are back: {back}")
    for name, job in jobs.items():
        ledger.jobs.add(name)
        if name in ledger.doubtful and job["status"] == "cancelled":
            ledger.cancelled.add(name)
        ledger.doubtful.discard(name)
        status = job["status"]
        _require(name not in ledger.cancelled or status == "cancelled", f"cancelled job {name} is {status}")
        _require(name in ledger.cancelled or status != "cancelled", f"job {name} was cancelled by nobody")
        _require(status != "failed", f"job {name} failed: {job['error']}")
        has_all = bool(job["fine_tuned_model"]) and bool(job["result_files"]) and bool(job["finished_at"])
        _require(has_all == (status == "succeeded"), f"job {name} is {status} and has half of a result")
        model = job["fine_tuned_model"]
        _require(model is None or model in models | ledger.gone | ledger.doubtful, f"model {model} is lost")
    with closing(sqlite3.connect(state / "state.db")) as database:
        twice = "SELECT job, message FROM events GROUP BY job, message HAVING count(*) > 1"
        _require(not (told := database.execute(twice).fetchall()), f"told twice: {told[:5]}")


async def _compare(
    caller: Caller, state: Path, ledger: Ledger, name: str, expected: dict[int, dict[str, object]]
) -> None:
    job = await _expect(caller, "GET", f"/fine_tuning/jobs/{name}")
    is_there = job["fine_tuned_model"] not in ledger.gone | ledger.doubtful
    found = await _outcome(caller, state, job, with_model=is_there)
    for what, value in found.items():
        _require(value == expected[job["seed"]][what], f"job {name} has other {what} than one that nobody disturbed")


async def _undisturbed(state: Path) -> dict[int, dict[str, object]]:
    """By seed, what a job becomes that nobody disturbs."""
    process = _start(state)
    try:
        caller = await _caller(state, process)
        ledger = Ledger()
        file = await _expect(caller, "POST", "/files", form=(EXAMPLES, "fine-tune"))
        for seed in SEEDS:
            ledger.jobs.add((await _expect(caller, "POST", "/fine_tuning/jobs", json=_asked(file["id"], seed)))["id"])
        await _until_over(caller, ledger)
        return {job["seed"]: await _outcome(caller, state, job) for job in await _all_jobs(caller)}
    finally:
        process.terminate()
        process.wait()


async def _outcome(caller: Caller, state: Path, job: dict[str, Any], *, with_model: bool = True) -> dict[str, object]:
    """All that a job has become: metrics of each step, checkpoints, weights and answers."""
    path = f"/fine_tuning/jobs/{job['id']}"
    events = (await _expect(caller, "GET", f"{path}/events?limit=100"))["data"]
    checkpoints = (await _expect(caller, "GET", f"{path}/checkpoints"))["data"]
    found: dict[str, object] = {
        "metrics": [event["data"] for event in events if event["type"] == "metrics"],
        "checkpoints": [(point["step_number"], point["metrics"]) for point in checkpoints],
        "numbers": (job["trained_tokens"], job["method"]),
        "results": await _content_of(caller, job["result_files"][0]),
    }
    if with_model:
        asked = {"model": job["fine_tuned_model"], "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
        for temperature in (0, 1):
            answer = await _expect(
                caller, "POST", "/chat/completions", json=asked | {"temperature": temperature, "seed": 1}
            )
            found[f"answers at temperature {temperature}"] = answer["choices"][0]["message"]["content"]
        with closing(sqlite3.connect(state / "state.db")) as database:
            query = "SELECT folder FROM models WHERE id = ?"
            ((folder,),) = database.execute(query, (job["fine_tuned_model"],)).fetchall()
        found["weights"] = {path.name: _sha256(path.read_bytes()) for path in (state / "models" / folder).iterdir()}
    return found


def _asked(file: str, seed: int) -> dict[str, object]:
    """Seven epochs of twelve steps: one epoch is short enough to be done between two kills, a job is not."""
    hyperparameters = {"n_epochs": 7, "batch_size": 1}
    return {
        "model": "tiny-byte",
        "training_file": file,
        "seed": seed,
        "method": {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
    }


async def _until_over(caller: Caller, ledger: Ledger) -> None:
    for _ in range(PATIENCE_SECONDS):
        left = [job["id"] for job in await _all_jobs(caller) if job["status"] not in OVER]
        if not left:
            return
        await asyncio.sleep(1)
    raise Broken(f"jobs that never end, of {len(ledger.jobs)}: {left}")


async def _all_jobs(caller: Caller) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = []
    while True:
        after = f"&after={jobs[-1]['id']}" if jobs else ""
        page = await _expect(caller, "GET", f"/fine_tuning/jobs?limit=100{after}")
        jobs += page["data"]
        if not page["has_more"]:
            return jobs


async def _content_of(caller: Caller, file: str) -> bytes:
    status, body = await caller.call("GET", f"/files/{file}/content")
    _require(status == 200, f"file {file} has no content: {status} {body[:200]!r}")
    return body


async def _expect(caller: Caller, method: str, path: str, *, also: int = 200, **options: Any) -> dict[str, Any]:
    status, body = await caller.call(method, path, **options)
    _require(status in (200, also), f"{method} {path} was answered {status}: {body[:300]!r}")
    value: dict[str, Any] = json.loads(body)
    return value


def _require(is_so: bool, otherwise: str) -> None:  # noqa: FBT001  # as assert has it
    if not is_so:
        raise Broken(otherwise)


def _content(ledger: Ledger, chance: Random) -> bytes:
    content = chance.randbytes(chance.choice((10, 10_000, 3_000_000)))
    ledger.contents.add(_sha256(content))
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


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
        _require(process.poll() is None, f"the server did not start: {state.with_suffix('.log').read_text()[-500:]}")
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

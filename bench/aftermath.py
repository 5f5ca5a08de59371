"""What must be so after a server was killed: all that it acknowledged is there, and jobs become what they would."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from bench.deeds import Broken, Ledger, expect, require, sha256

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from bench.caller import Caller

PATIENCE_SECONDS: Final = 300
OVER: Final = ("succeeded", "failed", "cancelled")


async def check(caller: Caller, state: Path, ledger: Ledger, chance: Random, *, all_content: bool) -> None:
    """All that was acknowledged is there, and nothing that is not whole."""
    listed = (await expect(caller, "GET", "/files?limit=10000"))["data"]
    files = {file["id"] for file in listed if file["purpose"] == "fine-tune"}
    require(not (lost := ledger.files.keys() - files), f"lost files: {lost}")
    require(not (back := ledger.deleted & files), f"deleted files are back: {back}")
    known = sorted(ledger.files)
    for file in known if all_content else chance.sample(known, min(3, len(known))):
        content = await content_of(caller, file)
        require(sha256(content) == ledger.files[file], f"file {file} has another content")
    for file in sorted(files - ledger.files.keys()):
        content = await content_of(caller, file)
        require(sha256(content) in ledger.contents, f"file {file}, never acknowledged, is half a file")
        ledger.files[file] = sha256(content)
        ledger.doubtful.discard(file)
    jobs = {job["id"]: job for job in await all_jobs(caller)}
    require(not (lost := ledger.jobs - jobs.keys()), f"lost jobs: {lost}")
    models = {model["id"] for model in (await expect(caller, "GET", "/models"))["data"]}
    require(not (back := ledger.gone & models), f"deleted models are back: {back}")
    for name, job in jobs.items():
        ledger.jobs.add(name)
        if name in ledger.doubtful and job["status"] == "cancelled":
            ledger.cancelled.add(name)
        ledger.doubtful.discard(name)
        status = job["status"]
        require(name not in ledger.cancelled or status == "cancelled", f"cancelled job {name} is {status}")
        require(name in ledger.cancelled or status != "cancelled", f"job {name} was cancelled by nobody")
        require(status != "failed", f"job {name} failed: {job['error']}")
        has_all = bool(job["fine_tuned_model"]) and bool(job["result_files"]) and bool(job["finished_at"])
        require(has_all == (status == "succeeded"), f"job {name} is {status} and has half of a result")
        model = job["fine_tuned_model"]
        require(model is None or model in models | ledger.gone | ledger.doubtful, f"model {model} is lost")
    with closing(sqlite3.connect(state / "state.db")) as database:
        twice = "SELECT job, message FROM events GROUP BY job, message HAVING count(*) > 1"
        require(not (told := database.execute(twice).fetchall()), f"told twice: {told[:5]}")


async def compare(
    caller: Caller, state: Path, ledger: Ledger, name: str, expected: dict[int, dict[str, object]]
) -> None:
    job = await expect(caller, "GET", f"/fine_tuning/jobs/{name}")
    is_there = job["fine_tuned_model"] not in ledger.gone | ledger.doubtful
    found = await outcome(caller, state, job, with_model=is_there)
    for what, value in found.items():
        require(value == expected[job["seed"]][what], f"job {name} has other {what} than one that nobody disturbed")


async def outcome(caller: Caller, state: Path, job: dict[str, Any], *, with_model: bool = True) -> dict[str, object]:
    """All that a job has become: metrics of each step, checkpoints, weights and answers."""
    path = f"/fine_tuning/jobs/{job['id']}"
    events = (await expect(caller, "GET", f"{path}/events?limit=100"))["data"]
    checkpoints = (await expect(caller, "GET", f"{path}/checkpoints"))["data"]
    found: dict[str, object] = {
        "metrics": [event["data"] for event in events if event["type"] == "metrics"],
        "checkpoints": [(point["step_number"], point["metrics"]) for point in checkpoints],
        "numbers": (job["trained_tokens"], job["method"]),
        "results": await content_of(caller, job["result_files"][0]),
    }
    if with_model:
        asked = {"model": job["fine_tuned_model"], "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
        for temperature in (0, 1):
            answer = await expect(
                caller, "POST", "/chat/completions", json=asked | {"temperature": temperature, "seed": 1}
            )
            found[f"answers at temperature {temperature}"] = answer["choices"][0]["message"]["content"]
        with closing(sqlite3.connect(state / "state.db")) as database:
            query = "SELECT folder FROM models WHERE id = ?"
            ((folder,),) = database.execute(query, (job["fine_tuned_model"],)).fetchall()
        found["weights"] = {path.name: sha256(path.read_bytes()) for path in (state / "models" / folder).iterdir()}
    return found


async def until_over(caller: Caller, ledger: Ledger) -> None:
    for _ in range(PATIENCE_SECONDS):
        left = [job["id"] for job in await all_jobs(caller) if job["status"] not in OVER]
        if not left:
            return
        await asyncio.sleep(1)
    raise Broken(f"jobs that never end, of {len(ledger.jobs)}: {left}")


async def all_jobs(caller: Caller) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = []
    while True:
        after = f"&after={jobs[-1]['id']}" if jobs else ""
        page = await expect(caller, "GET", f"/fine_tuning/jobs?limit=100{after}")
        jobs += page["data"]
        if not page["has_more"]:
            return jobs


async def content_of(caller: Caller, file: str) -> bytes:
    status, body = await caller.call("GET", f"/files/{file}/content")
    require(status == 200, f"file {file} has no content: {status} {body[:200]!r}")
    return body

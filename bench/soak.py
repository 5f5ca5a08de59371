"""The local server under many clients for long: no failure, no growth, nothing left over.

Memory is sampled from `/proc`, so this runs on Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from statistics import linear_regression, median, quantiles
from typing import Any

from bench.caller import Caller, Dropped
from bench.common import Result, report, running_server
from bench.processes import children_of, left_over, open_files_of, role_of

CLIENTS = 50
SAMPLE_SECONDS = 2.0
PAUSE_SECONDS = 1.0
"""Between two calls of one client, on average."""
SETTLE_SECONDS = 7.0
"""After the last call: idle connections are closed five seconds after it."""
WARM_UP_SHARE = 0.2
"""Of the time; memory that is taken then is caches, models and threads, all of them bounded."""
GROWTH_MAX_MEGABYTES = 5.0
P99_MAX_MILLISECONDS = 500.0
LARGE_FILE = b'{"messages": []}\n' * 60_000
EXAMPLES = b"\n".join(
    json.dumps({"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]}).encode()
    for asked, answered in (("ping", "pong"), ("hello", "world"), ("red", "stop"), ("green", "go")) * 3
)


@dataclass(kw_only=True)
class Told:
    """What all clients together have seen."""

    statuses: Counter[int] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    """Answers of 500 and above, others that the call must not have, and connections that ended by themselves."""
    get_seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Of one process at one moment."""

    seconds: float
    role: str
    megabytes: float
    files: int
    """Open descriptors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where it is, and its process."""

    url: str
    token: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All of one run."""

    told: Told
    samples: list[Sample]
    before: int
    """Open descriptors of the idle server."""
    after: int
    left_over: tuple[str, ...] = ()
    """In the state folder, after its end."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        seen = soak(Path(name), seconds=options.seconds, clients=CLIENTS, seed=options.seed)
    told = seen.told
    print("\nCalls: " + ", ".join(f"{name} {count}" for name, count in sorted(told.calls.items())))
    print("Answers: " + ", ".join(f"{status}: {count}" for status, count in sorted(told.statuses.items())))
    for what, count in Counter([*told.surprises, *seen.left_over]).most_common(20):
        print(f"  {count} times: {what}")
    answers = sum(told.statuses.values())
    title = f"Soak: {CLIENTS} clients for {options.seconds:.0f} s, seed {options.seed}: {answers} answers"
    return report(title, _results(seen))


def _results(seen: Seen) -> list[Result]:
    p99 = quantiles(seen.told.get_seconds, n=100)[98] * 1000
    results = [
        Result(what="answers of 500 and above, and surprises", measured=len(seen.told.surprises), bound=0, unit=""),
        Result(what="open descriptors more than before", measured=seen.after - seen.before, bound=0, unit=""),
        Result(what="left over in the state folder", measured=len(seen.left_over), bound=0, unit=""),
        Result(what="p99 of GETs", measured=p99, bound=P99_MAX_MILLISECONDS, unit="ms"),
    ]
    for role in sorted({sample.role for sample in seen.samples}):
        growth, typical = _growth([sample for sample in seen.samples if sample.role == role])
        what = f"growth of {role} (median {typical:.0f} MB)"
        results.append(Result(what=what, measured=growth, bound=GROWTH_MAX_MEGABYTES, unit="MB"))
    return results


def soak(folder: Path, *, seconds: float, clients: int, seed: int) -> Seen:
    """Run a server in *folder*, and have *clients* ask it things for so long."""
    state = folder / "state"
    with running_server(state, "--max-active-jobs", "6") as (url, token):
        pid = json.loads((state / "server.json").read_bytes())["pid"]
        server = Server(url=url, token=token, pid=pid)
        seen = asyncio.run(_load(server, seconds=seconds, clients=clients, seed=seed))
    return replace(seen, left_over=tuple(left_over(state)))


async def _load(server: Server, *, seconds: float, clients: int, seed: int) -> Seen:
    told, samples = Told(), list[Sample]()

    def client(number: int) -> Client:
        return Client(Caller(server.url, server.token, keeps_alive=number % 2 == 0), Random(seed * 1000 + number), told)

    first = client(-1)
    before = await _files_when_idle(first, server.pid)
    sampling = asyncio.create_task(_sample(server.pid, samples))
    until = time.monotonic() + seconds
    everyone = [client(number) for number in range(clients)]
    await asyncio.gather(*(one.go_on(until) for one in everyone))
    sampling.cancel()
    await asyncio.gather(*(one.tidy_up() for one in everyone))
    return Seen(told=told, samples=samples, before=before, after=await _files_when_idle(first, server.pid))


async def _files_when_idle(client: Client, pid: int) -> int:
    """Open descriptors of a server whose processes all run, but which nobody asks anything."""
    await client.train()
    await client.chat()
    await client.tidy_up()
    await asyncio.sleep(SETTLE_SECONDS)
    return open_files_of(pid)


class Client:
    """One of many, who only touches what is its own."""

    def __init__(self, caller: Caller, chance: Random, told: Told) -> None:
        self._caller = caller
        self._chance = chance
        self._told = told
        self._files: list[str] = []
        self._jobs: list[str] = []
        self._models: list[str] = []

    async def go_on(self, until: float) -> None:
        weights = {
            self.look: 30,
            self.upload: 6,
            self.upload_parts: 3,
            self.delete_file: 5,
            self.train: 2,
            self.steer: 3,
            self.chat: 6,
            self.stream: 3,
            self.drop_stream: 3,
            self.read_slowly: 2,
            self.drop_upload: 2,
            self.blunder: 4,
            self.delete_model: 2,
        }
        while time.monotonic() < until:
            await asyncio.sleep(self._chance.random() * 2 * PAUSE_SECONDS)
            (act,) = self._chance.choices(list(weights), weights=list(weights.values()))
            self._told.calls[act.__name__] += 1
            try:
                await act()
            except (OSError, EOFError) as error:
                self._told.surprises.append(f"{act.__name__}: {type(error).__name__}: {error}")
                await self._caller.close()

    async def look(self) -> None:
        paths = ["/files?limit=20", "/fine_tuning/jobs?limit=5", "/models"]
        paths += [f"/files/{name}" for name in self._files[-2:]]
        for job in self._jobs[-2:]:
            paths += [f"/fine_tuning/jobs/{job}{rest}" for rest in ("", "/events", "/checkpoints")]
        began = time.perf_counter()
        await self._call("GET", self._chance.choice(paths))
        self._told.get_seconds.append(time.perf_counter() - began)

    async def upload(self) -> None:
        _, file = await self._call("POST", "/files", form=(EXAMPLES * self._chance.randint(1, 50), "fine-tune"))
        self._files.append(file["id"])

    async def upload_parts(self) -> None:
        asked = {"filename": "a.jsonl", "bytes": len(EXAMPLES), "purpose": "fine-tune", "mime_type": "text/jsonl"}
        _, upload = await self._call("POST", "/uploads", json=asked)
        path, parts = f"/uploads/{upload['id']}", []
        for content in (EXAMPLES[:100], EXAMPLES[100:]):
            _, part = await self._call("POST", f"{path}/parts", form=(content, None))
            parts.append(part["id"])
        if self._chance.random() < 0.3:
            await self._call("POST", f"{path}/cancel")
        else:
            _, done = await self._call("POST", f"{path}/complete", json={"part_ids": parts})
            self._files.append(done["file"]["id"])

    async def delete_file(self) -> None:
        while len(self._files) > 3:
            await self._call("DELETE", f"/files/{self._files.pop(0)}")

    async def train(self) -> None:
        _, file = await self._call("POST", "/files", form=(EXAMPLES, "fine-tune"))
        asked = {
            "model": "tiny-byte",
            "training_file": file["id"],
            "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1, "batch_size": 4}}},
            "metadata": {"of": "soak"},
        }
        status, job = await self._call("POST", "/fine_tuning/jobs", json=asked, also=(429,))
        await self._call("DELETE", f"/files/{file['id']}")
        if status == 429:
            return
        self._jobs.append(job["id"])

    async def steer(self) -> None:
        if self._jobs:
            job = self._chance.choice(self._jobs)
            act = self._chance.choice(["cancel", "pause", "resume", "resume"])
            await self._call("POST", f"/fine_tuning/jobs/{job}/{act}", also=(400,))
        await self.collect()

    async def collect(self) -> None:
        """Take note of what has become of jobs."""
        for name in tuple(self._jobs):
            _, job = await self._call("GET", f"/fine_tuning/jobs/{name}")
            if job["status"] == "failed":
                self._told.surprises.append(f"a job failed: {job['error']}")
            if job["status"] == "succeeded":
                self._models.append(job["fine_tuned_model"])
                self._files += job["result_files"]
            if job["status"] in {"succeeded", "failed", "cancelled"}:
                self._jobs.remove(name)

    async def chat(self) -> None:
        await self._call("POST", "/chat/completions", json=self._question(8))

    async def stream(self) -> None:
        await self._call("POST", "/chat/completions", json=self._question(8) | {"stream": True})

    async def drop_stream(self) -> None:
        """Of an answer that is streamed, or of one that is not."""
        asked = self._question(400) | {"stream": self._chance.random() < 0.7}
        await self._call("POST", "/chat/completions", json=asked, drop_after=self._chance.choice((0, 1, 500)))

    async def read_slowly(self) -> None:
        _, file = await self._call("POST", "/files", form=(LARGE_FILE, "user_data"))
        self._files.append(file["id"])
        await self._call("GET", f"/files/{file['id']}/content", bytes_per_second=500_000)

    async def drop_upload(self) -> None:
        await self._caller.send_half("POST", "/files", form=(LARGE_FILE, "fine-tune"))

    async def blunder(self) -> None:
        wrong: tuple[tuple[str, str, object, int], ...] = (
            ("GET", "/nowhere", None, 404),
            ("GET", "/files/file-x", None, 404),
            ("PUT", "/files", None, 405),
            ("POST", "/fine_tuning/jobs", {"model": "x", "training_file": 1}, 400),
            ("POST", "/chat/completions", {"model": "tiny-byte", "messages": []}, 400),
        )
        method, path, asked, expected = self._chance.choice(wrong)
        await self._call(method, path, json=asked, also=(expected,))

    async def delete_model(self) -> None:
        if len(self._models) > 1:
            await self._call("DELETE", f"/models/{self._models.pop(0)}")

    async def tidy_up(self) -> None:
        for job in self._jobs:
            await self._call("POST", f"/fine_tuning/jobs/{job}/cancel", also=(400,))
        while any([await self._is_busy(job) for job in self._jobs]):  # noqa: ASYNC110  # it happens in another process
            await asyncio.sleep(1)
        await self.collect()
        for file in self._files:
            await self._call("DELETE", f"/files/{file}")
        for model in self._models:
            await self._call("DELETE", f"/models/{model}")
        await self._caller.close()

    async def _is_busy(self, job: str) -> bool:
        _, found = await self._call("GET", f"/fine_tuning/jobs/{job}")
        return found["status"] not in {"succeeded", "failed", "cancelled"}

    def _question(self, tokens: int) -> dict[str, object]:
        model = self._models[-1] if self._models else "tiny-byte"
        return {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": tokens}

    async def _call(
        self, method: str, path: str, *, also: tuple[int, ...] = (), **options: Any
    ) -> tuple[int, dict[str, Any]]:
        """One call; every answer but 200 and *also* is a surprise."""
        try:
            status, body = await self._caller.call(method, path, **options)
        except Dropped:
            return 0, {}
        self._told.statuses[status] += 1
        if status not in (200, *also):
            self._told.surprises.append(f"{method} {path.split('/')[1]}: {status} {body[:200]!r}")
        value = {}
        with suppress(ValueError):
            value = json.loads(body)
        return status, value


async def _sample(pid: int, samples: list[Sample]) -> None:
    began = time.monotonic()
    while True:
        for process in (pid, *children_of(pid)):
            with suppress(OSError):  # it has just ended
                samples.append(_sample_of(process, time.monotonic() - began))
        await asyncio.sleep(SAMPLE_SECONDS)


def _sample_of(process: int, seconds: float) -> Sample:
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="utf-8").split()[1])
    return Sample(
        seconds=seconds,
        role=role_of(process),
        megabytes=pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        files=open_files_of(process),
    )


def _growth(samples: list[Sample]) -> tuple[float, float]:
    """Megabytes over the whole time, as a straight line through all samples after the warm-up says; and the median."""
    end = max(sample.seconds for sample in samples)
    points = [(sample.seconds, sample.megabytes) for sample in samples if sample.seconds >= end * WARM_UP_SHARE]
    if len({seconds for seconds, _ in points}) < 2:
        return 0.0, median(megabytes for _, megabytes in points)
    slope = linear_regression([seconds for seconds, _ in points], [megabytes for _, megabytes in points]).slope
    return slope * end, median(megabytes for _, megabytes in points)


if __name__ == "__main__":
    sys.exit(main())

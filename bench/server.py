"""The local server: how much of the bare engine's speed a job gets, and how soon it answers while it trains."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from openai import OpenAI

from bench.common import Result, report, running_server
from ftops.server.train.environment import ONE_BLAS_THREAD

if TYPE_CHECKING:
    from openai.types.fine_tuning import SupervisedHyperparametersParam

MODEL = os.environ.get("FTOPS_BENCH_MODEL", "smollm2-135m-instruct")
EXAMPLES = 24
EPOCHS = 2
EPOCHS_MAX = 50
"""The most that the API takes: a job that outlasts the polling."""
BATCH_SIZE = 2
SHARE_MIN = 0.9
CLIENTS = 100
POLLS = 20
POLL_SECONDS = 1.0
P99_MAX_MILLISECONDS = 100
JOB_SECONDS_MAX = 600

BARE_LOOP = """
import json, sys, time
from pathlib import Path
from ftops.server.train.run import Hyperparameters, ModelSource, Stepped, TrainingRun
from ftops.server.train.trainer import train
model, data, folder, epochs, batch = sys.argv[1:]
run = TrainingRun(
    method="supervised", source=ModelSource(base=model), training_file=Path(data), validation_file=None,
    hyperparameters=Hyperparameters(n_epochs=int(epochs), batch_size=int(batch)), seed=7, folder=Path(folder),
)
print(json.dumps([time.perf_counter() for report in train(run) if isinstance(report, Stepped)]))
"""
"""Prints the moment of each step; in a process of its own, as the server's worker is."""


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = _examples(folder / "train.jsonl")
        bare = _bare_steps_per_second(data, folder / "bare")
        with running_server(folder / "state") as (url, token), OpenAI(base_url=url, api_key=token) as client:
            served = _served_steps_per_second(client, _job(client, data, EPOCHS))
            polled = _job(client, data, EPOCHS_MAX)
            _wait_until_training(client, polled)
            latencies = asyncio.run(_poll(url, token, polled))
            # Refused if it has ended, in which case its end was measured and not its training.
            client.fine_tuning.jobs.cancel(polled)
    p50, p99 = (quantiles(latencies, n=100)[at - 1] * 1000 for at in (50, 99))
    return report(
        f"Server: {MODEL}, {served:.2f} steps a second where the bare loop makes {bare:.2f}; "
        f"{CLIENTS} clients polling while a job trains: p50 {p50:.1f} ms, p99 {p99:.1f} ms",
        [
            Result(what="share of the bare engine", measured=served / bare, bound=SHARE_MIN, unit="", at_least=True),
            Result(what="p99 of GET job", measured=p99, bound=P99_MAX_MILLISECONDS, unit="ms"),
        ],
    )


def _examples(path: Path) -> Path:
    """Write examples of about 80 tokens, the size of a limerick."""
    lines = [
        {
            "messages": [
                {"role": "user", "content": f"Tell me about stone number {number}, in four lines."},
                {"role": "assistant", "content": f"Stone {number} lay in the rain and the sun,\n" * 4},
            ]
        }
        for number in range(EXAMPLES)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def _bare_steps_per_second(data: Path, folder: Path) -> float:
    command = [sys.executable, "-c", BARE_LOOP, MODEL, str(data), str(folder), str(EPOCHS), str(BATCH_SIZE)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **ONE_BLAS_THREAD})
    moments = json.loads(done.stdout.splitlines()[-1])
    return float((len(moments) - 1) / (moments[-1] - moments[0]))


def _job(client: OpenAI, data: Path, epochs: int) -> str:
    file = client.files.create(file=data, purpose="fine-tune")
    hyperparameters: SupervisedHyperparametersParam = {"n_epochs": epochs, "batch_size": BATCH_SIZE}
    job = client.fine_tuning.jobs.create(
        model=MODEL,
        training_file=file.id,
        seed=7,
        method={"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
    )
    return job.id


def _wait_until_training(client: OpenAI, job: str) -> None:
    for _ in range(JOB_SECONDS_MAX * 5):
        if any(event.type == "metrics" for event in client.fine_tuning.jobs.list_events(job).data):
            return
        time.sleep(0.2)
    raise SystemExit(f"job {job} did not begin to train in {JOB_SECONDS_MAX} s")


def _served_steps_per_second(client: OpenAI, job: str) -> float:
    """Between the first and the last step that is seen; looking five times a second costs next to nothing."""
    seen: list[tuple[float, int]] = []
    for _ in range(JOB_SECONDS_MAX * 5):
        for event in client.fine_tuning.jobs.list_events(job, limit=10).data:
            if event.type == "metrics":
                step = int(event.model_dump()["data"]["step"])
                if not seen or step > seen[-1][1]:
                    seen.append((time.perf_counter(), step))
                break
        if client.fine_tuning.jobs.retrieve(job).status in {"succeeded", "failed", "cancelled"}:
            break
        time.sleep(0.2)
    (began, first), (ended, last) = seen[0], seen[-1]
    return (last - first) / (ended - began)


async def _poll(url: str, token: str, job: str) -> list[float]:
    """Seconds that each answer took; each client keeps its connection and asks once a second, all out of step."""
    answers = await asyncio.gather(*(_client(url, token, job, number / CLIENTS) for number in range(CLIENTS)))
    return [seconds for client in answers for seconds in client]


async def _client(url: str, token: str, job: str, delay: float) -> list[float]:
    address = urlsplit(url)
    await asyncio.sleep(delay * POLL_SECONDS)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    request = (
        f"GET {address.path}/fine_tuning/jobs/{job} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()
    taken = []
    for _ in range(POLLS):
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n") if b": " in line)
        await reader.readexactly(int(lines[b"content-length"]))
        taken.append(time.perf_counter() - began)
        await asyncio.sleep(POLL_SECONDS)
    writer.close()
    return taken


if __name__ == "__main__":
    sys.exit(main())

"""The server is killed at any moment: what it acknowledged is there afterwards, once."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai

from bench.soak import soak
from bench.survive import survive
from tests.server.conftest import CHAT, Inside, Running, wait_until
from tests.server.test_jobs import create as create_inside
from tests.server.test_training import command_of, create, hyperparameters, status, steps

if TYPE_CHECKING:
    from collections.abc import Callable


def kill_while(server: Running, act: Callable[[openai.OpenAI], str], *, after: int) -> list[str]:
    """Do *act* over and over, and kill the server once *after* were acknowledged; what was, in order."""
    done: list[str] = []
    is_enough = threading.Event()
    client = server.client()

    def go_on() -> None:
        with suppress(openai.APIConnectionError):
            while True:
                done.append(act(client))
                if len(done) == after:
                    is_enough.set()

    thread = threading.Thread(target=go_on)
    thread.start()
    assert is_enough.wait(60)
    os.kill(server.pid, 9)
    thread.join(60)
    server.kill()
    return done


def test_no_acknowledged_file_is_lost(start: Callable[..., Running]) -> None:
    content = CHAT * 200
    server = start()
    upload = server.client().uploads.create(filename="a.jsonl", bytes=6, purpose="fine-tune", mime_type="text/jsonl")
    part = server.client().uploads.parts.create(upload.id, data=b"abcdef").id
    done = kill_while(
        server, lambda client: client.files.create(file=("a.jsonl", content), purpose="fine-tune").id, after=5
    )
    again = start()
    client = again.client()
    listed = [file.id for file in client.files.list(order="asc")]
    assert listed[: len(done)] == done
    assert len(listed) <= len(done) + 1  # the one whose answer was cut off may be there, whole, or not at all
    assert all(client.files.content(file).read() == content for file in listed)
    assert list((again.state / "incoming").iterdir()) == []
    assert {path.name for path in (again.state / "blobs").iterdir()} == set(listed)
    assert client.uploads.complete(upload.id, part_ids=[part]).status == "completed"


def test_no_acknowledged_job_is_lost(start: Callable[..., Running]) -> None:
    server = start("--max-active-jobs", "1000")
    file = server.client().files.create(file=("a.jsonl", CHAT), purpose="fine-tune").id

    def make(client: openai.OpenAI) -> str:
        return client.fine_tuning.jobs.create(
            model="tiny-byte", training_file=file, method=hyperparameters(n_epochs=1)
        ).id

    done = kill_while(server, make, after=3)
    client = start().client()
    listed = [job.id for job in client.fine_tuning.jobs.list(limit=100)][::-1]
    assert listed[: len(done)] == done
    assert len(listed) <= len(done) + 1
    wait_until(lambda: all(status(client, job) == "succeeded" for job in listed))
    for job in listed:
        told = [event.message for event in client.fine_tuning.jobs.list_events(job)]
        assert len(told) == len(set(told))


def test_a_killed_job_goes_on_and_ends_as_if_nothing_had_been(start: Callable[..., Running], inside: Inside) -> None:
    server = start()
    file = server.client().files.create(file=("a.jsonl", CHAT), purpose="fine-tune").id
    method = hyperparameters(n_epochs=4, batch_size=1)
    job = create(server.client(), method=method, validation_file=file)
    for _ in range(2):
        client = server.client()
        known = len(steps(client, job))
        wait_until(lambda known=known, client=client: len(steps(client, job)) > known + 3)
        children = server.children()
        server.kill()
        wait_until(lambda children=children: not any(is_alive(pid) for pid in children))
        server = start()
    client = server.client()
    wait_until(lambda: status(client, job) == "succeeded")

    other = inside.client()
    file = other.files.create(file=("a.jsonl", CHAT), purpose="fine-tune").id
    unbroken = create(other, method=method, validation_file=file)
    inside.world.run_next_job()
    assert metrics(client, job) == metrics(other, unbroken)
    told = [event.message for event in client.fine_tuning.jobs.list_events(job, limit=100)]
    assert len(told) == len(set(told))
    done = client.fine_tuning.jobs.retrieve(job)
    points = client.fine_tuning.jobs.checkpoints.list(job).data
    assert [point.step_number for point in points] == [48, 36, 24]
    assert points[0].fine_tuned_model_checkpoint == done.fine_tuned_model
    assert len(list((server.state / "models").iterdir())) == 3


def metrics(client: openai.OpenAI, job: str) -> list[Any]:
    events = list(client.fine_tuning.jobs.list_events(job, limit=100))[::-1]
    return [event.data for event in events if event.type == "metrics"]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_worker_that_outlives_its_server_never_trains_beside_another(start: Callable[..., Running]) -> None:
    """It is stopped, so that it does not learn of the server's end: the next server waits for it."""
    server = start()
    job = create(server.client(), method=hyperparameters(n_epochs=4, batch_size=1))
    wait_until(lambda: steps(server.client(), job))
    (orphan,) = [pid for pid in server.children() if command_of(pid).endswith(b"train\0")]
    stop_between_writes(orphan, server.state / "state.db")
    server.kill()
    again = Running(server.state)
    waiting = subprocess.Popen([sys.executable, "-m", "ftops.server", "--state", str(server.state)], env=again.own())
    try:
        wait_until(lambda: waits_for(server.state / "train.lock"))
        assert again.card().get("pid") != waiting.pid
        os.kill(orphan, signal.SIGCONT)
        wait_until(lambda: again.card().get("pid") == waiting.pid)
        assert not is_alive(orphan)
        wait_until(lambda: status(again.client(), job) == "succeeded")
        assert steps(again.client(), job) == list(range(1, 49))
    finally:
        waiting.terminate()
        waiting.wait()
        for http in again.clients:
            http.close()


def stop_between_writes(pid: int, database: Path) -> None:
    """Stop a worker at a moment at which it does not hold the database: nothing could start beside it otherwise."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T")
        with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                os.kill(pid, signal.SIGCONT)
                continue
            connection.execute("ROLLBACK")
            return


def waits_for(lock: Path) -> bool:
    """Whether a process waits for the lock of a file that another holds, as the kernel lists them."""
    lines = Path("/proc/locks").read_text(encoding="utf-8").splitlines()
    return any("->" in line and f":{lock.stat().st_ino} " in line for line in lines)


def test_a_killed_server_has_lost_nothing_and_every_job_ends_the_same(tmp_path: Path) -> None:
    """The short form of `make survive`."""
    ledger, killed = asyncio.run(survive(tmp_path, rounds=2, seed=4))
    assert ledger.jobs
    assert killed.total() == 2


def test_many_clients_at_once_leave_no_trace(tmp_path: Path) -> None:
    """The short form of `make soak`; nothing in it is held to a time."""
    seen = soak(tmp_path, seconds=3, clients=20, seed=1)
    assert (seen.told.surprises, seen.left_over, seen.after - seen.before) == ([], (), 0)
    assert seen.told.statuses[200] > 20


def test_an_orderly_end_leaves_the_job_to_the_next_server(start: Callable[..., Running]) -> None:
    server = start()
    client = server.client()
    job = create(client, method=hyperparameters(n_epochs=4, batch_size=2))
    wait_until(lambda: steps(client, job))
    assert server.stop() == 0
    again = start().client()
    assert status(again, job) in ("running", "succeeded")
    wait_until(lambda: status(again, job) == "succeeded")
    assert steps(again, job) == list(range(1, 25))


def test_what_belongs_to_nothing_is_swept_away_at_the_start(inside: Inside) -> None:
    client = inside.client()
    kept = create_inside(client)
    cancelled = client.fine_tuning.jobs.cancel(create_inside(client).id)
    state = inside.world.state
    for name in ("incoming/x", "blobs/file-x", "uploads/x", "runs/ftjob-x", "models/x"):
        (state.folder / name).mkdir() if "-" not in name or "runs" in name else (state.folder / name).write_text("x")
    inside.world.recover()
    assert [path.name for path in (state.folder / "runs").iterdir()] == [kept.id]
    for name in ("incoming", "uploads", "models"):
        assert list((state.folder / name).iterdir()) == []
    assert {path.name for path in (state.folder / "blobs").iterdir()} == {kept.training_file, cancelled.training_file}

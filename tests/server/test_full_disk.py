"""A disk without room: it is told in the API's shape, nothing is corrupt, and all goes on once there is room again.

Two kinds: a limit on the size of each file that the server's processes write (`RLIMIT_FSIZE`, which every system has;
writes fail with EFBIG), and a file system of its own that is really full (a `tmpfs` in a mount namespace, with ENOSPC,
where the system lets `unshare` make one).
"""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest

from tests.server.conftest import CHAT, TOKEN, Running, wait_until
from tests.server.test_training import OVER, command_of, create, hyperparameters, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOUNTED = """
mount -t tmpfs -o size={size} tmpfs "$1" && shift && exec "$@"
"""


def limit(server: Running, length: int) -> None:
    """For every file that the server writes from now on; processes that it starts have the same limit."""
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (length, hard))


def is_sound(state: Path, tmp_path: Path) -> bool:
    """Of a copy, for SQLite does not open a file by way of another process."""
    for path in state.glob("state.db*"):
        shutil.copyfile(path, tmp_path / path.name)
    with closing(sqlite3.connect(tmp_path / "state.db")) as database:
        return bool(database.execute("PRAGMA integrity_check").fetchone() == ("ok",))


def test_a_file_for_which_there_is_no_room_is_refused_and_leaves_nothing(start: Callable[..., Running]) -> None:
    server = start()
    client = server.client()
    kept = client.files.create(file=("a.jsonl", CHAT), purpose="fine-tune").id
    limit(server, 2_000_000)
    with pytest.raises(openai.InternalServerError, match="disk is full: nothing was saved"):
        client.files.create(file=("a.jsonl", b"x" * 3_000_000), purpose="fine-tune")
    upload = client.uploads.create(filename="a", bytes=3_000_000, purpose="user_data", mime_type="text/plain")
    parts = [client.uploads.parts.create(upload.id, data=b"x" * 1_500_000).id for _ in range(2)]
    with pytest.raises(openai.InternalServerError, match="disk is full: nothing was saved"):
        client.uploads.complete(upload.id, part_ids=parts)
    assert [file.id for file in client.files.list()] == [kept]
    assert list((server.state / "incoming").iterdir()) == []
    assert {path.name for path in (server.state / "blobs").iterdir()} == {kept}
    limit(server, resource.RLIM_INFINITY)
    assert client.uploads.complete(upload.id, part_ids=parts).status == "completed"


def test_a_row_for_which_there_is_no_room_is_refused_and_the_next_one_is_not(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    server = start()
    client = server.client()
    file = client.files.create(file=("a.jsonl", CHAT), purpose="fine-tune").id
    limit(server, 4096)  # less than the database's log has already
    for _ in range(2):
        with pytest.raises(openai.InternalServerError, match="disk is full: nothing was saved"):
            client.uploads.create(filename="a", bytes=1, purpose="user_data", mime_type="text/plain")
        with pytest.raises(openai.InternalServerError, match="disk is full: nothing was saved"):
            client.fine_tuning.jobs.create(model="tiny-byte", training_file=file)
        with pytest.raises(openai.InternalServerError, match="disk is full: nothing was saved"):
            client.files.delete(file)
    assert client.files.content(file).read() == CHAT
    assert client.fine_tuning.jobs.list().data == []
    assert list((server.state / "runs").iterdir()) == []
    limit(server, resource.RLIM_INFINITY)
    job = client.fine_tuning.jobs.create(
        model="tiny-byte", training_file=file, method=hyperparameters(n_epochs=1, batch_size=12)
    ).id
    wait_until(lambda: status(client, job) == "succeeded")
    server.kill()
    assert is_sound(server.state, tmp_path)


def test_a_job_whose_weights_have_no_room_fails_and_says_why(start: Callable[..., Running]) -> None:
    server = start()
    client = server.client()
    limit(
        server, 1_000_000
    )  # the small model's weights have room, and the state to go on from, three times as large, has none
    job = create(client, method=hyperparameters(n_epochs=1, batch_size=12))
    wait_until(lambda: status(client, job) in OVER)
    failed = client.fine_tuning.jobs.retrieve(job)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.code == "server_error"
    assert failed.error.message.endswith("the server's disk is full")
    assert list((server.state / "runs").iterdir()) == []
    assert list((server.state / "models").iterdir()) == []
    limit(server, resource.RLIM_INFINITY)
    for pid in server.children():  # those that have the limit still
        os.kill(pid, 15)
    again = create(client, method=hyperparameters(n_epochs=1, batch_size=12))
    wait_until(lambda: status(client, again) == "succeeded")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Running]:
    """A server whose folder is a file system of 12 MB, seen from here through its process."""
    folder = tmp_path / "small"
    folder.mkdir()
    unshare = shutil.which("unshare")
    command = [
        unshare or "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        MOUNTED.format(size="12m"),
        "sh",
    ]
    if unshare is None or subprocess.run([*command, str(folder), "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a file system of his own")
    process = subprocess.Popen(
        [*command, str(folder), sys.executable, "-m", "ftops.server", "--state", str(folder / "state")],
        env={**os.environ, "FTOPS_SERVER_TOKEN": TOKEN},
        stderr=subprocess.PIPE,
        text=True,
    )
    server = Running(Path(f"/proc/{process.pid}/root{folder}/state"), process=process)
    wait_until(lambda: server.card().get("pid") is not None)
    yield server
    assert server.stop() == 0


def fill(server: Running) -> Path:
    """Leave no room at all."""
    filler = server.state.parent / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


def test_on_a_disk_that_is_really_full_everything_is_refused_and_then_nothing_is(
    small: Running, tmp_path: Path
) -> None:
    client = small.client()
    kept = client.files.create(file=("a.jsonl", CHAT), purpose="fine-tune").id
    filler = fill(small)
    doings: tuple[Callable[[], Any], ...] = (
        lambda: client.files.create(file=("a.jsonl", CHAT * 100), purpose="fine-tune"),
        *[lambda: client.fine_tuning.jobs.create(model="tiny-byte", training_file=kept)] * 5,
        *[lambda: client.uploads.create(filename="a", bytes=1, purpose="user_data", mime_type="text/plain")] * 5,
    )
    for do in doings:
        with pytest.raises(openai.InternalServerError, match="disk is full: nothing was saved"):
            do()
    assert client.files.content(kept).read() == CHAT
    assert client.fine_tuning.jobs.list().data == []
    filler.unlink()
    job = create(client, method=hyperparameters(n_epochs=2, batch_size=1))
    wait_until(lambda: status(client, job) == "succeeded")
    assert len(list(client.files.list())) == 3
    assert is_sound(small.state, tmp_path)


def test_a_job_that_meets_a_full_disk_fails_or_waits_but_is_never_half_done(small: Running, tmp_path: Path) -> None:
    client = small.client()
    job = create(client, method=hyperparameters(n_epochs=4, batch_size=1))
    wait_until(lambda: status(client, job) == "running")
    first = trainers(small)
    filler = fill(small)
    wait_until(lambda: trainers(small) != first or status(client, job) in OVER)
    filler.unlink()
    wait_until(lambda: status(client, job) in OVER)
    done = client.fine_tuning.jobs.retrieve(job)
    assert (done.status, done.error and done.error.message) in (
        ("succeeded", None),
        ("failed", "The job failed due to an internal error: the server's disk is full"),
    )
    assert (done.fine_tuned_model is not None) == (done.status == "succeeded") == bool(done.result_files)
    told = [event.message for event in client.fine_tuning.jobs.list_events(job, limit=100)]
    assert len(told) == len(set(told))
    assert is_sound(small.state, tmp_path)


def trainers(server: Running) -> list[int]:
    return [pid for pid in server.children() if command_of(pid).endswith(b"train\0")]

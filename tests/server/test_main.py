"""Starting and ending: one server a folder, found by others, gone when nobody needs it."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from importlib.metadata import version
from typing import TYPE_CHECKING

import httpx2
import pytest

from ftops.server import worker
from ftops.server.main import main
from ftops.server.settings import Settings, SystemClock
from tests.server.conftest import CHAT, TOKEN, Running, inside_of, wait_until
from tests.server.test_training import create, hyperparameters, status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ftops.server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_running_server_tells_where_it_is_to_its_owner_only(server: Running) -> None:
    card = server.card()
    assert card == {"pid": server.pid, "url": card["url"], "token": TOKEN, "version": version("ftops")}
    assert card["url"].startswith("http://127.0.0.1:")
    assert stat.S_IMODE((server.state / "server.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(server.state.stat().st_mode) == 0o700


def test_a_second_server_on_the_same_folder_says_which_one_runs(server: Running) -> None:
    second = run("--state", str(server.state))
    assert second.returncode == 3
    assert f"process {server.pid} at {server.card()['url']}" in second.stderr
    assert server.client().models.list().data


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(start: Callable[..., Running], number: int) -> None:
    server = start()
    server.client().models.list()
    os.kill(server.pid, number)
    assert server._end() == 0
    assert server.card() == {}


def test_it_ends_by_itself_once_nothing_is_left_to_do(start: Callable[..., Running]) -> None:
    server = start("--idle-exit", "1")
    client = server.client()
    job = create(client, method=hyperparameters(n_epochs=1, batch_size=12))
    assert server.process is not None
    assert server.process.wait(120) == 0
    assert server.card() == {}
    again = start()
    assert status(again.client(), job) == "succeeded"


def test_without_a_token_in_the_environment_it_draws_one(tmp_path: Path) -> None:
    server = Running(tmp_path, (), {"FTOPS_SERVER_TOKEN": ""}).start()
    card = server.card()
    assert len(card["token"]) > 30
    headers = {"Authorization": f"Bearer {card['token']}"}
    assert httpx2.get(card["url"] + "/models", headers=headers).status_code == 200
    assert server.stop() == 0


def test_it_listens_where_it_is_told(tmp_path: Path) -> None:
    server = Running(tmp_path, ("--host", "::1")).start()
    assert server.card()["url"].startswith("http://[::1]:")
    assert server.client().models.list().data
    port = server.card()["url"].split(":")[-1].removesuffix("/v1")
    taken = run("--state", str(tmp_path / "other"), "--host", "::1", "--port", port)
    assert taken.returncode == 1
    assert "cannot run" in taken.stderr
    assert "Traceback" not in taken.stderr
    server.stop()


def test_a_port_beyond_all_ports_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--state", str(tmp_path / "state"), "--port", "65536"])
    assert "a port is a number from 0 to 65535" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "kind", ["a file in its place", "no database", "a newer database", "a file inside", "a folder as database"]
)
def test_a_folder_that_cannot_be_used_is_told_without_a_traceback(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "state"
    if kind == "a file in its place":
        folder.write_text("x")
    else:
        folder.mkdir()
    if kind == "no database":
        (folder / "state.db").write_text("this is no database" * 100)
    elif kind == "a newer database":
        database = sqlite3.connect(folder / "state.db")
        database.execute("PRAGMA user_version = 99")
        database.close()
    elif kind == "a folder as database":
        (folder / "state.db").mkdir()
    elif kind == "a file inside":
        (folder / "blobs").write_text("x")
    assert main(["--state", str(folder)]) == 1
    assert "the server cannot run on" in capsys.readouterr().err
    assert not (folder / "server.json").exists()


def test_a_port_that_is_taken_is_told_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--state", str(tmp_path), "--port", str(port)]) == 1
    told = capsys.readouterr().err
    assert f"port {port} of 127.0.0.1 is taken: stop what listens there, or choose another port" in told
    assert "Errno" not in told


def test_the_folder_of_a_server_that_is_just_starting_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with worker.working_alone(tmp_path, "train"):
        pass
    hold = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX); "
        "print(flush=True); sys.stdin.read()"
    )
    locked = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / "server.lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert locked.stdout is not None
    locked.stdout.readline()
    assert main(["--state", str(tmp_path)]) == 3
    assert "it is just starting or ending" in capsys.readouterr().err
    locked.communicate()


def test_a_worker_does_all_there_is_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: what it prints and waits for is the server's business, which other tests are about."""
    monkeypatch.setattr(worker, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(worker.os, "nice", lambda _: 0)
    reading, writing = os.pipe()
    with os.fdopen(reading) as lines, os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdin", lines)
        monkeypatch.setattr(worker.os, "_exit", lambda _: None)
        with inside_of(Settings(state=tmp_path, token=TOKEN, train=False)) as server:
            client = server.client()
            job = create(client, CHAT, method=hyperparameters(n_epochs=1, batch_size=12))
            pipe.write("\n")
            pipe.flush()
            for role in worker.ROLES:
                worker.main(str(tmp_path), role)
            assert status(client, job) == "succeeded"
        pipe.close()
        wait_until(lambda: not any("_listen" in thread.name for thread in threading.enumerate()))


def test_the_systems_clock_tells_unix_time() -> None:
    assert SystemClock().now() > 1_700_000_000

"""A server that runs is found; whatever else stands in its folder is no server."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ftops.clock import SystemClock
from ftops.diagnostics import ProblemsError
from ftops.remote.local import Endpoint, local_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "words-of-no-known-shape"


def written(state: Path, **entry: object) -> None:
    (state / "server.json").write_text(json.dumps({"pid": 1, "token": KEY} | entry))


@contextmanager
def held(state: Path, **entry: object) -> Iterator[None]:
    """A card as a server that listens keeps it."""
    written(state, **entry)
    with (state / "server.json").open() as card:
        fcntl.flock(card, fcntl.LOCK_EX)
        yield


def test_a_server_that_answers_is_found(tmp_path: Path, server_url: str) -> None:
    with held(tmp_path, url=server_url):
        assert local_endpoint(tmp_path, {}, SystemClock()) == Endpoint(pid=1, url=server_url, token=KEY)


def test_whoever_was_given_a_dead_servers_port_is_never_told_its_token(tmp_path: Path) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as stranger:

        def listen() -> None:
            connection, _ = stranger.accept()
            with connection:
                while said := connection.recv(4096):
                    heard.append(said)

        thread = threading.Thread(target=listen)
        thread.start()
        # Its process id is that of a process which lives: this one.
        written(tmp_path, url=f"http://127.0.0.1:{stranger.getsockname()[1]}/v1", pid=os.getpid())
        (tmp_path / "start.lock").mkdir()  # so that none is started
        with pytest.raises(ProblemsError):
            local_endpoint(tmp_path, {}, SystemClock())
        thread.join()
    assert heard == []


@pytest.mark.parametrize(
    "entry",
    [
        {"url": "http://127.0.0.1:99999999/v1"},
        {"url": "http://[bad/v1"},
        {"url": "http://127.0.0.1:1/v1", "token": "x\ny"},
        {"url": "http://127.0.0.1:1/v1", "token": "\u20ac"},
        {"url": "http://127.0.0.1:1/a b"},
        {"url": "file:///v1"},
        {"url": 7},
    ],
)
def test_what_nobody_can_call_is_no_running_server(tmp_path: Path, entry: dict[str, object]) -> None:
    (tmp_path / "start.lock").mkdir()  # so that none is started: looking is what is tested
    with held(tmp_path, **entry), pytest.raises(ProblemsError) as caught:
        local_endpoint(tmp_path, {}, SystemClock())
    assert caught.value.problems[0].code == "local-server"

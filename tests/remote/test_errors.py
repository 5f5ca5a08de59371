"""What a failed call means, row by row: whether its effect happened, and what a person is told."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ftops.remote.errors import MEANINGS, Effect, Meaning, RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.remote.conftest import Connect, Stranger

CREATE = "POST /v1/fine_tuning/jobs"
REQUEST = {"model": "m", "training_file": "file-1"}
JOB = b'{"id": "ftjob-1", "status": "queued", "model": "m", "created_at": 1, "training_file": "file-1"}'


def failure(act: Callable[[], object]) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        act()
    return caught.value


@pytest.mark.parametrize("row", MEANINGS, ids=lambda row: f"{row.statuses.start}-{row.api_code}")
def test_every_row_of_the_table_holds(row: Meaning, stranger: Stranger, open_provider: Connect) -> None:
    for status in {row.statuses.start, row.statuses[-1]} - {each.statuses.start for each in MEANINGS if each != row}:
        body = {"error": {"message": "Because.", "code": row.api_code, "type": "x", "param": None}}
        stranger.answers[CREATE] = (status, body)
        error = failure(lambda: open_provider(stranger.url).create_job(REQUEST))
        assert (error.problem.code, error.effect, error.status) == (row.code, row.effect, status)
        assert error.problem.summary == f"the provider answered {status}: Because"
        assert error.problem.fix == row.fix
        assert stranger.asked.count(CREATE) == 1, "a create is sent once"
        stranger.asked.clear()


@pytest.mark.parametrize("body", ["text", [], {"object": "list"}, None, 7])
def test_an_answer_that_is_no_job_leaves_it_unknown(body: object, stranger: Stranger, open_provider: Connect) -> None:
    stranger.answers[CREATE] = (200, body)
    error = failure(lambda: open_provider(stranger.url).create_job(REQUEST))
    assert (error.problem.code, error.effect) == ("remote-answer", Effect.UNKNOWN)


@contextmanager
def listening(answer: bytes | None) -> Iterator[str]:
    """Take one connection, read the request, send *answer* (None: keep silent), and close; gives the address."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                if answer is None:
                    done.wait(30)
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        done.set()
        thread.join(30)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "remote-unreachable"),
        (b"HTTP/1.1 2", "remote-unreachable"),
        (b"nonsense\r\n\r\n", "remote-unreachable"),
        (HEAD + b"999\r\n\r\n" + JOB, "remote-unreachable"),
        (HEAD + b"9\r\n\r\n" + JOB, "remote-answer"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "remote-answer"),
    ],
    ids=["cut", "cut in the head", "no HTTP", "cut in the body", "half a body", "redirect to nowhere"],
)
def test_an_answer_that_is_cut_off_leaves_it_unknown(answer: bytes, code: str, open_provider: Connect) -> None:
    with listening(answer) as url:
        error = failure(lambda: open_provider(url).create_job(REQUEST))
    assert (error.problem.code, error.effect) == (code, Effect.UNKNOWN)


def test_an_answer_that_does_not_come_leaves_it_unknown(
    open_provider: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftops.remote.connect.TIMEOUT_SECONDS", 0.2)
    with listening(None) as url:
        error = failure(lambda: open_provider(url).create_job(REQUEST))
    assert (error.problem.code, error.effect) == ("remote-unreachable", Effect.UNKNOWN)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/v1", "http://nowhere.invalid/v1", "https://127.0.0.1:{port}/v1"]
)
def test_what_was_never_sent_had_no_effect(url: str, open_provider: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = failure(lambda: open_provider(url.format(port=port)).create_job(REQUEST))
    assert (error.problem.code, error.effect) == ("remote-unreachable", Effect.NO)


def test_where_no_tls_is_spoken_nothing_was_sent(stranger: Stranger, open_provider: Connect) -> None:
    error = failure(lambda: open_provider(stranger.url.replace("http:", "https:")).create_job(REQUEST))
    assert error.effect is Effect.NO
    assert stranger.asked.count(CREATE) == 0

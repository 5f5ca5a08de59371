"""Whatever is sent, the answer is an error as the API shapes it, and the server goes on."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import httpx2
import openai
import pytest

from ftops.server import bodies, files
from ftops.server.settings import Settings
from tests.server.conftest import TOKEN, Inside, Running, inside_of, wait_until
from tests.server.test_training import create, hyperparameters, status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMELESS = (
    b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\nx\r\n--b--\r\n'
)
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize(
    ("request_line", "expected", "code", "options"),
    [
        ("GET /", 404, "unknown_url", {}),
        ("GET /v1/engines", 404, "unknown_url", {}),
        ("GET /v1/files/", 404, "unknown_url", {}),
        ("GET /v1/models/%00", 404, "model_not_found", {}),
        ("GET /v1/models/../../etc/passwd", 404, "unknown_url", {}),
        ("GET /v1/files/..%2f..%2fserver.json/content", 404, "unknown_url", {}),
        ("PUT /v1/files", 405, "method_not_supported", {}),
        ("DELETE /v1/fine_tuning/jobs", 405, "method_not_supported", {}),
        ("POST /v1/fine_tuning/jobs", 415, "unsupported_content_type", {"content": b"{}"}),
        ("POST /v1/fine_tuning/jobs", 415, "unsupported_content_type", {"data": {"model": "x"}}),
        (
            "POST /v1/fine_tuning/jobs",
            400,
            "invalid_json",
            {"content": b"", "headers": {"Content-Type": "application/json"}},
        ),
        (
            "POST /v1/fine_tuning/jobs",
            400,
            "invalid_json",
            {"content": b"{", "headers": {"Content-Type": "application/json"}},
        ),
        (
            "POST /v1/fine_tuning/jobs",
            400,
            "invalid_json",
            {"content": b'{"a":"\xff"}', "headers": {"Content-Type": "application/json"}},
        ),
        (
            "POST /v1/fine_tuning/jobs",
            400,
            "invalid_json",
            {"content": b'{"a":"\\ud800"}', "headers": {"Content-Type": "application/json"}},
        ),
        (
            "POST /v1/fine_tuning/jobs",
            400,
            "invalid_json",
            {"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}},
        ),
        (
            "POST /v1/fine_tuning/jobs",
            400,
            "invalid_json",
            {"content": b'{"seed":NaN}', "headers": {"Content-Type": "application/json"}},
        ),
        ("POST /v1/fine_tuning/jobs", 400, "invalid_type", {"json": []}),
        ("POST /v1/fine_tuning/jobs", 400, "missing_required_parameter", {"json": {}}),
        ("POST /v1/fine_tuning/jobs", 400, "invalid_type", {"json": {"model": None, "training_file": "file-x"}}),
        ("POST /v1/fine_tuning/jobs", 400, "invalid_type", {"json": {"model": {"a": 1}, "training_file": "file-x"}}),
        ("POST /v1/fine_tuning/jobs", 413, "request_too_large", {"json": {"model": "x" * (bodies.MAX_JSON_BYTES + 1)}}),
        ("GET /v1/fine_tuning/jobs?limit=1e3", 400, "invalid_type", {}),
        ("GET /v1/fine_tuning/jobs?limit=" + "9" * 5000, 400, "invalid_type", {}),
        ("GET /v1/fine_tuning/jobs?limit=-5", 400, "integer_below_min_value", {}),
        ("GET /v1/fine_tuning/jobs?after=%ff%00", 400, None, {}),
        ("GET /v1/files?order=sideways", 400, "invalid_value", {}),
        ("GET /v1/files?limit=10001", 400, "integer_above_max_value", {}),
        ("POST /v1/files", 415, "unsupported_content_type", {"json": {}}),
        ("POST /v1/files", 400, None, {"content": b"", "headers": {"Content-Type": "multipart/form-data"}}),
        ("POST /v1/files", 400, "missing_required_parameter", {"content": b"--b\r\nrubbish", "headers": FORM}),
        ("POST /v1/files", 400, "missing_required_parameter", {"content": b"--b--\r\n", "headers": FORM}),
        ("POST /v1/files", 400, "missing_required_parameter", {"files": {"other": ("a.jsonl", b"x")}}),
        ("POST /v1/files", 400, "missing_required_parameter", {"files": {"file": ("a.jsonl", b"x")}}),
        ("POST /v1/files", 400, None, {"files": [("file", ("a", b"x")), ("file", ("b", b"x"))]}),
        ("POST /v1/files", 400, "invalid_type", {"files": {"data": ("a", b"x")}, "data": {"file": "text"}}),
        (
            "POST /v1/files",
            400,
            "unknown_parameter",
            {"files": {"file": ("a", b"x")}, "data": {"purpose": "evals", "x": "y"}},
        ),
        ("POST /v1/files", 400, None, {"content": NAMELESS, "headers": FORM}),
        ("POST /v1/files", 400, None, {"files": {"file": ("a", b"x")}, "data": {"a": "1", "a[b]": "2"}}),
        ("POST /v1/files", 400, "invalid_type", {"files": {"file": ("a", b"x")}, "data": {"purpose[a]": "b"}}),
        (
            "POST /v1/files",
            400,
            "unknown_parameter",
            {
                "files": {"file": ("a", b"x")},
                "data": {
                    "purpose": "evals",
                    "expires_after[anchor]": "created_at",
                    "expires_after[seconds]": "3600",
                    "expires_after[x]": "y",
                },
            },
        ),
        (
            "POST /v1/uploads",
            400,
            "integer_above_max_value",
            {"json": {"filename": "a.jsonl", "bytes": 2**40, "mime_type": "x", "purpose": "batch"}},
        ),
        (
            "POST /v1/uploads",
            400,
            "invalid_type",
            {"json": {"filename": "a.jsonl", "bytes": None, "mime_type": "x", "purpose": "batch"}},
        ),
        ("POST /v1/chat/completions", 400, "missing_required_parameter", {"json": {"model": "tiny-byte"}}),
        ("POST /ftops/faults", 400, "invalid_type", {"json": {}}),
        ("POST /ftops/faults", 400, "invalid_type", {"json": [1]}),
        ("POST /ftops/faults", 400, "invalid_value", {"json": [{"match": "*", "kind": "earthquake"}]}),
        ("POST /ftops/faults", 400, "unknown_parameter", {"json": [{"match": "*", "kind": "html", "x": 1}]}),
    ],
)
def test_a_malformed_request_is_refused_in_shape(
    server: Running, request_line: str, expected: int, code: str | None, options: dict[str, Any]
) -> None:
    method, path = request_line.split(" ")
    response = server.request(method, path, **options)
    assert response.status_code == expected, response.text
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert response.headers["x-request-id"].startswith("req_")


def test_the_server_still_answers(client: openai.OpenAI) -> None:
    assert client.fine_tuning.jobs.list().data == []
    assert client.files.list().data == []


@pytest.mark.parametrize("path", ["/v1/models", "/v1/nowhere", "/ftops/faults", "/"])
@pytest.mark.parametrize(
    ("header", "code", "words"),
    [
        ({}, None, "You didn't provide an API key"),
        ({"Authorization": "Basic abc"}, None, "You didn't provide an API key"),
        ({"Authorization": "Bearer"}, None, "You didn't provide an API key"),
        ({"Authorization": "Bearer sk-wrong"}, "invalid_api_key", "Incorrect API key provided: sk-***"),
        ({"Authorization": "Bearer \u00e9".encode()}, "invalid_api_key", "Incorrect API key"),
    ],
)
def test_without_the_token_there_is_nothing(
    server: Running, path: str, header: dict[str, Any], code: str | None, words: str
) -> None:
    with httpx2.Client() as http:
        response = http.get(server.card()["url"].removesuffix("/v1") + path, headers=header)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == code
    assert words in response.json()["error"]["message"]
    assert TOKEN not in response.text


def test_the_real_client_sees_its_own_exception(server: Running) -> None:
    with pytest.raises(openai.AuthenticationError) as raised:
        server.client(api_key="sk-other").models.list()
    assert raised.value.code == "invalid_api_key"


def test_a_large_file_is_refused_while_it_comes(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 1000)
    client = inside.client()
    for size in (1001, 5_000_000):
        with pytest.raises(openai.APIStatusError) as raised:
            client.files.create(file=("a.jsonl", b"x" * size), purpose="fine-tune")
        assert (raised.value.status_code, raised.value.code) == (413, "request_too_large")
    assert list((inside.world.state.folder / "incoming").iterdir()) == []


def test_a_failure_of_ours_is_an_error_in_shape(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    inside.http._transport.raise_server_exceptions = False  # as over a socket, where nobody else could catch it

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    for failure, words in ((full, "disk is full"), (broken, "The server had an error while processing your request")):
        monkeypatch.setattr(files, "list_page", failure)
        with pytest.raises(openai.InternalServerError, match=words):
            inside.client().files.list()


def test_faults_are_not_there_unless_allowed(tmp_path: Path) -> None:
    with inside_of(Settings(state=tmp_path, token=TOKEN, train=False)) as server:
        assert server.http.post("/ftops/faults", json=[]).status_code == 404


def test_a_client_that_goes_away_while_it_sends_leaves_nothing(server: Running) -> None:
    host, port = server.card()["url"].removeprefix("http://").removesuffix("/v1").split(":")
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 5000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    part = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\nhalf of it'
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall((head + part).encode())
    assert server.client().files.list().data == []
    assert list((server.state / "incoming").iterdir()) == []


def test_a_range_is_not_heeded(server: Running) -> None:
    file = server.client().files.create(file=("a.txt", b"abc"), purpose="user_data").id
    for value in ("bytes=1-", "bytes=x", "rubbish"):
        response = server.request("GET", f"/v1/files/{file}/content", headers={"Range": value})
        assert (response.status_code, response.content) == (200, b"abc")
    server.client().files.delete(file)


def test_a_cut_connection_is_an_error_of_the_connection_inside_a_test_too(inside: Inside) -> None:
    inside.http.post("/ftops/faults", json=[{"match": "*", "kind": "drop-before"}] * 2)
    with pytest.raises(openai.APIConnectionError):
        inside.client().models.list()
    inside.app.state.traffic.cut = None
    with pytest.raises(ConnectionResetError):
        inside.client().models.list()


def test_a_log_that_cannot_be_written_only_delays_jobs(start: Callable[..., Running], tmp_path: Path) -> None:
    (tmp_path / "state" / "worker.log").mkdir(parents=True)
    client = start().client()
    job = create(client, method=hyperparameters(n_epochs=1, batch_size=12))
    assert status(client, job) == "validating_files"
    (tmp_path / "state" / "worker.log").rmdir()
    wait_until(lambda: status(client, job) == "succeeded")

"""However much is sent, or however slowly, it is refused in the API's shape once it is too much."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import openai
import pytest
import uvicorn
from uvicorn.server import ServerState

from ftops.server import bodies, chat_request, connection, files, uploads
from ftops.server.connection import Connection
from tests.server.conftest import TOKEN, Inside

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncIterator, Callable, Coroutine

    from httpx2 import Response

JSON = {"Content-Type": "application/json"}
HELLO = [{"role": "user", "content": "hello"}]


def refused(response: Response, status: int, code: str | None, words: str = "") -> None:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code
    assert words in response.json()["error"]["message"]


# What is in the body


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_json_is_nested_so_deep_and_no_deeper(inside: Inside, opening: str) -> None:
    closing = {"[": "]", '{"a":': "}"}[opening]
    for depth, is_too_deep in ((bodies.MAX_JSON_NESTING, False), (bodies.MAX_JSON_NESTING + 1, True), (1000, True)):
        text = opening * depth + "1" + closing * depth
        response = inside.http.post("/v1/fine_tuning/jobs", content=text, headers=JSON)
        assert response.status_code == 400
        assert (response.json()["error"]["code"] == "invalid_json") == is_too_deep


def test_a_body_of_json_has_so_many_bytes(inside: Inside) -> None:
    for length, expected in ((bodies.MAX_JSON_BYTES, 400), (bodies.MAX_JSON_BYTES + 1, 413)):
        text = b'{"model":1}'.ljust(length)
        assert inside.http.post("/v1/fine_tuning/jobs", content=text, headers=JSON).status_code == expected


def test_a_form_has_so_many_fields_of_such_a_size(inside: Inside) -> None:
    file = {"file": ("a.txt", b"x")}
    many = {f"field{number}": "x" for number in range(bodies.MAX_FORM_FIELDS + 1)}
    refused(inside.http.post("/v1/files", files=file, data=many), 400, None, "Too many fields")
    large = {"purpose": "x" * (bodies.MAX_FORM_FIELD_BYTES + 1)}
    refused(inside.http.post("/v1/files", files=file, data=large), 400, None, "exceeded maximum size")
    assert inside.http.post("/v1/files", files=file, data={"purpose": "user_data"}).status_code == 200


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-7", "zlib", "nothing", "utf-8"])
def test_whatever_character_set_a_form_claims_its_texts_can_be_kept(inside: Inside, charset: str) -> None:
    for name in ("a\\ud800", "+2AA-"):
        form = (
            '--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
            f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\nx\r\n--b--\r\n'
        )
        kind = f"multipart/form-data; boundary=b; charset={charset}"
        response = inside.http.post("/v1/files", content=form, headers={"Content-Type": kind})
        assert response.status_code in (200, 400), response.text
        assert inside.http.get("/v1/files").status_code == 200


def test_a_file_name_has_so_many_characters(inside: Inside) -> None:
    client = inside.client()
    longest = "\N{CAT}" * files.MAX_FILENAME_CHARACTERS
    file = client.files.create(file=(longest, b"x"), purpose="user_data")
    assert client.files.retrieve(file.id).filename == longest
    assert client.files.content(file.id).read() == b"x"
    with pytest.raises(openai.BadRequestError, match="string too long"):
        client.files.create(file=("x" * (files.MAX_FILENAME_CHARACTERS + 1), b"x"), purpose="user_data")
    with pytest.raises(openai.BadRequestError):
        client.files.create(file=("x" * 10_000, b"x"), purpose="user_data")
    with pytest.raises(openai.BadRequestError, match="string too long"):
        client.uploads.create(filename="x" * 10_000, bytes=1, purpose="user_data", mime_type="text/plain")


def test_an_upload_has_so_many_parts_and_bytes(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    client = inside.client()
    upload = client.uploads.create(filename="a", bytes=4, purpose="user_data", mime_type="text/plain").id
    monkeypatch.setattr(uploads, "MAX_PARTS", 3)
    parts = [client.uploads.parts.create(upload, data=b"ab").id for _ in range(2)]
    monkeypatch.setattr(uploads, "MAX_BYTES", 5)
    with pytest.raises(openai.APIStatusError, match="more than 5 bytes in all") as raised:
        client.uploads.parts.create(upload, data=b"ab")
    assert raised.value.status_code == 413
    client.uploads.parts.create(upload, data=b"c")
    with pytest.raises(openai.BadRequestError, match="has 3 parts already"):
        client.uploads.parts.create(upload, data=b"d")
    with pytest.raises(openai.BadRequestError, match="array too long"):
        client.uploads.complete(upload, part_ids=parts * 2)
    assert client.uploads.complete(upload, part_ids=parts).status == "completed"


def test_parts_are_counted_before_they_are_written(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    client = inside.client()
    upload = client.uploads.create(filename="a", bytes=2, purpose="user_data", mime_type="text/plain").id
    part = client.uploads.parts.create(upload, data=b"ab").id
    monkeypatch.setattr(uploads, "_join", None)
    with pytest.raises(openai.BadRequestError, match="have 20000 bytes in all, but 2 were announced"):
        client.uploads.complete(upload, part_ids=[part] * uploads.MAX_PARTS)


def test_a_list_of_jobs_is_asked_for_by_as_many_labels_as_a_job_has(inside: Inside) -> None:
    for count, expected in ((16, 200), (17, 400), (1500, 400)):
        query = {f"metadata[key{number}]": "x" for number in range(count)}
        assert inside.http.get("/v1/fine_tuning/jobs", params=query).status_code == expected
    refused(inside.http.get("/v1/fine_tuning/jobs?metadata[a]=" + "x" * 513), 400, "string_above_max_length")


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("messages", HELLO * (chat_request.MAX_MESSAGES + 1), "array_above_max_length"),
        ("tools", [{}] * (chat_request.MAX_TOOLS + 1), "array_above_max_length"),
        ("functions", [{}] * (chat_request.MAX_TOOLS + 1), "array_above_max_length"),
        ("n", chat_request.MAX_ANSWERS + 1, "integer_above_max_value"),
        ("stop", ["x"] * (chat_request.MAX_STOP_TEXTS + 1), "array_above_max_length"),
        ("stop", "x" * (chat_request.MAX_STOP_CHARACTERS + 1), "string_above_max_length"),
        ("stop", ["x" * (chat_request.MAX_STOP_CHARACTERS + 1)], "string_above_max_length"),
        ("stop", [""], "string_below_min_length"),
        ("max_tokens", 0, "integer_below_min_value"),
        ("max_completion_tokens", -(2**63), "integer_below_min_value"),
    ],
)
def test_a_question_asks_for_so_much_and_no_more(inside: Inside, field: str, value: object, code: str) -> None:
    asked = {"model": "tiny-byte", "messages": HELLO} | {field: value}
    refused(inside.http.post("/v1/chat/completions", json=asked), 400, code)


# How fast it comes


def answer_of(inside: Inside, receive: Callable[[], Coroutine[Any, Any, dict[str, Any]]]) -> dict[str, Any]:
    """What the application says to a body that *receive* gives, as uvicorn would call it."""
    said: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/fine_tuning/jobs",
        "raw_path": b"",
        "query_string": b"",
        "scheme": "http",
        "server": ("127.0.0.1", 1),
        "client": ("127.0.0.1", 2),
        "headers": [(b"authorization", f"Bearer {TOKEN}".encode()), (b"content-type", b"application/json")],
    }
    asyncio.run(inside.app(scope, receive, send))
    return {**said[0], "error": json.loads(said[1]["body"])["error"]}


def test_a_body_that_never_comes_is_given_up(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PATIENCE_SECONDS", 0.05)

    async def never() -> dict[str, Any]:
        return await asyncio.Future()

    answer = answer_of(inside, never)
    assert (answer["status"], answer["error"]["code"]) == (408, "request_timeout")
    assert (b"connection", b"close") in answer["headers"]


@pytest.mark.parametrize(("rate", "expected"), [(1e9, 408), (1e-3, 400)])
def test_a_body_may_be_as_slow_as_the_least_rate(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, rate: float, expected: int
) -> None:
    monkeypatch.setattr(bodies, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(bodies, "LEAST_BYTES_PER_SECOND", rate)
    left = [b"{", *[b" "] * 40, b"}"]

    async def trickle() -> dict[str, Any]:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    assert answer_of(inside, trickle)["status"] == expected


# Connections


@asynccontextmanager
async def listening(inside: Inside) -> AsyncIterator[tuple[int, ServerState]]:
    """The application behind connections of ours, in this event loop; its port."""
    config = uvicorn.Config(
        inside.app,
        http=Connection,
        ws="none",
        lifespan="off",
        timeout_keep_alive=1,
        log_config=None,
        h11_max_incomplete_event_size=connection.MAX_HEAD_BYTES,
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1], state
        while state.connections:  # noqa: ASYNC110  # uvicorn tells nobody
            await asyncio.sleep(0.01)


Talk = tuple["StreamReader", "StreamWriter"]
HEAD = f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n".encode()


async def said(talk: Talk) -> bytes:
    """All that comes until the connection ends."""
    try:
        return await talk[0].read()
    except ConnectionError:
        return b""
    finally:
        talk[1].close()


@pytest.mark.parametrize("sent", [b"", b"GET", HEAD])
def test_a_head_that_never_ends_is_given_up(inside: Inside, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(connection, "SECONDS_FOR_A_HEAD", 0.05)

    async def go() -> bytes:
        async with listening(inside) as (port, _):
            talk = await asyncio.open_connection("127.0.0.1", port)
            talk[1].write(sent)
            return await said(talk)

    assert asyncio.run(go()) == b""


def test_a_head_that_trickles_is_given_up_the_second_one_too(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SECONDS_FOR_A_HEAD", 0.1)

    async def go() -> bytes:
        async with listening(inside) as (port, _):
            talk = await asyncio.open_connection("127.0.0.1", port)
            talk[1].write(HEAD + b"\r\n")
            first = await talk[0].readuntil(b"\r\n\r\n")
            while not talk[0].at_eof():
                talk[1].write(b"X")
                await asyncio.sleep(0.01)
                if talk[0].exception() is not None:
                    break
            await said(talk)
            return first

    assert asyncio.run(go()).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent",
    [
        b"rubbish\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"\0" * 100 + b"\r\n\r\n",
        HEAD + b"X-Long: " + b"x" * connection.MAX_HEAD_BYTES * 2,
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: x\r\n" % number for number in range(20_000)),
        b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_shape(inside: Inside, sent: bytes) -> None:
    async def go() -> bytes:
        async with listening(inside) as (port, _):
            talk = await asyncio.open_connection("127.0.0.1", port)
            talk[1].write(sent)
            return await said(talk)

    head, _, body = asyncio.run(go()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(body)["error"]["code"] == "invalid_http"
    assert b"connection: close" in head.lower()


def test_rubbish_in_the_middle_of_a_body_ends_the_connection(inside: Inside) -> None:
    head = HEAD.replace(b"GET /v1/models", b"POST /v1/fine_tuning/jobs")
    head += b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nnot a length\r\n"

    async def go() -> bytes:
        async with listening(inside) as (port, _):
            talk = await asyncio.open_connection("127.0.0.1", port)
            talk[1].write(head)
            return await said(talk)

    assert asyncio.run(go()).startswith(b"HTTP/1.1 400")


def test_one_connection_too_many_is_told_so_until_another_ends(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 2)

    async def go() -> None:
        async with listening(inside) as (port, state):
            first, second = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            answer = await said(await asyncio.open_connection("127.0.0.1", port))
            assert answer.startswith(b"HTTP/1.1 503")
            assert b'"code":"overloaded"' in answer
            first[1].close()
            while len(state.connections) > 1:  # noqa: ASYNC110  # likewise
                await asyncio.sleep(0.01)
            third = await asyncio.open_connection("127.0.0.1", port)
            third[1].write(HEAD + b"Connection: close\r\n\r\n")
            assert (await said(third)).startswith(b"HTTP/1.1 200")
            second[1].close()

    asyncio.run(go())


@pytest.mark.parametrize("size", [200_000, 20_000_000])
def test_a_reader_who_takes_nothing_is_given_up(inside: Inside, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Also one whose answer is written to its end, of which the event loop keeps what the kernel has no room for."""
    file = inside.client().files.create(file=("a", b"x" * size), purpose="user_data").id
    monkeypatch.setattr(connection, "SECONDS_FOR_A_READER", 0.2)

    async def go() -> None:
        async with listening(inside) as (port, _):
            talk = await asyncio.open_connection("127.0.0.1", port)
            transport: Any = talk[1].transport
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            transport.pause_reading()
            talk[1].write(HEAD.replace(b"/v1/models", f"/v1/files/{file}/content".encode()) + b"\r\n")
            await asyncio.sleep(0.1)
        talk[1].close()

    asyncio.run(go())  # which ends once there are no connections

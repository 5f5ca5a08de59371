"""HTTP: a request in, an answer out, or a connection that breaks off."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Read in full."""

    method: str
    path: str
    """Still quoted."""
    query_string: str
    headers: dict[str, str]
    """By names in small letters."""
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.query_string, keep_blank_values=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """To be sent in full."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def json_answer(status: int, value: object, **headers: str) -> Answer:
    body = b"" if value is None else json.dumps(value).encode()
    fields = {"Content-Type": "application/json; charset=utf-8"}
    return Answer(status=status, body=body, headers=fields | {k.replace("_", "-"): v for k, v in headers.items()})


class Listener(ThreadingHTTPServer):
    """Each connection in a thread of its own."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer: Callable[[Request], Answer | None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that went away."""


class Handler(BaseHTTPRequestHandler):
    """Between a socket and `Listener.answer`."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    """In one piece: a second small packet would wait for the receipt of the first."""
    server: Listener

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.answer(
            Request(
                method=self.command, path=url.path, query_string=url.query, headers=headers, body=self._body(headers)
            )
        )
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any  # noqa: N815  # names that http.server gives

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
            self.wfile.flush()
        if headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(headers.get("content-length") or 0))
        found = []
        while size := int(self.rfile.readline(), 16):
            found.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(found)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

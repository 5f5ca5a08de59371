"""What every request passes first: it is noted, must be meant for us and bear the token, and may meet a fault."""

from __future__ import annotations

import asyncio
import hmac
import time
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, Response

from ftops.server.errors import ApiError
from ftops.server.pages import envelope
from ftops.server.responses import json_response, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ftops.server.faults import Fault, Faults
    from ftops.server.state import State

_PAGE: Final = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(slots=True)
class Traffic:
    """What is known of the requests as a whole."""

    under_way: int = 0
    idle_since: float = field(default_factory=time.monotonic)
    cut: Callable[[tuple[str, int]], None] | None = None
    """Closes the connection of a peer at once, or raises what its client then sees; set by whoever serves."""

    def idle_seconds(self) -> float:
        """How long there has been no request."""
        return 0.0 if self.under_way else time.monotonic() - self.idle_since


class Gate:
    """In front of all routes."""

    def __init__(
        self, app: ASGIApp, *, state: State, token: str, is_local: bool, faults: Faults, traffic: Traffic
    ) -> None:
        self._app = app
        self._state = state
        self._token = token.encode()
        self._is_local = is_local
        self._faults = faults
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._traffic.under_way += 1
        try:
            await self._pass(scope, receive, _with_request_id(send, self._state.new_id("req_")))
        finally:
            self._traffic.under_way -= 1
            self._traffic.idle_since = time.monotonic()

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if (refused := self._misdirected(headers) or self._unauthorised(headers)) is not None:
            await refusal(refused)(scope, receive, send)
            return
        fault = self._faults.take(scope["method"], scope["path"])
        match None if fault is None else fault.kind:
            case None:
                await self._app(scope, receive, send)
            case "delay":
                await asyncio.sleep(_known(fault).seconds)
                await self._app(scope, receive, send)
            case "lost-response":
                await self._app(scope, receive, _nowhere)
                await self._cut(scope)
            case "drop-before":
                await self._cut(scope)
            case _:
                await _answer_of(_known(fault))(scope, receive, send)

    def _misdirected(self, headers: Headers) -> ApiError | None:
        """Where only this machine can call, it calls by a name of this machine.

        Another name is that of a web site which its owner had resolved to this machine, so that a browser takes the
        server for a part of it (DNS rebinding): such a site could try out tokens.
        """
        host = headers.get("host", "localhost")
        if not self._is_local or is_loopback(_name_of(host)):
            return None
        return ApiError(421, f"This server is not at '{host}': ask it at 127.0.0.1 or localhost.", code="wrong_host")

    def _unauthorised(self, headers: Headers) -> ApiError | None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            message = "You didn't provide an API key: every request needs the header `Authorization: Bearer KEY`."
            return ApiError(401, message)
        if hmac.compare_digest(given.strip().encode(), self._token):
            return None
        message = f"Incorrect API key provided: {given[:3]}***. It is in `server.json` in the server's state folder."
        return ApiError(401, message, code="invalid_api_key")

    async def _cut(self, scope: Scope) -> None:
        """Leave the client without an answer."""
        if self._traffic.cut is None:
            raise ConnectionResetError("the connection was cut, as a test asked for")
        self._traffic.cut(scope["client"])
        await asyncio.sleep(0)


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own, which no other machine can reach."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _name_of(host: str) -> str:
    """The name in a Host header, without the port; empty if it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _known(fault: Fault | None) -> Fault:
    assert fault is not None
    return fault


def _answer_of(fault: Fault) -> Response:
    if fault.kind == "html":
        return HTMLResponse(_PAGE, status_code=502)
    if fault.kind == "empty-list":
        return json_response(envelope([], has_more=False, with_ends=True))
    kinds = {429: "rate_limit_error"}
    kind = "server_error" if fault.status >= 500 else kinds.get(fault.status, "invalid_request_error")  # noqa: PLR2004
    headers = None if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
    return refusal(ApiError(fault.status, fault.message, kind=kind, code=fault.code, headers=headers))


def _with_request_id(send: Send, request_id: str) -> Send:
    async def send_with_id(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["x-request-id"] = request_id
        await send(message)

    return send_with_id


async def _nowhere(_: Message) -> None:
    """Lose what is sent."""

"""What lies between the real client and the server's routes: no socket, but every way in which one lets people down."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import httpx2

from tests.simulation.baton import boundary

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, MutableMapping

    from tests.simulation.provider import SimulatedProvider

LOOP = asyncio.new_event_loop()
"""Run by whichever thread holds the baton."""
ALL = 100
"""Jobs on a page of the server: no simulation has as many."""
HTML = b"<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"
STATUSES = {"408": 408, "409": 409, "429": 429, "429-later": 429, "500": 500, "503": 503}
BEFORE = ("refused", "dropped", "408", "409", "429", "429-later", "500", "503", "html")
"""Kinds of faults that keep a request from its effect."""
AFTER = ("lost", "timeout", "408 too late", "409 too late", "500 too late", "503 too late", "html too late")
"""Kinds that come after it."""
RETRY_AFTER_SECONDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFault:
    """What goes wrong with the next requests to one of the provider's *doors*."""

    door: str
    kind: str
    times: int = 1


@dataclass
class Lists:
    """How the provider's lists are today."""

    lag_seconds: int = 0
    page_size: int = ALL
    repeats: int = 0
    """So many answers hold their last object twice, and the first of the page before."""
    drops: int = 0
    """So many answers lack all that is younger than *drop_seconds*."""
    drop_seconds: int = 0


def door_of(request: httpx2.Request) -> str:
    """What a request is about, for faults and figures."""
    parts = request.url.path.removeprefix("/v1/").split("/")
    match request.method, parts:
        case "POST", ["fine_tuning", "jobs"]:
            return "create"
        case "GET", ["fine_tuning", "jobs"]:
            return "list"
        case "GET", ["fine_tuning", "jobs", _]:
            return "job"
        case _, ["fine_tuning", "jobs", _, verb]:
            return verb
        case "POST", ["files"]:
            return "upload"
        case _, [name, *_]:
            return name
        case _:
            return "nothing"


@dataclass
class Network(httpx2.BaseTransport):
    """One runner's way to the provider."""

    provider: SimulatedProvider
    lists: Lists
    log: Callable[[str], None]
    count: Counter[str]
    faults: list[NetworkFault] = field(default_factory=list)
    touched: list[tuple[str, str]] = field(default_factory=list)
    """Each thing at the provider that a request would change, by method and path."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        name = f"{request.method} {request.url.path.removeprefix('/v1')}"
        boundary(f"{name}: to be sent")
        fault = self._take(door_of(request))
        kind = fault.kind if fault else ""
        if kind in BEFORE:
            self.log(f"{name}: {kind}")
            return self._failed(kind, request)
        if request.method != "GET":
            self.touched.append((request.method, request.url.path))
        response = self._answer(request)
        self.log(f"{name}: {response.status_code}{_told(response)}")
        boundary(f"{name}: its answer")
        if kind in AFTER:
            self.log(f"{name}: {kind}")
            return self._failed(kind.removesuffix(" too late"), request)
        return response

    def _take(self, door: str) -> NetworkFault | None:
        for place, fault in enumerate(self.faults):
            if fault.door in {door, "any"}:
                left = [NetworkFault(door=fault.door, kind=fault.kind, times=fault.times - 1)]
                self.faults[place : place + 1] = left if fault.times > 1 else []
                self.count[fault.kind] += 1
                return fault
        return None

    def _failed(self, kind: str, request: httpx2.Request) -> httpx2.Response:
        match kind:
            case "refused":
                raise httpx2.ConnectError("connection refused", request=request)
            case "dropped" | "lost":
                raise httpx2.RemoteProtocolError("server disconnected", request=request)
            case "timeout":
                raise httpx2.ReadTimeout("timed out", request=request)
            case "html":
                return httpx2.Response(200, headers={"content-type": "text/html"}, content=HTML, request=request)
            case _:
                headers = {"retry-after": str(RETRY_AFTER_SECONDS)} if kind == "429-later" else {}
                error = {"message": f"a simulated {kind}", "type": "error", "param": None, "code": None}
                return httpx2.Response(STATUSES[kind], headers=headers, json={"error": error}, request=request)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        door = door_of(request)
        query = dict(parse_qsl(request.url.query.decode()))
        if door == "list":
            whole = {key: value for key, value in query.items() if key not in {"after", "limit"}} | {"limit": str(ALL)}
            response = ask(self.provider.app, request, query=urlencode(whole).encode())
            return self._edited(response, request, lambda body: self._page(body, query))
        response = ask(self.provider.app, request, query=request.url.query)
        if door == "models" and request.method == "GET":
            return self._edited(response, request, self._lagging)
        if door in {"upload", "files"} and response.status_code == httpx2.codes.OK:
            if door == "upload" and self.provider.spoils > 0:
                self.provider.spoils -= 1
                self.provider.spoilt.add(response.json()["id"])
            return self._edited(response, request, self._with_spoilt)
        return response

    def _edited(
        self, response: httpx2.Response, request: httpx2.Request, edit: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> httpx2.Response:
        return httpx2.Response(response.status_code, json=edit(response.json()), request=request)

    def _lagging(self, body: dict[str, Any]) -> dict[str, Any]:
        """A list of models without those that are too young; what stands alone does not lag."""
        if "data" in body:
            body["data"] = [each for each in body["data"] if not self._is_hidden(each["created"])]
        return body

    def _is_hidden(self, created_at: int) -> bool:
        lag = self.lists.drop_seconds if self.lists.drops else self.lists.lag_seconds
        return created_at > self.provider.time.seconds - lag

    def _page(self, body: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        """A page of jobs, cut as a provider with smaller pages would, from a list that may lag behind."""
        if "data" not in body:
            return body
        every = body["data"]
        assert not body["has_more"], "more jobs than the simulation reckons with"
        ids = [each["id"] for each in every]
        start = ids.index(query["after"]) + 1 if query.get("after") in ids else 0
        visible = [each for each in every[start:] if not self._is_hidden(each["created_at"])]
        size = min(int(query.get("limit", 20)), self.lists.page_size)
        data = visible[:size]
        if self.lists.drops and len(data) < len(every[start : start + size]):
            self.lists.drops -= 1
            self.count["page dropped"] += 1
        if self.lists.repeats and data:
            self.lists.repeats -= 1
            self.count["page repeated"] += 1
            data = [*every[max(0, start - 1) : start], *data, data[-1]]
        return {"object": "list", "data": data, "has_more": len(visible) > size}

    def _with_spoilt(self, body: dict[str, Any]) -> dict[str, Any]:
        for each in body.get("data", [body]):
            if each.get("id") in self.provider.spoilt:
                each["status"] = "error"
        return body


def ask(app: Any, request: httpx2.Request, *, query: bytes) -> httpx2.Response:
    """Put *request* to an ASGI application, and wait for its answer: no other request is under way."""
    body = request.read()
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.url.path,
        "raw_path": request.url.raw_path.partition(b"?")[0],
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
    }
    LOOP.run_until_complete(app(scope, receive, send))
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return httpx2.Response(sent[0]["status"], headers=sent[0]["headers"], content=content, request=request)


def _told(response: httpx2.Response) -> str:
    """What an answer says, in a few words."""
    if not response.headers.get("content-type", "").startswith("application/json"):
        return ""
    body = json.loads(response.content)
    if "data" in body:
        return f", {len(body['data'])} objects"
    return f", {body['id']} {body.get('status', '')}".rstrip() if "id" in body else ""

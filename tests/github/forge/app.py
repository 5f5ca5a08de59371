"""Every request goes through here: to git, to the API, to the issuer of identities, or to the test's own control."""

from __future__ import annotations

import re
import time
import traceback
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import TYPE_CHECKING

from tests.github.forge import githost, graph, rest
from tests.github.forge.wire import json_answer

if TYPE_CHECKING:
    from tests.github.forge.control import Control
    from tests.github.forge.wire import Answer, Request
    from tests.github.forge.world import Fault, World

CONTROL = "/_forge"
GRAPHQL = "/api/graphql"
DOCUMENTS = "https://docs.github.com/rest"
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The forge."""

    world: World
    control: Control
    secret: str
    """Of whoever may control it."""

    def answer(self, request: Request) -> Answer | None:
        """None: the connection breaks off."""
        if request.path == CONTROL:
            allowed = request.headers.get("authorization") == f"Bearer {self.secret}"
            return self.control.answer(request) if allowed else json_answer(401, None)
        if request.path.startswith("/_services/"):
            return self.control.issuer.answer(request)
        fault = self.world.fault(f"{request.method} {request.path}")
        answer = _refused(fault, request) if fault else None
        if fault and fault.kind == "slow":
            time.sleep(fault.seconds)
        if answer is None and not (fault and fault.kind == "cut"):
            answer = self._tried(request)
        self._note(request, answer.status if answer else 0)
        return None if fault and fault.kind in {"cut", "lost"} else answer

    def _tried(self, request: Request) -> Answer:
        """A bug of the forge fails the test that met it."""
        try:
            return self._served(request)
        except Exception:  # noqa: BLE001  # whatever it is
            self.world.invalid.append(f"the forge fell over {request.method} {request.path}: {traceback.format_exc()}")
            return json_answer(500, {"message": "Server Error"})

    def _served(self, request: Request) -> Answer:
        if not (request.path == GRAPHQL or request.path.startswith("/api/v3/")):
            served = githost.answer(self.world, request)
            if request.path.endswith("/git-receive-pack"):
                self._refresh(request)
            return served
        if problem := _unfit(request):
            return rest.invalid(self.world, request, [problem])
        token = githost.token_of(self.world, request)
        if token is None:
            return json_answer(401, {"message": "Bad credentials", "documentation_url": DOCUMENTS, "status": "401"})
        serve = graph.answer if request.path == GRAPHQL else rest.answer
        served = serve(self.world, request, token)
        limits = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "999", "X-RateLimit-Used": "1"}
        return replace(served, headers=served.headers | limits | {"X-GitHub-Request-Id": token_hex(8)})

    def _refresh(self, request: Request) -> None:
        repository, _ = githost.repository_of(self.world, request.path)
        token = githost.token_of(self.world, request)
        if repository and token:
            repository.refresh(token.login)

    def _note(self, request: Request, status: int) -> None:
        token = githost.token_of(self.world, request)
        is_api = request.path.startswith("/api/")
        noted = {
            "method": request.method,
            "path": request.path + (f"?{request.query_string}" if request.query_string else ""),
            "login": token.login if token else None,
            "status": status,
            "body": request.body.decode(errors="replace") if is_api else "",
        }
        with self.world.lock:
            self.world.requests.append(noted)


def _unfit(request: Request) -> str | None:
    """What GitHub, or its documentation, wants of every request of the API."""
    if not request.headers.get("user-agent"):
        return "Request forbidden by administrative rules. Please make sure your request has a User-Agent header"
    if request.body and request.headers.get("content-type", "").partition(";")[0] != "application/json":
        return "a body has the content type application/json"
    if re.search(r"//|/\.\.?/", request.path):
        return "the path is not a plain one"
    return None


def _refused(fault: Fault, request: Request) -> Answer | None:
    """What a fault answers instead of doing anything; None if it does something."""
    if fault.kind.isdecimal():
        return json_answer(int(fault.kind), {"message": "Server Error"})
    if fault.kind == "secondary":
        value = {"message": SECONDARY, "documentation_url": DOCUMENTS, "status": "403"}
        return json_answer(403, value, Retry_After=str(int(fault.seconds)))
    if fault.kind == "primary":
        text = "API rate limit exceeded for installation."
        limits = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": str(int(time.time() + fault.seconds))}
        if request.path == GRAPHQL:
            return json_answer(200, {"errors": [{"type": "RATE_LIMITED", "message": text}]}, **limits)
        return json_answer(403, {"message": text, "documentation_url": DOCUMENTS, "status": "403"}, **limits)
    return None

"""Nothing is told without the token, whatever is asked, and the token is told to nobody."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

import httpx2
import pytest
from starlette.routing import Route

from ftops.server import gate
from ftops.server.settings import Settings
from tests.server.conftest import TOKEN, Inside, Running, inside_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
UNKNOWN = ("/", "/v1", "/v1/", "/v1/nowhere", "/v1/files/", "//v1/files", "/v1/models/../../etc/passwd", "/docs", "*")
WRONG = (
    None,
    "Bearer",
    "Bearer ",
    f"Basic {TOKEN}",
    TOKEN,
    f"Bearer {TOKEN[:-1]}",
    f"Bearer {TOKEN}x",
    f"Bearer {TOKEN.upper()}",
    f"Bearer x, Bearer {TOKEN}",
    "Bearer \u00e9",
    "Bearer " + "x" * 10_000,
)


def paths_of(inside: Inside) -> list[str]:
    """All that the application answers, asked of itself, so that a new route cannot be forgotten."""
    routes = inside.app.router.routes
    assert all(isinstance(route, Route) for route in routes)
    return [route.path.replace("{model:path}", "ft:x").replace("{", "").replace("}", "") for route in routes]  # type: ignore[attr-defined] # as was asserted


def test_every_route_refuses_every_wrong_token_for_every_method(inside: Inside) -> None:
    paths = paths_of(inside)
    assert len(paths) > 20
    inside.http.event_hooks = {}  # an answer to HEAD has no body to look at
    for path in (*paths, *UNKNOWN):
        for method in METHODS:
            for header in WRONG if method == "GET" else WRONG[:2]:
                headers = {} if header is None else {"Authorization": header.encode("latin-1")}
                request = httpx2.Request(method, f"http://127.0.0.1{path if path != '*' else '/*'}", headers=headers)
                response = inside.http.send(request)
                assert response.status_code == 401, (method, path, header)
                if method != "HEAD":
                    assert response.json()["error"].keys() == {"message", "type", "param", "code"}
                assert TOKEN not in response.text


def test_every_route_is_there_for_the_right_token(inside: Inside) -> None:
    inside.http.event_hooks = {}
    for path in paths_of(inside):
        for method in METHODS:
            assert inside.http.request(method, path).status_code != 401


def test_a_token_is_compared_in_constant_time(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    class Watched:
        @staticmethod
        def compare_digest(one: bytes, other: bytes) -> bool:
            compared.append((one, other))
            return hmac.compare_digest(one, other)

    monkeypatch.setattr(gate, "hmac", Watched)
    for given in ("x", TOKEN[:-1], TOKEN):
        inside.http.get("/v1/models", headers={"Authorization": f"Bearer {given}"})
    assert compared == [(given.encode(), TOKEN.encode()) for given in ("x", TOKEN[:-1], TOKEN)]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:8000", 200),
        ("127.9.9.9", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:80", 421),
        ("192.168.0.1", 421),
        ("0.0.0.0", 421),
        ("127.0.0.1@evil.example", 421),
        ("[", 421),
        ("", 421),
    ],
)
def test_a_name_that_a_web_site_has_resolved_to_this_machine_is_not_ours(
    inside: Inside, host: str, expected: int
) -> None:
    response = inside.http.get("/v1/models", headers={"Host": host})
    assert response.status_code == expected
    if expected == 421:
        assert response.json()["error"]["code"] == "wrong_host"
        # A guessed token cannot be told from a wrong one.
        other = inside.http.get("/v1/models", headers={"Host": host, "Authorization": "Bearer x"})
        assert other.content == response.content


def test_where_others_may_call_any_name_will_do(tmp_path: Path) -> None:
    with inside_of(Settings(state=tmp_path, token=TOKEN, train=False, host="0.0.0.0")) as server:
        assert server.http.get("/v1/models", headers={"Host": "training.example"}).status_code == 200
        assert server.http.get("/v1/models", headers={"Host": "x", "Authorization": "x"}).status_code == 401


def test_a_server_that_other_machines_can_reach_says_so(start: Callable[..., Running]) -> None:
    for arguments, is_said in ((("--host", "0.0.0.0"), True), ((), False)):
        server = start(*arguments, name=f"state{len(arguments)}{is_said}")
        assert server.process is not None
        assert server.process.stderr is not None
        server.process.terminate()
        said = server.process.stderr.read()
        assert ("WARNING: it listens on 0.0.0.0, where other machines can reach it" in said) == is_said
        assert server.process.wait(30) == 0

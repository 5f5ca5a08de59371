"""Providers that cannot be reached, refuse, or answer with something else than the API: always said, nothing lost."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Run, Shop, Stranger

HTML = b"<!doctype html><html><head><title>Sign in</title></head><body>Sign in</body></html>"

ASKING = (
    ["plan", "--refresh"],
    ["apply", "--yes"],
    ["reconcile"],
    ["status", "--refresh"],
    ["logs", "pong"],
    ["chat", "pong", "ping"],
    ["cancel", "pong"],
    ["lock", "rebuild"],
)
"""Commands that ask the provider."""


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_a_login_page_is_not_taken_for_the_api(trained: Shop, stranger: Stranger, run: Run, command: list[str]) -> None:
    trained.config(url=stranger.url)
    before = trained.lock.read_bytes()
    stranger.kind, stranger.body = "text/html", HTML
    done = run(*command)
    assert (done.code, done.codes) == (1, ["remote-answer"]), done.err
    assert "Sign in" not in done.out
    assert trained.lock.read_bytes() == before


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 429, 500, 502, 503])
def test_an_error_page_is_said_with_its_status(trained: Shop, stranger: Stranger, run: Run, status: int) -> None:
    trained.config(url=stranger.url)
    stranger.status, stranger.kind, stranger.body = status, "text/html", HTML
    done = run("plan", "--refresh")
    assert done.code == 1
    assert len(done.codes) == 1
    assert done.codes[0].startswith("remote-")
    assert str(status) in done.err or status == 301


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"data"',
        b"{}",
        b"{",
        b"\xff\xfe",
        b"[" * 5000,
        b'{"data": null}',
        b'{"data": {}}',
        b'{"data": [null], "has_more": true}',
        b'{"data": [7, "x", []], "has_more": true}',
        b'{"data": [{}], "has_more": true}',
        b'{"data": [{"id": 7}], "has_more": "yes"}',
        b'{"data": [{"id": "x", "status": 7, "model": [], "created_at": "now", "metadata": []}]}',
        b'{"id": "x", "status": "running", "model": "m", "created_at": 1e400}',
        b'{"error": {"message": ["x"], "code": {}}}',
        b'{"choices": [{"delta": null}], "data": [{"id": "x", "data": 7, "message": null}]}',
    ],
    ids=lambda body: repr(body[:40]),
)
def test_json_of_another_shape_is_no_bug_of_ours(trained: Shop, stranger: Stranger, run: Run, body: bytes) -> None:
    trained.config(url=stranger.url)
    before = trained.lock.read_bytes()
    stranger.body = body
    # What the first three ask, `status --refresh` asks as well; and errors are read at one place.
    for status, commands in ((200, ASKING[3:]), (400, ASKING[-1:])):
        stranger.status = status
        for command in commands:
            done = run(*command)
            assert done.code in {0, 1}, (command, done.err)
            assert done.code == len(done.codes), (command, done.err)
    assert trained.lock.read_bytes() == before


@pytest.mark.parametrize(
    "event", [b"data: {", b"data: []\n\n", b"data: 7\n\n", b'data: {"choices": [7]}\n\n', b"x\n\n"]
)
def test_a_stream_of_something_else_is_no_bug_of_ours(
    trained: Shop, stranger: Stranger, run: Run, event: bytes
) -> None:
    trained.config(url=stranger.url)
    stranger.kind, stranger.body = "text/event-stream", event
    done = run("chat", "pong", "ping")
    assert (done.code, done.codes) == (1, ["remote-answer"]), done.err


def test_an_answer_that_breaks_off_is_a_lost_connection(trained: Shop, stranger: Stranger, run: Run) -> None:
    trained.config(url=stranger.url)
    stranger.kind, stranger.length = "text/event-stream", 10_000
    stranger.body = b'data: {"choices": [{"index": 0, "delta": {"content": "po"}}]}\n\n'
    done = run("chat", "pong", "ping")
    assert (done.code, done.codes) == (1, ["remote-unreachable"])
    assert done.out == "po\n"


def test_a_server_that_is_down_is_said(trained: Shop, run: Run) -> None:
    trained.config(url=f"http://127.0.0.1:{closed_port()}/v1")
    done = run("plan", "--refresh")
    assert (done.code, done.codes) == (1, ["remote-unreachable"])
    assert run("plan").code == 0


def test_a_server_that_goes_down_between_upload_and_create_loses_nothing(shop: Shop, run: Run) -> None:
    shop.server.faults(
        {"match": "POST /v1/fine_tuning/jobs", "kind": "drop-before"},
        {"match": "GET /v1/fine_tuning/jobs", "kind": "status", "status": 500, "times": 99},
    )
    done = run("apply", "--yes")
    assert done.code == 1
    shop.server.faults()
    assert run("apply", "--yes").code == 0
    assert len(shop.jobs()) == 1
    assert run("lock", "verify").code == 0


def test_a_wrong_key_is_said_and_not_shown(shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "wrong-key-0123456789")
    done = run("apply", "--yes")
    assert (done.code, done.codes) == (1, ["remote-unauthorized"])
    assert "wrong-key" not in done.out + done.err
    assert not shop.lock.exists()


@pytest.mark.parametrize("key", ["", "  \n"])
@pytest.mark.usefixtures("shop")
def test_a_missing_key_is_said_with_its_variable(run: Run, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("SHOP_KEY", key)
    done = run("apply", "--yes")
    assert (done.code, done.codes) == (1, ["key-missing"])
    assert "`export SHOP_KEY=…`" in done.err
    assert run("plan").code == 0


@pytest.mark.parametrize("key", ["two words", "schlüssel", "line\nfeed", "tab\there"])
@pytest.mark.usefixtures("shop")
def test_a_key_that_no_header_can_carry_is_said_and_not_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("SHOP_KEY", key)
    done = run("plan", "--refresh")
    assert (done.code, done.codes) == (1, ["key-malformed"])
    assert key not in done.err
    assert "`SHOP_KEY`" in done.err


def test_a_line_feed_after_the_key_is_no_part_of_it(shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", f"{shop.server.token}\n")
    assert run("plan", "--refresh").code == 0


@pytest.mark.usefixtures("shop")
def test_an_unknown_target_is_said(run: Run) -> None:
    done = run("plan", "--target", "hre")
    assert (done.code, done.codes) == (1, ["target-unknown"])
    assert "did you mean `here`?" in done.err


@pytest.mark.parametrize("line", ["api_key: sk-canary-0123456789", "api_key: {env: sk-canary-0123456789}"])
def test_a_key_in_the_configuration_is_refused_and_not_shown(shop: Shop, run: Run, line: str) -> None:
    shop.config(more=f"  there:\n    profile: openai\n    {line}\n")
    done = run("plan")
    assert done.code == 1
    assert done.codes[0].startswith("config-")
    assert "canary" not in done.err


@pytest.mark.usefixtures("shop")
def test_a_server_on_this_machine_is_asked_past_any_proxy(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    assert run("plan", "--refresh").code == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks5://user:canary@127.0.0.1:1"),
        ("HTTPS_PROXY", "http://user:canary@:::"),
        ("SSL_CERT_FILE", "/nowhere/canary.pem"),
    ],
)
def test_settings_of_the_network_that_cannot_be_used_are_named_and_not_shown(
    trained: Shop, run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    trained.config(url="https://api.example.invalid/v1")
    monkeypatch.setenv(name, value)
    done = run("plan", "--refresh")
    assert (done.code, done.codes) == (1, ["network-settings"])
    assert f"`{name}`" in done.err
    assert "canary" not in done.err


def test_a_key_that_a_gateway_repeats_is_not_shown(trained: Shop, stranger: Stranger, run: Run) -> None:
    trained.config(url=stranger.url)
    stranger.status = 400
    stranger.body = (
        b'{"error": {"message": "bad header Authorization: Bearer c4n/4ry+=secret", "code": "sk-canary-key"}}'
    )
    done = run("plan", "--refresh")
    assert (done.code, done.codes) == (1, ["remote-refused"])
    assert "secret" not in done.err
    assert "canary" not in done.err

"""Canaries: strings planted where nobody else should see them, and looked for in all that ftops says and writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Result, Run, Shop, Stranger

KEY = "canary-of-the-key-5d1f"
ROW = "canary-of-a-row-77ab"
ENVIRONMENT = "canary-of-the-environment-90c2"
CANARIES = (KEY, ROW, ENVIRONMENT)

COMMANDS = (
    ["plan"],
    ["plan", "--json"],
    ["plan", "-v"],
    ["plan", "--refresh"],
    ["apply", "--yes"],
    ["apply", "--yes", "--json"],
    ["reconcile"],
    ["reconcile", "--json"],
    ["status"],
    ["status", "--json", "--refresh"],
    ["logs", "pong"],
    ["logs", "pong", "--json"],
    ["lock", "show"],
    ["lock", "show", "pong", "--json"],
    ["lock", "verify"],
    ["lock", "rebuild"],
    ["cancel", "pong"],
    ["plan", "--target", "nowhere"],
    ["chat", "unknown", "hello"],
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "HARMLESS"):
        monkeypatch.setenv(name, ENVIRONMENT)


def test_what_works_says_and_writes_no_secret(shop: Shop, run: Run) -> None:
    shop.data(answer=ROW)
    told = [run(*command) for command in COMMANDS]
    told.append(run("apply", "--yes", "--wait"))
    told += [run("logs", "pong"), run("plan"), run("status"), run("lock", "show", "pong")]
    assert {done.code for done in told} == {0, 1}
    assert shop.lock.exists()
    assert_no_canary(shop, *told, also=(shop.server.token,))


def test_what_fails_says_and_writes_no_secret(
    shop: Shop, stranger: Stranger, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.data(answer=ROW)
    assert run("apply", "--yes").code == 0
    monkeypatch.setenv("SHOP_KEY", KEY)
    told = [run(*command) for command in COMMANDS]
    shop.config(url=stranger.url)
    echo = f"Authorization: Bearer {KEY}"
    for status, body in ((401, {"error": {"message": echo, "code": echo}}), (400, {"error": echo}), (200, echo)):
        stranger.status, stranger.body = status, json.dumps(body).encode()
        told += [run(*command) for command in COMMANDS]
    assert_no_canary(shop, *told)


@pytest.mark.parametrize(
    "damage",
    [
        f'{{"messages": "{ROW}"}}',
        ROW,
        f'"{ROW}"',
        f'{{"messages": [{{"role": "user", "content": "{ROW}\\ud800"}}]}}',
        f"\ufeff{ROW}",
    ],
)
def test_a_wrong_row_is_pointed_at_and_not_shown(shop: Shop, run: Run, damage: str) -> None:
    """Of a row only keys and roles may be named, for they are what can be wrong; what it says, never."""
    with shop.data().open("a", encoding="utf-8", errors="surrogatepass") as file:
        file.write(f"{damage}\n")
    told = [run("plan"), run("plan", "--json"), run("apply", "--yes")]
    assert [done.code for done in told] == [1, 1, 1]
    assert "specs/data/pings.jsonl:13" in told[0].err
    assert_no_canary(shop, *told)


def test_a_bug_shows_no_secret(shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError(ROW, KEY)

    monkeypatch.setattr("ftops.reconcile.diff", fail)
    done = run("plan")
    assert done.code == 70
    assert_no_canary(shop, done)


def assert_no_canary(shop: Shop, *told: Result, also: tuple[str, ...] = ()) -> None:
    for canary in (*CANARIES, *also):
        for done in told:
            assert canary not in done.out
            assert canary not in done.err
        for path in shop.root.rglob("*"):
            # The local server keeps uploaded data in its state, and the data itself lies among the specs.
            if path.is_file() and "data" not in path.parts and "local" not in path.parts:
                assert canary.encode() not in path.read_bytes(), path

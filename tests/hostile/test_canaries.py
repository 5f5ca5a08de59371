"""Canaries in keys, rows, variables, addresses and headers; every command is run, and every sink is searched.

`tests/cli/test_secrets.py` does so for single situations, in one process. Here each command is a process of its own, in
a repository with a remote, first where all is well and then where nothing is.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftops.cli import COMMANDS
from ftops.cli.ci import COMMANDS as COMMANDS_OF_CI
from ftops.cli.lock import lock
from tests.cli.conftest import KEY_VARIABLE, TOKEN, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Run, Shop, Stranger

ROW = "canary-of-a-row-77ab"
OTHER_KEY = "canary-of-another-key-31aa"
ENVIRONMENT = "canary-of-the-environment-90c2"
ADDRESS = "canary-of-an-address-4b1e"
HEADER = "canary-of-a-header-c0de"
CANARIES = (TOKEN, ROW, OTHER_KEY, ENVIRONMENT, ADDRESS, HEADER)
VARIABLES = {
    "OPENAI_API_KEY": OTHER_KEY,
    "MY_OTHER_TARGET": OTHER_KEY,
    "GITHUB_TOKEN": ENVIRONMENT,
    "DATABASE_URL": f"postgres://user:{ENVIRONMENT}@db/x",
    "HARMLESS": ENVIRONMENT,
    "HTTPS_PROXY": f"http://user:{ADDRESS}@127.0.0.1:9",
    "https_proxy": f"http://user:{ADDRESS}@127.0.0.1:9",
    "OPENAI_WEBHOOK_SECRET": OTHER_KEY,
}
WORKFLOW = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_REPOSITORY": "acme/models",
    "GITHUB_RUN_ID": "7",
    "GITHUB_SHA": "0" * 40,
}
SHOWS_ROWS = {"diff-data", "tokens", "chat"}
"""What a person asks to see rows; and answers of a model, which has learnt them."""

EVERY = (
    ["plan"],
    ["plan", "-v"],
    ["plan", "--json"],
    ["plan", "--refresh"],
    ["check"],
    ["check", "--json"],
    ["check", "--format", "github"],
    ["check", "specs/data/pings.jsonl", "--moderate"],
    ["check", "--fix", "specs/data/pings.jsonl"],
    ["tokens", "specs/data/pings.jsonl"],
    ["diff-data", "HEAD:specs/pong.yaml", "specs/data/pings.jsonl"],
    ["build"],
    ["apply", "--yes"],
    ["apply", "--yes", "--json"],
    ["reconcile"],
    ["reconcile", "--json"],
    ["status"],
    ["status", "--json", "--refresh"],
    ["logs", "pong"],
    ["logs", "pong", "--json"],
    ["chat", "pong", "ping"],
    ["cancel", "pong"],
    ["pause", "pong"],
    ["resume", "pong"],
    ["lock", "show"],
    ["lock", "show", "pong", "--json"],
    ["lock", "verify"],
    ["lock", "claims"],
    ["lock", "release", "pong"],
    ["lock", "rebuild"],
    ["lock", "push"],
    ["ci", "plan"],
    ["ci", "comment", "--plan", "plan.json", "--checksum", "0"],
    ["ci", "apply", "--plan", "plan.json", "--checksum", "0"],
    ["ci", "collect"],
    ["ci", "commit"],
    ["ci", "webhook"],
    ["schema"],
    ["init"],
)

AS_PROCESSES = (
    ["plan"],
    ["check"],
    ["apply", "--yes"],
    ["reconcile"],
    ["lock", "push"],
    ["ci", "plan"],
    ["ci", "commit"],
)
"""A second each: one that reads nothing but files, one that reads rows in others, and those that send and record."""


@pytest.fixture
def planted(shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shop]:
    """A repository with a remote, whose data is in no commit; rows are built from a table as well."""
    for name, value in (VARIABLES | WORKFLOW).items():
        monkeypatch.setenv(name, value)
    for name in ("OUTPUT", "STEP_SUMMARY"):
        monkeypatch.setenv(f"GITHUB_{name}", str(shop.root / f"told-{name}"))
    for name in ("tmp", "home"):
        (tmp_path / f"outside-{name}").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "outside-tmp"))
    monkeypatch.setenv("HOME", str(tmp_path / "outside-home"))
    shop.config(
        more=f"    organization: {HEADER}\n    project_id: {HEADER}\n  there:\n    profile: openai\n"
        f"    base_url: https://api.example.invalid/v1\n    api_key: {{env: MY_OTHER_TARGET}}\n"
    )
    shop.data(answer=f"{ROW} pong")
    rows = "".join(f"{ROW} {number},{ROW}\n" for number in range(12))
    (shop.root / "specs/data/table.csv").write_text(f"question,answer\n{rows}")
    shop.spec("built", data="{dataset: made, split: train}")
    (shop.root / "specs/made.yaml").write_text(
        "kind: Dataset\nsources: {rows: data/table.csv}\nchat: {user: '{question}', assistant: '{answer}'}\n"
        "splits: {train: 100%}\n"
    )
    (shop.root / ".gitignore").write_text("outside-*/\nremote.git/\ndata/\n")
    git(shop, "init", "--quiet", "--initial-branch=main")
    git(shop, "init", "--quiet", "--bare", "remote.git")
    git(shop, "remote", "add", "origin", str(shop.root / "remote.git"))
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "--message=first")
    git(shop, "push", "--quiet", "origin", "main")
    yield shop
    for card in shop.root.glob(".ftops/local/server.json"):
        os.kill(int(json.loads(card.read_text())["pid"]), signal.SIGKILL)


def test_every_command_is_among_those_that_are_run() -> None:
    ran = {words[0] for words in EVERY} | {"serve"}
    assert ran == set(COMMANDS)
    assert {words[1] for words in EVERY if words[0] == "lock"} == set(lock.commands)
    assert {words[1] for words in EVERY if words[0] == "ci"} == set(COMMANDS_OF_CI)


def test_where_all_is_well_nothing_is_said_or_written(planted: Shop, run: Run, program: Run) -> None:
    told = {" ".join(words): (program if words in AS_PROCESSES else run)(*words) for words in EVERY}
    assert told["apply --yes"].code == 0, told["apply --yes"].err
    assert told["lock push"].code == 0, told["lock push"].err
    assert told["ci commit"].code == 0, told["ci commit"].err
    assert {words: done.err for words, done in told.items() if done.code == 70} == {}
    assert_secrets_kept(planted, told)


@dataclass(frozen=True)
class Planted:
    """What can be damaged."""

    shop: Shop
    stranger: Stranger
    monkeypatch: pytest.MonkeyPatch


def an_unknown_key(at: Planted) -> None:
    at.monkeypatch.setenv(KEY_VARIABLE, OTHER_KEY)


def a_provider_that_repeats_what_it_was_told(at: Planted) -> None:
    config = at.shop.root / "ftops.yaml"
    config.write_text(config.read_text().replace(at.shop.server.url, at.stranger.url))
    said = f"Authorization: Bearer {TOKEN}"
    at.stranger.status, at.stranger.body = 400, json.dumps({"error": {"message": said, "code": said}}).encode()


def a_provider_that_cannot_be_reached(at: Planted) -> None:
    config = at.shop.root / "ftops.yaml"
    config.write_text(config.read_text().replace("default_target: here", "default_target: there"))


def a_remote_that_cannot_be_reached(at: Planted) -> None:
    git(at.shop, "remote", "set-url", "origin", f"https://oauth2:{ADDRESS}@git.example.invalid/team/models.git")


def a_table_that_does_not_fit_its_sql(at: Planted) -> None:
    with (at.shop.root / "specs/made.yaml").open("a") as file:
        file.write("sql: SELECT CAST(answer AS INTEGER) AS answer, question FROM rows\n")


def a_table_that_is_broken(at: Planted) -> None:
    with (at.shop.root / "specs/data/table.csv").open("a") as file:
        file.write(f'"{ROW},{ROW}\n{ROW}')


def rows_that_are_broken(at: Planted) -> None:
    with (at.shop.root / "specs/data/pings.jsonl").open("a") as file:
        file.write(f'{ROW}\n"{ROW}"\n["{ROW}"]\n{{"messages": "{ROW}"}}\n{{"messages": [{{"content": "{ROW}"\n')
        file.write(f'{{"messages": [{{"role": "user", "content": ["{ROW}", {{"type": "text", "text": 7}}]}}]}}\n')
        file.write(f'{{"messages": [{{"role": "user", "content": "{ROW}", "content": "{ROW}"}}]}}\n')


def a_spec_that_is_broken(at: Planted) -> None:
    with (at.shop.root / "ftops.yaml").open("a") as file:
        file.write(f"  bad:\n    profile: openai\n    api_key: {OTHER_KEY}\n    base_url: https://u:{ADDRESS}@x/v1\n")


def a_lockfile_that_cannot_be_written(at: Planted) -> None:
    (at.shop.root / "ftops.lock").mkdir()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "damage",
    [
        an_unknown_key,
        a_provider_that_repeats_what_it_was_told,
        a_provider_that_cannot_be_reached,
        a_remote_that_cannot_be_reached,
        a_table_that_does_not_fit_its_sql,
        a_table_that_is_broken,
        rows_that_are_broken,
        a_spec_that_is_broken,
        a_lockfile_that_cannot_be_written,
    ],
)
def test_where_nothing_is_well_neither(
    planted: Shop, run: Run, stranger: Stranger, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Planted], None]
) -> None:
    damage(Planted(planted, stranger, monkeypatch))
    told = {" ".join(words): run(*words) for words in EVERY if words != ["check", "--fix", "specs/data/pings.jsonl"]}
    assert any(done.code == 1 for done in told.values())
    assert {words: done.err for words, done in told.items() if done.code == 70} == {}
    assert_secrets_kept(planted, told)


def test_the_server_that_a_command_starts_knows_no_other_target_s_key(
    planted: Shop, program: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.delenv("https_proxy")
    assert program("plan", "--refresh", "--target", "local").code == 0
    card = json.loads((planted.root / ".ftops/local/server.json").read_text())
    process = Path(f"/proc/{card['pid']}")
    for sink in (process / "environ", process / "cmdline", planted.root / ".ftops/local/server.log"):
        content = sink.read_bytes()
        assert [canary for canary in (*CANARIES, card["token"]) if canary.encode() in content] == [], sink


def test_a_crash_shows_no_secret(planted: Shop) -> None:
    """As a process whose product code fails: the text of the exception holds a row and the key."""
    crash = (
        "import sys, ftops.reconcile\n"
        f"def fail(*_, **__): raise ValueError({ROW!r}, {TOKEN!r})\n"
        "ftops.reconcile.diff = fail\n"
        "from ftops.__main__ import main\n"
        "sys.argv = ['ftops', 'plan']\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", crash], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 70
    assert_secrets_kept(planted, {"plan": Result(code=70, out=done.stdout, err=done.stderr)})


def assert_secrets_kept(shop: Shop, told: dict[str, Result]) -> None:
    for words, done in told.items():
        secrets = [each for each in CANARIES if each != ROW or words.split()[0] not in SHOWS_ROWS]
        assert [each for each in secrets if each in done.out + done.err] == [], words
    for path in written_by_ftops(shop.root):
        content = path.read_bytes()
        assert [each for each in CANARIES if each.encode() in content] == [], path
    for repository in (shop.root, shop.root / "remote.git"):
        objects = subprocess.run(
            ["git", "cat-file", "--batch-all-objects", "--batch", "--unordered"],
            cwd=repository,
            check=True,
            capture_output=True,
        ).stdout
        kept = [each for each in CANARIES if each != HEADER and each.encode() in objects]
        assert kept == [], repository


def written_by_ftops(root: Path) -> Iterator[Path]:
    """All files but the inputs, what is built and mended of them, the local server's own copies, and git's."""
    for path in root.rglob("*"):
        beginning = path.relative_to(root).parts[:2]
        inputs = beginning[0] in {"specs", "ftops.yaml", ".git", "remote.git"}
        if path.is_file() and not inputs and beginning not in {(".ftops", "local"), (".ftops", "datasets")}:
            yield path


def git(shop: Shop, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=shop.root, check=True)

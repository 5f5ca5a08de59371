"""The embedded default: the server that commands start by themselves, and the one that people start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Run, Start

CANARY = "canary-of-another-provider-31aa"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new project for the target `local`; a server that a command starts there ends with the test."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for card in tmp_path.glob(".ftops/local/server.json"):
        os.kill(int(json.loads(card.read_text())["pid"]), signal.SIGKILL)


def test_a_command_starts_the_server_and_the_next_one_finds_it(
    folder: Path, program: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    assert program("init").code == 0
    assert not (folder / ".ftops/local").exists()
    plans = []
    for _ in range(2):
        asked = program("plan", "--refresh")
        assert asked.code == 0, asked.err
        plans.append((asked.out, server_of(folder)))
    assert plans[0] == plans[1]
    card = plans[0][1]
    assert (folder / ".ftops/local/server.json").stat().st_mode & 0o777 == 0o600
    assert CANARY.encode() not in Path(f"/proc/{card['pid']}/environ").read_bytes()
    assert subprocess.run(["git", "init", "-q"], check=True).returncode == 0
    untracked = subprocess.run(["git", "status", "--short", "-uall"], check=True, capture_output=True, text=True)
    assert ".ftops" not in untracked.stdout


def test_a_server_that_was_killed_is_started_anew(folder: Path, program: Run) -> None:
    assert program("init").code == 0
    assert program("plan", "--refresh").code == 0
    first = server_of(folder)
    os.kill(int(str(first["pid"])), signal.SIGKILL)
    assert program("plan", "--refresh").code == 0
    assert server_of(folder)["pid"] != first["pid"]


def test_a_server_that_cannot_start_is_told(folder: Path, run: Run) -> None:
    assert run("init").code == 0
    (folder / ".ftops").mkdir()
    (folder / ".ftops/local").touch()
    done = run("plan", "--refresh")
    assert (done.code, done.codes) == (1, ["local-server"])
    assert run("plan").code == 0


def test_serve_runs_in_the_foreground_with_the_token_of_the_environment_until_ctrl_c(
    folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTOPS_SERVER_TOKEN", "a-token-of-my-own")
    serving = start("serve", "--state", "state")
    card = folder / "state/server.json"
    serving.await_until(card.exists)
    told = json.loads(card.read_text())
    assert told["token"] == "a-token-of-my-own"
    request = urllib.request.Request(f"{told['url']}/models", headers={"Authorization": f"Bearer {told['token']}"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    serving.process.send_signal(signal.SIGINT)
    done = serving.finish()
    assert (done.code, done.out) == (0, "")
    assert "Traceback" not in done.err
    assert not card.exists()


def test_a_second_server_on_the_same_folder_is_refused(folder: Path, start: Start, program: Run) -> None:
    serving = start("serve", "--state", "state")
    serving.await_until((folder / "state/server.json").exists)
    second = program("serve", "--state", "state")
    assert second.code == 3
    assert "another server has" in second.err


def server_of(folder: Path) -> dict[str, object]:
    card = json.loads((folder / ".ftops/local/server.json").read_text())
    assert isinstance(card, dict)
    return card

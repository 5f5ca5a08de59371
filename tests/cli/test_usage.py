"""Exit codes, help, schemas, colours: what holds for every command."""

from __future__ import annotations

import json
import os
import re
from importlib import metadata
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from ftops.cli import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run, Shop

EVERY_COMMAND = [*([name] for name in COMMANDS), ["lock", "verify"], ["lock", "show"], ["lock", "rebuild"]]


@pytest.mark.usefixtures("trained")
def test_an_empty_plan_is_0(run: Run) -> None:
    done = run("plan")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("No changes.")


@pytest.mark.usefixtures("shop")
def test_a_plan_with_changes_is_0_and_only_if_asked_for_2(run: Run) -> None:
    assert run("plan").code == 0
    assert run("plan", "--detailed-exitcode").code == 2
    assert run("plan", "--detailed-exitcode", "--json").code == 2
    assert run("plan", "--detailed-exitcode", "-q").code == 2


@pytest.mark.usefixtures("trained")
def test_an_empty_plan_is_0_also_if_asked_for_2(run: Run) -> None:
    assert run("plan", "--detailed-exitcode").code == 0
    assert run("plan", "--detailed-exitcode", "--refresh").code == 0


def test_a_problem_is_1(shop: Shop, run: Run) -> None:
    (shop.root / "specs/data/pings.jsonl").unlink()
    done = run("plan")
    assert (done.code, done.out, done.codes) == (1, "", ["file-missing"])


def test_a_stale_checksum_is_3_and_nothing_is_sent(shop: Shop, run: Run) -> None:
    checksum = run("plan", "--json").json["checksum"]
    shop.spec(epochs=2)
    done = run("apply", "--checksum", str(checksum))
    assert (done.code, done.codes) == (3, ["plan-stale"])
    assert shop.jobs() == []
    assert not shop.lock.exists()


def test_the_checksum_of_the_plan_that_was_shown_is_carried_out(shop: Shop, run: Run) -> None:
    checksum = run("plan", "--json").json["checksum"]
    done = run("apply", "--checksum", str(checksum))
    assert done.code == 0, done.err
    assert len(shop.jobs()) == 1


def test_apply_without_a_terminal_and_without_yes_is_64_and_nothing_is_sent(shop: Shop, run: Run) -> None:
    done = run("apply")
    assert (done.code, done.codes) == (64, ["apply-unconfirmed"])
    assert "--checksum" in done.err
    assert shop.jobs() == []
    assert not shop.lock.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--colour"], "No such option"),
        (["plan", "--refesh"], "--refresh"),
        (["plna"], "Did you mean 'plan'?"),
        (["frobnicate"], "No such command"),
        (["chat"], "Missing argument 'SPEC'"),
        (["lock", "erase"], "No such command"),
        (["schema", "datasets"], "'dataset'"),
        (["serve", "--port", "99999"], "65535"),
        (["cancel", "a", "b"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_64_and_says_what_is_right(run: Run, arguments: list[str], words: str) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (64, "")
    assert words in done.err


@pytest.mark.usefixtures("shop")
def test_a_bug_of_ours_is_70_and_shows_no_data(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plant_a_bug(monkeypatch)
    done = run("plan")
    assert (done.code, done.out) == (70, "")
    assert "secret row" not in done.err
    assert "Traceback" not in done.err
    assert done.err.startswith("error[bug]: ftops itself failed: KeyError at test_usage.py:")
    assert "FTOPS_TRACEBACK=1" in done.err


@pytest.mark.usefixtures("shop")
def test_a_bug_shows_its_traceback_to_whoever_asks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plant_a_bug(monkeypatch)
    monkeypatch.setenv("FTOPS_TRACEBACK", "1")
    done = run("plan")
    assert done.code == 70
    assert "Traceback (most recent call last)" in done.err


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=" ".join)
def test_every_command_has_help(run: Run, command: list[str]) -> None:
    done = run(*command, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: ftops {' '.join(command)}")
    assert run(*command, "-h").out == done.out


def test_the_first_help_names_every_command_with_its_purpose(run: Run) -> None:
    done = run("--help")
    assert done.code == 0
    assert re.findall(r"^  ([a-z][a-z-]+)  +[A-Z]", done.out, re.MULTILINE) == list(COMMANDS)


def test_the_version_is_that_of_the_package(run: Run) -> None:
    done = run("--version")
    assert (done.code, done.out) == (0, f"ftops {metadata.version('ftops')}\n")


@pytest.mark.parametrize("kind", [[], ["fine-tune"], ["ftops"]], ids=str)
def test_schemas_are_valid_and_need_no_project(
    run: Run, kind: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("schema", *kind)
    assert (done.code, done.err) == (0, "")
    Draft202012Validator.check_schema(json.loads(done.out))


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "--json"],
        ["plan", "--json", "--refresh"],
        ["status", "--json"],
        ["apply", "--json", "--yes"],
        ["reconcile", "--json"],
        ["lock", "show", "--json"],
        ["lock", "show", "pong", "--json"],
        ["chat", "pong", "ping", "--json"],
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("trained")
def test_json_is_all_there_is_on_stdout_and_has_a_version(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.code == 0, done.err
    assert done.json["format_version"] == 1


@pytest.mark.usefixtures("shop")
def test_json_of_an_apply_with_changes_is_all_there_is_on_stdout(run: Run) -> None:
    done = run("apply", "--yes", "--json")
    assert done.code == 0
    outcomes = done.json["outcomes"]
    assert isinstance(outcomes, list)
    assert [outcome["name"] for outcome in outcomes] == ["pong"]
    assert "submitted job ftjob-" in done.err


def test_a_problem_leaves_stdout_empty_also_with_json(shop: Shop, run: Run) -> None:
    (shop.root / "specs/pong.yaml").write_text("kind: FineTune\nmodle: x\n")
    done = run("plan", "--json")
    assert (done.code, done.out) == (1, "")
    assert done.codes


@pytest.mark.parametrize("command", ["plan", "apply", "reconcile"])
@pytest.mark.usefixtures("trained")
def test_quiet_commands_say_nothing_if_nothing_is_wrong(run: Run, command: str) -> None:
    done = run(command, "-q")
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.usefixtures("shop")
def test_nothing_is_coloured_without_a_terminal(run: Run) -> None:
    texts = [run("plan"), run("status"), run("apply", "--yes"), run("lock", "show"), run("plan", "--target", "nowhere")]
    assert not any("\x1b" in text.out + text.err for text in texts)


def test_what_the_encoding_of_stdout_lacks_is_shown_as_its_code(
    trained: Shop, program: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained.spec(epochs=7)
    monkeypatch.setenv("PYTHONIOENCODING", "iso8859-5")
    done = program("plan")
    assert done.code == 0
    assert "\\xb1 pong" in done.out
    assert "n_epochs 6 \\u2192 7" in done.out


def plant_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a secret row of data")

    monkeypatch.setattr("ftops.project.open_project", fail)
    assert os.environ.get("FTOPS_TRACEBACK") is None

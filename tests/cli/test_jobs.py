"""Commands about one job or model: cancel, pause, resume, logs, chat, status, lock show."""

from __future__ import annotations

import io
import json
import re
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Run, Shop

LONG = 50
"""Epochs of a job that is still running when the next command comes."""


def test_a_job_is_paused_resumed_and_cancelled_by_its_spec_s_name(shop: Shop, run: Run) -> None:
    shop.data(rows=200)
    shop.spec(epochs=LONG)
    assert run("apply", "--yes").code == 0
    (job,) = shop.jobs()
    paused = run("pause", "pong")
    assert (paused.code, paused.out) == (0, "")
    assert re.fullmatch(rf"pong: job {job['id']} is paus(ed|ing)\n", paused.err)
    await_status(shop, "paused")
    plan = run("plan", "--refresh")
    assert plan.code == 0
    assert "‖ pong" in plan.out
    assert run("resume", "pong").code == 0
    cancelled = run("cancel", "pong", "--target", "here").err.splitlines()
    assert cancelled[0].startswith(f"pong: job {job['id']} is cancel")
    assert cancelled[1].startswith("next: `ftops reconcile --target here` records it")
    await_status(shop, "cancelled")
    collected = run("reconcile", "--wait")
    assert collected.code == 0, collected.err
    assert "was cancelled" in collected.err
    assert "cancelled" in run("status").out
    again = run("apply", "--yes")
    assert (again.code, len(shop.jobs())) == (0, 1)
    assert run("apply", "--yes", "--retry-failed").code == 0
    assert len(shop.jobs()) == 2
    assert run("cancel", "pong").code == 0


def test_apply_leads_to_reconcile_only_where_something_has_yet_to_come(shop: Shop, run: Run) -> None:
    begun = run("apply", "--yes", "--target", "here")
    assert begun.err.endswith(
        "next: `ftops reconcile --target here` records what comes of it, "
        "`ftops reconcile --target here --wait` follows it\n"
    )
    await_status(shop, "succeeded")
    collected = run("apply", "--yes")
    assert "pong: ft:tiny-byte-90k:" in collected.err
    assert "next:" not in collected.err


@pytest.mark.parametrize("command", ["cancel", "pause", "resume"])
def test_a_job_that_has_ended_is_left_alone(trained: Shop, run: Run, command: str) -> None:
    before = trained.lock.read_bytes()
    done = run(command, "pong")
    assert (done.code, done.codes) == (1, ["remote-refused"])
    assert "succeeded" in done.err
    assert "if it ended, `ftops reconcile` records it" in done.err
    assert trained.lock.read_bytes() == before


@pytest.mark.parametrize("command", ["cancel", "pause", "resume", "logs", "chat"])
@pytest.mark.usefixtures("trained")
def test_an_unknown_spec_is_said_with_the_nearest(run: Run, command: str) -> None:
    done = run(command, "pnog", *(["hello"] if command == "chat" else []))
    assert (done.code, done.out, done.codes) == (1, "", ["spec-unrecorded"])
    assert "did you mean `pong`?" in done.err


@pytest.mark.usefixtures("trained")
def test_logs_are_told_oldest_first(run: Run) -> None:
    done = run("logs", "pong")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  Created fine-tuning job: ftjob-\w+", lines[0])
    assert lines[-1].endswith("The job has successfully completed")
    assert lines == sorted(lines, key=lambda line: line[:19])


@pytest.mark.usefixtures("trained")
def test_logs_of_a_finished_job_can_be_followed_to_their_end(run: Run) -> None:
    assert run("logs", "pong", "--follow").out == run("logs", "pong").out


def test_logs_of_a_running_job_are_followed_until_it_ends(shop: Shop, run: Run) -> None:
    assert run("apply", "--yes").code == 0
    done = run("logs", "pong", "-f")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[-1].endswith("The job has successfully completed")
    assert len(lines) == len(set(lines)), "an event is told twice"
    assert len(shop.jobs()) == 1


@pytest.mark.usefixtures("trained")
def test_logs_are_json_a_line_for_scripts(run: Run) -> None:
    done = run("logs", "pong", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert len(events) == len(run("logs", "pong").out.splitlines())
    assert all({"id", "created_at", "level", "message", "data"} == event.keys() for event in events)


@pytest.mark.usefixtures("trained")
def test_the_tuned_model_answers(run: Run) -> None:
    done = run("chat", "pong", "ping 1")
    assert (done.code, done.out, done.err) == (0, "pong\n", "")


@pytest.mark.usefixtures("trained")
def test_the_base_model_s_answer_is_put_beside_it(run: Run) -> None:
    done = run("chat", "pong", "ping 1", "--compare")
    assert done.code == 0
    assert done.out.startswith("base  tiny-byte-90k\n")
    assert re.search(r"\n\ntuned  ft:tiny-byte-90k:\S+\npong\n$", done.out)
    answers = run("chat", "pong", "ping 1", "--compare", "--json").json["answers"]
    assert isinstance(answers, dict)
    assert answers["tuned"] == "pong"
    assert answers["base"] != "pong"


@pytest.mark.usefixtures("trained")
def test_a_system_prompt_can_be_given(run: Run) -> None:
    assert run("chat", "pong", "ping 1", "--system", "Answer.").code == 0


@pytest.mark.usefixtures("trained")
def test_the_prompt_is_read_from_stdin(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("ping 1\n"))
    assert run("chat", "pong").out == "pong\n"


@pytest.mark.parametrize(("prompt", "words"), [("", "is empty"), (" \n", "is empty"), ("caf\udce9", "is not UTF-8")])
@pytest.mark.usefixtures("trained")
def test_a_prompt_that_cannot_be_asked_is_wrong_usage(
    run: Run, monkeypatch: pytest.MonkeyPatch, prompt: str, words: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(prompt))
    done = run("chat", "pong")
    assert (done.code, done.out) == (64, "")
    assert words in done.err
    assert run("chat", "pong", prompt).code == 64


def test_a_model_that_is_not_there_yet_is_said(shop: Shop, run: Run) -> None:
    shop.data(rows=200)
    shop.spec(epochs=LONG)
    assert run("apply", "--yes").code == 0
    done = run("chat", "pong", "ping")
    assert (done.code, done.out, done.codes) == (1, "", ["model-missing"])
    assert "`ftops reconcile`" in done.err
    assert run("cancel", "pong").code == 0


def test_a_spec_whose_create_waits_has_no_job_yet(shop: Shop, run: Run) -> None:
    shop.server.faults({"match": "POST /v1/fine_tuning/jobs", "kind": "status", "status": 429, "times": 9})
    waiting = run("apply", "--yes")
    assert waiting.code == 0, waiting.err
    assert "waits for a free slot" in waiting.err
    done = run("logs", "pong")
    assert (done.code, done.codes) == (1, ["spec-unrecorded"])
    assert "`ftops reconcile`" in done.err


@pytest.mark.usefixtures("trained")
def test_status_shows_a_line_a_model(run: Run) -> None:
    done = run("status")
    assert (done.code, done.err) == (0, "")
    header, line = done.out.splitlines()
    assert header.split() == ["NAME", "STATE", "MODEL", "OR", "JOB", "AGE", "LOSS"]
    assert re.match(r"pong +trained +ft:tiny-byte-90k:", line)


def test_status_before_anything_is_trained_says_what_to_do(shop: Shop, run: Run) -> None:
    assert "`ftops apply`" in run("status").out
    assert shop.jobs() == []


@pytest.mark.usefixtures("trained")
def test_the_lockfile_is_shown_whole_or_by_model(run: Run) -> None:
    assert re.search(r"^pong +[0-9a-f]{12} +ft:tiny-byte-90k:", run("lock", "show").out, re.MULTILINE)
    lineage = run("lock", "show", "pong").out
    assert "specs/data/pings.jsonl, 12 rows" in lineage
    assert run("lock", "show", "nothing").codes == ["spec-unrecorded"]


def test_a_rebuild_restores_a_lockfile_that_was_lost(trained: Shop, run: Run) -> None:
    before = json.loads(trained.lock.read_text())["models"]["pong"]["generation"]["model"]
    trained.lock.unlink()
    done = run("lock", "rebuild")
    assert (done.code, done.out) == (0, "")
    assert "pong: recorded again" in done.err
    assert json.loads(trained.lock.read_text())["models"]["pong"]["generation"]["model"] == before
    assert run("plan", "--detailed-exitcode").code == 0


def await_status(shop: Shop, status: str) -> None:
    """Wait until the one job of *shop* has got there."""
    while shop.jobs()[0]["status"] != status:
        time.sleep(0.05)

"""What policy refuses, as a person and a script meet it."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ftops.planmemo import FILE, recall

if TYPE_CHECKING:
    from conftest import Run, Shop

    from tests.conftest import HeldClock

MINI = "gpt-4.1-mini-2025-04-14"


@pytest.fixture
def dear(shop: Shop, clock: HeldClock, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A project for OpenAI that may spend nothing, on a day before its calendar says anything."""
    clock.time = datetime(2026, 9, 1, tzinfo=UTC).timestamp()
    monkeypatch.setattr("ftops.cli.frame.SystemClock", lambda: clock)
    spend(shop, 0)
    spec = shop.spec(epochs=10)
    spec.write_text(spec.read_text().replace("tiny-byte-90k", MINI))
    return shop


def spend(shop: Shop, usd: float) -> None:
    shop.config(more=f"budget: {{max_usd: {usd}}}\n")
    config = shop.root / "ftops.yaml"
    config.write_text(config.read_text().replace("profile: local", "profile: openai"))


def test_the_plan_is_shown_and_under_it_what_is_refused(dear: Shop, run: Run) -> None:
    done = run("plan")
    assert done.code == 3
    header, *_, last = done.out.splitlines()
    assert header == "Plan: 1 to train on target here, about $0.01 of $0.00"
    assert last == "next: mend what is refused; until then `ftops apply` carries out nothing of this"
    said = done.err.splitlines()
    assert said[0] == (
        "error[budget-exceeded]: this plan is estimated to cost $0.01, and the budget of a plan is $0.00"
    )
    assert said[1:4] == [
        "  --> ftops.yaml:8:19",
        "8 | budget: {max_usd: 0}",
        "  |                   ^",
    ]
    assert [line.partition(":")[0] for line in said[4:6]] == ["why", "fix"]
    assert run("plan", "--detailed-exitcode").code == 3
    assert run("plan", "--quiet").codes == ["budget-exceeded"]
    spend(dear, 1)
    assert (run("plan").code, run("plan", "--detailed-exitcode").code) == (0, 2)


def test_a_script_gets_refusals_and_the_limit_in_fields(dear: Shop, run: Run) -> None:
    done = run("plan", "--json")
    assert done.code == 3
    assert done.json["limit_usd"] == 0
    refusals = done.json["refusals"]
    assert isinstance(refusals, list)
    (refusal,) = refusals
    assert (refusal["severity"], refusal["code"]) == ("error", "budget-exceeded")
    assert (refusal["path"], refusal["line"], refusal["column"], refusal["end_column"]) == ("ftops.yaml", 8, 19, 20)
    spend(dear, 1)
    assert (run("plan", "--json").json["limit_usd"], run("plan", "--json").json["refusals"]) == (1, [])


@pytest.mark.parametrize("agreed", [("--yes",), ("--checksum",), ()])
def test_apply_refuses_whoever_agreed(dear: Shop, run: Run, agreed: tuple[str, ...]) -> None:
    checksum = run("plan", "--json").json["checksum"]
    done = run("apply", *agreed, *([str(checksum)] if agreed == ("--checksum",) else []))
    assert (done.code, done.codes) == (3, ["budget-exceeded"])
    assert dear.jobs() == []
    assert not dear.lock.exists()


def test_reconcile_collects_what_is_there_and_then_says_what_it_did_not_start(shop: Shop, run: Run) -> None:
    """An apply was told to make the child; then somebody limited what may be spent, and its price is not known."""
    config = shop.root / "ftops.yaml"
    config.write_text(config.read_text().replace("profile: local", "profile: openai"))
    child = shop.spec("child")
    child.write_text(child.read_text().replace("tiny-byte-90k", "{spec: pong}"))
    assert run("apply", "--yes").code == 0
    spend(shop, 100)
    done = run("reconcile", "--wait")
    assert (done.code, done.codes) == (3, ["budget-unknown"])
    assert len(shop.jobs()) == 1
    models = run("status", "--json").json["models"]
    assert isinstance(models, list)
    assert {each["name"]: each["model_id"] is not None for each in models} == {"pong": True, "child": False}
    again = run("reconcile")
    assert (again.code, again.codes) == (3, ["budget-unknown"])
    assert "nothing is outstanding" in again.err


def test_a_warning_of_the_calendar_is_told_before_the_plan_and_stops_nothing(
    dear: Shop, clock: HeldClock, run: Run
) -> None:
    spend(dear, 1)
    clock.time = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
    done = run("plan")
    assert (done.code, done.codes) == (0, [])
    assert done.err.startswith(f"warning[model-shutdown]: `{MINI}` will be shut down on 2027-01-14, in 54 days\n")
    clock.time = datetime(2027, 1, 6, tzinfo=UTC).timestamp()
    assert (run("plan").code, run("plan").codes) == (3, ["model-shutdown"])


def test_an_empty_plan_is_remembered_beside_budgets_and_nothing_that_policy_says(
    trained: Shop, clock: HeldClock, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a date or a budget is about is to be trained, and such a plan is not empty: a memo holds on any day."""
    monkeypatch.setattr("ftops.cli.frame.SystemClock", lambda: clock)
    monkeypatch.setattr(sys, "argv", ["ftops", "plan"])
    with (trained.root / "ftops.yaml").open("a") as file:
        file.write("budget: {max_usd: 0}\n")
    time.sleep(2.1)
    said = run("plan")
    assert said.code == 0
    assert recall(["plan"]) == ("", said.out)
    clock.advance(100 * 365 * 86_400)
    (trained.root / FILE).unlink()
    assert run("plan") == said

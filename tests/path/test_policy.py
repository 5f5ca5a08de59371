"""Budgets and the provider's calendar, with real projects and a real server."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from ftops.diagnostics import ProblemsError, Severity
from ftops.plan.changes import Kind
from ftops.reconcile import outstanding
from ftops.report.machine import plan_json
from ftops.report.plan import render_plan

if TYPE_CHECKING:
    from conftest import Team

    from ftops.plan.plan import Plan

MINI = "gpt-4.1-mini-2025-04-14"
SERVES_UNTIL, TRAINS_UNTIL = "2027-01-14", "2027-01-06"
BEFORE = "2026-09-01"
"""More than 90 days before either."""


def noon(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC).timestamp())


def cost(planned: Plan) -> float:
    assert planned.cost_usd
    return planned.cost_usd


@pytest.fixture
def priced(team: Team) -> Team:
    """A project of two specs for OpenAI, whose prices are known, on a day before its calendar says anything of them.

    Where it listens is the local server.
    """
    team.clock.start = noon(BEFORE)
    team.config(profile="openai")
    # Content of its own: files of equal content are one on the server, which all tests share.
    team.data("pings.jsonl", answer=f"pong {team.seed}")
    team.spec("elle", model=MINI, epochs=3)
    team.spec("noble", model=MINI, epochs=6)
    return team


def limit(team: Team, usd: float) -> None:
    """What one plan may cost."""
    team.config(profile="openai", extra=f"budget: {{max_usd: {usd:.12f}}}\n")


def arrived(team: Team) -> bool:
    """Whether the project's data is at the server."""
    digest = sha256((team.root / "specs/data/pings.jsonl").read_bytes()).hexdigest()
    return any(digest[:12] in name for name in team.provider.files())


def test_a_spec_above_its_budget_is_refused_at_the_line_that_says_so(priced: Team) -> None:
    usd = cost(priced.plan("noble"))
    priced.spec("noble", model=MINI, epochs=6, more=f"budget: {{max_usd: {usd / 2:.12f}}}\n")
    planned = priced.plan()
    (refusal,) = planned.refusals
    assert refusal.code == "budget-exceeded"
    assert str(refusal.place) == "specs/noble.yaml:11:19"
    assert refusal.place
    assert (refusal.place.source or "").startswith("budget: {max_usd: ")
    assert planned.refused == {"noble"}
    assert priced.plan("elle").refusals == ()


def test_a_plan_is_limited_to_what_is_selected(priced: Team) -> None:
    each = {name: cost(priced.plan(name)) for name in ("elle", "noble")}
    limit(priced, each["noble"])
    (refusal,) = priced.plan().refusals
    assert (refusal.code, str(refusal.place)) == ("budget-exceeded", "ftops.yaml:8:19")
    assert priced.plan("noble").refusals == priced.plan("elle").refusals == ()
    limit(priced, each["elle"] + each["noble"])
    assert priced.plan().refusals == ()


@pytest.mark.parametrize("times", [1, 1.5, 1000])
def test_within_its_budgets_a_plan_is_the_same_but_for_the_limit_that_is_shown(priced: Team, times: float) -> None:
    bare = priced.plan()
    limit(priced, cost(bare) * times)
    for name, epochs in (("elle", 3), ("noble", 6)):
        own = cost(priced.plan(name)) * times
        priced.spec(name, model=MINI, epochs=epochs, more=f"budget: {{max_usd: {own:.12f}}}\n")
    limited = priced.plan()
    assert limited.limit_usd == pytest.approx(cost(bare) * times)
    assert plan_json(limited) | {"limit_usd": None} == plan_json(bare)
    shown = render_plan(limited, colour=False)
    limits = [word for line in shown.splitlines() if " of $" in line for word in [line.partition(" of $")[2]]]
    assert len(limits) == 3
    for each in limits:
        shown = shown.replace(f" of ${each}", "")
    assert shown == render_plan(bare, colour=False)


def test_a_parent_s_prices_are_its_children_s_and_its_alias_s(priced: Team) -> None:
    priced.spec("noble", model="{spec: elle}", epochs=6, more="budget: {max_usd: 0}\n")
    (refusal,) = priced.plan().refusals
    assert refusal.code == "budget-exceeded"


def test_of_a_model_without_a_price_no_budget_can_be_checked(priced: Team) -> None:
    priced.spec("noble", model="tiny-byte-90k", more="budget: {max_usd: 1000000}\n")
    (refusal,) = priced.plan().refusals
    assert (refusal.code, refusal.why) == (
        "budget-unknown",
        "the base model is not known here; a limit that cannot be checked is none",
    )


def test_on_the_local_server_every_budget_is_kept(team: Team) -> None:
    team.config(extra="budget: {max_usd: 0}\n")
    team.spec("pong", more="budget: {max_usd: 0}\n")
    assert team.plan().refusals == ()
    team.apply()
    assert team.settle().counts == {Kind.NONE: 1}


def test_what_is_refused_is_neither_uploaded_nor_claimed_nor_recorded(priced: Team) -> None:
    limit(priced, 0)
    planned = priced.plan(refresh=True)
    assert planned.refusals
    with pytest.raises(ProblemsError) as caught:
        priced.apply()
    assert caught.value.exit_code == 3
    assert caught.value.problems == planned.refusals
    assert priced.jobs() == {}
    assert not arrived(priced)
    assert not (priced.root / "ftops.lock").exists()


def test_what_is_within_its_budget_is_sent(priced: Team) -> None:
    """The counterpart of the test above: the data arrives, and then the local server has no such model."""
    limit(priced, 1000)
    (first, *_) = priced.apply()
    assert first.problem is not None
    assert first.problem.code == "remote-refused"
    assert arrived(priced)


def test_a_job_that_is_there_is_taken_on_whatever_it_would_cost(team: Team) -> None:
    """Its record was lost: without a look it would be made, and so refused; with one there is nothing to pay."""
    team.config(profile="openai")
    team.spec("pong")
    team.apply()
    team.settle()
    (team.root / "ftops.lock").unlink()
    limit(team, 1000)
    assert [each.code for each in team.plan().refusals] == ["budget-unknown"]
    assert team.plan(refresh=True).refusals == ()
    (outcome,) = team.apply()
    assert outcome.kind is Kind.ADOPT
    assert {len(jobs) for jobs in team.jobs().values()} == {1}


def test_reconcile_starts_nothing_that_is_refused_by_now_and_collects_all_else(team: Team) -> None:
    team.config(profile="openai")
    team.spec("base")
    team.spec("child", model="{spec: base}")
    team.apply()
    assert team.lock.models["child"].intent is not None, "an apply was told to make it"
    limit(team, 1000)
    left = team.settle()
    assert team.lock.models["base"].generation is not None
    assert team.lock.models["base"].generation.model is not None
    assert (left.refused, [each.code for each in left.refusals]) == ({"child"}, ["budget-unknown"])
    assert outstanding(left) == ()
    assert len(team.jobs()) == 1
    team.config(profile="openai")
    assert team.settle().counts == {Kind.NONE: 2}
    assert len(team.jobs()) == 2


def test_what_nobody_approved_does_not_keep_reconcile_from_what_was(team: Team) -> None:
    team.config(profile="openai")
    team.spec("base")
    team.spec("child", model="{spec: base}")
    team.apply()
    team.spec("dear", epochs=3, more="budget: {max_usd: 5}\n")
    left = team.settle()
    assert left.refusals == ()
    assert left.counts == {Kind.NONE: 2, Kind.CREATE: 1}
    assert [each.code for each in team.plan().refusals] == ["budget-unknown"]


def test_the_days_of_a_base_model_are_told_by_the_clock_of_the_run(priced: Team) -> None:
    def told(day: str) -> list[tuple[str, Severity]]:
        priced.clock.start = noon(day)
        planned = priced.plan()
        return [(each.code, each.severity) for each in (*planned.refusals, *planned.warnings)]

    assert told(BEFORE) == []
    assert told("2026-10-15") == told("2026-11-21") == [("model-shutdown", Severity.WARNING)]
    assert told(TRAINS_UNTIL) == told(SERVES_UNTIL) == told("2036-01-01") == [("model-shutdown", Severity.ERROR)]


def test_a_warning_points_at_the_model(priced: Team) -> None:
    priced.clock.start = noon("2026-11-21")
    (warning,) = priced.plan().warnings
    assert warning.place is not None
    assert (str(warning.place), warning.place.source) == ("specs/elle.yaml:2:8", f"model: {MINI}")


def test_dates_are_the_providers_own(priced: Team) -> None:
    """Others serve models of these names by calendars of their own."""
    priced.clock.start = noon("2030-01-01")
    assert priced.plan().refusals
    for profile in ("azure", "litellm"):
        priced.config(profile=profile)
        assert priced.plan().refusals == priced.plan().warnings == ()


def test_fields_that_are_kept_are_not_estimated(team: Team) -> None:
    """The spec says one epoch, and thirty would be trained."""
    team.config(profile="openai")
    team.spec("pong", epochs=30)
    team.apply()
    team.settle()
    team.spec("pong", epochs=1, more="suffix: other\nlifecycle: {ignore_changes: [method]}\nbudget: {max_usd: 5}\n")
    (refusal,) = team.plan().refusals
    assert refusal.why == (
        "`ignore_changes` keeps fields as they were, and has no estimate; a limit that cannot be checked is none"
    )

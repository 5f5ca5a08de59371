"""What policy refuses of jobs that are to be made, and what it says of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.dataset.tokens.base import Base
from ftops.diagnostics import Diagnostic, Place, Severity
from ftops.lockfile import DataFile, Lockfile
from ftops.plan.changes import Change, Kind
from ftops.plan.cost import Cost
from ftops.plan.desired import resolve
from ftops.plan.diff import diff
from ftops.plan.plan import checksum
from ftops.plan.policy import Policy, judge, limit_shown
from ftops.spec.config import Config, PlanBudget, Target
from ftops.spec.model import Budget, Span
from ftops.spec.parse import parse_file

if TYPE_CHECKING:
    from conftest import Maker

TODAY = date(2026, 11, 21)
NOT_KNOWN = "no price is known for training this base model"
OPENAI = Target(name="openai", profile="openai")
PLACE = Place(path="ftops.yaml", line=3, column=19, end_column=21, source="budget: {max_usd: 50}")
PLACES = {
    "model": Span(line=2, column=8, end_column=30),
    "budget.max_usd": Span(line=9, column=19, end_column=20),
}
amounts = st.floats(0, 1e9, allow_nan=False) | st.integers(0, 100).map(lambda cents: cents / 100)


def due(make: Maker, name: str = "elle", usd: float | None = 0.0, budget: float | None = None) -> Change:
    """A job that is to be made, of known or unknown cost, with or without a budget of its own."""
    want = make.desired(name)
    spec = msgspec.structs.replace(want.spec, places=PLACES, budget=None if budget is None else Budget(max_usd=budget))
    cost = Cost(
        epochs=3,
        are_epochs_estimated=False,
        billed_tokens=1_200_000,
        usd=usd,
        unknown=NOT_KNOWN if usd is None else None,
    )
    return Change(name=name, kind=Kind.CREATE, reason="", desired=replace(want, spec=spec, cost=cost))


def policy(limit: float | None = None, **changes: object) -> Policy:
    budget = None if limit is None else PlanBudget(max_usd=limit, place=PLACE)
    given = {"target": OPENAI, "budget": budget, "today": TODAY, "closed_from": None, "bases": {}}
    return Policy(**(given | changes))


def base(shut_down: date | None) -> tuple[str, Base]:
    return "gpt-x", Base(tokenizer="o200k_base", shut_down=shut_down)


def test_a_job_above_its_budget_is_refused_with_both_figures_and_its_place(make: Maker) -> None:
    verdict = judge((due(make, usd=6.004, budget=5), due(make, "noble", usd=4)), policy())
    assert verdict.refusals == (
        Diagnostic(
            code="budget-exceeded",
            summary="training `elle` is estimated to cost $6.00, and its budget is $5.00",
            place=Place(path="specs/elle.yaml", line=9, column=19, end_column=20),
            why="about 1,200,000 tokens are billed, in 3 epochs; what is spent on training does not come back",
            fix="train for fewer epochs or on fewer rows, or raise `max_usd`",
        ),
    )
    assert (verdict.refused, verdict.warnings) == ({"elle"}, ())


def test_epochs_that_are_left_to_the_provider_are_told_as_a_guess(make: Maker) -> None:
    change = due(make, usd=6, budget=5)
    assert change.desired
    assert change.desired.cost
    guessed = replace(change.desired, cost=replace(change.desired.cost, epochs=1, are_epochs_estimated=True))
    (refusal,) = judge((replace(change, desired=guessed),), policy()).refusals
    assert (refusal.why or "").startswith(
        "about 1,200,000 tokens are billed, in 1 epoch, as the provider probably chooses; "
    )


def test_jobs_that_cost_too_much_together_are_refused_together(make: Maker) -> None:
    jobs = tuple(due(make, name, usd) for name, usd in (("a", 10), ("b", 30.5), ("c", 0.004), ("d", 20)))
    verdict = judge(jobs, policy(50))
    assert verdict.refusals == (
        Diagnostic(
            code="budget-exceeded",
            summary="this plan is estimated to cost $60.50, and the budget of a plan is $50.00",
            place=PLACE,
            why="`b` $30.50, `d` $20.00, `a` $10.00 and 1 more",
            fix="apply fewer specs, by name; or train for fewer epochs or on fewer rows; or raise `max_usd`",
        ),
    )
    assert verdict.refused == {"a", "b", "c", "d"}
    assert judge(jobs[:2], policy(50)).refusals == ()


def test_a_cost_that_is_not_known_is_refused_where_there_is_a_limit(make: Maker) -> None:
    """A limit that is not checked is none."""
    jobs = (due(make, "a", usd=None, budget=5), due(make, "b", usd=None), due(make, "c", usd=1))
    own, together = judge(jobs, policy(50)).refusals
    assert (own.code, together.code) == ("budget-unknown", "budget-unknown")
    assert own.summary == "what training `a` will cost is not known, and its budget is $5.00"
    assert own.why == f"{NOT_KNOWN}; a limit that cannot be checked is none"
    assert together.summary == "what this plan will cost is not known, and the budget of a plan is $50.00"
    assert together.why == f"`a` and `b`: {NOT_KNOWN}; a limit that cannot be checked is none"
    assert judge(jobs, policy(50)).refused == {"a", "b"}
    assert judge(jobs[1:], policy()).refusals == ()


def test_what_is_known_may_be_too_much_beside_what_is_not(make: Maker) -> None:
    verdict = judge((due(make, "a", usd=None), due(make, "b", usd=51)), policy(50))
    assert [each.code for each in verdict.refusals] == ["budget-unknown", "budget-exceeded"]
    assert verdict.refused == {"a", "b"}


def test_a_job_of_which_nothing_was_estimated_is_one_of_unknown_cost(make: Maker) -> None:
    change = due(make, budget=5)
    assert change.desired
    (refusal,) = judge((replace(change, desired=replace(change.desired, cost=None)),), policy()).refusals
    assert refusal.why == "its data was not counted; a limit that cannot be checked is none"


@pytest.mark.parametrize("url", [None, "http://localhost:8000/v1"])
def test_the_local_server_costs_nothing_whatever_is_known(make: Maker, url: str | None) -> None:
    local = Target(name="here", profile="local", base_url=url)
    assert judge((due(make, usd=None, budget=0),), policy(0, target=local)).refusals == ()


@pytest.mark.parametrize(
    ("costs", "limit"), [((0.1, 0.2), 0.3), ((0.1,) * 10, 1), ((5,), 5), ((0,), 0), ((4.9999999,), 5), ((1e-9,), 0)]
)
def test_as_much_as_the_limit_is_within_it_however_computers_add(
    make: Maker, costs: tuple[float, ...], limit: float
) -> None:
    jobs = tuple(due(make, str(at), usd) for at, usd in enumerate(costs))
    assert judge(jobs, policy(limit)).refusals == ()


@pytest.mark.parametrize(
    ("usd", "limit", "said"),
    [
        (5.004, 5, "$5.0040, and its budget is $5.00"),
        (5.00004, 5, "$5.000040, and its budget is $5.00"),
        (0.002, 0.001, "$0.0020, and its budget is $0.001"),
        (0.01, 0, "$0.01, and its budget is $0.00"),
        (1234567.891, 0.5, "$1,234,567.89, and its budget is $0.50"),
    ],
)
def test_two_figures_never_look_as_if_the_limit_were_kept(make: Maker, usd: float, limit: float, said: str) -> None:
    (refusal,) = judge((due(make, usd=usd, budget=limit),), policy()).refusals
    assert refusal.summary.endswith(said)


@given(costs=st.lists(amounts, min_size=1, max_size=6), limit=amounts)
def test_more_money_refuses_no_more(make: Maker, costs: list[float], limit: float) -> None:
    jobs = tuple(due(make, str(at), usd, budget=limit) for at, usd in enumerate(costs))
    at_limit, above = judge(jobs, policy(limit)), judge(jobs, policy(limit * 2))
    assert above.refused <= at_limit.refused
    assert bool(at_limit.refusals) == (at_limit.refused != frozenset())
    assert judge(jobs, policy(sum(costs) * 1.001 + 1e-6, target=OPENAI)).refused <= at_limit.refused


@given(usd=amounts)
def test_a_limit_is_shown_as_it_was_written(usd: float) -> None:
    assert limit_shown(usd)[0] == "$"
    assert float(limit_shown(usd)[1:].replace(",", "")) == round(usd, 6)
    assert len(limit_shown(usd).partition(".")[2]) >= 2


@given(own=amounts, together=amounts)
def test_a_budget_never_changes_what_is_trained(own: float, together: float) -> None:
    head = "kind: FineTune\nmodel: gpt-4.1\ntraining_file: a.jsonl\n"
    files = {"specs/a.jsonl": DataFile(path="specs/a.jsonl", sha256="a" * 64, bytes=100, rows=24)}
    budget = PlanBudget(max_usd=together, place=PLACE)
    (bare,) = parse_file(head.encode(), "specs/elle.yaml").specs
    (limited,) = parse_file(f"{head}budget: {{max_usd: {own:.20f}}}\n".encode(), "specs/elle.yaml").specs
    assert limited.budget is not None
    lock = Lockfile(target="openai")
    (without,) = resolve([bare], files, config=Config(), target=OPENAI, recorded=lock)
    (within,) = resolve([limited], files, config=Config(budget=budget), target=OPENAI, recorded=lock)
    assert within.digest == without.digest
    assert within.inputs == without.inputs
    assert checksum("openai", diff([within], lock)) == checksum("openai", diff([without], lock))


@pytest.mark.parametrize(
    ("days", "severity", "summary"),
    [
        (-400, Severity.ERROR, "`gpt-x` was shut down on 2025-10-17"),
        (-1, Severity.ERROR, "`gpt-x` was shut down on 2026-11-20"),
        (0, Severity.ERROR, "`gpt-x` was shut down on 2026-11-21"),
        (1, Severity.WARNING, "`gpt-x` will be shut down on 2026-11-22, in 1 day"),
        (90, Severity.WARNING, "`gpt-x` will be shut down on 2027-02-19, in 90 days"),
        (91, None, None),
        (None, None, None),
    ],
)
def test_a_base_model_that_is_shut_down_is_told_in_time(
    make: Maker, days: int | None, severity: Severity | None, summary: str | None
) -> None:
    shut_down = None if days is None else TODAY + timedelta(days=days)
    verdict = judge((due(make),), policy(bases={"elle": base(shut_down)}))
    told = (*verdict.refusals, *verdict.warnings)
    assert [(each.code, each.severity, each.summary) for each in told] == (
        [("model-shutdown", severity, summary)] if severity else []
    )
    assert verdict.refused == ({"elle"} if severity is Severity.ERROR else set())
    assert all(each.place == Place(path="specs/elle.yaml", line=2, column=8, end_column=30) for each in told)


@pytest.mark.parametrize(
    ("closed", "shut_down", "severity", "summary"),
    [
        (0, 8, Severity.ERROR, "`gpt-x` can no longer be trained: the provider takes no new jobs since 2026-11-21"),
        (-5, None, Severity.ERROR, "`gpt-x` can no longer be trained: the provider takes no new jobs since 2026-11-16"),
        (-5, -2, Severity.ERROR, "`gpt-x` was shut down on 2026-11-19"),
        (46, 54, Severity.WARNING, "`gpt-x` will be shut down on 2027-01-14, in 54 days"),
        (
            46,
            None,
            Severity.WARNING,
            "`gpt-x` can be trained only before 2027-01-06, in 46 days",
        ),
        (
            90,
            98,
            Severity.WARNING,
            "`gpt-x` can be trained only before 2027-02-19, in 90 days",
        ),
        (91, None, None, None),
    ],
)
def test_a_provider_that_closes_is_told_in_time(
    make: Maker, closed: int, shut_down: int | None, severity: Severity | None, summary: str | None
) -> None:
    verdict = judge(
        (due(make),),
        policy(
            closed_from=TODAY + timedelta(days=closed),
            bases={"elle": base(None if shut_down is None else TODAY + timedelta(days=shut_down))},
        ),
    )
    told = (*verdict.refusals, *verdict.warnings)
    assert [(each.severity, each.summary) for each in told] == ([(severity, summary)] if severity else [])


def test_both_dates_are_in_one_warning(make: Maker) -> None:
    bases = {"elle": base(date(2027, 1, 14))}
    (warning,) = judge((due(make),), policy(closed_from=date(2027, 1, 6), bases=bases)).warnings
    assert warning.why == (
        "from then on neither it nor a model trained from it can be called: `elle`; "
        "new jobs are refused from 2027-01-06 on"
    )
    assert warning.fix


def test_what_the_provider_is_not_known_to_have_has_no_date(make: Maker) -> None:
    assert judge((due(make),), policy(closed_from=date(2020, 1, 1))).refusals == ()


def test_a_base_model_is_told_of_once_however_many_start_from_it(make: Maker) -> None:
    jobs = tuple(due(make, f"elle-{number}") for number in range(50))
    other = due(make, "noble")
    bases = {change.name: base(date(2026, 12, 1)) for change in jobs}
    bases["noble"] = "gpt-y", Base(tokenizer="o200k_base", shut_down=date(2026, 10, 1))
    verdict = judge((*jobs, other), policy(bases=bases))
    assert [each.summary.split("`")[1] for each in (*verdict.refusals, *verdict.warnings)] == ["gpt-y", "gpt-x"]
    assert verdict.refused == {"noble"}
    assert "`elle-0`, `elle-1`, `elle-2` and 47 more" in (verdict.warnings[0].why or "")


def test_nothing_to_train_is_nothing_to_refuse() -> None:
    assert judge((), policy(0)).refusals == ()

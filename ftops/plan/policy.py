"""What a plan may not do: cost more than its budgets allow, or train what the provider no longer trains. Pure.

It is asked about jobs that are to be made, never about those that exist: they are paid for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ftops.diagnostics import Diagnostic, Severity
from ftops.spec.common import place_of_field
from ftops.spec.config import LOCAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from ftops.dataset.tokens.base import Base
    from ftops.plan.changes import Change
    from ftops.spec.config import PlanBudget, Target

WARNED_DAYS = 90
"""Before a date from which on something can no longer be done."""
_NAMED_MAX = 3
_CENTS, _SMALLEST = 2, 6
"""Decimals: of an amount, and below which two amounts differ only by how computers add."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What jobs that are to be made are held against."""

    target: Target
    budget: PlanBudget | None
    """For all of them together."""
    today: date
    """In UTC."""
    closed_from: date | None
    """From this day on the provider takes no new jobs on the base models in *bases*."""
    bases: Mapping[str, tuple[str, Base]]
    """The base model that a job starts from in the end, by spec, where the provider is known to have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of it."""

    refusals: tuple[Diagnostic, ...] = ()
    refused: frozenset[str] = frozenset()
    """The specs that the refusals are about."""
    warnings: tuple[Diagnostic, ...] = ()


class _Finding(NamedTuple):
    problem: Diagnostic
    due: Sequence[Change]


def judge(due: Sequence[Change], policy: Policy) -> Verdict:
    """Hold the jobs that *due* would make, in the order of the plan, against *policy*."""
    findings = (*_above_own_budget(due, policy), *_above_budget_of_plan(due, policy), *_closing(due, policy))
    refused = [each for each in findings if each.problem.severity is Severity.ERROR]
    return Verdict(
        refusals=tuple(each.problem for each in refused),
        refused=frozenset(change.name for each in refused for change in each.due),
        warnings=tuple(each.problem for each in findings if each.problem.severity is not Severity.ERROR),
    )


def limit_shown(usd: float) -> str:
    """A limit as people read it: exactly, and with cents at least."""
    whole, _, decimals = f"{usd:,.{_SMALLEST}f}".partition(".")
    return f"${whole}.{decimals.rstrip('0'):0<{_CENTS}}"


def _above_own_budget(due: Iterable[Change], policy: Policy) -> Iterator[_Finding]:
    for change in due:
        spec = change.wanted.spec
        if spec.budget is None:
            continue
        usd, limit = _usd(change, policy), spec.budget.max_usd
        place = place_of_field(spec, "budget.max_usd")
        if usd is None:
            problem = Diagnostic(
                code="budget-unknown",
                summary=f"what training `{spec.name}` will cost is not known, and its budget is {limit_shown(limit)}",
                place=place,
                why=f"{_why_unknown(change)}; a limit that cannot be checked is none",
                fix="leave `budget` out to train it without a limit",
            )
            yield _Finding(problem, (change,))
        elif _is_above(usd, limit):
            problem = Diagnostic(
                code="budget-exceeded",
                summary=f"training `{spec.name}` is estimated to cost {_cost_shown(usd, limit)}, "
                f"and its budget is {limit_shown(limit)}",
                place=place,
                why=f"{_basis(change)}; what is spent on training does not come back",
                fix="train for fewer epochs or on fewer rows, or raise `max_usd`",
            )
            yield _Finding(problem, (change,))


def _above_budget_of_plan(due: Sequence[Change], policy: Policy) -> Iterator[_Finding]:
    if policy.budget is None:
        return
    limit, place = policy.budget.max_usd, policy.budget.place
    costs = [(change, _usd(change, policy)) for change in due]
    known = [(change, usd) for change, usd in costs if usd is not None]
    total = sum(usd for _, usd in known)
    if unknown := [change for change, usd in costs if usd is None]:
        problem = Diagnostic(
            code="budget-unknown",
            summary=f"what this plan will cost is not known, and the budget of a plan is {limit_shown(limit)}",
            place=place,
            why=f"{_names(unknown)}: {_why_unknown(unknown[0])}; a limit that cannot be checked is none",
            fix="apply the others by name, or leave `budget` out of `ftops.yaml` to train without a limit",
        )
        yield _Finding(problem, unknown)
    if _is_above(total, limit):
        dearest = sorted(known, key=lambda each: -each[1])
        parts = [f"`{change.name}` {_cost_shown(usd)}" for change, usd in dearest[:_NAMED_MAX]]
        problem = Diagnostic(
            code="budget-exceeded",
            summary=f"this plan is estimated to cost {_cost_shown(total, limit)}, "
            f"and the budget of a plan is {limit_shown(limit)}",
            place=place,
            why=_listed(parts, len(dearest)),
            fix="apply fewer specs, by name; or train for fewer epochs or on fewer rows; or raise `max_usd`",
        )
        yield _Finding(problem, due)


def _closing(due: Iterable[Change], policy: Policy) -> Iterator[_Finding]:
    """What can no longer be trained, or not for long: one finding a base model."""
    by_base: dict[str, list[Change]] = {}
    for change in due:
        if change.name in policy.bases:
            by_base.setdefault(policy.bases[change.name][0], []).append(change)
    for name, changes in by_base.items():
        base = policy.bases[changes[0].name][1]
        if problem := _closing_base(name, base.shut_down, changes, policy):
            yield _Finding(problem, changes)


def _closing_base(name: str, shut_down: date | None, changes: Sequence[Change], policy: Policy) -> Diagnostic | None:
    today, closed = policy.today, policy.closed_from
    place, names = place_of_field(changes[0].wanted.spec, "model"), _names(changes)
    if shut_down and shut_down <= today:
        return Diagnostic(
            code="model-shutdown",
            summary=f"`{name}` was shut down on {shut_down}",
            place=place,
            why=f"nothing can be trained from it any more, and {names} would be",
            fix="choose another base model, or another target with `--target`",
        )
    if closed and closed <= today:
        return Diagnostic(
            code="model-shutdown",
            summary=f"`{name}` can no longer be trained: the provider takes no new jobs since {closed}",
            place=place,
            why=f"the data of {names} would be uploaded, and the job refused",
            fix="choose another target with `--target`; its `models` in `ftops.yaml` says what it calls base models",
        )
    until_closed, until_shut_down = _days(today, closed), _days(today, shut_down)
    if until_shut_down <= WARNED_DAYS:
        more = f"; new jobs are refused from {closed} on" if until_closed < until_shut_down else ""
        return Diagnostic(
            code="model-shutdown",
            severity=Severity.WARNING,
            summary=f"`{name}` will be shut down on {shut_down}, {_in_days(until_shut_down)}",
            place=place,
            why=f"from then on neither it nor a model trained from it can be called: {names}{more}",
            fix="choose a base model that stays, or another target with `--target`; or go on, if that is long enough",
        )
    if until_closed <= WARNED_DAYS:
        return Diagnostic(
            code="model-shutdown",
            severity=Severity.WARNING,
            summary=f"`{name}` can be trained only before {closed}, {_in_days(until_closed)}",
            place=place,
            why=f"from then on the provider takes no new jobs, so that no change of {names} can be trained",
            fix="choose another target with `--target`; or go on, if the model need not change any more",
        )
    return None


def _usd(change: Change, policy: Policy) -> float | None:
    """What the job will cost; None if that is not known. The local server trains for nothing."""
    if policy.target.profile == LOCAL:
        return 0.0
    cost = change.wanted.cost
    return cost.usd if cost else None


def _why_unknown(change: Change) -> str:
    cost = change.wanted.cost
    return (cost and cost.unknown) or "its data was not counted"


def _basis(change: Change) -> str:
    cost = change.wanted.cost
    assert cost is not None
    epochs = f"{cost.epochs} epoch{'' if cost.epochs == 1 else 's'}"
    return f"about {cost.billed_tokens:,} tokens are billed, in {epochs}" + (
        ", as the provider probably chooses" if cost.are_epochs_estimated else ""
    )


def _is_above(usd: float, limit: float) -> bool:
    return round(usd, _SMALLEST) > limit


def _cost_shown(usd: float, limit: float | None = None) -> str:
    """An estimate to the cent, and more exactly where it would look as if it were within *limit*."""
    decimals = next((each for each in (_CENTS, 4) if limit is None or float(f"{usd:.{each}f}") > limit), _SMALLEST)
    return f"${usd:,.{decimals}f}"


def _names(changes: Sequence[Change]) -> str:
    return _listed([f"`{change.name}`" for change in changes[:_NAMED_MAX]], len(changes))


def _listed(first: Sequence[str], count: int) -> str:
    """The *first* of *count*, and how many more there are."""
    if more := count - len(first):
        return f"{', '.join(first)} and {more:,} more"
    return " and ".join(part for part in (", ".join(first[:-1]), first[-1]) if part)


def _days(today: date, day: date | None) -> float:
    return (day - today).days if day else float("inf")


def _in_days(days: float) -> str:
    return "in 1 day" if days == 1 else f"in {days:.0f} days"

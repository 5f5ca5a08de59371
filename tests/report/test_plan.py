from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from ftops.diagnostics import Diagnostic
from ftops.lockfile import Intent, Lockfile, with_intent
from ftops.plan.changes import Cause, Change, Kind
from ftops.plan.cost import Cost
from ftops.plan.observed import Observed
from ftops.plan.plan import Plan
from ftops.report.plan import SYMBOLS, Asked, render_plan
from ftops.report.terminal import width_of
from ftops.spec.model import Budget

if TYPE_CHECKING:
    from tests.report.conftest import Busy, Golden, Maker

BARE = Lockfile(target="local")


def test_every_kind_of_change_has_its_block(busy: Busy, golden: Golden) -> None:
    golden("plan.txt", render_plan(busy.plan, colour=False))


def test_verbose_shows_the_unchanged_too(busy: Busy, golden: Golden) -> None:
    golden("plan-verbose.txt", render_plan(busy.offline, colour=False, verbose=True))


def test_colours_add_nothing_but_colour(busy: Busy, golden: Golden) -> None:
    golden("plan-colour.txt", render_plan(busy.plan, colour=True).replace("\x1b", "ESC"))


def test_a_narrow_terminal_cuts_blocks_but_neither_verdict_nor_command(busy: Busy, golden: Golden) -> None:
    said = render_plan(busy.plan, colour=False, width=50)
    golden("plan-narrow.txt", said)
    header, *blocks = said.rpartition("\n\nchecksum")[0].splitlines()
    assert header.endswith("on target local")
    assert all(width_of(line) <= 50 for line in blocks)


def test_every_kind_has_a_symbol_of_its_own() -> None:
    assert SYMBOLS.keys() == set(Kind)
    assert len({symbol for symbol, _ in SYMBOLS.values()}) == len(Kind)


@pytest.mark.parametrize(("count", "models"), [(1, "1 model matches its spec"), (7, "7 models match their specs")])
def test_an_empty_plan_is_one_sentence(make: Maker, count: int, models: str) -> None:
    asked = make.inputs()
    desired = [make.wanted(f"elle-{number}", asked) for number in range(count)]
    lock = make.locked(**{f"elle_{number}": make.generation(asked, number) for number in range(count)})
    assert render_plan(make.plan(desired, lock), colour=False) == f"No changes. {models} on target local."


def test_without_specs_the_plan_says_how_to_begin() -> None:
    said = render_plan(Plan(target="local", changes=(), checksum="0"), colour=False)
    assert said == "No changes. No spec asks for a model on target local.\n\nnext: `ftops init` writes a first spec"


def test_a_job_that_still_trains_is_no_change_and_names_reconcile(make: Maker) -> None:
    want = make.wanted("elle", make.inputs())
    plan = make.plan([want], make.locked(elle=make.generation(want.inputs, 1, "running")))
    assert render_plan(plan, colour=False) == (
        "No changes: 1 in training on target local\n"
        "\n"
        "  … elle  smollm2-135m-instruct · supervised · 24 rows\n"
        "      training when last seen, submitted 2025-06-15 11:06 UTC\n"
        "\n"
        "next: `ftops reconcile` records what is there; it trains nothing new"
    )


def test_what_is_only_to_be_recorded_names_reconcile_under_its_checksum(make: Maker) -> None:
    want = make.wanted("elle", make.inputs(rows=1))
    lock = make.locked(elle=make.generation(want.inputs, 1, "running"))
    plan = make.plan([want], lock, Observed(jobs=(make.seen(want, 1, "succeeded"),), models={}))
    assert render_plan(plan, colour=False).splitlines() == [
        "Plan: 1 to collect on target local",
        "",
        "  ↓ elle  smollm2-135m-instruct · supervised · 1 row",
        "      finished: record its model, checkpoints and metrics",
        "",
        f"checksum {plan.checksum}",
        "next: `ftops reconcile` records what is there; it trains nothing new",
    ]


def test_a_cancelled_job_names_the_way_to_try_again(make: Maker) -> None:
    want = make.wanted("elle", make.inputs())
    said = render_plan(make.plan([want], make.locked(elle=make.generation(want.inputs, 1, "cancelled"))), colour=False)
    assert said.splitlines()[2:] == [
        "  ✗ elle  smollm2-135m-instruct · supervised · 24 rows",
        "      was cancelled",
        "",
        "next: mend the spec or its data, or try again as it is with `ftops apply --retry-failed`",
    ]


def test_drift_alone_is_pending_and_names_the_way_to_train_again(make: Maker) -> None:
    want = make.wanted("elle", make.inputs())
    plan = make.plan([want], make.locked(elle=make.generation(want.inputs, 1)), Observed(jobs=(), models={}))
    said = render_plan(plan, colour=False)
    assert said.splitlines()[0] == "Plan: 1 drifted on target local"
    assert said.splitlines()[-2:] == [
        f"checksum {plan.checksum}",
        "next: if what is gone is wanted, `ftops apply --retry-failed` trains it again",
    ]


def test_the_next_command_repeats_what_the_plan_was_asked_for_with(make: Maker) -> None:
    want = make.wanted("elle", make.inputs())
    asked = Asked(selectors=("el*",), target="prod", retry_failed=True)
    plan = make.plan([want], BARE)
    assert render_plan(plan, colour=False, asked=asked).splitlines()[-1] == (
        "next: `ftops apply 'el*' --target prod --retry-failed`, "
        f"or in CI `ftops apply 'el*' --target prod --retry-failed --checksum {plan.checksum}`"
    )
    running = make.plan([want], make.locked(elle=make.generation(want.inputs, 1, "running")))
    assert "`ftops reconcile 'el*' --target prod` records" in render_plan(running, colour=False, asked=asked)


def test_a_paused_job_says_how_it_goes_on(make: Maker) -> None:
    want = make.wanted("elle", make.inputs())
    lock = make.locked(elle=make.generation(want.inputs, 1, "running"))
    said = render_plan(make.plan([want], lock, Observed(jobs=(make.seen(want, 1, "paused"),), models={})), colour=False)
    assert said.splitlines()[-1] == "      paused by a person: `ftops resume elle` goes on"


def test_a_create_that_was_begun_says_so(make: Maker) -> None:
    want = make.wanted("elle", make.inputs())
    intent = Intent(digest=want.digest, inputs=want.inputs, request={}, started_at=1)
    said = render_plan(make.plan([want], with_intent(BARE, "elle", intent)), colour=False)
    assert said.splitlines()[3] == (
        "      no job yet; its create was begun: looked for first, made only if it is not there"
    )


def test_a_replaced_parent_is_named_by_short_digests(make: Maker) -> None:
    before, after = make.wanted("elle", make.inputs()), make.wanted("elle", make.inputs(epochs=4))
    old, new = make.child("noble", before), make.child("noble", after)
    plan = make.plan([new], make.locked(noble=make.generation(old.inputs, 1)))
    old_digest, new_digest = before.digest[7:19], after.digest[7:19]
    assert f"        parent {old_digest} → {new_digest}" in render_plan(plan, colour=False).splitlines()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("a" * 30, "b", f"suffix {'a' * 20}… → b"),
        ("a", "b" * 30, f"suffix a → {'b' * 20}…"),
        ("a" * 30, "b" * 30, f"suffix {'a' * 10}… → {'b' * 10}…"),
    ],
)
def test_where_both_values_do_not_fit_something_of_each_is_shown(before: str, after: str, said: str) -> None:
    causes = (Cause(field="suffix", before=before, after=after),)
    change = Change(name="elle", kind=Kind.REPLACE, reason="", causes=causes)
    text = render_plan(Plan(target="local", changes=(change,), checksum="0"), colour=False, width=40)
    assert text.splitlines()[3] == f"        {said}"
    assert len(text.splitlines()[3]) <= 40


def test_names_of_wide_letters_stay_aligned(make: Maker) -> None:
    desired = [make.wanted(name, make.inputs()) for name in ("ほばぬう", "elle")]
    said = render_plan(make.plan(desired, BARE), colour=False).splitlines()
    assert (said[2], said[3]) == (
        "  + ほばぬう  smollm2-135m-instruct · supervised · 24 rows",
        "  + elle      smollm2-135m-instruct · supervised · 24 rows",
    )


def test_a_long_name_leaves_room_for_what_it_is(make: Maker) -> None:
    said = render_plan(make.plan([make.wanted("e" * 90, make.inputs())], BARE), colour=False, width=60).splitlines()
    assert said[2] == f"  + {'e' * 10}…{'e' * 9}  smollm2-135m-instruct · supervise…"


def test_nothing_of_a_stranger_reaches_the_terminal_raw(make: Maker) -> None:
    evil = "\x1b[2Jevil\u202e\r\n"
    want = make.wanted(evil, make.inputs(model=evil))
    stray = make.seen(make.wanted(evil, make.inputs(epochs=9)), 1, "running", model=evil, method={})
    plan = make.plan([want], Lockfile(target="local"), Observed(jobs=(stray,), models={}))
    shown = replace(plan, target=evil, changes=(*plan.changes, Change(name=evil, kind=Kind.DRIFT, reason=evil)))
    said = render_plan(shown, colour=False)
    assert all(letter.isprintable() or letter == "\n" for letter in said)
    assert r"\u{1b}[2Jevil\u{202e}\u{d}\u{a}" in said


@pytest.mark.parametrize(
    ("usd", "own", "together", "said"),
    [
        (9.324, 10, 50, [", about $9.32 of $50.00", ", $9.32 of $10.00"]),
        (9.324, None, None, [", about $9.32", ", $9.32"]),
        (0.0, 0, 0, ["", ""]),
        (None, 10, 50, ["", ""]),
    ],
)
def test_a_limit_is_shown_beside_what_it_limits(
    make: Maker, usd: float | None, own: float | None, together: float | None, said: list[str]
) -> None:
    cost = Cost(epochs=3, are_epochs_estimated=False, billed_tokens=81_000, usd=usd, unknown=None)
    want = make.wanted("elle", make.inputs())
    spec = msgspec.structs.replace(want.spec, budget=None if own is None else Budget(max_usd=own))
    plan = replace(make.plan([replace(want, spec=spec, cost=cost)], BARE), limit_usd=together)
    header, _, _, block, *_ = render_plan(plan, colour=False).splitlines()
    assert header == f"Plan: 1 to train on target local{said[0]}"
    assert block == f"      about 81,000 tokens in 3 epochs{said[1]}"


def test_a_plan_of_which_something_is_refused_names_no_command_that_carries_it_out(make: Maker) -> None:
    plan = make.plan([make.wanted("elle", make.inputs())], BARE)
    refused = replace(plan, refusals=(Diagnostic(code="budget-exceeded", summary="too dear"),))
    assert render_plan(refused, colour=False).splitlines()[-2:] == [
        f"checksum {plan.checksum}",
        "next: mend what is refused; until then `ftops apply` carries out nothing of this",
    ]

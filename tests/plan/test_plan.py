"""Plans: what is selected, what is pending, and a checksum over what is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftops.diagnostics import ProblemsError
from ftops.lockfile import CheckpointRecord, Lockfile
from ftops.plan.changes import Kind, causes
from ftops.plan.diff import diff
from ftops.plan.generations import choose, with_choice
from ftops.plan.plan import Plan, checksum, select

if TYPE_CHECKING:
    from conftest import Maker

EMPTY = Lockfile(target="local")


def test_a_selector_is_a_name_a_glob_or_a_label_and_takes_its_parents_along(make: Maker) -> None:
    parent = make.desired("base")
    child = make.child(parent, "tuned-child")
    other = make.desired("other")
    every = (parent, child, other)
    assert select(every, ()) == every
    assert select(every, ["other"]) == (other,)
    assert select(every, ["../specs/other.yaml"]) == (other,)
    assert select(every, ["tuned-*"]) == (parent, child)


def test_a_label_selects_by_key_and_value(make: Maker) -> None:
    spec = make.spec("a", labels={"team": "support"})
    (labelled,) = (type(each)(spec=spec, inputs=each.inputs, digest=each.digest) for each in [make.desired("a")])
    every = (labelled, make.desired("b"))
    for selector in ("label:team=support", "label:team=sup*", "label:team"):
        assert select(every, [selector]) == (labelled,)


@pytest.mark.parametrize(("selector", "fix"), [("othr", "did you mean `other`?"), ("zzz", "`ftops plan -v` lists")])
def test_a_selector_that_matches_nothing_is_a_mistake(make: Maker, selector: str, fix: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        select((make.desired("other"),), [selector])
    assert (caught.value.problems[0].fix or "").startswith(fix)


def test_the_checksum_is_of_what_is_done_not_of_how_it_is_told(make: Maker) -> None:
    first = diff([make.desired()], EMPTY)
    interrupted = diff([make.desired()], make.lock(intent=make.intent()))
    other = diff([make.desired(seed=2)], EMPTY)
    done = diff([make.desired()], make.lock(make.generation()))
    assert checksum("local", first) == checksum("local", interrupted)
    assert len({checksum("local", each) for each in (first, other, done)}) == 3
    assert checksum("local", first) != checksum("other", first)


def test_what_is_pending_is_what_apply_would_do(make: Maker) -> None:
    changes = diff([make.desired()], make.lock(make.generation()))
    plan = Plan(target="local", changes=changes, checksum="0")
    assert plan.pending == ()
    assert plan.counts == {Kind.NONE: 1}


def test_long_values_that_differ_late_are_still_told_apart(make: Maker) -> None:
    long = "a prompt " * 20
    before = make.inputs(method={"type": "reinforcement", "reinforcement": {"grader": {"input": f"{long}1"}}})
    after = make.inputs(method={"type": "reinforcement", "reinforcement": {"grader": {"input": f"{long}2"}}})
    (cause,) = causes(before, after)
    assert cause.field == "grader.input"
    assert cause.before != cause.after
    assert len(cause.before) < 64


@pytest.mark.parametrize(
    ("policy", "metrics", "step"),
    [
        ("best", [{"full_valid_loss": 0.4}, {"full_valid_loss": 0.3}, {"full_valid_loss": 0.5}], 2),
        ("best", [{"full_valid_loss": 0.3}, {"full_valid_loss": 0.3}, {"full_valid_loss": 0.5}], 2),
        ("best", [{"valid_loss": 0.1, "full_valid_loss": 0.4}, {"valid_loss": 0.2, "full_valid_loss": 0.3}, {}], 2),
        ("best", [{"valid_loss": 0.1}, {"valid_loss": 0.2}, {"valid_loss": 0.3}], 1),
        ("best", [{"full_valid_loss": float("nan")}, {"full_valid_loss": 0.9}, {}], 2),
        ("best", [{"train_loss": 0.1}, {"train_loss": 0.2}, {}], 3),
        ("last", [{"full_valid_loss": 0.1}, {}, {}], 3),
        ("step:1", [{}, {}, {}], 1),
        ("step:9", [{}, {}, {}], None),
        ("best", [], None),
    ],
)
def test_the_checkpoint_that_the_spec_asks_for(policy: str, metrics: list[dict[str, float]], step: int | None) -> None:
    records = [CheckpointRecord(model=f"m{at}", step=at, metrics=each) for at, each in enumerate(metrics, start=1)]
    chosen = choose(records[::-1], policy)
    assert (chosen.step if chosen else None) == step


def test_a_provider_without_checkpoints_has_one_model(make: Maker) -> None:
    generation = make.generation(checkpoints=(), model=None, checkpoint=None)
    chosen, problem = with_choice(generation, "best", "elle", "ft:only")
    assert (chosen.model, problem) == ("ft:only", None)
    chosen, problem = with_choice(generation, "step:3", "elle", "ft:only")
    assert chosen.model is None
    assert problem is not None
    assert "at these steps: none" in (problem.why or "")

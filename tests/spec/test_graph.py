"""Specs that go on from each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.spec.graph import in_order, linked
from ftops.spec.model import BaseModel, Method, ParentSpec, Spec
from ftops.spec.parse import parse_file


def spec(name: str, parent: str | None = None, folder: str = "specs") -> Spec:
    model = "gpt-4.1" if parent is None else f"{{spec: {parent}}}"
    content = f"kind: FineTune\nmodel: {model}\ntraining_file: a.jsonl\n"
    return parse_file(content.encode(), f"{folder}/{name}.yaml").specs[0]


def problems(*specs: Spec) -> tuple[Diagnostic, ...]:
    with pytest.raises(ProblemsError) as caught:
        in_order(specs)
    return caught.value.problems


def test_parents_come_before_children_and_ties_go_by_name() -> None:
    ordered = in_order([spec("a", "z"), spec("m"), spec("z"), spec("b", "a"), spec("c", "m")])
    assert [each.name for each in ordered] == ["m", "z", "a", "c", "b"]


def test_no_specs_are_in_order() -> None:
    assert in_order([]) == ()


def test_an_unknown_parent_is_told_with_the_name_that_was_meant() -> None:
    (problem,) = problems(spec("elle-base"), spec("elle", "ele-base"))
    assert problem.code == "spec-parent"
    assert str(problem.place) == "specs/elle.yaml:2:15"
    assert problem.fix == "did you mean `elle-base`?"


def test_a_circle_is_named_whole_and_once() -> None:
    circle = [spec("a", "b"), spec("b", "c"), spec("c", "a")]
    found = problems(*circle, spec("leads-in", "b"), spec("self", "self"), spec("free"))
    assert [problem.summary for problem in found] == [
        "specs go on from each other in a circle: `a` → `b` → `c` → `a`",
        "specs go on from each other in a circle: `self` → `self`",
    ]
    assert [str(problem.place) for problem in found] == ["specs/a.yaml:2:15", "specs/self.yaml:2:15"]


def test_a_name_is_used_once_in_all_folders() -> None:
    (problem,) = problems(spec("elle"), spec("elle", folder="specs/old"))
    assert problem.code == "spec-duplicate-name"
    assert str(problem.place) == "specs/old/elle.yaml"
    assert problem.why is not None
    assert "`specs/elle.yaml`" in problem.why


def test_a_spec_without_places_is_still_named() -> None:
    made = Spec(
        name="a", path="a.yaml", model=ParentSpec(spec="b"), training_file="a.jsonl", method=Method(type="dpo", body={})
    )
    (problem,) = problems(made)
    assert str(problem.place) == "a.yaml"


@given(st.dictionaries(st.integers(0, 30), st.integers(0, 30)))
def test_every_order_puts_each_spec_once_and_after_its_parent(parents: dict[int, int]) -> None:
    method = Method(type="supervised", body={})
    specs = [
        Spec(
            name=f"s{name}",
            path=f"s{name}.yaml",
            model=ParentSpec(spec=f"s{parent}") if parent < name and parent in parents else BaseModel(name="gpt"),
            training_file="a.jsonl",
            method=method,
        )
        for name, parent in parents.items()
    ]
    ordered = [each.name for each in in_order(specs)]
    assert sorted(ordered) == sorted(each.name for each in specs)
    for each in specs:
        if isinstance(each.model, ParentSpec):
            assert ordered.index(each.model.spec) < ordered.index(each.name)


def test_what_a_dataset_switches_off_is_off_for_whoever_uses_it() -> None:
    ignore = "checks: {ignore: [{code: data-template, reason: %s}]}\n"
    dataset = 'kind: Dataset\nsources: {a: a.csv}\nchat: {user: "{q}", assistant: "{a}"}\n' + ignore % "meant so"
    use = "kind: FineTune\nmodel: gpt-4.1\ntraining_file: {dataset: rows, split: train}\n"
    files = {
        "rows": dataset,
        "one": use,
        "two": use + ignore % "own reason",
        "other": use.replace("training", "validation"),
    }
    files["other"] += "training_file: a.jsonl\n"
    plain = "kind: FineTune\nmodel: gpt-4.1\ntraining_file: a.jsonl\n"
    declared = linked(
        parse_file(text.encode(), f"specs/{name}.yaml") for name, text in {**files, "plain": plain}.items()
    )
    reasons = {each.name: [ignored.reason for ignored in each.ignored] for each in declared.specs}
    assert reasons == {"one": ["meant so"], "other": ["meant so"], "plain": [], "two": ["own reason", "meant so"]}

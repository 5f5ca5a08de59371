"""A plan as a file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ftops.diagnostics import Diagnostic, Place, ProblemsError, Severity
from ftops.digest import digest_of_bytes
from ftops.plan.approval import actions
from ftops.report.machine import plan_json
from ftops.report.planfile import BYTES_MAX, Scope, decoded, encoded, encoded_problems

if TYPE_CHECKING:
    from conftest import Busy

    from ftops.plan.plan import Plan

COMMIT = "c" * 40


def _refused(content: bytes, checksum: str | None = None) -> tuple[str, int]:
    with pytest.raises(ProblemsError) as caught:
        decoded(content, "plan.json", checksum=checksum)
    return caught.value.problems[0].code, caught.value.exit_code


def _value(plan: Plan) -> dict[str, Any]:
    value = json.loads(encoded(plan, commit=COMMIT))
    assert isinstance(value, dict)
    return value


PROBLEM = Diagnostic(
    code="data-leak",
    summary="2 rows of `valid.jsonl` are in `train.jsonl`",
    severity=Severity.WARNING,
    place=Place(path="specs/a.yaml", line=4, column=18),
    why="a loss on rows that were trained on says nothing",
    fix="take them out of one of the two",
)


TOLD = (PROBLEM.code, PROBLEM.summary, 4)


def test_it_comes_back_as_it_was_written(busy: Busy) -> None:
    plan = replace(busy.plan, warnings=(PROBLEM,), collected_at=1_800_000_000)
    content = encoded(plan, commit=COMMIT)
    found = decoded(content, "plan.json", checksum=digest_of_bytes(content))
    assert found.actions == actions(busy.plan)
    assert (found.commit, found.collected_at) == (COMMIT, 1_800_000_000)
    assert [line.name for line in found.changes] == [change.name for change in busy.plan.changes]
    assert [(each.code, each.summary, each.line) for each in found.warnings] == [TOLD]


def test_it_holds_all_that_the_plan_answers_to_scripts(busy: Busy) -> None:
    value = _value(busy.plan)
    answer = json.loads(json.dumps(plan_json(busy.plan)))
    assert {key: value[key] for key in answer} == answer


def test_where_no_plan_can_be_made_it_tells_why() -> None:
    found = decoded(encoded_problems([PROBLEM], scope=Scope(target="openai"), commit=COMMIT), "plan.json")
    assert (found.target, found.commit, found.changes, found.actions) == ("openai", COMMIT, (), ())
    assert [(each.code, each.summary, each.line) for each in found.problems] == [TOLD]


def test_a_file_whose_name_is_no_unicode_is_told_of_by_its_bytes(busy: Busy) -> None:
    path = "specs/\udcff.yaml"
    problem = replace(PROBLEM, summary=f"`{path}` is not UTF-8", place=Place(path=path))
    (told,) = decoded(encoded_problems([problem], commit=None), "plan.json").problems
    assert (told.path, told.summary) == (r"specs/\udcff.yaml", r"`specs/\udcff.yaml` is not UTF-8")
    (told,) = decoded(encoded(replace(busy.plan, warnings=(problem,)), commit=None), "plan.json").warnings
    assert told.path == r"specs/\udcff.yaml"


def test_the_same_plan_gives_the_same_bytes(busy: Busy) -> None:
    one, two = (encoded(busy.plan, commit=COMMIT) for _ in range(2))
    assert one == two


def test_bytes_that_the_job_did_not_tell_of_are_refused(busy: Busy) -> None:
    content = encoded(busy.plan, commit=COMMIT)
    checksum = digest_of_bytes(content)
    assert _refused(content.replace(b'"train"', b'"cancel"', 1), checksum) == ("plan-file-altered", 3)
    assert _refused(content + b" ", checksum) == ("plan-file-altered", 3)


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("format_version", 2),
        ("actions", [{"kind": "delete", "name": "a", "digest": None}]),
        ("actions", None),
        ("actions", [{"kind": "train", "name": "a", "digest": None, "attempt": 2**70}]),
        ("actions", [{"kind": "train", "name": "a", "digest": None, "attempt": 0}]),
        ("changes", [{}]),
        ("cost_usd", "9"),
        ("counts", {"create": "1"}),
    ],
)
def test_what_is_not_of_its_shape_is_no_plan_file(busy: Busy, key: str, other: object) -> None:
    content = json.dumps({**_value(busy.plan), key: other}).encode()
    assert _refused(content) == ("plan-file-malformed", 1)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b" " * (BYTES_MAX + 1)])
def test_anything_else_is_none_either(content: bytes) -> None:
    assert _refused(content) == ("plan-file-malformed", 1)

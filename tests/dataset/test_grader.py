"""The fields that a grader reads of every row: named in its templates, and found in the row or missed."""

from __future__ import annotations

from typing import Any

import pytest

from ftops.dataset.grader import item_fields, missing_fields

STRING = {"type": "string_check", "name": "a", "input": "{{ sample.output_text }}", "operation": "eq"}
GRADERS: list[tuple[Any, list[tuple[str | int, ...]]]] = [
    (STRING | {"reference": "{{item.answer}}"}, [("answer",)]),
    (STRING | {"reference": "{{ item.answer.short }} or {{ item.answers[0] }}"}, [("answer", "short"), ("answers", 0)]),
    (STRING | {"reference": "{{ item['the answer'] }}{{ item[\"b\"].c }}"}, [("b", "c"), ("the answer",)]),
    (STRING | {"reference": "item.answer, {{ sample.item.x }}, {{ items.y }}"}, []),
    (
        {"type": "score_model", "input": [{"role": "user", "content": "{{ item.a }} {{ item.a }}"}], "model": "m"},
        [("a",)],
    ),
    (
        {"type": "multi", "graders": {"one": STRING | {"reference": "{{item.b}}"}, "two": [{"input": "{{item.a}}"}]}},
        [("a",), ("b",)],
    ),
    (
        {"type": "python", "source": 'return item["answer"]  # {{ item.not_a_template }}', "name": "{{ item.n }}"},
        [("n",)],
    ),
    (None, []),
    ({"type": "multi", "graders": 1, "calculate_output": None}, []),
]


@pytest.mark.parametrize(("grader", "fields"), GRADERS)
def test_the_fields_of_a_grader_are_those_in_its_templates(grader: Any, fields: Any) -> None:
    assert list(item_fields(grader)) == fields


@pytest.mark.parametrize(
    ("row", "missing"),
    [
        ({"answer": {"short": None}, "answers": ["x"]}, []),
        ({"answer": {}, "answers": []}, ["answer.short", "answers[0]"]),
        ({"answer": "short", "answers": {"0": 1}}, ["answer.short", "answers[0]"]),
        ({}, ["answer.short", "answers[0]"]),
    ],
)
def test_a_row_lacks_what_the_path_does_not_lead_to(row: Any, missing: list[str]) -> None:
    found = list(missing_fields(row, [("answer", "short"), ("answers", 0)]))
    assert [finding.where for _, finding in found] == missing
    assert {fault.code for fault, _ in found} <= {"data-grader-field"}

"""The texts of a row: all of them, each with its path, its role, and whether the model learns it."""

from __future__ import annotations

from typing import Any

import pytest

from ftops.dataset.said import Said, said_in

CALL = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}

CASES: list[tuple[Any, Any, list[tuple[str, str, str, bool]]]] = [
    (
        "chat",
        {
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": [{"type": "text", "text": "u"}, {"type": "image_url", "image_url": {}}]},
                {"role": "assistant", "content": "a", "weight": 0},
                {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": "r"},
                {"role": "assistant", "function_call": {"name": "look", "arguments": "{1}"}},
            ]
        },
        [
            ("messages[0].content", "system", "s", False),
            ("messages[1].content[0].text", "user", "u", False),
            ("messages[2].content", "assistant", "a", False),
            ("messages[3].refusal", "assistant", "r", True),
            ("messages[3].tool_calls[0].function.arguments", "assistant", "{}", True),
            ("messages[4].function_call.arguments", "assistant", "{1}", True),
        ],
    ),
    (
        "preference",
        {
            "non_preferred_output": [{"role": "assistant", "content": "no"}],
            "preferred_output": [{"role": "assistant", "content": [{"type": "refusal", "refusal": "yes"}]}],
            "input": {"messages": [{"role": "assistant", "content": "earlier"}]},
        },
        [
            ("input.messages[0].content", "assistant", "earlier", False),
            ("preferred_output[0].content[0].refusal", "assistant", "yes", True),
            ("non_preferred_output[0].content", "assistant", "no", False),
        ],
    ),
    (
        "reinforcement",
        {
            "messages": [{"role": "assistant", "content": "a"}, {"role": "user", "content": "u"}],
            "answer": {"short": "yes", "why": ["one", {"two": "2"}], "score": 1},
            "note": "n",
        },
        [
            ("messages[0].content", "assistant", "a", False),
            ("messages[1].content", "user", "u", False),
            ("answer.short", "item", "yes", False),
            ("answer.why[0]", "item", "one", False),
            ("answer.why[1].two", "item", "2", False),
            ("note", "item", "n", False),
        ],
    ),
    (
        "completion",
        {"completion": "c", "prompt": "p"},
        [("prompt", "prompt", "p", False), ("completion", "completion", "c", True)],
    ),
]


@pytest.mark.parametrize(("format_", "row", "said"), CASES)
def test_every_text_of_a_row_is_found_where_it_stands(format_: Any, row: Any, said: Any) -> None:
    assert said_in(row, format_) == tuple(Said(*each) for each in said)


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"messages": "words", "input": [], "prompt": 1, "completion": None},
        {
            "messages": [
                None,
                {"role": 1, "content": {}},
                {"content": [1, {"text": 2}], "tool_calls": [1, {}, CALL["id"]]},
            ]
        },
        {"messages": [{"tool_calls": {}, "function_call": "look"}], "preferred_output": {}, "input": {}},
    ],
)
@pytest.mark.parametrize("format_", ["chat", "preference", "completion", "unknown"])
def test_a_malformed_row_gives_what_it_has(format_: Any, row: Any) -> None:
    assert said_in(row, format_) == ()


def test_what_is_kept_for_a_grader_may_nest_deeper_than_python_recurses() -> None:
    deep: Any = "end"
    for _ in range(1500):
        deep = [deep]
    assert said_in({"answer": deep}, "reinforcement")[0].text == "end"

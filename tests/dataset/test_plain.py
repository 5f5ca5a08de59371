"""What passes without a rule being run: no rule may object to it, in any format."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from ftops.dataset.formats import format_breaches, is_plain_of

TEXTS = st.sampled_from(["words", " words ", "", " ", "\n", None, 1])
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
PARTS = st.sampled_from([{"type": "text", "text": "words"}, {"type": "text", "text": " "}, IMAGE, {"type": "text"}])
CONTENT = st.one_of(TEXTS, st.lists(PARTS, max_size=3), st.just([IMAGE] * 11))
CALL = st.builds(
    lambda id_, name, arguments: {
        "id": id_,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    },
    st.sampled_from(["c1", "c2", ""]),
    st.sampled_from(["look", "see", "no name"]),
    st.sampled_from(["{}", '{"city": 1}', '{"city": "Oslo"}', "[]", "{"]),
)
MESSAGE = st.one_of(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "developer", "user", "assistant", "bot"]), "content": CONTENT},
        optional={"weight": st.sampled_from([0, 1, 2]), "name": st.sampled_from(["Ada", ""])},
    ),
    st.fixed_dictionaries({"role": st.just("assistant"), "tool_calls": st.lists(CALL, max_size=3)}),
    st.fixed_dictionaries(
        {"role": st.just("tool"), "content": TEXTS, "tool_call_id": st.sampled_from(["c1", "c2", 1])},
    ),
)
SCHEMA = st.sampled_from(
    [{}, {"type": "objekt"}, {"properties": {"city": {"type": "string"}}}, {"required": ["city"]}, {"$ref": "#/no"}, []]
)
TOOL = st.builds(
    lambda name, parameters: {"type": "function", "function": {"name": name, "parameters": parameters}},
    st.sampled_from(["look", "see"]),
    SCHEMA,
)
CHAT = st.fixed_dictionaries(
    {"messages": st.lists(MESSAGE, max_size=5)},
    optional={"tools": st.lists(TOOL, max_size=2), "parallel_tool_calls": st.sampled_from([True, False, 1])},
)
ANSWER = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["assistant", "user"]), "content": CONTENT}), max_size=2
)
PREFERENCE = st.fixed_dictionaries({"input": CHAT, "preferred_output": ANSWER, "non_preferred_output": ANSWER})
COMPLETION = st.fixed_dictionaries({"prompt": TEXTS, "completion": TEXTS}, optional={"id": st.just(1)})


def assert_honest(row: Any, format_: Any) -> None:
    line = orjson.dumps(row)
    if is_plain_of(format_)(line):
        assert [fault.code for fault, _ in format_breaches(orjson.loads(line), format_)] == []


@given(CHAT)
def test_no_rule_objects_to_a_plain_chat(row: Any) -> None:
    assert_honest(row, "chat")


@given(PREFERENCE)
def test_no_rule_objects_to_a_plain_preference(row: Any) -> None:
    assert_honest(row, "preference")


@given(CHAT)
def test_no_rule_objects_to_a_plain_prompt_for_reinforcement(row: Any) -> None:
    assert_honest(row | {"answer": {"any": ["thing"]}}, "reinforcement")


@given(COMPLETION)
def test_no_rule_objects_to_a_plain_completion(row: Any) -> None:
    assert_honest(row, "completion")

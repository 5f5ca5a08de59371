"""Which requests for an answer are refused, and with which words. Values in, values out."""

from __future__ import annotations

from typing import Any

import pytest

from ftops.server.chat_request import read_chat_request
from ftops.server.errors import ApiError
from ftops.server.fields import Fields

HELLO = [{"role": "user", "content": "hello"}]


def read(**fields: Any) -> Any:
    return read_chat_request(Fields({"model": "tiny-byte", "messages": HELLO} | fields))


def test_defaults_are_the_apis() -> None:
    request = read()
    assert (request.temperature, request.top_p, request.answers, request.seed) == (1.0, 1.0, 1, None)
    assert (request.max_tokens, request.stop, request.top_logprobs, request.is_streamed) == (None, [], None, False)


def test_either_name_of_the_limit_is_read() -> None:
    assert read(max_tokens=5).max_tokens == 5
    assert read(max_tokens=5, max_completion_tokens=6).max_tokens == 6


def test_a_stop_text_is_one_or_a_list() -> None:
    assert (read(stop="x").stop, read(stop=["x", "y"]).stop, read(stop=None).stop) == (["x"], ["x", "y"], [])


def test_zero_and_negative_seeds_count() -> None:
    assert (read(seed=0).seed, read(seed=-1).seed, read(temperature=0).temperature) == (0, 2**63 - 1, 0)


def test_what_steers_nothing_here_is_accepted() -> None:
    read(user="me", metadata={}, store=False, service_tier="auto", presence_penalty=0, response_format={"type": "text"})


def test_all_kinds_of_messages_are_accepted() -> None:
    read(
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "hello"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]},
            {"role": "tool", "content": "42", "tool_call_id": "a"},
            {"role": "assistant", "content": None, "function_call": {"name": "f"}},
            {"role": "assistant", "content": None, "refusal": "no"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        ]
    )


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"messages": None}, "missing_required_parameter", "Missing required parameter: 'messages'"),
        ({"messages": []}, "empty_array", "Expected an array with minimum length 1"),
        ({"messages": {}}, "invalid_type", "Invalid type for 'messages': expected an array, but got an object"),
        ({"messages": ["hello"]}, "invalid_type", "Invalid type for 'messages[0]'"),
        ({"messages": [{"content": "x"}]}, "missing_required_parameter", "'messages[0].role'"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "invalid_value", "Supported values are: 'developer'"),
        ({"messages": [{"role": "user"}]}, "invalid_type", "'messages[0].content': expected a string, but got null"),
        ({"messages": [{"role": "assistant"}]}, "invalid_type", "'messages[0].content'"),
        ({"messages": [{"role": "user", "content": 7}]}, "invalid_type", "expected a string or an array"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "invalid_type", "'messages[0].content[0]'"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "invalid_value", "'text', 'refusal'"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "missing_required_parameter", "[0].text"),
        ({"messages": [{"role": "assistant", "content": "x", "refusal": 1}]}, "invalid_type", "refusal"),
        ({"temperature": 2.1}, "decimal_above_max_value", "Expected a value <= 2"),
        ({"temperature": "hot"}, "invalid_type", "expected a decimal, but got a string"),
        ({"top_p": -0.1}, "decimal_below_min_value", "Expected a value >= 0"),
        ({"n": 0}, "integer_below_min_value", "Invalid 'n'"),
        ({"max_tokens": 0}, "integer_below_min_value", "Invalid 'max_tokens'"),
        ({"stop": ["a"] * 5}, "array_above_max_length", "maximum length 4"),
        ({"stop": [7]}, "invalid_type", "Invalid type for 'stop[0]'"),
        ({"stop": 7}, "invalid_type", "Invalid type for 'stop'"),
        ({"top_logprobs": 5}, None, "only allowed when 'logprobs' is enabled"),
        ({"logprobs": True, "top_logprobs": 21}, "integer_above_max_value", "Expected a value <= 20"),
        ({"logprobs": "yes"}, "invalid_type", "expected a boolean"),
        ({"stream_options": {}}, None, "only allowed when 'stream' is enabled"),
        ({"stream": True, "stream_options": {"x": 1}}, "unknown_parameter", "'stream_options.x'"),
        ({"presence_penalty": 1}, "unsupported_parameter", "'presence_penalty' is not supported"),
        ({"response_format": {"type": "json_object"}}, "unsupported_parameter", "'response_format'"),
        ({"audio": {}}, "unsupported_parameter", "'audio'"),
        ({"tools": "f"}, "invalid_type", "Invalid type for 'tools'"),
        ({"speed": "fast"}, "unknown_parameter", "Unknown parameter: 'speed'."),
    ],
)
def test_a_wrong_request_is_refused_with_its_place(fields: dict[str, Any], code: str | None, message: str) -> None:
    with pytest.raises(ApiError) as raised:
        read(**fields)
    assert raised.value.code == code
    assert message in raised.value.message

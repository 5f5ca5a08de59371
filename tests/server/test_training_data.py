"""What is wrong with a training file, in the API's words. Values in, values out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ftops.server import training_data
from ftops.server.training_data import check_file

if TYPE_CHECKING:
    from pathlib import Path

USER = {"role": "user", "content": "hello"}
ASSISTANT = {"role": "assistant", "content": "world"}
GOOD = {"messages": [USER, ASSISTANT]}
PAIR = {"input": {"messages": [USER]}, "preferred_output": [ASSISTANT], "non_preferred_output": [ASSISTANT]}


def problem(tmp_path: Path, *lines: object, method: Any = "supervised", good: int = 10) -> str:
    """What is said of a file that begins with good examples, without the beginning that all have."""
    path = tmp_path / "train.jsonl"
    first = GOOD if method == "supervised" else PAIR
    text = [json.dumps(first)] * good + [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(text), encoding="utf-8")
    error = check_file(path, file_id="file-x", method=method, param="training_file")
    if error is None:
        return ""
    assert error.param == "training_file"
    return error.message.removeprefix("The job failed due to an invalid training file. ")


@pytest.mark.parametrize(
    "line",
    [
        {"messages": [{"role": "system", "content": "Be."}, {"role": "developer", "content": "Do."}, USER, ASSISTANT]},
        {"messages": [USER, ASSISTANT | {"weight": 0}, USER, ASSISTANT | {"weight": 1}]},
        {
            "messages": [USER, {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {}}]}],
            "tools": [],
        },
        {"messages": [USER, ASSISTANT, {"role": "tool", "tool_call_id": "a", "content": "42"}, ASSISTANT]},
        {"messages": [USER, {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}]},
        {"messages": [USER, {"role": "assistant", "refusal": "No."}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}, ASSISTANT]},
        GOOD | {"anything": "else"},
        "   ",
    ],
)
def test_what_the_format_allows_is_accepted(tmp_path: Path, line: object) -> None:
    assert problem(tmp_path, line) == ""


def test_a_byte_order_mark_and_crlf_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join([json.dumps(GOOD).encode()] * 10) + b"\r\n")
    assert check_file(path, file_id="file-x", method="supervised", param="training_file") is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "every line is a valid JSON dictionary. Example 11 is not a dictionary"),
        ("[]", "Example 11 is not a dictionary"),
        ('{"messages": NaN}', "Example 11 is not a dictionary"),
        ({}, "Unexpected file format, expected either prompt/completion pairs or chat messages."),
        ({"prompt": "a", "completion": "b"}, "Input file file-x is in the prompt-completion format"),
        ({"messages": []}, "Example 11 has no list of messages"),
        ({"messages": "hello"}, "Example 11 has no list of messages"),
        ({"messages": [USER]}, "Example 11 has no message from the assistant"),
        ({"messages": [USER, ASSISTANT | {"weight": 0}]}, "Example 11 has weight 0 on all messages from the assistant"),
        ({"messages": [USER, "world"]}, "Example 11, message 2 is not a dictionary"),
        (
            {"messages": [USER, {"content": "x"}]},
            "Invalid file format. Example 11, message 2 Discriminator 'role' is missing in value",
        ),
        ({"messages": [USER, {"role": "bot", "content": "x"}]}, "Example 11, message 2 has the unknown role 'bot'"),
        ({"messages": [USER, {"role": ["a"], "content": "x"}]}, "has the unknown role '[\"a\"]'"),
        ({"messages": [USER | {"weight": 1}, ASSISTANT]}, "message 1 'weight' must be 0 or 1"),
        ({"messages": [USER, ASSISTANT | {"weight": 0.5}]}, "message 2 'weight' must be 0 or 1"),
        ({"messages": [{"role": "user"}, ASSISTANT]}, "message 1 has no content"),
        ({"messages": [{"role": "user", "content": 7}, ASSISTANT]}, "content must be a string or a list of parts"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}, ASSISTANT]}, "has an image, which"),
        ({"messages": [{"role": "user", "content": ["a"]}, ASSISTANT]}, "neither text nor refusal"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}, ASSISTANT]}, "neither text nor refusal"),
        ({"messages": [{"role": "tool", "content": "42"}, ASSISTANT]}, "message 1 has no 'tool_call_id'"),
        ({"messages": [USER, {"role": "assistant", "tool_calls": "f"}]}, "'tool_calls' must be a list of dictionaries"),
        ({"messages": [USER, {"role": "assistant", "function_call": "f"}]}, "'function_call' must be a dictionary"),
        ({"messages": [USER, {"role": "assistant", "refusal": ["no"]}]}, "'refusal' must be a string"),
        (GOOD | {"tools": {}}, "Example 11 has 'tools' that are not a list"),
    ],
)
def test_a_wrong_conversation_is_told_with_its_place(tmp_path: Path, line: object, said: str) -> None:
    assert said in problem(tmp_path, line)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (PAIR | {"input": "hello"}, "Example 11 is missing key 'input'"),
        (PAIR | {"input": {"messages": []}}, "Example 11, input has no list of messages"),
        ({"input": PAIR["input"]}, "Example 11 is missing key 'preferred_output'"),
        (
            {"input": PAIR["input"], "preferred_completion": [ASSISTANT]},
            "is missing key 'preferred_output' (found 'preferred_completion', which the API does not read)",
        ),
        (PAIR | {"preferred_output": [ASSISTANT, ASSISTANT]}, "preferred_output must be exactly one message"),
        (
            PAIR | {"non_preferred_output": [USER]},
            "non_preferred_output must be exactly one message from the assistant",
        ),
        (PAIR | {"non_preferred_output": ["x"]}, "Example 11, non_preferred_output, message 1 is not a dictionary"),
    ],
)
def test_a_wrong_preference_is_told_with_its_place(tmp_path: Path, line: object, said: str) -> None:
    assert said in problem(tmp_path, line, method="dpo")


def test_nine_examples_are_too_few(tmp_path: Path) -> None:
    assert problem(tmp_path, good=9) == "Training file has 9 example(s), but must have at least 10 examples"


def test_a_line_without_end_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_data, "MAX_LINE_BYTES", 1000)
    assert "Example 11 is longer than 1000 bytes" in problem(tmp_path, "x" * 2000)

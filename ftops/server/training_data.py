"""Checking training and validation files, when a job begins, with the real API's codes and words.

Sources: messages published in transcripts (reference of 2026-11-21, section 5.1); where none is known the wording
follows their pattern. Lines are read as a stream; examples and messages are counted from 1.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIN_EXAMPLES: Final = 10
MAX_LINE_BYTES: Final = 64 * 1024 * 1024
ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
_NO_FORMAT: Final = "Unexpected file format, expected either prompt/completion pairs or chat messages."

Method = Literal["supervised", "dpo"]
Param = Literal["training_file", "validation_file"]


class JobError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job failed."""

    code: str
    message: str
    param: str | None


class _InvalidError(Exception):
    """What is wrong with the file."""


def check_file(path: Path, *, file_id: str, method: Method, param: Param) -> JobError | None:
    """What makes a file unfit for training with *method*, or None if nothing does; only the first problem is told."""
    examples = 0
    try:
        for number, example in _examples(path):
            _check_format(example, file_id=file_id, method=method)
            if method == "supervised":
                _check_conversation(example, number)
            else:
                _check_preference(example, number)
            examples = number
    except _InvalidError as problem:
        which = "training" if param == "training_file" else "validation"
        message = f"The job failed due to an invalid {which} file. {problem}"
        return JobError(code=f"invalid_{param}", message=message, param=param)
    least = MIN_EXAMPLES if param == "training_file" else 1
    if examples < least:
        which = "Training" if param == "training_file" else "Validation"
        message = f"{which} file has {examples} example(s), but must have at least {least} examples"
        return JobError(code="invalid_n_examples", message=message, param=param)
    return None


def _examples(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """Each line's object with its number among the examples; blank lines count for nothing."""
    number = 0
    with path.open("rb") as lines:
        while line := lines.readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                raise _InvalidError(f"Invalid file format. Example {number + 1} is longer than {MAX_LINE_BYTES} bytes")
            if not line.strip():
                continue
            number += 1
            try:
                example = orjson.loads(line.removeprefix(BOM_UTF8) if number == 1 else line)
            except orjson.JSONDecodeError:
                example = None
            if not isinstance(example, dict):
                raise _InvalidError(
                    "Invalid file format. Expected file to have JSONL format, where every line is a valid JSON "
                    f"dictionary. Example {number} is not a dictionary"
                )
            yield number, example


def _check_format(example: dict[str, object], *, file_id: str, method: Method) -> None:
    """Tell the formats apart by their keys, and refuse what does not fit *method*."""
    if "messages" in example:
        found, wanted = "fine-tune-chat", "supervised"
    elif "input" in example or "preferred_output" in example:
        found, wanted = "fine-tune-preference", "dpo"
    elif "prompt" in example and "completion" in example:
        raise _InvalidError(
            f"Invalid file format. Input file {file_id} is in the prompt-completion format, "
            "but the specified model is a chat model and requires chat-formatted data."
        )
    else:
        raise _InvalidError(_NO_FORMAT)
    if method != wanted:
        raise _InvalidError(
            f"Invalid file format. Input file {file_id} is in the {found} format, but the specified fine-tuning job is "
            f"not using '{wanted}' as the training method (provided method={method}). "
        )


def _check_conversation(example: dict[str, object], number: int) -> None:
    messages = _check_messages(example["messages"], f"Example {number}")
    if not any(message["role"] == "assistant" for message in messages):
        raise _InvalidError(f"Invalid file format. Example {number} has no message from the assistant")
    if all(message.get("weight") == 0 for message in messages if message["role"] == "assistant"):
        raise _InvalidError(f"Invalid file format. Example {number} has weight 0 on all messages from the assistant")
    for key in ("tools", "functions"):
        if example.get(key) is not None and not isinstance(example[key], list):
            raise _InvalidError(f"Invalid file format. Example {number} has '{key}' that are not a list")


def _check_preference(example: dict[str, object], number: int) -> None:
    given = example.get("input")
    if not isinstance(given, dict):
        raise _InvalidError(f"Invalid file format. Example {number} is missing key 'input'")
    _check_messages(given.get("messages"), f"Example {number}, input")
    for key, misnomer in (
        ("preferred_output", "preferred_completion"),
        ("non_preferred_output", "non_preferred_completion"),
    ):
        if key not in example:
            hint = f" (found '{misnomer}', which the API does not read)" if misnomer in example else ""
            raise _InvalidError(f"Invalid file format. Example {number} is missing key '{key}'{hint}")
        answers = _check_messages(example[key], f"Example {number}, {key}")
        if len(answers) != 1 or answers[0]["role"] != "assistant":
            raise _InvalidError(
                f"Invalid file format. Example {number}, {key} must be exactly one message from the assistant"
            )


def _check_messages(messages: object, place: str) -> list[dict[str, object]]:
    if not isinstance(messages, list) or not messages:
        raise _InvalidError(f"Invalid file format. {place} has no list of messages")
    return [_check_message(message, f"{place}, message {order}") for order, message in enumerate(messages, start=1)]


def _check_message(message: object, place: str) -> dict[str, object]:
    if not isinstance(message, dict):
        raise _InvalidError(f"Invalid file format. {place} is not a dictionary")
    role = message.get("role")
    if role is None:
        raise _InvalidError(f"Invalid file format. {place} Discriminator 'role' is missing in value")
    if role not in ROLES:
        raise _InvalidError(f"Invalid file format. {place} has the unknown role {_shown(role)}")
    if "weight" in message and (role != "assistant" or message["weight"] not in (0, 1)):
        raise _InvalidError(f"Invalid file format. {place} 'weight' must be 0 or 1, on messages from the assistant")
    says_otherwise = role == "assistant" and any(message.get(key) for key in ("tool_calls", "function_call", "refusal"))
    if message.get("content") is None and not says_otherwise:
        raise _InvalidError(f"Invalid file format. {place} has no content")
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise _InvalidError(f"Invalid file format. {place} has no 'tool_call_id'")
    _check_content(message.get("content"), place)
    _check_calls(message, place)
    return message


def _check_content(content: object, place: str) -> None:
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list) or not content:
        raise _InvalidError(f"Invalid file format. {place} content must be a string or a list of parts")
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "image_url":
            raise _InvalidError(f"Invalid file format. {place} has an image, which the specified model cannot see")
        if kind not in ("text", "refusal") or not isinstance(part.get(kind), str):
            raise _InvalidError(f"Invalid file format. {place} has a content part that is neither text nor refusal")


def _check_calls(message: dict[str, object], place: str) -> None:
    """Calls may hold anything that is JSON, but in the shapes that the template reads."""
    calls, call, refusal = (message.get(key) for key in ("tool_calls", "function_call", "refusal"))
    if calls is not None and not (isinstance(calls, list) and all(isinstance(item, dict) for item in calls)):
        raise _InvalidError(f"Invalid file format. {place} 'tool_calls' must be a list of dictionaries")
    if call is not None and not isinstance(call, dict):
        raise _InvalidError(f"Invalid file format. {place} 'function_call' must be a dictionary")
    if refusal is not None and not isinstance(refusal, str):
        raise _InvalidError(f"Invalid file format. {place} 'refusal' must be a string")


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return f"'{text[:40]}'"

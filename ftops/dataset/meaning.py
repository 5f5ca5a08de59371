"""What a row means, whatever the order of keys, blanks and escapes in which it is written: as hashes, and as texts.

A row has a prompt and an answer. The prompt is all that comes before the answer: messages, tools, system prompt. The
answer is the last message; the two outputs of a preference row; what a reinforcement row keeps for its grader; the
completion. Rows that mean the same have the same hashes. Simple rows, which are most, are hashed all at once in
dataset/simple.py; the others here, one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson
import xxhash

from ftops.dataset.simple import hash_of_instructions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftops.dataset.formats import Format
    from ftops.dataset.said import Said

_hash = xxhash.xxh3_64_intdigest
_SYSTEM = ("system", "developer")
_MODELS_OWN = frozenset({"messages", "tools", "parallel_tool_calls"})
"""Keys of a reinforcement row that the model sees; all others are the grader's."""


class Meaning(NamedTuple):
    """Of one row. Hashes have 64 bits; `system` is 0 without system prompt."""

    prompt: int
    answer: int
    system: int
    prompt_text: str
    """The last text before the answer that is no system prompt."""
    answer_text: str
    """What the model shall learn to say; empty if that is no text."""


def meaning_of(row: dict[str, object], format_: Format, said: Sequence[Said], line: bytes = b"") -> Meaning:
    """The meaning of any row, as far as it can be understood.

    Args:
        row: As parsed.
        format_: That it has.
        said: Its texts.
        line: What it was parsed from, which stands for a row that nests more than 254 deep: that can be parsed, but not
            be written anew.
    """
    prompt, answer, messages = _parts(row, format_)
    system = [each for each in messages if isinstance(each, dict) and each.get("role") in _SYSTEM]
    asked = [text.text for text in said if not text.is_trained and text.role not in (*_SYSTEM, "item")]
    learnt = [text.text for text in said if text.is_trained]
    return Meaning(
        _hash(_canonical(prompt, line)),
        _hash(_canonical(answer, line)),
        _system_hash(messages, system),
        asked[-1] if asked else "",
        learnt[-1] if learnt else "",
    )


def _parts(row: dict[str, object], format_: Format) -> tuple[object, object, list[object]]:
    """Prompt, answer, and the messages among which the system's are."""
    match format_:
        case "completion":
            return row.get("prompt"), row.get("completion"), []
        case "preference":
            asked = row.get("input")
            outputs = [row.get("preferred_output"), row.get("non_preferred_output")]
            return asked, outputs, _messages(asked)
        case "reinforcement":
            seen = {key: value for key, value in row.items() if key in _MODELS_OWN}
            kept = {key: value for key, value in row.items() if key not in _MODELS_OWN}
            return seen, kept, _messages(row)
        case _:
            messages = _messages(row)
            others = {key: value for key, value in row.items() if key != "messages"}
            return [messages[:-1], others], messages[-1:], messages


def _system_hash(messages: list[object], system: list[dict[str, object]]) -> int:
    """As simple rows have it where the instructions are simple, whatever else the row holds."""
    texts = [(str(each["role"]), str(each["content"])) for each in system if _is_simple(each)]
    if len(texts) == len(system) and messages[: len(system)] == system:
        return hash_of_instructions(texts)
    return _hash(_canonical(system, b"")) if system else 0


def _is_simple(message: dict[str, object]) -> bool:
    return message.keys() == {"role", "content"} and isinstance(message["content"], str) and message["content"] != ""


def _messages(value: object) -> list[object]:
    found = value.get("messages") if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def _canonical(value: object, line: bytes) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return line

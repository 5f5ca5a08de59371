"""What a row means, whatever the order of keys, blanks and escapes in which it is written: as hashes, and as texts.

A row has a prompt and an answer. The prompt is all that comes before the answer: messages, tools, system prompt. The
answer is the last message; the two outputs of a preference row; what a reinforcement row keeps for its grader; the
completion. Rows that mean the same have the same hashes; so have a row written with defaults and one without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import orjson
import xxhash

from ftops.dataset.plain import Assistant, Conversation, Developer, System

if TYPE_CHECKING:
    from ftops.dataset.formats import Format
    from ftops.dataset.said import Said

_encode = msgspec.json.Encoder().encode
_hash = xxhash.xxh3_64_intdigest
_GRADERS_OWN = frozenset({"messages", "tools", "parallel_tool_calls"})
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


def meaning_of_plain(row: Conversation) -> Meaning:
    """The meaning of a chat row that is plain (see dataset/plain.py), without tools, and ends with an answer."""
    messages = row.messages
    first, last = messages[0], messages[-1]
    system = _hash(_encode(first)) if type(first) is System or type(first) is Developer else 0
    asked = messages[-2].content if len(messages) > 1 else None
    said = last.content
    return Meaning(
        _hash(_encode(messages[:-1])),
        _hash(_encode(last)),
        system,
        asked if type(asked) is str else "",
        said if type(said) is str else "",
    )


def meaning_of(row: dict[str, object], format_: Format, said: tuple[Said, ...]) -> Meaning:
    """The meaning of any row, as far as it can be understood.

    Args:
        row: As parsed.
        format_: That it has.
        said: Its texts.
    """
    if format_ == "chat":
        try:
            plain = msgspec.convert(row, Conversation)
        except (msgspec.MsgspecError, RecursionError):
            pass
        else:
            if type(plain.messages[-1]) is Assistant and not plain.tools:
                return meaning_of_plain(plain)
    prompt, answer, system = _parts(row, format_)
    asked = [text.text for text in said if not text.is_trained and text.role not in {"system", "developer", "item"}]
    learnt = [text.text for text in said if text.is_trained]
    return Meaning(
        _hash(_canonical(prompt)),
        _hash(_canonical(answer)),
        _hash(_canonical(system)) if system else 0,
        asked[-1] if asked else "",
        learnt[-1] if learnt else "",
    )


def _parts(row: dict[str, object], format_: Format) -> tuple[object, object, object]:
    """Prompt, answer and system messages of a row."""
    match format_:
        case "completion":
            return row.get("prompt"), row.get("completion"), None
        case "preference":
            asked = row.get("input")
            messages = asked.get("messages") if isinstance(asked, dict) else None
            return asked, [row.get("preferred_output"), row.get("non_preferred_output")], _system(messages)
        case "reinforcement":
            seen = {key: value for key, value in row.items() if key in _GRADERS_OWN}
            kept = {key: value for key, value in row.items() if key not in _GRADERS_OWN}
            return seen, kept, _system(row.get("messages"))
        case _:
            messages = row.get("messages")
            if not isinstance(messages, list) or not messages:
                return row, None, None
            others = {key: value for key, value in row.items() if key != "messages"}
            return [messages[:-1], others], messages[-1], _system(messages)


def _system(messages: object) -> list[object]:
    return [
        message
        for message in (messages if isinstance(messages, list) else ())
        if isinstance(message, dict) and message.get("role") in ("system", "developer")  # also if it is no string
    ]


def _canonical(value: object) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # it nests more than 254 deep, which it reads but does not write
        return b""

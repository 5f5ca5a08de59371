"""What is said in a row, whatever its format: each text with who says it, where it stands, and whether it is learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ftops.dataset.rule import step_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.dataset.formats import Format

ARGUMENTS = ".arguments"
"""How the path of a call's arguments ends: JSON in a string, said by the assistant."""


class Said(NamedTuple):
    """One text of a row."""

    where: str
    """Path inside the row, such as `messages[2].content` or `preferred_output[0].content[1].text`."""
    role: str
    """Of the message; `prompt` or `completion`; `item` for what a reinforcement row keeps for its grader."""
    text: str
    is_trained: bool
    """The model learns to say it: an answer whose weight is not 0, the preferred output, the completion."""


def said_in(row: dict[str, object], format_: Format) -> tuple[Said, ...]:
    """Give all texts of *row* in its order, the empty ones too; of a malformed row those that can be found.

    A text is a string content, a part of text or refusal, a `refusal`, or the arguments of a call; images, names and
    the declarations of tools are none.
    """
    match format_:
        case "completion":
            found = [
                Said(key, key, text, key == "completion")
                for key in ("prompt", "completion")
                if isinstance(text := row.get(key), str)
            ]
        case "preference":
            conversation = row.get("input")
            found = [
                *(_said_by(conversation.get("messages"), "input.messages") if isinstance(conversation, dict) else ()),
                *_said_by(row.get("preferred_output"), "preferred_output", are_learnt=True),
                *_said_by(row.get("non_preferred_output"), "non_preferred_output"),
            ]
        case "reinforcement":
            found = [*_said_by(row.get("messages"), "messages"), *_kept_for_the_grader(row)]
        case _:
            found = list(_said_by(row.get("messages"), "messages", are_learnt=True))
    return tuple(found)


def _said_by(messages: object, path: str, *, are_learnt: bool = False) -> Iterator[Said]:
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        if not isinstance(message, dict):
            continue
        role = name if isinstance(name := message.get("role"), str) else ""
        # A weight that is neither 0 nor 1 is refused; until it is mended the answer counts as learnt.
        is_trained = are_learnt and role == "assistant" and message.get("weight", 1) != 0
        for where, text in _texts_of(message, f"{path}[{index}]"):
            yield Said(where, role, text, is_trained)


def _texts_of(message: dict[str, object], path: str) -> Iterator[tuple[str, str]]:
    match message.get("content"):
        case str() as text:
            yield f"{path}.content", text
        case list() as parts:
            for index, part in enumerate(parts):
                for key in ("text", "refusal") if isinstance(part, dict) else ():
                    if isinstance(found := part.get(key), str):
                        yield f"{path}.content[{index}].{key}", found
        case _:
            pass
    if isinstance(refusal := message.get("refusal"), str):
        yield f"{path}.refusal", refusal
    calls = message.get("tool_calls")
    for index, call in enumerate(calls if isinstance(calls, list) else ()):
        if isinstance(call, dict):
            yield from _arguments_of(call.get("function"), f"{path}.tool_calls[{index}].function")
    yield from _arguments_of(message.get("function_call"), f"{path}.function_call")


def _arguments_of(function: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(function, dict) and isinstance(text := function.get("arguments"), str):
        yield path + ARGUMENTS, text


def _kept_for_the_grader(row: dict[str, object]) -> Iterator[Said]:
    """Strings under the keys that are the grader's, however deep; without recursion, which deep rows would exhaust."""
    waiting = [(step_to(key)[1:], value) for key, value in reversed(row.items()) if key not in {"messages", "tools"}]
    while waiting:
        where, value = waiting.pop()
        match value:
            case str():
                yield Said(where, "item", value, is_trained=False)
            case dict():
                waiting.extend((where + step_to(key), value[key]) for key in reversed(value))
            case list():
                waiting.extend((f"{where}[{index}]", value[index]) for index in reversed(range(len(value))))
            case _:
                pass

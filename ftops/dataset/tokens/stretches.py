"""A row as its tokens are counted: one or two sequences, each of stretches that are encoded one by one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from ftops.dataset.tokens.declared import declared_tools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.dataset.formats import Format
    from ftops.dataset.tokens.base import Base

SYSTEM_ROLES = frozenset({"system", "developer"})
OUTPUTS = ("preferred_output", "non_preferred_output")


class Stretch(NamedTuple):
    """A text of a row that is encoded by itself; one of `Said` serves as well where a message is a single string."""

    where: str
    """Path inside the row, such as `messages[2].content`; empty for what the template adds."""
    kind: str
    """The role of a message, which stands for what is wrapped round it as well; or one of template.KINDS."""
    text: str
    is_trained: bool


Message = dict[str, object]

_SIMPLE = frozenset({"role", "content", "weight"})
"""Keys of a message that is its text and nothing else."""


def sequences_in(row: dict[str, object], format_: Format, base: Base) -> tuple[list[Stretch], ...]:
    """What is read when *row* is trained on: one sequence, or two of a preference row, one for each answer.

    Of a malformed row what can be found; the rules tell what is wrong with it.
    """
    match format_:
        case "completion":
            return ([_of_completion(row, key) for key in ("prompt", "completion") if isinstance(row.get(key), str)],)
        case "preference":
            given = row.get("input")
            asked = _sequence(given if isinstance(given, dict) else {}, "input.", base, learns=False)
            first, second = (
                [*asked, *_of_messages(_messages(row.get(output)), output, base, learns=True)] for output in OUTPUTS
            )
            return first, second
        case "reinforcement":
            return (_sequence(row, "", base, learns=False),)
        case _:
            return (_sequence(row, "", base, learns=True),)


def _of_completion(row: dict[str, object], key: str) -> Stretch:
    return Stretch(key, key, str(row[key]), key == "completion")


def _sequence(row: dict[str, object], prefix: str, base: Base, *, learns: bool) -> list[Stretch]:
    messages = _messages(row.get("messages"))
    key = next((key for key in ("tools", "functions") if row.get(key)), "tools")
    tools = row.get(key)
    if base.template == "openai":
        declared = [Stretch(prefix + key, kind, text, is_trained=False) for kind, text in declared_tools(tools)]
        return [*declared, *_of_messages(messages, f"{prefix}messages", base, learns=learns)]
    found = list(_of_messages(messages, f"{prefix}messages", base, learns=learns))
    has_system = bool(found) and found[0].kind in SYSTEM_ROLES
    if not has_system and (base.default_system or tools):
        found.insert(0, Stretch("", "system", base.default_system or "", is_trained=False))
    if tools:
        told = "\n".join(filter(None, (found[0].text, f"Tools: {_json(tools)}")))
        found[0] = Stretch(found[0].where, "system", told, is_trained=False)
    return found


def _messages(value: object) -> list[tuple[int, Message]]:
    found = value if isinstance(value, list) else []
    return [(index, message) for index, message in enumerate(found) if isinstance(message, dict)]


def _of_messages(messages: list[tuple[int, Message]], path: str, base: Base, *, learns: bool) -> Iterator[Stretch]:
    for index, message in messages:
        where = f"{path}[{index}]"
        role = found if isinstance(found := message.get("role"), str) else ""
        is_trained = learns and role == "assistant" and message.get("weight", 1) != 0
        content = message.get("content") or message.get("refusal") or ""
        if type(content) is str and message.keys() <= _SIMPLE:  # as most are
            yield Stretch(f"{where}.content", role, content, is_trained)
            continue
        text = content if isinstance(content, str) else "".join(_texts_of_parts(content))
        if base.template == "chatml":
            calls = (_json(message[key]) for key in ("tool_calls", "function_call") if message.get(key))
            yield Stretch(f"{where}.content", role, "\n".join(filter(None, (text, *calls))), is_trained)
            continue
        yield Stretch(f"{where}.content", role, text, is_trained)
        if isinstance(name := message.get("name"), str):
            yield Stretch(f"{where}.name", "name", name, is_trained=False)
        yield from _of_images(content, where)
        for called, call in _calls(message):
            yield Stretch(f"{where}.{called}", "call", call, is_trained)


def _texts_of_parts(content: object) -> Iterator[str]:
    for part in content if isinstance(content, list) else ():
        for key in ("text", "refusal") if isinstance(part, dict) else ():
            if isinstance(text := part.get(key), str) and text:
                yield text
                break


def _of_images(content: object, where: str) -> Iterator[Stretch]:
    for index, part in enumerate(content if isinstance(content, list) else ()):
        if isinstance(part, dict) and part.get("type") == "image_url":
            match part.get("image_url"):
                case {"detail": "low"}:
                    yield Stretch(f"{where}.content[{index}]", "image-low", "", is_trained=False)
                case _:
                    yield Stretch(f"{where}.content[{index}]", "image", "", is_trained=False)


def _calls(message: Message) -> Iterator[tuple[str, str]]:
    """Calls of functions with their place, each as its name and arguments."""
    calls = message.get("tool_calls")
    functions = [
        (f"tool_calls[{index}]", call.get("function"))
        for index, call in enumerate(calls if isinstance(calls, list) else ())
        if isinstance(call, dict)
    ]
    for where, function in (*functions, ("function_call", message.get("function_call"))):
        if isinstance(function, dict):
            yield where, f"{function.get('name', '')} {function.get('arguments', '')}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

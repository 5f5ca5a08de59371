"""The preference format of direct preference optimization: the shape of a row, and the conversation in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.dataset.calls import TOOL_RULES
from ftops.dataset.content import CONTENT_RULES, parts_of
from ftops.dataset.conversation import SHAPE_RULES, conversation_in
from ftops.dataset.images import IMAGE_RULES
from ftops.dataset.rule import Fault, Finding, breaches, did_you_mean, kind_of, rule, shown
from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTPUTS = ("preferred_output", "non_preferred_output")
ROW_KEYS = ("input", *OUTPUTS)
MISNAMED = {"preferred_completion": "preferred_output", "non_preferred_completion": "non_preferred_output"}
"""Names that OpenAI's published description gave to the outputs; the service itself never took them."""

Row = dict[str, object]


@rule(
    "data-preference-name",
    why="OpenAI's published description calls the outputs so, but the service reads `preferred_output`",
    fix="rename to `preferred_output` and `non_preferred_output`",
)
def outputs_have_their_real_names(row: Row) -> Iterator[Finding]:
    """The outputs are named as the service reads them, not as its description once said."""
    for wrong, right in MISNAMED.items():
        if wrong in row:
            yield Finding(wrong, f"must be named `{right}`")


@rule(
    "data-preference-key",
    why="a preference row holds the conversation and its two answers: what stands beside them is ignored at best",
    fix="remove the key; `tools` and `parallel_tool_calls` belong inside `input`",
    severity=Severity.WARNING,
)
def keys_are_known(row: Row) -> Iterator[Finding]:
    """A preference row has only `input`, `preferred_output` and `non_preferred_output`."""
    for key in row:
        if key not in ROW_KEYS and key not in MISNAMED:
            missing = [known for known in ROW_KEYS if known not in row]
            yield Finding("row", f"has the unknown key {shown(key)}", did_you_mean(key, missing))


@rule(
    "data-preference-input",
    why="the answers are compared as answers to one conversation",
    fix='write `"input": {"messages": […]}`',
)
def input_is_an_object(row: Row) -> Iterator[Finding]:
    """A preference row has the object `input`."""
    if "input" not in row:
        yield Finding("input", "is missing")
    elif not isinstance(row["input"], dict):
        yield Finding("input", f"must be an object, and is {kind_of(row['input'])}")


@rule(
    "data-preference-output",
    why="each output is one assistant message, which ends the conversation",
    fix='write a list of exactly one message, `[{"role": "assistant", "content": "…"}]`',
)
def outputs_are_one_assistant_message(row: Row) -> Iterator[Finding]:
    """Each output is a list of exactly one assistant message."""
    for key in OUTPUTS:
        match row.get(key, ...):
            case [dict() as message]:
                if message.get("role") != "assistant":
                    yield Finding(f"{key}[0].role", "must be `assistant`")
            case list() as messages:
                what = "must hold an object" if len(messages) == 1 else f"holds {len(messages)} messages"
                yield Finding(key, what)
            case found if found is ...:
                if not any(wrong in row for wrong, right in MISNAMED.items() if right == key):
                    yield Finding(key, "is missing")
            case found:
                yield Finding(key, f"must be a list, and is {kind_of(found)}")


@rule(
    "data-preference-text",
    why="direct preference optimization compares texts: an output may hold no call and nothing but text",
    fix="write the answer as a string in `content`",
)
def outputs_are_text(row: Row) -> Iterator[Finding]:
    """The outputs are text only, and not empty."""
    for key in OUTPUTS:
        match row.get(key):
            case [dict() as message] if message.get("role") == "assistant":
                path = f"{key}[0]"
                for other in ("tool_calls", "function_call", "audio"):
                    if message.get(other) is not None:
                        yield Finding(f"{path}.{other}", "is more than text")
                if not _is_text(message.get("content")):
                    yield Finding(f"{path}.content", "must be text that is not empty")
            case _:
                pass


@rule(
    "data-preference-image",
    why="OpenAI documents direct preference optimization for text only",
    fix="write what matters in the image as text, or train on images with `supervised`",
    severity=Severity.WARNING,
)
def input_is_text(row: Row) -> Iterator[Finding]:
    """The conversation holds no images."""
    if isinstance(conversation := row.get("input"), dict):
        for _, where, part in parts_of(conversation_in(conversation, "input.")):
            if isinstance(part, dict) and part.get("type") == "image_url":
                yield Finding(where, "is an image")


PREFERENCE_RULES = (
    outputs_have_their_real_names,
    keys_are_known,
    input_is_an_object,
    outputs_are_one_assistant_message,
    outputs_are_text,
    input_is_text,
)
CONVERSATION_RULES = (*SHAPE_RULES, *CONTENT_RULES, *IMAGE_RULES, *TOOL_RULES)


def preference_breaches(row: Row) -> Iterator[tuple[Fault, Finding]]:
    yield from breaches(PREFERENCE_RULES, row)
    if isinstance(conversation := row.get("input"), dict):
        yield from breaches(CONVERSATION_RULES, conversation_in(conversation, "input."))


def _is_text(content: object) -> bool:
    match content:
        case str():
            return content != ""
        case [*parts] if parts:
            return all(isinstance(part, dict) and part.get("type") == "text" and part.get("text") for part in parts)
        case _:
            return False

"""The rules of the supervised chat format: a conversation, and what the model is trained on in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.dataset.calls import TOOL_RULES
from ftops.dataset.content import CONTENT_RULES
from ftops.dataset.conversation import SHAPE_RULES, Conversation, conversation_in, misspelt_messages
from ftops.dataset.images import IMAGE_RULES
from ftops.dataset.rule import Fault, Finding, breaches, did_you_mean, rule, shown
from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

ROW_KEYS = ("messages", "tools", "parallel_tool_calls", "functions")


@rule(
    "data-row-key",
    why="no format for training has it: at best it is ignored, and a misspelt key loses what it holds",
    fix="remove the key; notes about a row belong outside the training file",
    severity=Severity.WARNING,
)
def row_keys_are_known(conversation: Conversation) -> Iterator[Finding]:
    """A row has only the keys of its format."""
    known_fault = misspelt_messages(conversation.value)
    for key in conversation.value:
        if key not in ROW_KEYS and key != known_fault:
            missing = [known for known in ROW_KEYS if known not in conversation.value]
            yield Finding("row", f"has the unknown key {shown(key)}", did_you_mean(key, missing))


@rule(
    "data-weight-place",
    why="`weight` says whether the model is trained on an answer, and only the assistant answers",
    fix="remove `weight` here",
)
def weights_are_the_assistants(conversation: Conversation) -> Iterator[Finding]:
    """Only assistant messages have a `weight`."""
    for message in conversation.messages:
        if "weight" in message.value and message.role not in {"assistant", None}:
            yield Finding(message.at("weight"), f"stands in a message of role `{message.role}`")


@rule(
    "data-weight-value",
    why="the model is trained on an answer or not: the provider knows no weight between",
    fix="write the whole number `0` or `1`, or leave `weight` out, which means 1",
)
def weights_are_0_or_1(conversation: Conversation) -> Iterator[Finding]:
    """A `weight` is the whole number 0 or 1."""
    for message in conversation.messages:
        weight = message.value.get("weight", 1)
        # True == 1 for Python; 1.0, as data frames write it, is a whole number for JSON Schema too.
        if message.role == "assistant" and (type(weight) not in {int, float} or weight not in {0, 1}):
            yield Finding(message.at("weight"), "must be `0` or `1`")


@rule(
    "data-no-assistant",
    why="the model is trained on what the assistant says, and here it says nothing",
    fix="add the answer that the model shall learn, as a message of role `assistant`",
)
def the_assistant_speaks(conversation: Conversation) -> Iterator[Finding]:
    """A row has at least one assistant message."""
    if conversation.is_sound and all(message.role != "assistant" for message in conversation.messages):
        yield Finding(conversation.at("messages"), "has no assistant message")


@rule(
    "data-nothing-to-train",
    why="a row whose answers all have weight 0 is paid for, and trains nothing",
    fix="give at least one answer weight 1, or remove the row",
    severity=Severity.WARNING,
)
def something_is_trained(conversation: Conversation) -> Iterator[Finding]:
    """Not every assistant message has weight 0."""
    weights = [message.value.get("weight", 1) for message in conversation.messages if message.role == "assistant"]
    if weights and all(weight == 0 for weight in weights):
        yield Finding(conversation.at("messages"), "has weight 0 in every assistant message")


@rule(
    "data-last-message",
    why="what comes after the last answer is never trained on, and Microsoft's checks refuse such a row",
    fix="end the row with the assistant's answer",
)
def the_assistant_speaks_last(conversation: Conversation) -> Iterator[Finding]:
    """The last message is the assistant's."""
    if conversation.is_sound and any(message.role == "assistant" for message in conversation.messages):
        last = conversation.messages[-1]
        if last.role != "assistant":
            yield Finding(last.at("role"), f"is `{last.role}`, and the last message must be the assistant's")


@rule(
    "data-system-not-first",
    why="instructions that come late are rare in use, so that the model learns what it will not meet",
    fix="move the message to the beginning, unless the application does the same",
    severity=Severity.WARNING,
)
def the_system_speaks_first(conversation: Conversation) -> Iterator[Finding]:
    """System and developer messages come before all others."""
    others_spoke = False
    for message in conversation.messages:
        if message.role not in {"system", "developer"}:
            others_spoke = True
        elif others_spoke:
            yield Finding(message.at("role"), f"is `{message.role}` after other messages")


CHAT_RULES = (
    *SHAPE_RULES,
    *CONTENT_RULES,
    *IMAGE_RULES,
    *TOOL_RULES,
    row_keys_are_known,
    weights_are_the_assistants,
    weights_are_0_or_1,
    the_assistant_speaks,
    something_is_trained,
    the_assistant_speaks_last,
    the_system_speaks_first,
)


def chat_breaches(row: dict[str, object]) -> Iterator[tuple[Fault, Finding]]:
    return breaches(CHAT_RULES, conversation_in(row))

"""The reinforcement format: a prompt to answer, and beside it whatever the grader reads as `item.…`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.dataset.calls import CALL_RULES
from ftops.dataset.content import CONTENT_RULES
from ftops.dataset.conversation import SHAPE_RULES, Conversation, conversation_in
from ftops.dataset.images import IMAGE_RULES
from ftops.dataset.rule import Fault, Finding, breaches, rule
from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMPT_ENDS = ("user", "developer")


@rule(
    "data-last-prompt",
    why="in reinforcement fine-tuning the model writes the answer itself, and a grader scores it",
    fix="end with the prompt, and keep the expected answer under a key of its own, which the grader reads as `item.…`",
)
def the_prompt_comes_last(conversation: Conversation) -> Iterator[Finding]:
    """The last message is the user's or the developer's."""
    if conversation.is_sound:
        last = conversation.messages[-1]
        if last.role not in PROMPT_ENDS:
            yield Finding(last.at("role"), f"is `{last.role}`, and the last message must be the user's")


@rule(
    "data-prompt-role",
    why="models that reason take instructions as `developer`; the published description of these rows has no other",
    fix="write `developer` for `system`, and `tool` for `function`",
    severity=Severity.WARNING,
)
def instructions_are_the_developers(conversation: Conversation) -> Iterator[Finding]:
    """No message has the role `system` or `function`."""
    for message in conversation.messages:
        if message.role in {"system", "function"}:
            yield Finding(message.at("role"), f"is `{message.role}`")


REINFORCEMENT_RULES = (
    *SHAPE_RULES,
    *CONTENT_RULES,
    *IMAGE_RULES,
    *CALL_RULES,
    the_prompt_comes_last,
    instructions_are_the_developers,
)
"""Without those about other keys than `messages` and `tools`: all else belongs to the grader."""


def reinforcement_breaches(row: dict[str, object]) -> Iterator[tuple[Fault, Finding]]:
    return breaches(REINFORCEMENT_RULES, conversation_in(row))

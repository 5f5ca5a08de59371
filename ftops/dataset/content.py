"""Rules about the content of messages: text, parts of text and images, or nothing where a call speaks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.dataset.rule import Finding, kind_of, rule, shown
from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.dataset.conversation import Conversation, Message


@rule(
    "data-content-missing",
    why="only an assistant message that calls a tool or refuses may come without content",
    fix="give the message its `content`, or remove the message",
)
def content_is_present(conversation: Conversation) -> Iterator[Finding]:
    """A message has content, unless it is the assistant's and calls a tool or refuses."""
    for message in conversation.messages:
        content = message.value.get("content", ...)
        if content is ... and message.role is not None and not _speaks_otherwise(message):
            yield Finding(message.at("content"), "is missing")
        if content is None and message.role not in {"function", None} and not _speaks_otherwise(message):
            yield Finding(message.at("content"), "is null")


@rule(
    "data-content-type",
    why="content is a string, or a list of parts such as text and images; a refusal is a string",
    fix='write a string, or a list such as `[{"type": "text", "text": "…"}]`',
)
def content_is_text_or_parts(conversation: Conversation) -> Iterator[Finding]:
    """Content is a string or a list of parts, and a refusal is a string."""
    for message in conversation.messages:
        content = message.value.get("content")
        if content is not None and not isinstance(content, str | list):
            yield Finding(message.at("content"), f"must be a string or a list of parts, and is {kind_of(content)}")
        refusal = message.value.get("refusal")
        if message.role == "assistant" and refusal is not None and not isinstance(refusal, str):
            yield Finding(message.at("refusal"), f"must be a string, and is {kind_of(refusal)}")


@rule(
    "data-content-empty",
    why="an empty message teaches the model to say nothing, and Microsoft's checks refuse it",
    fix="write the content, or remove the row",
)
def content_is_not_empty(conversation: Conversation) -> Iterator[Finding]:
    """Content is not empty, except beside a call, and as the answer of a tool that returns nothing."""
    for message in conversation.messages:
        may_be_empty = message.role in {"tool", "function"} or _speaks_otherwise(message)
        content = message.value.get("content")
        if content == [] or (content == "" and not may_be_empty):
            yield Finding(message.at("content"), "is empty")


@rule(
    "data-content-blank",
    why="a message of nothing but blanks most often comes from an empty field, and an answer of it is learnt",
    fix="write the content, or remove the row",
    severity=Severity.WARNING,
)
def content_is_not_blank(conversation: Conversation) -> Iterator[Finding]:
    """Content of users and of the assistant is not only blanks and line feeds."""
    for message in conversation.messages:
        content = message.value.get("content")
        if message.role in {"user", "assistant"} and isinstance(content, str) and content.isspace():
            yield Finding(message.at("content"), "holds nothing but blanks")
    for message, where, part in parts_of(conversation):
        text = part.get("text") if isinstance(part, dict) else None
        if message.role in {"user", "assistant"} and isinstance(text, str) and text.isspace():
            yield Finding(f"{where}.text", "holds nothing but blanks")


@rule(
    "data-content-part",
    why='a part is `{"type": "text", "text": "…"}` or `{"type": "image_url", "image_url": {"url": "…"}}`',
    fix="write the part in one of these forms",
)
def parts_are_well_formed(conversation: Conversation) -> Iterator[Finding]:
    """Each part of a content list is text, an image, or the assistant's refusal."""
    for message, where, part in parts_of(conversation):
        if not isinstance(part, dict):
            yield Finding(where, f"must be an object, and is {kind_of(part)}")
            continue
        match part.get("type"):
            case "text" if not isinstance(part.get("text"), str):
                yield Finding(f"{where}.text", "must be a string")
            case "text" if not part["text"]:
                yield Finding(f"{where}.text", "is empty")
            case "refusal" if message.role != "assistant" or not isinstance(part.get("refusal"), str):
                yield Finding(where, "must be an assistant's refusal in a string")
            case "text" | "refusal" | "image_url":
                pass
            case "input_audio" | "file" if message.role == "user":
                pass  # which a rule of their own looks at
            case kind:
                yield Finding(f"{where}.type", f"is {shown(kind)}" if "type" in part else "is missing")


@rule(
    "data-content-kind",
    why="OpenAI's published description of rows allows it, but its guides tell of training with text and images only",
    fix="write what the file or the recording says as text",
    severity=Severity.WARNING,
)
def parts_are_text_or_images(conversation: Conversation) -> Iterator[Finding]:
    """Users send text and images, and neither recordings nor files."""
    for message, where, part in parts_of(conversation):
        kind = part.get("type") if isinstance(part, dict) and message.role == "user" else None
        if isinstance(kind, str) and kind in {"input_audio", "file"}:
            yield Finding(f"{where}.type", f"is {shown(kind)}")


def parts_of(conversation: Conversation) -> Iterator[tuple[Message, str, object]]:
    """The parts of all lists of content, each with its message and its path."""
    for message in conversation.messages:
        if isinstance(content := message.value.get("content"), list):
            for index, part in enumerate(content):
                yield message, message.at(f"content[{index}]"), part


def _speaks_otherwise(message: Message) -> bool:
    return message.calls_something or (message.role == "assistant" and bool(message.value.get("refusal")))


CONTENT_RULES = (
    content_is_present,
    content_is_text_or_parts,
    content_is_not_empty,
    content_is_not_blank,
    parts_are_well_formed,
    parts_are_text_or_images,
)

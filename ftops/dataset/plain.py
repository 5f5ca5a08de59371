"""What good rows look like, as types: rows that fit pass at the speed of parsing, without a rule being run.

These types only save time. Whatever they do not accept goes through the rules, which alone decide; and what they do
accept, no rule may object to (a property that the tests hold them to).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec
import orjson
from msgspec import Meta

from ftops.dataset.calls import TOOL_RULES
from ftops.dataset.conversation import conversation_in
from ftops.dataset.images import IMAGES_MAX, WEB_IMAGE_URL
from ftops.dataset.rule import breaches
from ftops.dataset.tools import FUNCTION_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_Text = Annotated[str, Meta(min_length=1)]
_FunctionName = Annotated[str, Meta(pattern=FUNCTION_NAME)]


class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Base of what holds no cycles, so that the garbage collector need not look at it."""


class _TextPart(_Plain, tag_field="type", tag="text"):
    text: _Text


class _Image(_Plain):
    url: Annotated[str, Meta(pattern=WEB_IMAGE_URL)]
    detail: Literal["auto", "low", "high"] = "auto"


class _ImagePart(_Plain, tag_field="type", tag="image_url"):
    image_url: _Image


_Texts = Annotated[list[_TextPart], Meta(min_length=1)]
_Parts = Annotated[list[_TextPart | _ImagePart], Meta(min_length=1)]


class _Called(_Plain):
    name: _FunctionName
    arguments: str


class _Call(_Plain):
    id: _Text
    type: Literal["function"]
    function: _Called


class System(_Plain, tag_field="role", tag="system"):
    """Instructions."""

    content: _Text | _Texts


class Developer(_Plain, tag_field="role", tag="developer"):
    """Instructions, by their newer name."""

    content: _Text | _Texts


class User(_Plain, tag_field="role", tag="user"):
    """A prompt."""

    content: _Text | _Parts
    name: _Text | msgspec.UnsetType = msgspec.UNSET


class Assistant(_Plain, tag_field="role", tag="assistant"):
    """An answer, or calls of functions."""

    content: _Text | _Texts | None = None
    weight: Literal[0, 1] = 1
    tool_calls: Annotated[list[_Call], Meta(min_length=1)] | msgspec.UnsetType = msgspec.UNSET


class Tool(_Plain, tag_field="role", tag="tool"):
    """The answer of a function."""

    tool_call_id: str
    content: str | _Texts


class _Function(_Plain):
    name: _FunctionName
    description: msgspec.Raw = msgspec.Raw()
    parameters: msgspec.Raw = msgspec.Raw()
    strict: msgspec.Raw = msgspec.Raw()


class _ToolDeclared(_Plain):
    type: Literal["function"]
    function: _Function


Message: TypeAlias = System | Developer | User | Assistant | Tool


class Conversation(_Plain):
    """A row of the chat format, and the input of a preference row."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    tools: list[_ToolDeclared] = []
    parallel_tool_calls: bool = True


class _TextAnswer(_Plain):
    role: Literal["assistant"]
    content: _Text | _Texts


_OneAnswer = Annotated[list[_TextAnswer], Meta(min_length=1, max_length=1)]


class Preference(_Plain):
    """A row of the preference format."""

    input: Conversation
    preferred_output: _OneAnswer
    non_preferred_output: _OneAnswer


class _Prompt(_Plain, forbid_unknown_fields=False):
    messages: Annotated[list[Message], Meta(min_length=1)]
    tools: list[object] | msgspec.UnsetType = msgspec.UNSET


class _Completion(_Plain):
    prompt: _Text
    completion: _Text


_decode_chat = msgspec.json.Decoder(Conversation).decode
_decode_preference = msgspec.json.Decoder(Preference).decode
_decode_completion = msgspec.json.Decoder(_Completion).decode


def is_plain_chat(line: bytes) -> bool:
    """Whether *line* is a good row of supervised training that needs no closer look; False says nothing about it."""
    try:
        row = _decode_chat(line)
    except _REFUSED:
        return False
    last = row.messages[-1]
    if type(last) is not Assistant or last.weight == 0:
        return False
    return _instructions_come_first(row.messages) and _is_plain(row, line)


def is_plain_preference(line: bytes) -> bool:
    """Whether *line* is a good preference row that needs no closer look; False says nothing about it."""
    try:
        row = _decode_preference(line)
    except _REFUSED:
        return False
    if any(_has_image(message) for message in row.input.messages):
        return False
    return _is_plain(row.input, line) and not (_is_odd(row.preferred_output) or _is_odd(row.non_preferred_output))


def is_plain_reinforcement(line: bytes) -> bool:
    """Whether *line* is a good reinforcement row that needs no closer look; False says nothing about it.

    What the grader reads may be anything, so that the whole line is parsed to see that it is JSON.
    """
    try:
        row = msgspec.convert(orjson.loads(line), _Prompt)
    except (*_REFUSED, orjson.JSONDecodeError):
        return False
    ends_in_prompt = type(row.messages[-1]) in {User, Developer}
    if any(type(message) is System for message in row.messages):
        return False
    return ends_in_prompt and row.tools is msgspec.UNSET and _is_good_without_calls(row.messages)


def is_plain_completion(line: bytes) -> bool:
    """Whether *line* is a good row of prompt and completion that needs no closer look; False says nothing about it."""
    try:
        row = _decode_completion(line)
    except _REFUSED:
        return False
    return not (row.prompt.isspace() or row.completion.isspace())


def _is_plain(conversation: Conversation, line: bytes) -> bool:
    if not conversation.tools:
        return _is_good_without_calls(conversation.messages)
    # What is declared as Raw was skipped, not read: only a parser tells whether it is JSON.
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    value = row if "tools" in row else row["input"]
    if any(breaches(TOOL_RULES, conversation_in(value))):
        return False
    is_silent = any(
        type(message) is Assistant and message.content is None and not message.tool_calls
        for message in conversation.messages
    )
    return not is_silent and not _is_odd(conversation.messages)


def _instructions_come_first(messages: Sequence[Message]) -> bool:
    others_spoke = False
    for message in messages:
        if type(message) is not System and type(message) is not Developer:
            others_spoke = True
        elif others_spoke:
            return False
    return True


def _is_good_without_calls(messages: Sequence[Message]) -> bool:
    """Whether nothing is called, and the assistant is never silent."""
    for message in messages:
        if type(message) is Tool or (type(message) is Assistant and (message.tool_calls or message.content is None)):
            return False
    return not _is_odd(messages)


def _has_image(message: Message) -> bool:
    return isinstance(message.content, list) and any(isinstance(part, _ImagePart) for part in message.content)


def _is_odd(messages: Sequence[Message | _TextAnswer]) -> bool:
    """Whether a text is blank, or images are too many."""
    images = 0
    for message in messages:
        content = message.content
        if isinstance(content, str):
            if content.isspace():
                return True
            continue
        for part in content or ():
            if isinstance(part, _ImagePart):
                images += 1
            elif part.text.isspace():
                return True
    return images > IMAGES_MAX

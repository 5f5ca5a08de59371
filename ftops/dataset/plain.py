"""What good rows look like, as types: rows that fit pass at the speed of parsing, without a rule being run.

These types only save time. Whatever they do not accept goes through the rules, which alone decide; and what they do
accept, no rule may object to (a property that the tests hold them to).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec
import orjson
from msgspec import Meta

from ftops.dataset.content import IMAGE_URL
from ftops.dataset.tools import FUNCTION_NAME, is_json_object

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
    url: Annotated[str, Meta(pattern=IMAGE_URL)]
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
    content: _Text | _Texts


class Developer(_Plain, tag_field="role", tag="developer"):
    content: _Text | _Texts


class User(_Plain, tag_field="role", tag="user"):
    content: _Text | _Parts
    name: _Text | msgspec.UnsetType = msgspec.UNSET


class Assistant(_Plain, tag_field="role", tag="assistant"):
    content: _Text | _Texts | None = None
    weight: Literal[0, 1] = 1
    tool_calls: Annotated[list[_Call], Meta(min_length=1)] | msgspec.UnsetType = msgspec.UNSET


class Tool(_Plain, tag_field="role", tag="tool"):
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
    messages: Annotated[list[Message], Meta(min_length=1)]
    tools: list[_ToolDeclared] = []
    parallel_tool_calls: bool = True


class _TextAnswer(_Plain):
    role: Literal["assistant"]
    content: _Text | _Texts


_OneAnswer = Annotated[list[_TextAnswer], Meta(min_length=1, max_length=1)]


class Preference(_Plain):
    input: Conversation
    preferred_output: _OneAnswer
    non_preferred_output: _OneAnswer


_decode_chat = msgspec.json.Decoder(Conversation).decode
_decode_chats = msgspec.json.Decoder(Conversation).decode_lines
_decode_preference = msgspec.json.Decoder(Preference).decode


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


def plain_chats(lines: bytes) -> list[Conversation] | None:
    """All rows of *lines*, if every line is a row that looks plain by its types; blank lines give none.

    Whether `is_good_chat` holds for each is to be asked yet.
    """
    try:
        return _decode_chats(lines)
    except _REFUSED:
        return None


def is_good_chat(row: Conversation) -> bool:
    """Whether what types cannot say holds as well, of a row without tools."""
    last = row.messages[-1]
    if type(last) is not Assistant or last.weight == 0 or row.tools:
        return False
    return _instructions_come_first(row.messages) and _calls_are_answered(row.messages)


def is_plain_preference(line: bytes) -> bool:
    """Whether *line* is a good preference row that needs no closer look; False says nothing about it."""
    try:
        row = _decode_preference(line)
    except _REFUSED:
        return False
    return _is_plain(row.input, line)


def _is_plain(conversation: Conversation, line: bytes) -> bool:
    if conversation.tools:
        # What is declared as Raw was skipped, not read: only a parser tells whether it is JSON.
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            return False
        tools = (row if "tools" in row else row["input"])["tools"]
        if not all(isinstance(tool["function"].get("parameters", {}), dict) for tool in tools):
            return False
    return _calls_are_answered(conversation.messages)


def _instructions_come_first(messages: Sequence[Message]) -> bool:
    others_spoke = False
    for message in messages:
        if type(message) is not System and type(message) is not Developer:
            others_spoke = True
        elif others_spoke:
            return False
    return True


def _calls_are_answered(messages: Sequence[Message]) -> bool:
    """Whether calls are whole and answered at once, and the assistant is not silent where it calls nothing."""
    waiting: set[str] = set()
    for message in messages:
        if type(message) is Tool:
            if message.tool_call_id not in waiting:
                return False
            waiting.remove(message.tool_call_id)
        elif waiting:
            return False
        elif type(message) is Assistant:
            if message.tool_calls:
                if not all(is_json_object(call.function.arguments) for call in message.tool_calls):
                    return False
                waiting = {call.id for call in message.tool_calls}
            elif message.content is None:
                return False
    return True

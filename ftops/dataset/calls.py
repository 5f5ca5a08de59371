"""Rules about calls of tools: their form, what they are held against, and how each is answered."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

import orjson

from ftops.dataset.rule import Finding, kind_of, rule, shown
from ftops.dataset.schema import read_schema, violations
from ftops.dataset.tools import (
    DECLARATION_RULES,
    declared_in,
    functions_are_well_formed,
    parallel_tool_calls_is_a_flag,
)
from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.dataset.conversation import Conversation, Message

CALLS_HELD_MAX = 200
"""Calls of a row that are held against the schemas of their tools."""

_LEAVE_OUT = "leave `tool_calls` out of a message that calls no tool"
_ARGUMENTS_FIX = 'write the arguments as a string, such as `"{\\"city\\": \\"Oslo\\"}"`; `"{}"` if there are none'


@rule(
    "data-tool-calls",
    why="the model learns to write calls in the form in which the API gives them",
    fix='write a list of `{"id": "…", "type": "function", "function": {"name": "…", "arguments": "{…}"}}`',
)
def tool_calls_are_well_formed(conversation: Conversation) -> Iterator[Finding]:
    """`tool_calls` is a list of calls, each with id, type and function."""
    for message in conversation.messages:
        if message.role != "assistant" or "tool_calls" not in message.value:
            continue
        calls = message.value["tool_calls"]
        if not isinstance(calls, list):
            what = f"must be a list, and is {kind_of(calls)}"
            yield Finding(message.at("tool_calls"), what, _LEAVE_OUT)
            continue
        for index, call in enumerate(calls):
            where = message.at(f"tool_calls[{index}]")
            if not isinstance(call, dict):
                yield Finding(where, f"must be an object, and is {kind_of(call)}")
                continue
            if not isinstance(call.get("id"), str):
                yield Finding(f"{where}.id", "must be a string")
            if call.get("type") != "function":
                yield Finding(f"{where}.type", "must be `function`")
            yield from _called_findings(call.get("function"), f"{where}.function")


@rule(
    "data-tool-calls-empty",
    why="a message that calls nothing has no `tool_calls`: the chat API refuses an empty list",
    fix=_LEAVE_OUT,
    severity=Severity.WARNING,
)
def tool_calls_are_not_empty(conversation: Conversation) -> Iterator[Finding]:
    """`tool_calls` holds at least one call."""
    for message in conversation.messages:
        if message.role == "assistant" and message.value.get("tool_calls") == []:
            yield Finding(message.at("tool_calls"), "is empty")


@rule(
    "data-function-call",
    why="`function_call` is the deprecated form of `tool_calls`, still read by the provider",
    fix='write `{"name": "…", "arguments": "{…}"}`, or better use `tool_calls`',
)
def function_calls_are_well_formed(conversation: Conversation) -> Iterator[Finding]:
    """`function_call`, if not null, is an object with the function's name."""
    for message in conversation.messages:
        if message.role == "assistant" and (call := message.value.get("function_call")) is not None:
            yield from _called_findings(call, message.at("function_call"))


@rule(
    "data-tool-arguments",
    why="the API gives the arguments of a call as a string that holds JSON, and takes them so",
    fix=_ARGUMENTS_FIX,
)
def arguments_are_a_string(conversation: Conversation) -> Iterator[Finding]:
    """A call has arguments, which are a string."""
    for message in conversation.messages:
        for where, function in _called(message):
            arguments = function.get("arguments", ...)
            if arguments is ...:
                yield Finding(f"{where}.arguments", "is missing")
            elif not isinstance(arguments, str):
                yield Finding(f"{where}.arguments", f"must be a string, and is {kind_of(arguments)}")


@rule(
    "data-tool-arguments-json",
    why="the model learns to write arguments that no program can read; the provider takes them as they are",
    fix=_ARGUMENTS_FIX,
    severity=Severity.WARNING,
)
def arguments_hold_json(conversation: Conversation) -> Iterator[Finding]:
    """The arguments of a call hold a JSON object."""
    for message in conversation.messages:
        for where, function in _called(message):
            if isinstance(arguments := function.get("arguments"), str) and not is_json_object(arguments):
                yield Finding(f"{where}.arguments", "holds no JSON object")


@rule(
    "data-tool-call-id",
    why="a tool's message says by `tool_call_id` which call it answers",
    fix="give it the `id` of the call, as the assistant's message before it has it",
)
def tool_messages_name_a_call(conversation: Conversation) -> Iterator[Finding]:
    """A tool message has a `tool_call_id`, which is a string."""
    for message in conversation.messages:
        if message.role != "tool":
            continue
        match message.value.get("tool_call_id", ...):
            case str():
                pass
            case found if found is ...:
                yield Finding(message.at("tool_call_id"), "is missing")
            case found:
                yield Finding(message.at("tool_call_id"), f"must be a string, and is {kind_of(found)}")


@rule(
    "data-tool-answer",
    why="the chat API refuses a tool's message that answers no call, so that the model never meets one in use",
    fix="keep the assistant's message with the call, or give both the same id",
    severity=Severity.WARNING,
)
def tool_messages_answer_a_call(conversation: Conversation) -> Iterator[Finding]:
    """A tool message has the id of a call that was made before it."""
    made: set[str] = set()
    for message in conversation.messages:
        made.update(_call_ids(message))
        id_ = message.value.get("tool_call_id")
        if message.role == "tool" and isinstance(id_, str) and id_ not in made:
            yield Finding(message.at("tool_call_id"), "answers no call that was made before it")


@rule(
    "data-call-unanswered",
    why="the chat API refuses a conversation that goes on before every call has its tool message",
    fix="put a `tool` message for each call right after it, or end the example with the calls",
    severity=Severity.WARNING,
)
def calls_are_answered(conversation: Conversation) -> Iterator[Finding]:
    """Each call is answered before somebody else speaks, unless the example ends with it."""
    caller: Message | None = None
    waiting: set[str] = set()
    for message in conversation.messages if conversation.is_sound else ():
        if message.role == "tool":
            if isinstance(id_ := message.value.get("tool_call_id"), str):
                waiting.discard(id_)
            continue
        if caller and waiting:
            yield Finding(caller.at("tool_calls"), f"has {len(waiting)} without an answer")
        caller, waiting = message, set(_call_ids(message))


@rule(
    "data-tool-call-repeated",
    why="an answer names its call by id, so that two calls of one id cannot be told apart",
    fix="give each call of a row an id of its own",
    severity=Severity.WARNING,
)
def call_ids_are_unique(conversation: Conversation) -> Iterator[Finding]:
    """No two calls of a row have the same id."""
    seen: set[str] = set()
    for message in conversation.messages:
        for id_, count in Counter(_call_ids(message)).items():
            if count > 1 or id_ in seen:
                yield Finding(message.at("tool_calls"), "has the id of another call")
            seen.add(id_)


@rule(
    "data-tool-undeclared",
    why="the model learns to call what it was not offered, and will make up functions when in use",
    fix="declare the function under `tools`, with the name by which it is called",
    severity=Severity.WARNING,
)
def calls_are_declared(conversation: Conversation) -> Iterator[Finding]:
    """Each function that is called is declared under `tools` or `functions`."""
    declared = {each.name for each in declared_in(conversation)}
    for message in conversation.messages:
        for where, function in _called(message):
            if isinstance(name := function.get("name"), str) and name not in declared:
                yield Finding(f"{where}.name", f"is {shown(name)}, which the row does not declare")


@rule(
    "data-tool-violation",
    why="the model learns calls that its own tool would refuse",
    fix="mend the arguments, or the schema if it asks for too much",
    severity=Severity.WARNING,
)
def arguments_fit_the_schema(conversation: Conversation) -> Iterator[Finding]:
    """The arguments of a call are valid against the parameters that its function declares."""
    schemas = {
        each.name: read_schema(each.parameters) for each in declared_in(conversation) if each.parameters is not None
    }
    calls = (call for message in conversation.messages for call in _called(message)) if schemas else ()
    for where, function in islice(calls, CALLS_HELD_MAX):
        name, arguments = function.get("name"), function.get("arguments")
        if isinstance(name, str) and name in schemas and isinstance(arguments, str):
            for broken in violations(schemas[name], arguments):
                yield Finding(f"{where}.arguments", f"break the parameters of {shown(name)} at {shown(broken)}")


@rule(
    "data-parallel-calls",
    why="the row says that calls are made one at a time, and shows the model the opposite",
    fix="set `parallel_tool_calls` to true, or spread the calls over several messages",
    severity=Severity.WARNING,
)
def calls_are_parallel_only_where_allowed(conversation: Conversation) -> Iterator[Finding]:
    """A message makes several calls only if `parallel_tool_calls` is not false."""
    if conversation.value.get("parallel_tool_calls") is False:
        for message in conversation.messages:
            if (count := sum(1 for _ in _call_ids(message))) > 1:
                yield Finding(message.at("tool_calls"), f"has {count} calls, and `parallel_tool_calls` is false")


def is_json_object(text: str) -> bool:
    """Whether the arguments of a call are what the model shall learn to write."""
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _called_findings(function: object, where: str) -> Iterator[Finding]:
    """Check the name in *function*, which may be any string: what is declared has stricter names."""
    if not isinstance(function, dict):
        yield Finding(where, f"must be an object, and is {kind_of(function)}")
    elif not isinstance(function.get("name"), str):
        yield Finding(f"{where}.name", "must be a string")


def _called(message: Message) -> Iterator[tuple[str, dict[str, object]]]:
    """Functions that an assistant message calls, each with its path."""
    if message.role != "assistant":
        return
    if isinstance(calls := message.value.get("tool_calls"), list):
        for index, call in enumerate(calls):
            if isinstance(call, dict) and isinstance(function := call.get("function"), dict):
                yield message.at(f"tool_calls[{index}].function"), function
    if isinstance(function := message.value.get("function_call"), dict):
        yield message.at("function_call"), function


def _call_ids(message: Message) -> Iterator[str]:
    calls = message.value.get("tool_calls") if message.role == "assistant" else None
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict) and isinstance(id_ := call.get("id"), str):
            yield id_


CALL_RULES = (
    *DECLARATION_RULES,
    tool_calls_are_well_formed,
    tool_calls_are_not_empty,
    function_calls_are_well_formed,
    arguments_are_a_string,
    arguments_hold_json,
    tool_messages_name_a_call,
    tool_messages_answer_a_call,
    calls_are_answered,
    call_ids_are_unique,
    calls_are_declared,
    arguments_fit_the_schema,
    calls_are_parallel_only_where_allowed,
)
"""Of every format that has messages."""
TOOL_RULES = (functions_are_well_formed, parallel_tool_calls_is_a_flag, *CALL_RULES)
"""Where the row's other keys are the provider's too."""

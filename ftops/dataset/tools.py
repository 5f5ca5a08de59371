"""Rules about tools: how they are declared, how the assistant calls them, and how each call is answered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

from ftops.dataset.rule import Finding, kind_of, rule
from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.dataset.conversation import Conversation, Message

FUNCTIONS_MAX = 128
"""Source: FineTuneChatRequestInput of openai-openapi (2025-05-20)."""

FUNCTION_NAME = r"^[A-Za-z0-9_-]{1,64}\Z"
"""Source: FunctionObject of openai-openapi (2025-05-20)."""

_FUNCTION_NAME = re.compile(FUNCTION_NAME)
_NAME_RULE = "must be 1 to 64 letters, digits, `_` or `-`"


@rule(
    "data-tools",
    why="the model learns its calls together with the tools that it may choose from",
    fix='write each as `{"type": "function", "function": {"name": "…", "parameters": {…}}}`',
)
def tools_are_well_formed(conversation: Conversation) -> Iterator[Finding]:
    """`tools` is a list of functions, each with a name and perhaps parameters."""
    tools = conversation.value.get("tools", [])
    if not isinstance(tools, list):
        yield Finding(conversation.at("tools"), f"must be a list, and is {kind_of(tools)}")
        return
    for index, tool in enumerate(tools):
        where = conversation.at(f"tools[{index}]")
        if not isinstance(tool, dict):
            yield Finding(where, f"must be an object, and is {kind_of(tool)}")
            continue
        if tool.get("type") != "function":
            yield Finding(f"{where}.type", "must be `function`")
        yield from _function_findings(tool.get("function"), f"{where}.function")


@rule(
    "data-functions",
    why="`functions` is the deprecated form of `tools`, still read by the provider",
    fix='write 1 to 128 functions as `{"name": "…", "parameters": {…}}`, or better use `tools`',
)
def functions_are_well_formed(conversation: Conversation) -> Iterator[Finding]:
    """`functions` is a list of 1 to 128 functions, each with a name and perhaps parameters."""
    functions = conversation.value.get("functions", ...)
    if functions is ...:
        return
    if not isinstance(functions, list) or not 1 <= len(functions) <= FUNCTIONS_MAX:
        yield Finding(conversation.at("functions"), f"must be a list of 1 to {FUNCTIONS_MAX} functions")
        return
    for index, function in enumerate(functions):
        yield from _function_findings(function, conversation.at(f"functions[{index}]"))


@rule(
    "data-parallel-tool-calls",
    why="the flag says whether the model may call several tools at once",
    fix="write `true` or `false`, or leave it out",
)
def parallel_tool_calls_is_a_flag(conversation: Conversation) -> Iterator[Finding]:
    """`parallel_tool_calls` is true or false."""
    flag = conversation.value.get("parallel_tool_calls", False)
    if not isinstance(flag, bool):
        yield Finding(conversation.at("parallel_tool_calls"), f"must be true or false, and is {kind_of(flag)}")


@rule(
    "data-tool-calls",
    why="the model learns to write calls in the form in which the API gives them",
    fix='write a list of `{"id": "…", "type": "function", "function": {"name": "…", "arguments": "{…}"}}`',
)
def tool_calls_are_well_formed(conversation: Conversation) -> Iterator[Finding]:
    """`tool_calls` is a list of at least one call, each with id, type and function."""
    for message in conversation.messages:
        if message.role != "assistant" or "tool_calls" not in message.value:
            continue
        calls = message.value["tool_calls"]
        if not isinstance(calls, list) or not calls:
            what = "is empty" if calls == [] else f"must be a list, and is {kind_of(calls)}"
            yield Finding(message.at("tool_calls"), what, "leave `tool_calls` out of a message that calls no tool")
            continue
        for index, call in enumerate(calls):
            where = message.at(f"tool_calls[{index}]")
            if not isinstance(call, dict):
                yield Finding(where, f"must be an object, and is {kind_of(call)}")
                continue
            if not isinstance(id_ := call.get("id"), str) or not id_:
                yield Finding(f"{where}.id", "must be a string that is not empty")
            if call.get("type") != "function":
                yield Finding(f"{where}.type", "must be `function`")
            yield from _name_findings(call.get("function"), f"{where}.function")


@rule(
    "data-function-call",
    why="`function_call` is the deprecated form of `tool_calls`, still read by the provider",
    fix='write `{"name": "…", "arguments": "{…}"}`, or better use `tool_calls`',
)
def function_calls_are_well_formed(conversation: Conversation) -> Iterator[Finding]:
    """`function_call`, if not null, is an object with the function's name."""
    for message in conversation.messages:
        if message.role == "assistant" and (call := message.value.get("function_call")) is not None:
            yield from _name_findings(call, message.at("function_call"))


@rule(
    "data-tool-arguments",
    why="arguments are a JSON object written into a string; what is not would be learnt as it stands",
    fix='write the arguments as a string, such as `"{\\"city\\": \\"Oslo\\"}"`; `"{}"` if there are none',
)
def arguments_are_json_in_a_string(conversation: Conversation) -> Iterator[Finding]:
    """The arguments of a call are a string that holds a JSON object."""
    for message in conversation.messages:
        for where, function in _called(message):
            arguments = function.get("arguments", ...)
            if arguments is ...:
                yield Finding(f"{where}.arguments", "is missing")
            elif not isinstance(arguments, str):
                yield Finding(f"{where}.arguments", f"must be a string, and is {kind_of(arguments)}")
            elif not is_json_object(arguments):
                yield Finding(f"{where}.arguments", "must hold a JSON object")


@rule(
    "data-tool-call-id",
    why="a tool's message says by `tool_call_id` which call it answers",
    fix="give it the `id` of the call, as the assistant's message before it has it",
)
def tool_messages_answer_a_call(conversation: Conversation) -> Iterator[Finding]:
    """A tool message has the id of a call that was made before it."""
    made: set[str] = set()
    for message in conversation.messages:
        made.update(_call_ids(message))
        if message.role != "tool":
            continue
        match message.value.get("tool_call_id", ...):
            case str() as id_:
                if id_ not in made:
                    yield Finding(message.at("tool_call_id"), "answers no call that was made before it")
            case found if found is ...:
                yield Finding(message.at("tool_call_id"), "is missing")
            case found:
                yield Finding(message.at("tool_call_id"), f"must be a string, and is {kind_of(found)}")


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


def is_json_object(text: str) -> bool:
    """Whether the arguments of a call are what the model shall learn to write."""
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _function_findings(function: object, where: str) -> Iterator[Finding]:
    yield from _name_findings(function, where)
    if isinstance(function, dict) and not isinstance(parameters := function.get("parameters", {}), dict):
        yield Finding(f"{where}.parameters", f"must be a JSON Schema object, and is {kind_of(parameters)}")


def _name_findings(function: object, where: str) -> Iterator[Finding]:
    if not isinstance(function, dict):
        yield Finding(where, f"must be an object, and is {kind_of(function)}")
    elif not isinstance(name := function.get("name"), str) or not _FUNCTION_NAME.match(name):
        yield Finding(f"{where}.name", _NAME_RULE)


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
    tools_are_well_formed,
    tool_calls_are_well_formed,
    function_calls_are_well_formed,
    arguments_are_json_in_a_string,
    tool_messages_answer_a_call,
    calls_are_answered,
)
TOOL_RULES = (functions_are_well_formed, parallel_tool_calls_is_a_flag, *CALL_RULES)

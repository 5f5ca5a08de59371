"""Rules about the tools that a row declares; those about the calls of them are in `calls`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ftops.dataset.rule import Finding, kind_of, rule
from ftops.dataset.schema import read_schema
from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.dataset.conversation import Conversation

FUNCTIONS_MAX = 128
"""Source: FineTuneChatRequestInput of openai-openapi (2025-05-20)."""

FUNCTION_NAME = r"^[A-Za-z0-9_-]{1,64}\Z"
"""Source: FunctionObject of openai-openapi (2025-05-20)."""

_FUNCTION_NAME = re.compile(FUNCTION_NAME)


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
    "data-tool-schema",
    why="`parameters` is a JSON Schema; with one that cannot be read, neither the chat API nor ftops can check a call",
    fix="mend the schema where it is named; it may refer to `#/…` within itself only",
    severity=Severity.WARNING,
)
def schemas_are_valid(conversation: Conversation) -> Iterator[Finding]:
    """The parameters of a tool are a valid JSON Schema that refers to nothing outside itself."""
    for declared in declared_in(conversation):
        if declared.parameters is not None and (fault := read_schema(declared.parameters).fault):
            yield Finding(f"{declared.where}.parameters", fault)


class Declared(NamedTuple):
    """A function that a row declares well enough to be called."""

    where: str
    name: str
    parameters: dict[str, object] | None


def declared_in(conversation: Conversation) -> Iterator[Declared]:
    """Give the functions that *conversation* declares under `tools` and `functions`."""
    tools, functions = conversation.value.get("tools"), conversation.value.get("functions")
    found = [
        (conversation.at(f"tools[{index}].function"), tool.get("function"))
        for index, tool in enumerate(tools if isinstance(tools, list) else ())
        if isinstance(tool, dict)
    ]
    found += [
        (conversation.at(f"functions[{index}]"), function)
        for index, function in enumerate(functions if isinstance(functions, list) else ())
    ]
    for where, function in found:
        if isinstance(function, dict) and isinstance(name := function.get("name"), str):
            parameters = function.get("parameters")
            yield Declared(where, name, parameters if isinstance(parameters, dict) else None)


def _function_findings(function: object, where: str) -> Iterator[Finding]:
    if not isinstance(function, dict):
        yield Finding(where, f"must be an object, and is {kind_of(function)}")
        return
    if not isinstance(name := function.get("name"), str) or not _FUNCTION_NAME.match(name):
        yield Finding(f"{where}.name", "must be 1 to 64 letters, digits, `_` or `-`")
    if not isinstance(parameters := function.get("parameters", {}), dict):
        yield Finding(f"{where}.parameters", f"must be a JSON Schema object, and is {kind_of(parameters)}")


DECLARATION_RULES = (tools_are_well_formed, schemas_are_valid)

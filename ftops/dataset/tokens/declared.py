"""Declared tools, as OpenAI's cookbook counts them.

Source: num_tokens_for_tools of How_to_count_tokens_with_tiktoken.ipynb, whose figures for gpt-4o agreed with what the
API counted. It knows flat parameters only; here those inside objects and lists are counted alike, which is an estimate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

DECLARED_COSTS: Final[dict[str, int]] = {
    "tools": 12,
    "tool-name": 7,
    "tool-parameters": 3,
    "tool-parameter": 3,
    "tool-choices": -3,
    "tool-choice": 3,
}
"""Tokens of what is wrapped round each kind of text."""

_DEEPEST: Final = 16


def declared_tools(tools: object) -> Iterator[tuple[str, str]]:
    """Kind and text of each stretch that stands for *tools*, a list of tools or of functions; none if it is empty."""
    functions = [_function(tool) for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    for function in functions:
        yield "tool-name", f"{function.get('name', '')}:{_description(function)}"
        yield from _properties(function.get("parameters"), 0)
    if functions:
        yield "tools", ""


def _function(tool: dict[str, object]) -> dict[str, object]:
    inner = tool.get("function")
    return inner if isinstance(inner, dict) else tool


def _properties(schema: object, depth: int) -> Iterator[tuple[str, str]]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not properties or depth == _DEEPEST:
        return
    yield "tool-parameters", ""
    for name, each in properties.items():
        inner = each if isinstance(each, dict) else {}
        if isinstance(choices := inner.get("enum"), list):
            yield "tool-choices", ""
            yield from (("tool-choice", str(choice)) for choice in choices)
        yield "tool-parameter", f"{name}:{inner.get('type', '')}:{_description(inner)}"
        yield from _properties(inner, depth + 1)
        yield from _properties(inner.get("items"), depth + 1)


def _description(value: dict[str, object]) -> str:
    return str(value.get("description") or "").removesuffix(".")

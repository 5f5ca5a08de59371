"""One row of columns into one line of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, assert_never, cast

import orjson

from ftops.recipe import Chat, Completion, Form, Preference, Template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Row: TypeAlias = Sequence[str | None]
    Render: TypeAlias = Callable[[Row], bytes]


DEEPEST = 250
"""Levels of a list in a row; orjson reads more than the 254 that it writes."""


class JsonError(ValueError):
    """A column that should hold a list as JSON does not."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


def renderer(form: Form, positions: Mapping[str, int]) -> Render:
    """Make the function that writes a row, without a line feed.

    Args:
        form: What an example looks like.
        positions: Where in a row each column stands.

    Raises, when called:
        JsonError: A column is to be taken as JSON, and is none, or no list, or nests too deep.
    """

    def fill(template: Template | None) -> Callable[[Row], str] | None:
        return None if template is None else _filler(template, positions)

    def said(role: str, template: Template | None) -> Callable[[Row], list[object]]:
        content = fill(template)
        return lambda row: [] if content is None else [{"role": role, "content": content(row)}]

    match form:
        case Chat():
            system, user, answer = (
                said("system", form.system),
                said("user", form.user),
                said("assistant", form.assistant),
            )
            before = _listed(form.messages, positions)
            tools = _listed(form.tools, positions)

            def render(row: Row) -> bytes:
                value: dict[str, object] = {"messages": [*system(row), *before(row), *user(row), *answer(row)]}
                if found := tools(row):
                    value["tools"] = found
                return orjson.dumps(value)

        case Preference():
            system, user = said("system", form.system), said("user", form.user)
            better, worse = said("assistant", form.preferred), said("assistant", form.non_preferred)

            def render(row: Row) -> bytes:
                asked = {"messages": [*system(row), *user(row)]}
                value = {"input": asked, "preferred_output": better(row), "non_preferred_output": worse(row)}
                return orjson.dumps(value)

        case Completion():
            prompt, completion = _filler(form.prompt, positions), _filler(form.completion, positions)

            def render(row: Row) -> bytes:
                text = completion(row)
                spaced = text if text[:1].isspace() else f" {text}"
                return orjson.dumps({"prompt": prompt(row) + form.separator, "completion": spaced})

        case other:
            assert_never(other)
    return render


def _filler(template: Template, positions: Mapping[str, int]) -> Callable[[Row], str]:
    parts = template.parts
    if len(parts) == 1:
        return lambda _: parts[0]
    literals, columns = parts[0::2], [positions[column] for column in parts[1::2]]
    if literals == ("", ""):
        only = columns[0]
        return lambda row: row[only] or ""
    first, rest = literals[0], tuple(zip(columns, literals[1:], strict=True))
    return lambda row: first + "".join([f"{row[column]}{literal}" for column, literal in rest])


def _listed(column: str | None, positions: Mapping[str, int]) -> Callable[[Row], list[object]]:
    """The list that a column holds as JSON; empty where it is NULL, and without a column."""
    if column is None:
        return lambda _: []
    position = positions[column]

    def parsed(row: Row) -> list[object]:
        text = row[position]
        if text is None:
            return []
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, list) or (text.count("[") + text.count("{") > DEEPEST and _is_too_deep(value)):
            raise JsonError(column)
        return value

    return parsed


def _is_too_deep(value: list[object]) -> bool:
    level: list[object] = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else cast("list[object]", outer))
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True

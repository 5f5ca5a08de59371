"""What a grader reads of a reinforcement row as `item.…`, and whether the row has it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from ftops.dataset.rule import Fault, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Field: TypeAlias = tuple[str | int, ...]
"""Keys and positions that lead from the row to a value: `("answers", 0)` for `item.answers[0]`."""

GRADER_FIELD = Fault(
    code="data-grader-field",
    meaning="A reinforcement row lacks a field that the grader's templates name.",
    why="the grader reads it as `item.…` for every answer, and cannot score the row without it",
    fix="give every row the field, or change the template in the spec's `grader`",
    applies_to="reinforcement",
)

_TEMPLATE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_NAME = re.compile(r"""(?<![\w.])item((?:\.[A-Za-z_]\w*|\[\d+\]|\[(?:"[^"\]]*"|'[^'\]]*')\])+)""")
_STEP = re.compile(r"""\.([A-Za-z_]\w*)|\[(\d+)\]|\[(?:"([^"\]]*)"|'([^'\]]*)')\]""")


def item_fields(grader: object) -> tuple[Field, ...]:
    """Give the fields of a row that *grader*, as its spec has it, names in templates; sorted, each once.

    Graders inside a `multi` grader are read too. What Python source reads of `item` cannot be known, and is left out.
    """
    return tuple(sorted(_fields_in(grader), key=_spelt))


def missing_fields(row: dict[str, object], fields: Iterable[Field]) -> Iterator[tuple[Fault, Finding]]:
    """Find the *fields* that *row* lacks; one that is null is there."""
    for field in fields:
        if not _has(row, field):
            name = _spelt(field)
            yield GRADER_FIELD, Finding(name, f"is missing, and the grader reads it as `item.{name}`")


def _fields_in(grader: object) -> set[Field]:
    fields: set[Field] = set()
    waiting = [grader]
    while waiting:
        match waiting.pop():
            case str() as text:
                for template in _TEMPLATE.findall(text):
                    fields.update(_field(path) for path in _NAME.findall(template))
            case dict() as value:
                is_python = value.get("type") == "python"
                waiting.extend(each for key, each in value.items() if not (is_python and key == "source"))
            case list() | tuple() as values:
                waiting.extend(values)
            case _:
                pass
    return fields


def _field(path: str) -> Field:
    steps = _STEP.findall(path)
    return tuple(int(position) if position else name or double or single for name, position, double, single in steps)


def _has(value: object, field: Field) -> bool:
    for step in field:
        match value, step:
            case dict(), str() if step in value:
                value = value[step]
            case list(), int() if step < len(value):
                value = value[step]
            case _:
                return False
    return True


def _spelt(field: Field) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in field).removeprefix(".")

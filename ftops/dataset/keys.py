"""Keys that stand twice in one object of a row, which every parser reads in silence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ftops.dataset.rule import Fault, Finding, shown, step_to
from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

DUPLICATE_KEY = Fault(
    code="data-duplicate-key",
    meaning="An object of a row has one key twice.",
    why="parsers keep one of the two values, most the last, and drop the other in silence",
    fix="write the row with a JSON library, or keep the value that was meant",
    severity=Severity.WARNING,
    applies_to="rows of any format",
)


class _Pairs(list[tuple[str, object]]):
    """An object with all its keys, the repeated ones too; a type of its own, as JSON has lists as well."""


def duplicate_keys(line: bytes) -> Iterator[Finding]:
    """Find the keys that stand more than once in an object of *line*.

    It parses with the standard library, ten times slower than the pass: for lines that give reason to. One that is
    no JSON, or nests deeper than Python recurses, gives nothing: other rules speak of it.
    """
    try:
        waiting = [("", json.loads(line, object_pairs_hook=_Pairs))]
    except (ValueError, RecursionError):
        return
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, _Pairs):
            seen: set[str] = set()
            for key, _ in value:
                if key in seen:
                    yield Finding(path or "row", f"has the key {shown(key)} more than once")
                seen.add(key)
            waiting.extend(((path + step_to(key)).removeprefix("."), each) for key, each in reversed(value))
        elif isinstance(value, list):
            waiting.extend((f"{path}[{index}]", value[index]) for index in reversed(range(len(value))))

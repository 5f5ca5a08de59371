"""From a rule of the schema that is broken to a problem that a person can fix."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ftops.spec.document import MOST_PROBLEMS
from ftops.spec.nearest import did_you_mean, nearest, one_of
from ftops.spec.scalars import Surprise, read_plain
from ftops.spec.schema import SchemaKind, Violation, schema, violations
from ftops.spec.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftops.diagnostics import Diagnostic
    from ftops.spec.document import Document, Path

Prefix: TypeAlias = Literal["spec", "config"]
"""What the codes begin with."""


def explain(
    document: Document,
    kind: SchemaKind,
    *,
    prefix: Prefix,
    better: Callable[[Document, Path, Violation], Diagnostic | None],
    keys: frozenset[str] | None = None,
) -> Iterator[Diagnostic]:
    """Explain all that goes against the schema.

    Args:
        document: Values that could not be read are left alone: they have their problems already.
        kind: The schema.
        prefix: Of the codes.
        better: Says more about what it knows; asked first, with the path of the value, or of the unknown key.
        keys: Of the file; only what is wrong under them. All if None.
    """
    for violation in violations(kind, document.value):
        if keys is not None and not keys.intersection(violation.path[:1]):
            continue
        paths = [violation.path]
        if violation.keyword == "additionalProperties":
            paths = [(*violation.path, key) for key in _unknown_keys(violation)]
        if violation.keyword == "required" and _is_misspelt(violation):
            continue
        for path in paths:
            if not any(path[:length] in document.unread for length in range(1, len(path) + 1)):
                yield better(document, path, violation) or _explain(document, kind, path, violation, prefix)


def _explain(document: Document, kind: SchemaKind, path: Path, violation: Violation, prefix: Prefix) -> Diagnostic:
    match violation.keyword:
        case "additionalProperties":
            return _unknown_key(document, path, violation, prefix)
        case "required":
            return _missing(document, kind, path, violation, prefix)
        case "type":
            return _wrong_type(document, path, violation, prefix)
        case _:
            return _wrong_value(document, path, violation, prefix)


def _unknown_keys(violation: Violation) -> list[str]:
    rule = violation.rule
    patterns = rule.get("patternProperties", {})
    return [
        key
        for key in violation.value
        if key not in rule.get("properties", {}) and not any(re.search(pattern, key) for pattern in patterns)
    ]


def _is_misspelt(violation: Violation) -> bool:
    """Whether the key that is missing is there with a slip, and told as an unknown key."""
    known = violation.rule.get("properties", {})
    return any(
        key not in known and nearest(key, known) == violation.missing for key in islice(violation.value, MOST_PROBLEMS)
    )


def _unknown_key(document: Document, path: Path, violation: Violation, prefix: Prefix) -> Diagnostic:
    key = str(path[-1])
    known = violation.rule.get("properties", {})
    unused = [word for word in known if word not in violation.value]
    if "key" in violation.words and nearest(key, unused) is None:
        return document.problem(
            f"{prefix}-key",
            path,
            f"`{shown(key)}` cannot be a name in `{name_of(path[:-1])}`",
            why=violation.words["key"],
            fix="rename it",
            at="key",
        )
    return document.problem(
        f"{prefix}-unknown-key",
        path,
        f"`{shown(key)}` is not a key of {_owner(path[:-1], document)}",
        why="a key that nothing reads would be ignored without a word",
        fix=did_you_mean(key, unused or known, otherwise=f"remove it; the keys here are {_list(known)}"),
        at="key",
    )


def _missing(document: Document, kind: SchemaKind, path: Path, violation: Violation, prefix: Prefix) -> Diagnostic:
    key = violation.missing
    node = _property(kind, violation.rule, key)
    words = node.get("x-ftops", {})
    choices = f"`{key}: …` with {one_of(node['enum'])}" if "enum" in node else f"`{key}: …`"
    return document.problem(
        f"{prefix}-missing",
        path,
        f"{_owner(path, document)} needs `{key}`",
        why=words.get("why"),
        fix=words.get("fix") or f"write {choices}",
    )


def _wrong_type(document: Document, path: Path, violation: Violation, prefix: Prefix) -> Diagnostic:
    words = violation.words
    allowed = violation.rule["type"]
    allowed = [allowed] if isinstance(allowed, str) else allowed
    value, expected, fix = violation.value, words["expected"], words["fix"]
    summary = f"`{name_of(path)}` {'is empty' if value is None else f'must be {expected}'}"
    if "string" in allowed and "pattern" not in violation.rule and isinstance(value, bool | int | float):
        fix = "put the value in quotes to make it a text"
    elif isinstance(value, str) and _is_plainly(value, allowed):
        fix = f"leave out the quotes: `{name_of(path[-1:])}: {value}`"
    return document.problem(f"{prefix}-type", path, summary, why=words["why"], fix=fix)


def _wrong_value(document: Document, path: Path, violation: Violation, prefix: Prefix) -> Diagnostic:
    words = violation.words
    choices: list[str] = violation.rule.get("enum", [])
    expected = words.get("expected") or one_of(choices)
    fix = words.get("fix") or f"write {one_of(choices)}"
    if isinstance(violation.value, str) and choices:
        fix = did_you_mean(violation.value, choices, otherwise=fix)
    elif isinstance(violation.value, str) and _is_plainly(violation.value, violation.rule.get("type", [])):
        fix = f"leave out the quotes: `{name_of(path[-1:])}: {violation.value}`"
    # A text where a number or `auto` is wanted has the wrong type, though the schema tells it by a pattern.
    code = "type" if {"integer", "number"} & set(violation.rule.get("type", [])) and _is_text(violation) else "value"
    return document.problem(
        f"{prefix}-{code}", path, f"`{name_of(path)}` must be {expected}", why=words.get("why"), fix=fix
    )


def _is_text(violation: Violation) -> bool:
    return isinstance(violation.value, str)


def _is_plainly(text: str, allowed: list[str]) -> bool:
    """Whether *text* would be of an allowed type, were it not in quotes."""
    value = read_plain(text)
    if isinstance(value, Surprise | str) or value is None:
        return False
    if isinstance(value, bool):
        return "boolean" in allowed
    return "number" in allowed or ("integer" in allowed and isinstance(value, int))


def _property(kind: SchemaKind, rule: dict[str, Any], key: str) -> dict[str, Any]:
    """The schema of the key of a mapping, which may be a definition that it refers to."""
    root = schema(kind)
    node = rule.get("properties", {}).get(key) or root["properties"].get(key) or root["$defs"].get(key)
    if isinstance(node, dict) and "x-ftops" not in node and "$ref" in node:
        node = root["$defs"][node["$ref"].rpartition("/")[2]]
    return node if isinstance(node, dict) else {}


def name_of(path: Path) -> str:
    """What people call the value at *path*: its key, and in lists its position."""
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    positions = "".join(f"[{step}]" for step in path[len(path) - 1 :] if isinstance(step, int))
    return f"{shown(key)}{positions}"


def _owner(path: Path, document: Document) -> str:
    return f"`{name_of(path)}`" if path else f"`{document.path.rpartition('/')[2]}`"


def _list(words: Any) -> str:
    return ", ".join(f"`{word}`" for word in words)

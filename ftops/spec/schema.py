"""The JSON Schemas, and what in a value goes against them.

The program checks with the rules that the schemas for editors are made of (`ftops.spec.published`), so that the two
cannot disagree. `x-ftops` holds the words for a refused value: what is expected, why, and how to fix it.
"""

from __future__ import annotations

import json
import pkgutil
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jsonschema_rs import Validator

    from ftops.spec.document import Path

SchemaKind: TypeAlias = Literal["fine-tune", "dataset", "ftops"]
"""Of a spec, of a dataset, and of `ftops.yaml`."""

RULES: Final[dict[SchemaKind, str]] = {
    "fine-tune": "fine-tune.rules.json",
    "dataset": "dataset.rules.json",
    "ftops": "ftops.schema.json",
}
"""Where the rules of a kind are; `ftops.yaml` has no matrix, so that its rules are published as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One rule of the schema that one value breaks."""

    path: Path
    value: Any
    keyword: str
    """The rule, such as `maximum`; `false` where nothing is allowed."""
    rule: dict[str, Any]
    """The schema that holds the keyword."""
    missing: str = ""
    """The key that is required."""
    words: dict[str, str]
    """`expected`, `why` and `fix`, as far as the schema says them."""


def schema_text(kind: SchemaKind) -> bytes:
    """The schema as published, for editors: JSON, draft 2020-12."""
    return _packaged(f"{kind}.schema.json")


@cache
def schema(kind: SchemaKind) -> dict[str, Any]:
    """The rules for what a matrix was written out of, as a value; not to be changed."""
    parsed: dict[str, Any] = json.loads(_packaged(RULES[kind]))
    return parsed


def violations(kind: SchemaKind, value: dict[str, Any]) -> Iterator[Violation]:
    """Find all that is wrong with *value*, each rule once."""
    validator = _validator(kind)
    if validator.is_valid(value):
        return
    for error in validator.iter_errors(value):
        trail = _trail(schema(kind), error.evaluation_path)
        words: dict[str, str] = next((node["x-ftops"] for node in reversed(trail) if "x-ftops" in node), {})
        last = str(error.evaluation_path[-1])
        yield Violation(
            path=_path(value, error.instance_path),
            value=error.instance,
            keyword="false" if trail[-1].get(last) is False and last != "additionalProperties" else last,
            rule=trail[-1],
            missing=getattr(error.kind, "property", ""),
            words=words,
        )


def _path(value: object, steps: Iterable[str | int]) -> tuple[str | int, ...]:
    """The *steps* to a value; a key of digits is told as a number, as if it were a place in a list."""
    path: list[str | int] = []
    for step in steps:
        key = str(step) if isinstance(value, dict) else step
        value = value[key]  # type: ignore[index]  # it was gone through to get there
        path.append(key)
    return tuple(path)


def _packaged(name: str) -> bytes:
    content = pkgutil.get_data(__package__, name)
    assert content is not None
    return content


@cache
def _validator(kind: SchemaKind) -> Validator:
    import jsonschema_rs  # noqa: PLC0415 - an unchanged spec is never checked, and the import takes 70 ms

    return jsonschema_rs.validator_for(schema(kind))


def _trail(root: dict[str, Any], steps: list[str | int]) -> list[dict[str, Any]]:
    """The schemas that were gone through on the way to the keyword that failed, outermost first."""
    node: Any = root
    trail = [root]
    for step in steps[:-1]:
        node = _resolve(root, node["$ref"]) if step == "$ref" else node[step]
        if isinstance(node, dict):
            trail.append(node)
    # Going through `properties` is on the way, but is no schema.
    assert isinstance(node, dict)
    return trail


def _resolve(root: dict[str, Any], reference: str) -> dict[str, Any]:
    node: dict[str, Any] = root
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node

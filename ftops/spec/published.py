"""The JSON Schemas for editors: the rules, and where a value is wanted, also a reference to a matrix.

The program writes a matrix out first and holds what comes of it against the rules; an editor sees the file as written.
`python -m ftops.spec.published` renews the published files after a change of the rules.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from ftops.spec.schema import SchemaKind, schema

KINDS: Final[tuple[SchemaKind, ...]] = ("fine-tune", "dataset")
"""What can have a matrix."""

_STEPS: Final = r"\{matrix(\.[A-Za-z0-9_-]+)*\}"
_LITERAL: Final = frozenset({"kind", "matrix", "expanded_name"})
"""Properties and definitions that the program reads before it writes the matrix out."""


def published(kind: SchemaKind) -> dict[str, Any]:
    """The schema for editors: a whole reference may stand for any value, and within a text one may stand anywhere."""
    rules = schema(kind)
    definitions = rules["$defs"]
    made = _over(rules, definitions, skip=_LITERAL)
    made["$defs"] = {name: node if name in _LITERAL else _over(node, definitions) for name, node in definitions.items()}
    made["$defs"] |= {
        "reference": {"type": "string", "pattern": f"^{_STEPS}$"},
        "text_with_reference": {"type": "string", "pattern": f"^(.|\\n)*{_STEPS}(.|\\n)*$"},
        "no_reference": {
            "if": {"type": "string"},
            "then": {"not": {"$ref": "#/$defs/reference"}},
            "items": {"$ref": "#/$defs/no_reference"},
            "additionalProperties": {"$ref": "#/$defs/no_reference"},
        },
    }
    made["allOf"] = [{"anyOf": [{"required": ["matrix"]}, {"$ref": "#/$defs/no_reference"}]}]
    return made


def published_text(kind: SchemaKind) -> str:
    """What the published file holds."""
    return json.dumps(published(kind), indent=1, ensure_ascii=False) + "\n"


def _over(node: dict[str, Any], definitions: dict[str, Any], *, skip: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The same rules for a mapping or a list whose values may be references."""

    def or_reference(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        types = (definitions[value["$ref"].rpartition("/")[2]] if "$ref" in value else value).get("type", [])
        reference = "text_with_reference" if "string" in types else "reference"
        told = {key: value[key] for key in ("description", "default", "examples") if key in value}
        return {**told, "anyOf": [_over(value, definitions), {"$ref": f"#/$defs/{reference}"}]}

    made = dict(node)
    for keyword in ("properties", "patternProperties"):
        if keyword in node:
            made[keyword] = {key: each if key in skip else or_reference(each) for key, each in node[keyword].items()}
    if "items" in node:
        made["items"] = or_reference(node["items"])
    # Conditions stay: what a reference stands for is not known here. What follows from them is about values.
    if "then" in node:
        made["then"] = _over(node["then"], definitions)
    if "allOf" in node:
        made["allOf"] = [_over(each, definitions) for each in node["allOf"]]
    return made


if __name__ == "__main__":
    for each in KINDS:
        (Path(__file__).parent / f"{each}.schema.json").write_text(published_text(each), encoding="utf-8")

"""The schemas as published."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, get_args

import jsonschema
import pytest

from ftops.recipe import Recipe
from ftops.spec.config import Profile
from ftops.spec.model import MethodType, OnChange, Spec
from ftops.spec.nearest import nearest
from ftops.spec.schema import SchemaKind, schema, schema_text

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS: list[SchemaKind] = ["fine-tune", "dataset", "ftops"]


def nodes(value: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of a property, of a list's items, or of a definition that these refer to."""
    if not isinstance(value, dict):
        return
    for keyword in ("properties", "patternProperties", "$defs"):
        for key, node in value.get(keyword, {}).items():
            if isinstance(node, dict):
                if keyword != "$defs":
                    yield f"{name}.{key}", node
                yield from nodes(node, f"{name}.{key}")
    if isinstance(value.get("items"), dict):
        yield from nodes(value["items"], f"{name}[]")


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_one_and_says_its_version(kind: SchemaKind) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(kind))
    assert schema(kind)["$id"].endswith(f"/schema-v1/ftops/spec/{kind}.schema.json")
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_property_is_described_for_editors(kind: SchemaKind) -> None:
    definitions = schema(kind)["$defs"]
    for name, node in nodes(schema(kind)):
        referred = definitions[node["$ref"].rpartition("/")[2]] if "$ref" in node else {}
        assert (node | referred).get("description"), name


@pytest.mark.parametrize("kind", KINDS)
def test_every_refusal_has_its_words(kind: SchemaKind) -> None:
    for name, node in nodes(schema(kind)):
        words = node.get("x-ftops", {})
        if "enum" in node:
            assert words["why"], name
        elif "type" in node or "const" in node:
            assert {"expected", "why", "fix"} <= set(words), name


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_keys_of_a_mapping_are_mistaken_for_each_other(kind: SchemaKind) -> None:
    for key in schema(kind)["properties"]:
        others = set(schema(kind)["properties"]) - {key}
        assert nearest(key, others) in (None, "validation_file", "training_file"), key


def test_the_types_say_what_the_schema_says() -> None:
    properties = schema("fine-tune")["properties"]
    definitions = schema("fine-tune")["$defs"]
    assert set(definitions["method"]["properties"]["type"]["enum"]) == set(get_args(MethodType))
    assert set(properties["on_change"]["enum"]) == set(get_args(OnChange))
    assert set(schema("ftops")["$defs"]["target"]["properties"]["profile"]["enum"]) == set(get_args(Profile))
    written = set(properties) - {"kind", "matrix", "name", "checks"} | {"ignored"}
    assert written == set(Spec.__struct_fields__) - {"name", "path", "places"}
    of_dataset = set(schema("dataset")["properties"]) - {
        "kind",
        "matrix",
        "name",
        "checks",
        "chat",
        "preference",
        "completion",
    }
    own = {"description", "owner", "labels"}
    assert of_dataset - own | {"form"} == set(Recipe.__struct_fields__)


def test_the_bounds_are_those_of_the_reference() -> None:
    definitions = schema("fine-tune")["$defs"]
    dpo = definitions["dpo"]["properties"]["hyperparameters"]["properties"]
    reinforcement = definitions["reinforcement"]["properties"]["hyperparameters"]["properties"]
    assert (definitions["n_epochs"]["minimum"], definitions["n_epochs"]["maximum"]) == (1, 50)
    assert (definitions["batch_size"]["minimum"], definitions["batch_size"]["maximum"]) == (1, 256)
    assert definitions["learning_rate_multiplier"]["exclusiveMinimum"] == 0
    assert (dpo["beta"]["exclusiveMinimum"], dpo["beta"]["maximum"]) == (0, 2)
    compute = reinforcement["compute_multiplier"]
    assert (compute["exclusiveMinimum"], compute["maximum"]) == (0.00001, 10)


@pytest.mark.parametrize("kind", KINDS)
def test_patterns_match_whole_values(kind: SchemaKind) -> None:
    patterns = re.findall(r'"pattern": "([^"]*)"', json.dumps(schema(kind), ensure_ascii=False))
    assert patterns
    assert all(pattern.startswith("^") and pattern.endswith("$") for pattern in patterns)

"""Schemas of tools as strangers' data: nothing is fetched, nothing hangs, and calls are held against the good ones."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest

from ftops.dataset.schema import VIOLATIONS_MAX, read_schema, violations

CITY = {"type": "object", "properties": {"city": {"enum": ["Oslo"]}, "n": {"type": "integer"}}, "required": ["city"]}
TREE = {
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "n": {"type": "integer"}}}},
    "$ref": "#/$defs/node",
}


def nested(levels: int, by: str) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {by: schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "arguments", "broken"),
    [
        (CITY, {"city": "Oslo", "n": 1, "more": 2}, []),
        (CITY, {"city": "Bern", "n": "1"}, ["properties.city.enum", "properties.n.type"]),
        (CITY, {}, ["required"]),
        (TREE, {"next": {"next": {"n": 1}}}, []),
        (TREE, {"next": {"next": {"n": "x"}}}, ["n.type"]),
        ({"items": {"type": "integer"}}, ["x"] * 9, ["items.type"] * VIOLATIONS_MAX),
        (
            {"properties": {"a/b": {"$ref": "#/allOf/0/not"}}, "allOf": [{"not": {"type": "string"}}]},
            {"a/b": 1},
            ["type"],
        ),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "object"}}}, {}, []),
        ({"patternProperties": {"^(?!x)": {"type": "integer"}}}, {"y": "z"}, ["patternProperties.^(?!x).type"]),
    ],
)
def test_a_call_is_held_against_the_schema(schema: Any, arguments: Any, broken: list[str]) -> None:
    assert read_schema(schema).fault is None
    found = list(violations(read_schema(schema), orjson.dumps(arguments).decode()))
    assert len(found) == len(broken)
    assert all(each.endswith(end) for each, end in zip(found, broken, strict=True))


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        ({"type": "objekt"}, "no valid JSON Schema at `type`"),
        (
            {"properties": {"the private words of a row": {"type": 1}}},
            "no valid JSON Schema at a value that is not shown",
        ),
        ({"$ref": "https://127.0.0.1:9/schema.json"}, "refers to what is not in it"),
        ({"$ref": "file:///etc/passwd"}, "refers to what is not in it"),
        ({"$ref": "#/$defs/none"}, "refers to what is not in it"),
        (nested(300, "items"), "too deep"),
        (nested(120, "properties"), None),
    ],
)
def test_a_schema_that_cannot_be_read_is_faulty_and_breaks_nothing(schema: Any, fault: str | None) -> None:
    found = read_schema(schema).fault
    assert found is None if fault is None else fault in (found or "")
    assert list(violations(read_schema(schema), '{"a": 1}')) == []


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        ({"properties": {"a": {"pattern": "^(a+)+$"}}}, {"a": "a" * 100_000 + "b"}),
        ({"properties": {"a": {"pattern": "^(?=a)(a+)+\\1$"}}}, {"a": "a" * 100_000 + "b"}),
        (  # 2 to the power of 60 ways to the same number
            {
                "$defs": {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(60)}
                | {"d60": {"type": "null"}},
                "$ref": "#/$defs/d0",
            },
            {},
        ),
        (  # the same by depth of the arguments
            {"type": "object", "properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}},
            nested(60, "a"),
        ),
        ({"$ref": "#"}, {}),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, {}),
        (
            {
                "$defs": {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(2000)} | {"d2000": {}},
                "$ref": "#/$defs/d0",
            },
            {},
        ),
        ({"$id": "x", "$ref": "x#here", "$defs": {"a": {"$anchor": "here", "type": "string"}}}, {}),
        ({"$ref": "#/a/x", "a": {"x": 1}}, {}),
        ({"$ref": "#/a/0/x", "a": ["no"]}, {}),
    ],
)
def test_no_schema_hangs(schema: Any, arguments: Any) -> None:
    begin = time.perf_counter()
    read_schema(schema)
    list(violations(read_schema(schema), orjson.dumps(arguments).decode()))
    assert time.perf_counter() - begin < 5


def test_arguments_that_are_no_json_are_another_rules() -> None:
    assert list(violations(read_schema(CITY), "{")) == []


def test_long_lists_of_values_are_not_held_against_each_other() -> None:
    schema = read_schema({"items": {"enum": [f"value {n}" for n in range(20_000)]}})
    begin = time.process_time()
    assert list(violations(schema, orjson.dumps(list(range(20_000))).decode())) == []
    assert time.process_time() - begin < 2
    assert len(list(violations(schema, '["none of them"]'))) == 1

"""GitHub's published descriptions of its API, cut to what ftops uses: which requests they allow, which answers."""

from __future__ import annotations

import binascii
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
from graphql import GraphQLScalarType, GraphQLSchema, build_schema

from tests.github.forge.objects import decoded

FOLDER = Path(__file__).parents[1] / "schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One of the REST API, as a request asked for it."""

    template: str
    method: str
    path: dict[str, str]
    """The values in the path."""
    described: dict[str, Any]

    def problems(self, query: dict[str, str], body: object) -> list[str]:
        """What the description does not allow about the request."""
        found = []
        parameters = {(each["in"], each["name"]): each for each in self.described["parameters"]}
        for where, values in (("path", self.path), ("query", query)):
            for name, value in values.items():
                if (where, name) not in parameters:
                    found.append(f"{name}: there is no such parameter")
                else:
                    found += _not_as(parameters[where, name]["schema"], _typed(value), name)
        schema = _schema(self.described["requestBody"])
        if schema is None:
            return found + ([] if body is None else ["the operation takes no body"])
        if body is None:
            return [*found, "the operation needs a JSON body"]
        unknown = sorted(set(body) - set(schema["properties"])) if isinstance(body, dict) else []
        return found + [f"{name}: there is no such field" for name in unknown] + _not_as(schema, body, "body")

    def unpublished(self, status: int, value: object) -> list[str]:
        """What is in the forge's own answer and not in the description; an undescribed refusal may be a plain one."""
        allowed = self.described["responses"].get(str(status))
        # GitHub's refusals have a status, which the description of some lacks.
        plain = ["message", "documentation_url", "status"] if status >= 400 else []
        return sorted(name for name in _names(value) if name not in [*(allowed or ()), *plain])


def operation(method: str, path: str) -> Operation | None:
    for template, methods in _rest().items():
        pattern = re.sub(r"\\{(ref|branch)\\}", r"(?P<\1>.+)", re.escape(template))
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", pattern)
        found = re.fullmatch(pattern, path)
        if found and method.lower() in methods:
            values = {name: unquote(value) for name, value in found.groupdict().items()}
            return Operation(template=template, method=method, path=values, described=methods[method.lower()])
    return None


@cache
def graphql_schema() -> GraphQLSchema:
    """With the scalars as strict as GitHub's."""
    schema = build_schema((FOLDER / "github.graphql").read_text(encoding="utf-8"))
    for name, parse in (("GitObjectID", _object_id), ("Base64String", _base64)):
        scalar = schema.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)
        scalar.coerce_input_value = parse
    return schema


@cache
def _rest() -> dict[str, Any]:
    paths = json.loads((FOLDER / "github-rest.json").read_text(encoding="utf-8"))["paths"]
    assert isinstance(paths, dict)
    return paths


def _schema(body: dict[str, Any] | None) -> dict[str, Any] | None:
    schema = body and body["content"]["application/json"]["schema"]
    return schema if isinstance(schema, dict) else None


def _not_as(schema: dict[str, Any], value: object, name: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(_nullable(schema))
    return [f"{name}: {error.message[:200]}" for error in validator.iter_errors(value)]


def _nullable(value: Any) -> Any:
    """OpenAPI 3.0 says in a word of its own that null is allowed."""
    if isinstance(value, list):
        return [_nullable(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {name: _nullable(each) for name, each in value.items() if name != "nullable"}
    return made | {"type": [made["type"], "null"]} if value.get("nullable") is True else made


def _typed(value: str) -> object:
    return int(value) if re.fullmatch(r"-?\d+", value) else {"true": True, "false": False}.get(value, value)


def _names(value: object, above: str = "") -> set[str]:
    """As the cut lists them: paths of two steps at most, without the places in a list."""
    if isinstance(value, list):
        return set().union(*(_names(each, above) for each in value))
    if not isinstance(value, dict) or above.count(".") == 2:
        return set()
    names = set()
    for name, each in value.items():
        names |= {above + name} | _names(each, f"{above}{name}.")
    return names


def _object_id(value: object) -> str:
    if not (isinstance(value, str) and re.fullmatch("[0-9a-f]{40}", value)):
        raise ValueError("a GitObjectID is 40 hexadecimal digits")
    return value


def _base64(value: object) -> bytes:
    try:
        return decoded(str(value))
    except binascii.Error as error:
        raise ValueError(f"no Base64String: {error}") from None

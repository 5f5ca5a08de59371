"""The JSON Schemas that tools declare: read as strangers' data, from which nothing is fetched and nothing hangs."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from ftops.dataset.rule import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    import jsonschema_rs

VIOLATIONS_MAX: Final = 3
"""Told of one call; the rest mostly follows from the first."""
STEPS_MAX: Final = 100_000
"""Schemas tried on one value at most. References that fan out would ask for any number of steps."""
STEPS_IN_ALL_MAX: Final = 2_000_000
"""The same, times the parts of the value."""

_PATTERN_BYTES_MAX: Final = 1 << 20
_BACKTRACKS_MAX: Final = 10_000
_REFERENCES: Final = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_NO_SCHEMAS: Final = frozenset({"$defs", "definitions", "enum", "const", "default", "examples", "required", "type"})
_IN_PLACE: Final = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"})
_BY_NAME: Final = frozenset({"properties", "patternProperties", "dependentSchemas"})


class Schema(NamedTuple):
    """A schema as it was read; equal ones are the same object, as long as they are remembered."""

    schema: object
    validator: jsonschema_rs.Validator | None
    """None if it is faulty."""
    fault: str | None
    """What is wrong with it, as the end of a sentence that begins with its path; None if it is valid."""
    steps: dict[int, int]
    """Those that were counted, by the levels of a value."""


def read_schema(schema: dict[str, object]) -> Schema:
    """Read *schema*: once for all the calls in a row, as it may be long."""
    try:
        return _compiled(orjson.dumps(schema))
    except orjson.JSONEncodeError:  # which has a limit that its parser has not
        return _too_deep()


def violations(schema: Schema, arguments: str) -> Iterator[str]:
    """Give the keywords of *schema* that *arguments* break, as paths in it such as `properties.unit.enum`.

    At most VIOLATIONS_MAX, and none if the schema is faulty, the arguments are no JSON, or holding one against the
    other could take more than STEPS_MAX or STEPS_IN_ALL_MAX steps.
    """
    if schema.validator is None:
        return
    try:
        value = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return
    depth, parts = _size_of(value)
    if depth not in schema.steps:
        schema.steps[depth] = _steps(schema.schema, depth=depth)
    if schema.steps[depth] > STEPS_MAX or schema.steps[depth] * parts > STEPS_IN_ALL_MAX:
        return
    for number, error in enumerate(schema.validator.iter_errors(value)):
        if number == VIOLATIONS_MAX:
            return
        yield ".".join(str(step) for step in error.schema_path)


def _too_deep() -> Schema:
    return Schema(None, None, "nests too deep to be read", {})


@lru_cache(maxsize=256)
def _compiled(source: bytes) -> Schema:
    # Imported here: only rows with tools need it.
    import jsonschema_rs  # noqa: PLC0415  # see above

    schema = orjson.loads(source)
    try:
        validator = jsonschema_rs.validator_for(
            schema,
            offline=True,
            pattern_options=jsonschema_rs.FancyRegexOptions(
                backtrack_limit=_BACKTRACKS_MAX, size_limit=_PATTERN_BYTES_MAX, dfa_size_limit=_PATTERN_BYTES_MAX
            ),
        )
    except jsonschema_rs.ValidationError as error:
        path = ".".join(str(step) for step in error.instance_path)
        fault = f"is no valid JSON Schema at {shown(path)}" if path else "refers to what is not in it"
        return Schema(schema, None, fault, {})
    except ValueError:  # not a ValidationError: the library's own limit
        return _too_deep()
    return Schema(schema, validator, None, {})


def _steps(schema: object, *, depth: int) -> int:
    """Bound the schemas that are tried on a value of so many levels, times the parts of the value.

    It follows references as a validator does, each part of the schema once a level, so that it is quick where
    validation would not be.
    """
    known: dict[tuple[int, int], int] = {}

    def count(part: object, levels: int) -> int:
        if isinstance(part, list):
            return sum(count(each, levels) for each in part)
        if not isinstance(part, dict) or levels < 0:
            return 0
        at = id(part), levels
        if at not in known:
            known[at] = 0  # what a circle of references adds: the library does not follow it
            known[at] = 1 + sum(count_keyword(key, value, levels) for key, value in part.items())
        return known[at]

    def count_keyword(key: str, value: object, levels: int) -> int:
        if key in _REFERENCES:
            target = _resolved(schema, value)
            return STEPS_MAX if target is None else count(target, levels)
        if key == "enum" and isinstance(value, list):
            return len(value)  # with each of which the value is compared
        if key in _NO_SCHEMAS:
            return 0
        inner = levels if key in _IN_PLACE else levels - 1
        return count(list(value.values()) if key in _BY_NAME and isinstance(value, dict) else value, inner)

    try:
        return count(schema, depth)
    except RecursionError:
        return STEPS_MAX + 1


def _resolved(schema: object, reference: object) -> object:
    """What a reference such as `#/$defs/city` leads to; None if it is of another kind, or leads nowhere."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found = schema
    for step in reference.removeprefix("#").split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(key)
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            return None
    return found


def _size_of(value: object) -> tuple[int, int]:
    """How many levels *value* has below its own, and how many parts in all."""
    depth, parts, level = 0, 1, [value]
    while level := [
        each
        for part in level
        if isinstance(part, dict | list)
        for each in (part.values() if isinstance(part, dict) else part)
    ]:
        depth += 1
        parts += len(level)
    return depth, parts

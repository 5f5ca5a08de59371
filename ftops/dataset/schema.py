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

_PATTERN_BYTES_MAX: Final = 1 << 20
_BACKTRACKS_MAX: Final = 10_000
_REFERENCES: Final = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_NO_SCHEMAS: Final = frozenset({"$defs", "definitions", "enum", "const", "default", "examples", "required", "type"})
_IN_PLACE: Final = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"})
_BY_NAME: Final = frozenset({"properties", "patternProperties", "dependentSchemas"})


class _Compiled(NamedTuple):
    schema: object
    validator: jsonschema_rs.Validator | None
    fault: str | None


_TOO_DEEP: Final = _Compiled(None, None, "nests too deep to be read")


def schema_fault(schema: dict[str, object]) -> str | None:
    """Say what is wrong with *schema*, as the end of a sentence that begins with its path; None if it is valid."""
    return _read(schema).fault


def violations(schema: dict[str, object], arguments: str) -> Iterator[str]:
    """Give the keywords of *schema* that *arguments* break, as paths in it such as `properties.unit.enum`.

    At most VIOLATIONS_MAX, and none if the schema is faulty, the arguments are no JSON, or holding one against the
    other could take more than STEPS_MAX steps.
    """
    compiled = _read(schema)
    if compiled.validator is None:
        return
    try:
        value = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return
    if _steps(compiled.schema, depth=_depth_of(value)) > STEPS_MAX:
        return
    for number, error in enumerate(compiled.validator.iter_errors(value)):
        if number == VIOLATIONS_MAX:
            return
        yield ".".join(str(step) for step in error.schema_path)


def _read(schema: dict[str, object]) -> _Compiled:
    try:
        return _compiled(orjson.dumps(schema))
    except orjson.JSONEncodeError:  # which has a limit that its parser has not
        return _TOO_DEEP


@lru_cache(maxsize=256)
def _compiled(source: bytes) -> _Compiled:
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
        return _Compiled(schema, None, fault)
    except ValueError:  # not a ValidationError: the library's own limit
        return _TOO_DEEP
    return _Compiled(schema, validator, None)


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


def _depth_of(value: object) -> int:
    depth, level = 0, [value]
    while level := [
        each
        for part in level
        if isinstance(part, dict | list)
        for each in (part.values() if isinstance(part, dict) else part)
    ]:
        depth += 1
    return depth

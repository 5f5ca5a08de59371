"""Digests of values and bytes, the same on every machine."""

from __future__ import annotations

from hashlib import sha256
from typing import NewType

import orjson

Digest = NewType("Digest", str)
"""`sha256:` and 64 hexadecimal digits."""

WHOLE_MIN, WHOLE_MAX = -(2**63), 2**64 - 1
"""Whole numbers that canonical JSON has; a float beyond them stays one."""
SHORT_DIGITS = 12
"""Enough to tell the generations of one project apart, short enough for people to read."""


def canonical_json(value: object) -> bytes:
    """Encode *value* with sorted keys, no white space, and whole floats as integers: equal means equal bytes.

    Raises:
        TypeError: It holds a whole number beyond 64 bits, half of a character, or nests hundreds deep.
        RecursionError: It nests deeper than that.
    """
    return orjson.dumps(_normalised(value), option=orjson.OPT_SORT_KEYS)


def digest_of(value: object) -> Digest:
    """Digest of a JSON-like *value*; the order of its keys does not matter."""
    return digest_of_bytes(canonical_json(value))


def digest_of_bytes(content: bytes) -> Digest:
    return Digest("sha256:" + sha256(content).hexdigest())


def short(digest: str) -> str:
    """The first digits, for people and for file names."""
    return digest.removeprefix("sha256:")[:SHORT_DIGITS]


def _normalised(value: object) -> object:
    match value:
        case float() if value.is_integer() and WHOLE_MIN <= value <= WHOLE_MAX:
            return int(value)
        case dict():
            return {key: _normalised(item) for key, item in value.items()}
        case list() | tuple():
            return [_normalised(item) for item in value]
        case _:
            return value

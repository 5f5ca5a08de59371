"""Inputs made of others: as values, so that what is wrong stands deep within what is right, and as bytes."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import yaml

from tests.fuzz.promises import ROW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

ODD_VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, 10**400, 0.5, 1e308, -1e-320, float("nan"), float("inf"),
    "", " ", "\0", "\x1b[2J", "\x7f", "\u202eabc", "\u2028", "\ud800", "\ufeff", "😀", "::error::x", "a" * 2000,
    "../..", "/etc/passwd", "C:\\x", "https://user:secret@example.org", "no", "auto", "{matrix.n}", "{matrix}",
    "{{item.a}}", "{question}", "{spec: elle}", "1e3", "0x1", "-", "--upload-pack=x", ROW, [], {}, [[]], [None],
    {"": None}, {"a": {"b": {}}}, {"type": "x"}, {"spec": "elle"},
)  # fmt: skip
"""What readers stumble over, by any key."""
JUNK = (
    b"", b"\0", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\xef\xbb\xbf", b"\xff\xfe", b"\r\n", b"\n", b"\t", b"\x1b[2J",
    b"\xe2\x80\xae", b"\xe2\x80\xa8", b"::error::x", b"1e999", b"-1", b"NaN", b"9" * 400, b"0x1", b"1e-7", b"null",
    b"true", b"[]", b"{}", b"[" * 300, b'{"a":' * 300, b"&a ", b"*a", b"!!x ", b"? ", b"- ", b"../", b"/etc",
    b"{matrix}", b"{{item.a}}", b"'", b'"', b"\\", b",", b": ", b"#", b"%",
)  # fmt: skip
"""Likewise, as bytes."""
DEEP = 200
"""How often a value is wrapped into itself, at times."""


def other_value(content: bytes, chance: Random) -> bytes | None:
    """*content* with some of its values changed; None if none of its lines is JSON, nor all of it YAML.

    A few bytes that choose something may stand before the value, and stay.
    """
    try:
        return _other_value(content, chance)
    except RecursionError:  # It nests too deep for the libraries used here.
        return None


def _other_value(content: bytes, chance: Random) -> bytes | None:
    for head in (0, 1, 3):
        lines = content[head:].split(b"\n")
        at = chance.randrange(len(lines))
        if (value := _read(lines[at], json.loads)) is not None:
            lines[at] = _written(_changed(value, chance))
            return content[:head] + b"\n".join(lines)
    # What aliases stand for would be written out.
    if b"&" not in content and (value := _read(content, yaml.safe_load)) is not None:
        return _written(_changed(value, chance))
    return None


def other_bytes(content: bytes, chance: Random) -> bytes:
    """*content* with a piece cut out, or replaced by junk."""
    at, length = chance.randint(0, len(content)), chance.randint(0, 40)
    return content[:at] + chance.choice(JUNK) + content[at + length :]


def _read(content: bytes, read: Any) -> dict[str, Any] | list[Any] | None:
    try:
        value = read(content)
    except (ValueError, RecursionError, yaml.YAMLError):
        return None
    return value if isinstance(value, dict | list) else None


def _written(value: object) -> bytes:
    """JSON, which is YAML as well; a surrogate is written as it stands, or as an escape."""
    return json.dumps(value, default=str).encode()


def _changed(value: Any, chance: Random) -> Any:
    value = deepcopy(value)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        places = list(_places(value))
        if not places:
            break
        inside, step = chance.choice(places)
        other_inside, other_step = chance.choice(places)
        match chance.randrange(7):
            case 0 | 1 | 2:
                inside[step] = deepcopy(chance.choice(ODD_VALUES))
            case 3:
                inside[step] = deepcopy(other_inside[other_step])
            case 4:
                del inside[step]
            case 5 if isinstance(inside, dict):
                inside[chance.choice(["a", "", "type", "spec", "\x1b", "\ud800", ROW, str(other_step)])] = inside[step]
            case _:
                for _ in range(chance.choice((1, 2, DEEP))):
                    inside[step] = [inside[step]] if chance.random() < 0.5 else {"a": inside[step]}
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Where values stand in *value*: what holds them, and by which key."""
    left = [value]
    while left:
        inside = left.pop()
        for step in list(inside) if isinstance(inside, dict) else range(len(inside)):
            yield inside, step
            if isinstance(inside[step], dict | list):
                left.append(inside[step])

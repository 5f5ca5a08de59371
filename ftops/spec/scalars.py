"""What a scalar without quotes stands for: YAML 1.2's core rules, strictly.

YAML 1.1 and 1.2 read some scalars differently (`no`, `010`, `1:30`, `1e3`, dates), and so do people. Such a scalar is a
surprise, never a value: the reader of a spec must not need to know which parser is at work.

Sources: https://yaml.org/spec/1.2.2/#103-core-schema and https://yaml.org/type/, read 2026-11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import TypeAlias

LARGEST_INTEGER = 2**53 - 1
"""The largest that every JSON reader keeps exactly (RFC 8259, section 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surprise:
    """A scalar that is not read, because it would be read as something else elsewhere."""

    code: str
    summary: str
    why: str
    fix: str


Scalar: TypeAlias = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SWITCHES = {
    spelling: meaning
    for words, meaning in ((("y", "yes", "on"), "true"), (("n", "no", "off"), "false"))
    for word in words
    for spelling in (word, word.capitalize(), word.upper())
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NUMBER_TO_BOTH = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+][0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_OTHER_NOTATION = re.compile(
    r"[-+]?(0[0-9_]+|0b[01_]+|0o[0-7]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?)"
)
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?")
_FEW_DIGITS = 24
_LONGEST_SHOWN = 40


def read_plain(text: str) -> Scalar | Surprise:
    """Read a scalar that stands without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    if text in _SWITCHES:
        return _ambiguous(text, f"the switch {_SWITCHES[text]}", plainly=_SWITCHES[text])
    if text[0] not in "+-.0123456789":
        return text
    if _INTEGER.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        return _integer(text)
    if _NOT_FINITE.fullmatch(text):
        return _unfit(text, "is no finite number", "JSON, which the API speaks, has no such number", "a finite")
    if _DATE.fullmatch(text):
        return _ambiguous(text, "a date")
    if _SEXAGESIMAL.fullmatch(text):
        return _ambiguous(text, "a number to the base of 60")
    if _NUMBER_TO_BOTH.fullmatch(text) or (_NUMBER.fullmatch(text) and "e" in text.lower()):
        return _number(text)
    if _OTHER_NOTATION.fullmatch(text):
        return _other_notation(text)
    return text


def _integer(text: str) -> int | Surprise:
    if len(text) > _FEW_DIGITS or abs(number := int(text, 0)) > LARGEST_INTEGER:
        return _unfit(text, "is too large a number", f"JSON readers keep whole numbers only up to {LARGEST_INTEGER}")
    return number


def _number(text: str) -> float | Surprise:
    number = float(text)
    if not isfinite(number):
        return _unfit(text, "is too large a number", "JSON readers keep numbers only up to about 1.8e+308")
    if _NUMBER_TO_BOTH.fullmatch(text):
        return number
    digits = format(Decimal(repr(number)), "f").removesuffix(".0")
    mantissa, _, exponent = f"{number:e}".partition("e")
    plainly = digits if len(digits) <= _FEW_DIGITS else f"{mantissa}e{exponent}"
    return _ambiguous(text, "a text", f"the number {plainly}", plainly=plainly)


def _other_notation(text: str) -> Surprise:
    digits = text.replace("_", "")
    if len(text) > _FEW_DIGITS or not digits.lstrip("+-0xbo") or "." in text:
        return _ambiguous(text, "a number")
    if "o" in digits:
        return _ambiguous(text, "a text", f"the number {int(digits, 8)}", plainly=str(int(digits, 8)))
    if digits.lstrip("+-").isdigit() and digits.lstrip("+-").startswith("0"):
        old = "a text" if set(digits) & {"8", "9"} else f"the octal number {int(digits, 8)}"
        return _ambiguous(text, old, "a text" if "_" in text else f"the number {int(digits)}", plainly=str(int(digits)))
    return _ambiguous(text, f"the number {int(digits, 0)}", plainly=str(int(digits, 0)))


def _ambiguous(text: str, to_1_1: str, to_1_2: str = "a text", *, plainly: str | None = None) -> Surprise:
    shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    quoted = f"put it in quotes, `'{shown}'`"
    return Surprise(
        code="yaml-ambiguous",
        summary=f"`{shown}` is not the same to all readers of YAML",
        why=f"to YAML 1.1 it is {to_1_1}, to YAML 1.2 it is {to_1_2}",
        fix=quoted if plainly is None else f"write `{plainly}`, or if a text is meant, {quoted}",
    )


def _unfit(text: str, claim: str, why: str, wanted: str = "a smaller") -> Surprise:
    shown = text if len(text) <= _FEW_DIGITS else f"{text[:_FEW_DIGITS]}…"
    return Surprise(
        code="yaml-number",
        summary=f"`{shown}` {claim}",
        why=why,
        fix=f"write {wanted} number, or if a text is meant, put it in quotes",
    )

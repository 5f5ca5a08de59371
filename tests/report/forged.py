"""Plan files that anybody could have made: of the right shape, full of what GitHub, a browser or a runner acts upon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import inspect

from ftops.plan.changes import Kind
from ftops.report.machine import FORMAT_VERSION
from ftops.report.planfile import PlanFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

ACTING = (
    *(
        "@team",
        "@acme/admins",
        "#1",
        "acme/models#2",
        "GH-3",
        "5b3877b92a3695558a21c8e463f1b5da0840ddf2",
        "fixes #4",
        "deadbeef",
    ),
    *("https://evil.example/x", "www.evil.example", "mailto:a@evil.example", "a@evil.example", "ftp://evil.example"),
    *("[x](https://evil.example)", "![x](//evil.example)", "<https://evil.example>", "[x]: //evil.example", "[^1]"),
    *(
        "<img src=x onerror=alert(1)>",
        "<script>",
        "</details>",
        "<details open>",
        "</summary>",
        "</code>",
        "<a href=x>",
    ),
    *(
        "<!-- ftops:plan:v1 eyJzY29wZSI6IiJ9 -->",
        "<!--",
        "<![CDATA[",
        "<?php x ?>",
        "<!DOCTYPE x>",
        "&lt;b&gt;",
        "&#64;x",
    ),
    *("`", "``", "```", "~~~\n", "```diff\n", "\n```\n", "|", "\\|", "\\", "| a | b |\n| - | - |\n", "\n| x |"),
    *("**", "__", "*", "_", "\n# h\n", "\n---\n", "> [!NOTE]\n", "- [ ] ", "$x$", "$`x`$", ":smile:", ":+1:"),
    *("\n::error::x", "\n::set-output name=x::y", "\n ::ERROR title=a::b", "##[error]x", "##[Group]"),
)
"""Each does something where it stands outside of code, or where a runner reads it."""
UNSEEN = (
    *("\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\x00", "\x1b[2J", "\r\n", "\t", "\xad", "\u0301" * 9),
    *("\ufe0f", "\u3164", "\u2800", "\ue000", "\U000e0041"),
)
PIECES = (
    *ACTING,
    *UNSEEN,
    "a",
    "b c",
    "n_epochs",
    "$5",
    "1,200",
    "é",
    "点",
    "e\u0301",
    "-->",
    "]]>",
    "===",
    "~~",
    "1. ",
)
PLAIN: dict[type[inspect.Type], tuple[object, ...]] = {
    inspect.IntType: (0, 1, -1, 2, 999, 10**9, -(10**18), 2**63 - 1, 10**90),
    inspect.FloatType: (0.0, 0.004, 1.5, -3.0, 1e9, 1e300, -1e300, 5e-324),
    inspect.BoolType: (True, False),
    inspect.NoneType: (None,),
}


def forged(chance: Random, *, most: int = 4, text: Callable[[], str] | None = None) -> PlanFile:
    """One plan file; lists in it have up to *most* items, and *text* makes its texts."""
    value = _made(inspect.type_info(PlanFile), "", chance, most, text or (lambda: forged_text(chance)))
    return msgspec.convert(value | {"format_version": FORMAT_VERSION}, PlanFile)


def forged_text(chance: Random) -> str:
    """Some pieces in a row; now and then without end."""
    times = 400 if chance.random() < 0.01 else chance.randint(0, 5)
    return chance.choice(("", " ")).join(chance.choices(PIECES, k=times))


def _made(kind: inspect.Type, name: str, chance: Random, most: int, text: Callable[[], str]) -> Any:
    """A value of the type; *name* is its field's."""
    match kind:
        case inspect.StructType(fields=fields):
            return {each.name: _made(each.type, each.name, chance, most, text) for each in fields}
        case inspect.VarTupleType(item_type=item):
            return [_made(item, "", chance, most, text) for _ in range(chance.randint(0, most))]
        case inspect.DictType(value_type=item):
            keys = [chance.choice(("training_file", text())) for _ in range(chance.randint(0, 2))]
            return {key: _made(item, "", chance, most, text) for key in keys}
        case inspect.UnionType(types=types):
            return _made(chance.choice(types), name, chance, most, text)
        case inspect.LiteralType(values=values):
            return chance.choice(values)
        case inspect.StrType():
            return chance.choice(list(Kind)) if name == "kind" and chance.random() < 0.9 else text()
        case inspect.IntType(ge=least, le=greatest) if least is not None and greatest is not None:
            return chance.choice((least, greatest, chance.randint(least, greatest)))
        case _:
            return chance.choice(PLAIN[type(kind)])

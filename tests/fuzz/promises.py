"""What ftops promises whatever it is given: an answer or problems, in words that do no harm.

Time and memory are not measured here: they are bounded by whoever runs a target, which is pytest's time-out in the
suite and libFuzzer's limits in the long runs (`tests/fuzz/__main__.py`).
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import msgspec

from ftops.diagnostics import ProblemsError
from ftops.report.problems import problem_json, render_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ftops.diagnostics import Diagnostic

KEY = "canary-of-the-key-5d1f"
"""What authorizes us; shown nowhere, also where a provider repeats it."""
ROW = "canary-of-a-row-77ab"
"""Stands in the content of messages; never shown by what only tells of problems."""

SAID_CHARACTERS_MAX = 200_000
"""Of one answer to a person, with all its problems."""
SAID_PER_BYTE_MAX = 20
"""More than that, an answer may have this many characters for each byte that it tells of."""

_HARMFUL_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_HARMFUL_DIRECTIONS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_WORKFLOW_COMMAND = re.compile(r"^\s*::[a-z-]+(?:::| .*?::)", re.MULTILINE)
_ONLY_IN_CONTENT = re.compile(rb'"content": ?"[^"\\]*' + ROW.encode())


def told(read: Callable[[bytes], object], content: bytes) -> None:
    """Have *content* read; if there are problems, they must be ones that can be told."""
    problems = None
    try:
        read(content)
    except ProblemsError as error:
        problems = error.problems
    assert problems != (), "refused without a reason"
    tell(problems or (), content)


def tell(problems: Iterable[Diagnostic], content: bytes) -> None:
    """Render *problems* of *content* in every way."""
    every = tuple(problems)
    harmless(render_problems(every, colour=False), content)
    machine([problem_json(problem) for problem in every], content)


def machine(value: object, content: bytes) -> None:
    """Whatever is answered to a script can be encoded, and keeps secrets."""
    secretive(msgspec.json.encode(value).decode(), content)


def harmless(text: str, content: bytes) -> None:
    """Whatever a person reads is short, does nothing to a terminal or a workflow's runner, and keeps secrets."""
    assert len(text) <= SAID_CHARACTERS_MAX + SAID_PER_BYTE_MAX * len(content), f"{len(text)} characters"
    for letter in set(text) - {"\n"}:
        assert unicodedata.category(letter) not in _HARMFUL_CATEGORIES, f"U+{ord(letter):04X} is shown"
        assert unicodedata.bidirectional(letter) not in _HARMFUL_DIRECTIONS, f"U+{ord(letter):04X} is shown"
    assert not _WORKFLOW_COMMAND.search(text), "a workflow's runner would take this for a command"
    secretive(text, content)


def secretive(text: str, content: bytes) -> None:
    assert KEY not in text, "the key is shown"
    if content.count(ROW.encode()) == len(_ONLY_IN_CONTENT.findall(content)):
        # Elsewhere it is a key or a role, which may be named where it is what is wrong.
        assert ROW not in text, "the content of a row is shown"

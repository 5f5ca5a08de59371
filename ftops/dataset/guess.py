"""Guess what a data file is for: its format from its rows, its use from its name."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import orjson

from ftops.dataset.chat import ROW_KEYS
from ftops.dataset.formats import Format, format_of
from ftops.dataset.lines import BLOCK_BYTES
from ftops.dataset.reinforcement import PROMPT_ENDS
from ftops.dataset.syntax import BOM

if TYPE_CHECKING:
    from typing import BinaryIO

MethodName = Literal["supervised", "dpo", "reinforcement"]
Role = Literal["training", "validation", "evaluation"]
"""What a file is for; with `evaluation` data a model is measured after training, and no job gets it."""

ROWS_LOOKED_AT: Final = 100

METHOD_OF_FORMAT: Final[dict[Format, MethodName]] = {
    "chat": "supervised",
    "preference": "dpo",
    "reinforcement": "reinforcement",
    "completion": "supervised",
    "unknown": "supervised",
}

_WORDS: Final[dict[Role, str]] = {
    "evaluation": "test|testing|eval|evaluation|holdout|heldout",
    "validation": "valid|validation|val|dev",
    "training": "train|training",
}
_ROLES = {role: re.compile(rf"(?:^|(?<=[^a-z]))(?:{words})(?=[^a-z]|$)") for role, words in _WORDS.items()}


class Guess(NamedTuple):
    """What the first rows of a file look like."""

    format: Format
    method: MethodName
    """The one that takes this format; `supervised` where none is known to."""


def guess_format(stream: BinaryIO) -> Guess:
    """Guess from the first rows of *stream*, which is read from where it is, up to 1 MiB.

    Reinforcement rows look like chat rows, but end with the prompt and have keys for the grader: most rows decide.

    Raises:
        OSError: Reading failed.
    """
    start = stream.read(BLOCK_BYTES).removeprefix(BOM)
    counts = Counter(found for line in islice(start.split(b"\n"), ROWS_LOOKED_AT) if (found := _format_of(line)))
    formats = [(format_, count) for format_, count in counts.items() if format_ != "unknown"]
    best: Format = max(formats, key=lambda each: each[1])[0] if formats else "unknown"
    return Guess(best, METHOD_OF_FORMAT[best])


def guess_role(path: str) -> Role | None:
    """Guess from the file's name, such as `elle.valid.jsonl` or `eval/jokes.jsonl`; None if it does not tell."""
    pure = PurePosixPath(path.lower())
    for name in (pure.name, pure.parent.name):
        for role, words in _ROLES.items():
            if words.search(name):
                return role
    return None


def family_of(path: str) -> str:
    """What files of one purpose have in common: the name without its ending and without what tells the use.

    `elle.train.jsonl`, `elle-valid.jsonl` and `test/elle.jsonl` are one family; `train.jsonl` is that of its folder.
    """
    pure = PurePosixPath(path)
    stem = pure.name.partition(".fixed.")[0].removesuffix(pure.suffix)
    for words in _ROLES.values():
        stem = words.sub("", stem.lower()) if words.search(stem.lower()) else stem
    return stem.strip("._- ") or pure.parent.name or "data"


def _format_of(line: bytes) -> Format | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(row, dict):
        return None
    if format_of(row, "supervised") == "chat" and _is_for_a_grader(row):
        return "reinforcement"
    return format_of(row, "supervised")


def _is_for_a_grader(row: dict[str, object]) -> bool:
    match row:
        case {"messages": [*_, {"role": str(role)}]}:
            return role in PROMPT_ENDS and not row.keys() <= set(ROW_KEYS)
        case _:
            return False

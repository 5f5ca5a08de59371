"""Write a changed row as its file writes rows, so that a diff shows what changed and nothing else."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_STYLES = tuple(product((False, True), ((", ", ": "), (",", ":"), (",", ": "))))
"""Whether letters beyond ASCII are escaped, and how items and values are set apart."""


class UnfaithfulError(ValueError):
    """The row cannot be written without changing more of it: a key is there twice, a number is too large."""


def rewritten(line: bytes, change: Callable[[dict[str, object]], object]) -> bytes:
    """Let *change* work on the object in *line*, in place, and write it as it was written.

    Args:
        line: A JSON object, in UTF-8, as a parser has accepted it.
        change: Changes the object.

    Raises:
        UnfaithfulError: The row cannot be read and written without loss.
    """
    try:
        row = json.loads(line, object_pairs_hook=_without_repeats)
        style = next((each for each in _STYLES if _written(row, each) == line), None)
        change(row)
        return _written(row, style or (b"\\u" in line and line.isascii(), (", ", ": ")))
    except (ValueError, RecursionError) as error:
        raise UnfaithfulError(type(error).__name__) from None


def _written(row: object, style: tuple[bool, tuple[str, str]]) -> bytes:
    escapes, separators = style
    return json.dumps(row, ensure_ascii=escapes, separators=separators, allow_nan=False).encode()


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key is there twice")
    return value

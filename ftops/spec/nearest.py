"""The word that was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_WORD = 64
"""Longer ones are no slips of the pen, and comparing them takes time."""


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """Find the candidate that *word* was meant to be: up to one slip in three letters."""
    if len(word) > LONGEST_WORD:
        return None
    allowed = min(max(1, len(word) // 3), len(word) - 1)
    slips, best = min(
        (
            (_slips(word.lower(), candidate.lower()), candidate)
            for candidate in sorted(candidates)
            if abs(len(word) - len(candidate)) <= allowed
        ),
        default=(allowed + 1, ""),
    )
    return best if slips <= allowed else None


def did_you_mean(word: str, candidates: Iterable[str], *, otherwise: str) -> str:
    """The fix for a word that is not known: the nearest that is, or *otherwise*."""
    best = nearest(word, candidates)
    return f"did you mean `{best}`?" if best is not None else otherwise


def one_of(words: Iterable[str]) -> str:
    """`a`, `b` or `c`, each in backticks."""
    *most, last = [f"`{word}`" for word in words]
    return f"{', '.join(most)} or {last}" if most else last


def _slips(one: str, other: str) -> int:
    """Letters that were left out, added, mistaken, or swapped with their neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, above, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
    return row[-1]

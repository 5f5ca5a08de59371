"""All heuristics over what is said in a row: what no provider refuses, and experienced people look for all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.dataset.characters import CHARACTER_RULES
from ftops.dataset.credentials import CREDENTIAL_RULES
from ftops.dataset.personal import PERSONAL_RULES
from ftops.dataset.rule import Fault, Finding, breaches
from ftops.dataset.speech import SPEECH_RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.dataset.said import Said

HEURISTICS = (*SPEECH_RULES, *CHARACTER_RULES, *CREDENTIAL_RULES, *PERSONAL_RULES)


def heuristic_breaches(said: tuple[Said, ...]) -> Iterator[tuple[Fault, Finding]]:
    """Hold what is said in a row against all heuristics; worth its time in rows with a clue: see `clues`."""
    return breaches(HEURISTICS, said)

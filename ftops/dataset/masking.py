"""Text of a row as it may be shown: with every secret and all personal data that is recognised taken out."""

from __future__ import annotations

import re
from typing import Final

from ftops.dataset.credentials import CREDENTIALS
from ftops.dataset.personal import PERSONAL_DATA

_OPEN: Final = "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"
_CLOSE: Final = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"


_PATTERNS: Final = (*CREDENTIALS, *PERSONAL_DATA)
_CLUE: Final = re.compile("|".join((*(re.escape(mark) for each in _PATTERNS for mark in each.marks), r"\+", r"\d\d")))
"""What any text holds that a pattern matches: those without a mark are numbers, with a plus or two digits in a row."""


def masked(text: str) -> str:
    """Put its kind, in angle quotation marks, in the place of each secret and of personal data in *text*."""
    if not _CLUE.search(text):
        return text
    for pattern in _PATTERNS:
        kept, end = [], 0
        for match in pattern.found_in(text):
            kept += [text[end : match.start()], _OPEN, pattern.kind, _CLOSE]
            end = match.end()
        text = "".join((*kept, text[end:])) if kept else text
    return text

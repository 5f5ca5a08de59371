"""Text of a row as it may be shown: with every secret and all personal data that is recognised taken out."""

from __future__ import annotations

from typing import Final

from ftops.dataset.credentials import CREDENTIALS
from ftops.dataset.personal import PERSONAL_DATA

_OPEN: Final = "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"
_CLOSE: Final = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"


def masked(text: str) -> str:
    """Put its kind, in angle quotation marks, in the place of each secret and of personal data in *text*."""
    for pattern in (*CREDENTIALS, *PERSONAL_DATA):
        kept, end = [], 0
        for match in pattern.found_in(text):
            kept += [text[end : match.start()], _OPEN, pattern.kind, _CLOSE]
            end = match.end()
        text = "".join((*kept, text[end:])) if kept else text
    return text

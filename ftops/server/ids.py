"""Ids as the real API makes them: a prefix and letters and digits that cannot be guessed."""

from __future__ import annotations

import re
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

ORGANISATION: Final = "personal"
"""The slug inside the names of fine-tuned models."""
ORGANISATION_ID: Final = "org-ftopsLocal"

_LENGTHS: Final = {
    "file-": 22,
    "upload_": 24,
    "part_": 24,
    "ftjob-": 24,
    "ftevent-": 24,
    "ftckpt_": 24,
    "chatcmpl-": 29,
    "req_": 24,
    "": 8,
}


def new_id(prefix: str, chance: Random) -> str:
    """A fresh id with *prefix*; the empty prefix gives the eight characters inside a model's name."""
    return prefix + "".join(chance.choices(ascii_letters + digits, k=_LENGTHS[prefix]))


def model_name(base: str, suffix: str | None, unique: str, *, step: int | None = None) -> str:
    """`ft:<base>:<organisation>:<suffix or nothing>:<unique>`, and `:ckpt-step-<n>` for all but the last of a job."""
    ending = "" if step is None else f":ckpt-step-{step}"
    return f"ft:{base}:{ORGANISATION}:{sanitised(suffix or '')}:{unique}{ending}"


def sanitised(suffix: str) -> str:
    """The part of *suffix* that may stand in a model's name: lower-case letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", suffix.lower()).strip("-")

"""When results were last collected, on a ref of the git remote: so that a collector that stopped shows."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import msgspec

from ftops.diagnostics import ProblemsError
from ftops.gitfile import claims_file
from ftops.shared import update

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from random import Random

    from ftops.clock import Clock
    from ftops.shared import SharedFile

AHEAD_SECONDS = 24 * 3600
"""How far clocks may be apart: what is further ahead is no time, and would hide for good that the collector stopped."""


class Collected(msgspec.Struct, frozen=True):
    """What stands there."""

    at: Annotated[int, msgspec.Meta(ge=0, le=10**11)]
    """Unix time in seconds."""


def collected_file(root: Path, target: str, login: Mapping[str, str] | None = None) -> SharedFile | None:
    """Where it is kept for *target*: beside its claims; None without a git remote `origin`."""
    file = claims_file(root, target, login)
    if file is None:
        return None
    ref, message = f"refs/ftops/collected/{target}", f"Results of {target} were collected"
    return replace(file, ref=ref, path="collected.json", message=message)


def note_collected(file: SharedFile, *, clock: Clock, chance: Random) -> None:
    """Put the time of now there, unless a later one stands there already.

    Nothing depends on it but what people are told, so a failure is none.
    """

    def changed(content: bytes | None) -> bytes:
        now, there = clock.now(), _read(content) or 0
        return msgspec.json.encode(Collected(at=there if now < there <= now + AHEAD_SECONDS else now))

    with suppress(ProblemsError):
        update(file, changed, clock=clock, chance=chance)


def last_collected(file: SharedFile) -> int | None:
    """When that was, unix time; None if nobody collected yet, or nobody can tell."""
    try:
        return _read(file.read().content)
    except ProblemsError:
        return None


def _read(content: bytes | None) -> int | None:
    try:
        return msgspec.json.decode(content or b"", type=Collected).at
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None

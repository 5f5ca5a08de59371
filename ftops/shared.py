"""A small file that several machines keep in one place: replaced only by whoever knows what stands there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ftops.diagnostics import Diagnostic, ProblemsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from ftops.clock import Clock

TRIES = 30
"""How often a swap is tried against others who are faster: of six who never rest, with twelve tries some gave up."""
PATIENCE_SECONDS = 300
"""After which no further try is begun: each may last, where the other side is slow."""
PAUSE_SECONDS = (0.05, 2.0)
"""Between two tries: doubled each time from the first to the second, of which a random part is waited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What stood there at one look; nothing, if both are None."""

    content: bytes | None = None
    version: str | None = None
    """Names just this state; a swap holds against it."""


class SharedUnknownError(ProblemsError):
    """A swap whose answer was lost: it may stand, or not."""


class ProtectedError(ProblemsError):
    """A swap that certainly did not happen: the place takes changes from people only, by review."""

    # GH006 is a protected branch, GH013 a ruleset; the API says it in the same words, without the number.
    _SIGNS = re.compile(
        r"GH006|GH013|rule violation|protected branch|through (?:a pull request|the merge queue)|status checks? "
        r"|approving review|verified signature|not authorized to push",
        re.IGNORECASE,
    )

    def __init__(self, *problems: Diagnostic, words: str) -> None:
        super().__init__(*problems)
        self.words = words
        """What the place itself says of it."""

    @classmethod
    def is_meant(cls, words: str) -> bool:
        """Whether a refusal in these words means that."""
        return cls._SIGNS.search(words) is not None


class SharedFile(Protocol):
    """Where the file is kept."""

    @property
    def name(self) -> str:
        """For people: what and where it is."""
        ...

    def read(self) -> Shared:
        """Look.

        Raises:
            ProblemsError: It cannot be reached.
        """
        ...

    def swap(self, old: Shared, content: bytes) -> Shared | None:
        """Put *content* there, if *old* still stands there; None if it does not.

        Raises:
            SharedUnknownError: It is not known whether it was put there.
            ProtectedError: Only people may put it there.
            ProblemsError: It certainly was not put there.
        """
        ...


def update(file: SharedFile, change: Callable[[bytes | None], bytes | None], *, clock: Clock, chance: Random) -> Shared:
    """Derive the new content from what stands there, as often as others are faster; gives what stands there then.

    Args:
        file: Where.
        change: From the content that stands there to the new one; the same bytes to leave it. It may be called several
            times, also on what it gave before: a swap of which the answer was lost may stand.
        clock: For waiting between tries.
        chance: For how long, so that those who met once do not meet again.

    Raises:
        ProblemsError: It cannot be reached, or others were faster every time.
    """
    until = clock.now() + PATIENCE_SECONDS
    for number in range(TRIES):
        is_last = number == TRIES - 1 or clock.now() >= until
        seen = file.read()
        content = change(seen.content)
        if content is None or content == seen.content:
            return seen
        try:
            if stands := file.swap(seen, content):
                return stands
        except SharedUnknownError:
            if is_last:
                raise
        if is_last:
            raise ProblemsError(_contended(file.name, number + 1))
        least, most = PAUSE_SECONDS
        clock.sleep(chance.uniform(0, min(least * 2**number, most)))
    raise AssertionError  # the last try ends one way or the other


def _contended(name: str, tries: int) -> Diagnostic:
    return Diagnostic(
        code="shared-contended",
        summary=f"{name} could not be changed",
        why=f"others changed it first, {tries} times in a row",
        fix="run the command again in a minute",
    )

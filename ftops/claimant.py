"""One run's claims: taken together before it pays, held to before each create, and given a job or back at the end."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from ftops.claims import (
    LEFT_SECONDS,
    Claim,
    Claims,
    Key,
    abandoned,
    decode,
    encode,
    is_in_the_way,
    is_of,
    renewed,
    settled,
    taken,
)
from ftops.diagnostics import ProblemsError
from ftops.shared import update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from ftops.clock import Clock
    from ftops.shared import SharedFile


class Claimant:
    """Takes and keeps claims for one owner; without a shared file there is nobody to keep them from."""

    def __init__(self, file: SharedFile | None, *, owner: str, clock: Clock, chance: Random) -> None:
        self._file = file
        self._owner = owner
        self._clock = clock
        self._chance = chance
        self._mine: dict[Key, Claim] = {}
        self._theirs: dict[Key, Claim] = {}
        self._sent: set[Key] = set()

    def take(self, keys: Iterable[Key]) -> None:
        """Take all of *keys* that may be taken, in one swap; those that are taken already stay as they are.

        Raises:
            ProblemsError: The shared file cannot be reached or changed.
        """
        wanted = [key for key in keys if key not in self._mine]
        if self._file is None or not wanted:
            return
        claims = self._change(lambda old: taken(old, wanted, owner=self._owner, now=self._clock.now()))
        for key in wanted:
            claim = claims.find(key.spec, key.digest)
            assert claim is not None
            self._theirs.pop(key, None)
            is_mine = claim.owner == self._owner and claim.job is None
            (self._mine if is_mine else self._theirs)[key] = claim

    def held_by_another(self, key: Key) -> Claim | None:
        """The claim that keeps this owner from creating the job of *key*, which is taken if it is not yet."""
        self.take([key])
        return self._theirs.get(key)

    def is_inherited(self, key: Key) -> bool:
        """Whether somebody may have created the job of *key* under a claim before this one."""
        return key in self._mine and self._mine[key].inherited

    def looked(self, key: Key) -> None:
        """Note that the job of *key* was looked for with patience: nobody created it under a claim before this one."""
        if key in self._mine:
            self._mine[key] = msgspec.structs.replace(self._mine[key], inherited=False)

    def still_holds(self, key: Key) -> bool:
        """Whether the claim on *key* is this owner's still, and will be for as long as a create takes.

        Raises:
            ProblemsError: The shared file cannot be reached.
        """
        if self._file is None:
            return True
        claims = decode(self._file.read().content, self._file.name)
        mine = self._mine[key]
        if is_of(claims, mine) and mine.until - self._clock.now() < LEFT_SECONDS:
            held = list(self._mine.values())
            claims = self._change(lambda old: renewed(old, held, now=self._clock.now()))
            self._mine |= {each: _now(claims, claim) for each, claim in self._mine.items()}
        return is_of(claims, mine)

    def sent(self, key: Key) -> None:
        """Note that a create is about to be sent: until its outcome is known, the claim stays whatever happens."""
        self._sent.add(key)

    def not_sent(self, key: Key) -> None:
        """Note that a create certainly had no effect."""
        self._sent.discard(key)

    def made(self, key: Key, job: str) -> None:
        """Note that the job of *key* is there."""
        if key in self._mine:
            self._mine[key] = msgspec.structs.replace(self._mine[key], job=job)

    def settle(self) -> None:
        """Tell others what was made, and give back what nothing was sent for; what is in doubt stays claimed.

        If they are not told, they wait for the lease to end, and nobody pays for that. So a failure is none.
        """
        made = [claim for claim in self._mine.values() if claim.job]
        released = [claim for key, claim in self._mine.items() if not claim.job and key not in self._sent]
        if not (made or released):
            return
        with suppress(ProblemsError):
            self._change(lambda old: settled(old, made=made, released=released, now=self._clock.now()))
            self._mine.clear()

    def _change(self, change: Callable[[Claims], Claims]) -> Claims:
        file = self._file
        assert file is not None

        def changed(content: bytes | None) -> bytes | None:
            before = decode(content, file.name)
            after = change(before)
            return content if after == before else encode(after)

        shared = update(file, changed, clock=self._clock, chance=self._chance)
        return decode(shared.content, file.name)


def _now(claims: Claims, mine: Claim) -> Claim:
    """*mine* as it stands there now; as it was, if it is mine no more."""
    found = claims.find(mine.spec, mine.digest)
    return found if found and is_of(claims, mine) and mine.job is None else mine


def release(file: SharedFile, spec: str, *, clock: Clock, chance: Random) -> int:
    """Free the claims on the jobs of *spec*, whose owners died; gives how many there were.

    An owner who lives after all is refused before its create.

    Raises:
        ProblemsError: The shared file cannot be reached or changed.
    """
    now = clock.now()
    held = [claim for claim in listed(file) if is_in_the_way(claim, spec, now=now)]

    def changed(content: bytes | None) -> bytes | None:
        return encode(abandoned(decode(content, file.name), spec, now=now)) if content else content

    update(file, changed, clock=clock, chance=chance)
    return len(held)


def listed(file: SharedFile) -> tuple[Claim, ...]:
    """All claims that stand there.

    Raises:
        ProblemsError: The shared file cannot be reached.
    """
    return decode(file.read().content, file.name).claims

"""Commits the lockfile back: what this checkout recorded is put onto the branch as it is there now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.diagnostics import ProblemsError
from ftops.gitbranch import content_before
from ftops.lockfile import Lockfile, decode, encode, verify
from ftops.lockmerge import conflicts, merged
from ftops.shared import update

if TYPE_CHECKING:
    from random import Random

    from ftops.clock import Clock
    from ftops.gitfile import GitFile
    from ftops.lockstore import LockStore
    from ftops.shared import Shared


def push(store: LockStore, file: GitFile, *, clock: Clock, chance: Random) -> Shared:
    """Merge the lockfile into the one on the remote's branch, and keep what stands there then.

    It is derived anew as often as others are faster, and never merged as text.

    Raises:
        ProblemsError: Either lockfile was changed by hand, or the remote cannot be reached or written.
    """
    with store.exclusive():
        ours = store.read()
        base = _decoded(content_before(file), store, ours)
        if problems := verify(ours, store.name):
            raise ProblemsError(*problems)

        def change(content: bytes | None) -> bytes | None:
            theirs = _decoded(content, store, ours)
            if conflicts(base, ours, theirs):
                raise ProblemsError(*verify(theirs, f"{file.name}:{file.path}"))
            after = merged(base, ours, theirs)
            return content if after == theirs else encode(after)

        stands = update(file, change, clock=clock, chance=chance)
        if stands.content:
            store.save(decode(stands.content, store.name), spent=False)
    return stands


def _decoded(content: bytes | None, store: LockStore, like: Lockfile) -> Lockfile:
    return decode(content, store.name) if content else Lockfile(target=like.target)

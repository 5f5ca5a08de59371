"""Commits the lockfile back: what this checkout recorded is put onto the branch as it is there now."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.lockfile import Lockfile, decode, encode, verify
from ftops.lockmerge import conflicts, merged
from ftops.shared import update

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from ftops.clock import Clock
    from ftops.lockstore import LockStore
    from ftops.shared import Shared, SharedFile

_MEND = (
    "`git checkout HEAD -- {name} && git pull` brings it here, `ftops lock rebuild` mends it and finds again what only "
    "you had; commit that, and push it with git"
)


def push(store: LockStore, file: SharedFile, before: bytes | None, *, clock: Clock, chance: Random) -> Shared:
    """Merge the lockfile into the one that stands on the remote's branch, and keep what stands there then.

    It is derived anew as often as others are faster, and never merged as text.

    Args:
        store: This checkout's lockfile.
        file: The branch's.
        before: What the branch held where this checkout parted from it (`ftops.gitbranch.content_before`).
        clock: For waiting between tries.
        chance: For how long.

    Raises:
        ProblemsError: Either lockfile was changed by hand, or the remote cannot be reached or written.
    """
    with store.exclusive():
        change = merging(store, before, file.name)
        stands = update(file, change, clock=clock, chance=chance)
        if stands.content:
            store.save(decode(stands.content, store.name), spent=False)
    return stands


def merging(store: LockStore, before: bytes | None, place: str) -> Callable[[bytes | None], bytes | None]:
    """How this checkout's lockfile, as it is now, is merged into the one that stands at *place*.

    Raises:
        ProblemsError: It was changed by hand; so does what is given, of the other one.
    """
    ours = store.read()
    if problems := verify(ours, store.name):
        raise ProblemsError(*problems)
    base = _base(before, ours)

    def change(content: bytes | None) -> bytes | None:
        theirs = _theirs(content, ours, store.name, place)
        if names := conflicts(base, ours, theirs):
            raise ProblemsError(*(_edited_there(name, store.name, place) for name in names))
        after = merged(base, ours, theirs)
        return content if after == theirs else encode(after)

    return change


def _base(content: bytes | None, like: Lockfile) -> Lockfile:
    """What both grew from; nothing, if what stood there is no lockfile of this target: then all of ours is new."""
    if content:
        with suppress(ProblemsError):
            base = decode(content, "")
            if base.target == like.target:
                return base
    return Lockfile(target=like.target)


def _theirs(content: bytes | None, like: Lockfile, name: str, place: str) -> Lockfile:
    if not content:
        return Lockfile(target=like.target)
    try:
        theirs = decode(content, name)
    except ProblemsError as error:
        if error.problems[0].code != "lock-malformed":
            raise
        raise ProblemsError(_unreadable_there(error.problems[0], name, place)) from None
    if theirs.target != like.target:
        raise ProblemsError(_other_target(theirs.target, like.target, name, place))
    return theirs


def _edited_there(entry: str, name: str, place: str) -> Diagnostic:
    return Diagnostic(
        code="lock-edited",
        summary=f"the entry `{entry}` of `{name}` was changed by hand on {place}",
        why="every generation carries a hash of its content, and to write the entry anew would hide that",
        fix=_MEND.format(name=name),
    )


def _unreadable_there(problem: Diagnostic, name: str, place: str) -> Diagnostic:
    return Diagnostic(
        code="lock-malformed",
        summary=f"on {place}, {problem.summary}",
        why=problem.why,
        fix=_MEND.format(name=name),
    )


def _other_target(found: str, wanted: str, name: str, place: str) -> Diagnostic:
    return Diagnostic(
        code="lock-target",
        summary=f"on {place}, `{name}` is the record of the target `{found}`, not of `{wanted}`",
        why="the default target's lockfile is `ftops.lock`, every other's is `ftops.<target>.lock`",
        fix=f"if the default target was changed on purpose: `git mv {name} ftops.{found}.lock`, commit and push that",
    )

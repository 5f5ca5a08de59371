"""The branch `main` at its remote, as far as runners see it: specs, data and lockfile, replaced only by compare-and-swap.

It stands for git, whose own part is tested with git itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ftops.diagnostics import ProblemsError
from ftops.lockfile import Lockfile, decode, encode, verify
from ftops.lockmerge import conflicts, merged

TARGET = "here"
LOCK = "ftops.lock"


class Commit(NamedTuple):
    """One state of the branch."""

    version: int
    files: dict[str, bytes]
    """Configuration, specs and data by their paths."""
    lock: bytes | None


@dataclass
class Branch:
    """Where everybody's work comes together."""

    head: Commit = field(default_factory=lambda: Commit(0, {}, None))

    def commit(self, changes: dict[str, bytes | None]) -> None:
        """A reviewed change of specs, data or configuration; None deletes a file."""
        files = {**self.head.files, **{path: content for path, content in changes.items() if content is not None}}
        gone = {path for path, content in changes.items() if content is None}
        files = {path: content for path, content in files.items() if path not in gone}
        self.head = Commit(self.head.version + 1, files, self.head.lock)

    def push_lock(self, seen: Commit, lock: bytes) -> Commit | None:
        """Put *lock* on top of *seen*; None if somebody pushed since."""
        if seen.version != self.head.version:
            return None
        self.head = Commit(self.head.version + 1, self.head.files, lock)
        return self.head


class ConflictError(Exception):
    """Two lockfiles that only a person can bring together."""


def merge(base: bytes | None, ours: bytes | None, theirs: bytes | None) -> bytes | None:
    """What git's merge of two lockfiles would be, with ftops' own merge in place of its lines.

    Raises:
        ConflictError: One of them is no lockfile, or both changed the same entry.
    """
    base, ours, theirs = (content or _NOTHING for content in (base, ours, theirs))
    try:
        old, mine, other = (decode(content, LOCK) for content in (base, ours, theirs))
    except ProblemsError as error:
        raise ConflictError from error
    if verify(mine, LOCK) or conflicts(old, mine, other):
        raise ConflictError
    content = encode(merged(old, mine, other))
    return None if content == _NOTHING else content


_NOTHING = encode(Lockfile(target=TARGET))

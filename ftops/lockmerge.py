"""Two lockfiles that grew from one, merged by meaning: entry by entry, never by text. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from ftops.lockfile import Lockfile


def conflicts(base: Lockfile, ours: Lockfile, theirs: Lockfile) -> tuple[str, ...]:
    """The entries that we changed since *base*, and that *theirs* holds with other content than either."""
    return tuple(
        name
        for name in _changed(base, ours)
        if name in theirs.models and theirs.models[name] not in (base.models.get(name), ours.models.get(name))
    )


def merged(base: Lockfile, ours: Lockfile, theirs: Lockfile) -> Lockfile:
    """*theirs*, with every entry that we changed since *base*; what they dropped and we recorded stands again."""
    models = dict(theirs.models)
    for name in _changed(base, ours):
        if name in ours.models:
            models[name] = ours.models[name]
        else:
            models.pop(name, None)
    return msgspec.structs.replace(theirs, models=models)


def _changed(base: Lockfile, ours: Lockfile) -> list[str]:
    names = sorted(base.models.keys() | ours.models.keys())
    return [name for name in names if base.models.get(name) != ours.models.get(name)]

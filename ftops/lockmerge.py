"""Two lockfiles that grew from one, merged by meaning: entry by entry, job by job, never by text. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ftops.lockfile import Entry, broken, with_entry

if TYPE_CHECKING:
    from ftops.lockfile import Generation, Intent, Lockfile


def merged(base: Lockfile, ours: Lockfile, theirs: Lockfile) -> Lockfile:
    """*theirs*, with all that we recorded since *base*.

    A job that either recorded stays recorded. Of an entry that one dropped and the other changed, the change stays.
    """
    lock = theirs
    for name in _changed(base, ours):
        old, mine, other = (each.models.get(name, Entry()) for each in (base, ours, theirs))
        if not _goes_on_from(old, mine):
            old = Entry()
        after = mine if other in (old, mine, Entry()) else _united(old, mine, other)
        if after != Entry():
            lock = with_entry(lock, name, after)
        else:
            models = {key: entry for key, entry in lock.models.items() if key != name}
            lock = msgspec.structs.replace(lock, models=models)
    return lock


def gathered(lock: Lockfile, other: Lockfile) -> Lockfile:
    """*lock*, with the entries of *other* that tell of a job what it does not know yet; nothing is taken from it."""
    lacking = {
        name: entry for name, entry in other.models.items() if not _goes_on_from(entry, lock.models.get(name, Entry()))
    }
    empty = msgspec.structs.replace(lock, models={})
    return merged(empty, msgspec.structs.replace(lock, models=lacking), lock)


def conflicts(base: Lockfile, ours: Lockfile, theirs: Lockfile) -> tuple[str, ...]:
    """The entries that we changed since *base*, and that *theirs* holds changed by hand: a merge would hide that."""
    edited = broken(theirs)
    return tuple(name for name in _changed(base, ours) if name in edited)


def _changed(base: Lockfile, ours: Lockfile) -> list[str]:
    names = sorted(base.models.keys() | ours.models.keys())
    return [name for name in names if base.models.get(name) != ours.models.get(name)]


def _goes_on_from(old: Entry, mine: Entry) -> bool:
    """Whether *mine* was made of *old*: ftops never drops a job, so one that lacks some is older, or was deleted."""
    known = {each.job.id: _knowledge(each) for each in mine.generations}
    return all(each.job.id in known and known[each.job.id] >= _knowledge(each) for each in old.generations)


def _united(old: Entry, mine: Entry, theirs: Entry) -> Entry:
    """The generations of both, each job once; current is what either made so since, and of two the later job."""
    before, ours = _by_job(old), _by_job(mine)
    found = _by_job(theirs)
    for job, generation in ours.items():
        found[job] = _further(before.get(job), generation, found.get(job))
    current = found.get(_current(old, mine, theirs))
    history = sorted((each for each in found.values() if each is not current), key=_age)
    return Entry(generation=current, history=tuple(history), intent=_intent(old, mine, theirs, found))


def _by_job(entry: Entry) -> dict[str, Generation]:
    """Generations without the hashes of those before them: these change with every merge."""
    return {each.job.id: msgspec.structs.replace(each, hash="") for each in entry.generations}


def _further(old: Generation | None, mine: Generation, theirs: Generation | None) -> Generation:
    """What is known of one job: what one of us changed; if both did, the one who knows more of its end."""
    if theirs is None or theirs == old:
        return mine
    if mine == old:
        return theirs
    return max(theirs, mine, key=_knowledge)


def _knowledge(generation: Generation) -> tuple[bool, bool, int]:
    """How much is known of a job's end; a job that vanishes takes the list of its checkpoints with it."""
    return generation.model is not None, generation.job.finished_at is not None, len(generation.checkpoints)


def _current(old: Entry, mine: Entry, theirs: Entry) -> str:
    """The job whose generation is current; empty if none is."""
    before, here, there = (each.generation.job.id if each.generation else "" for each in (old, mine, theirs))
    if before in {here, there}:
        return there if here == before else here
    newest = max(filter(None, (mine.generation, theirs.generation)), key=_age, default=None)
    return newest.job.id if newest else ""


def _intent(old: Entry, mine: Entry, theirs: Entry, found: dict[str, Generation]) -> Intent | None:
    """What is begun and not fulfilled: of two, one that was sent."""
    sides = [each.intent for each in (mine, theirs) if each.intent != old.intent] or [old.intent]
    made = {(each.digest, each.attempt) for each in found.values()}
    begun = [each for each in sides if each and (each.digest, each.attempt) not in made]
    return max(begun, key=lambda intent: bool(intent.request), default=None)


def _age(generation: Generation) -> tuple[int, str]:
    return generation.job.created_at, generation.job.id

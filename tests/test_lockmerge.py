"""Lockfiles of several machines become one: no job is lost, whoever writes first."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ftops.digest import Digest
from ftops.lockfile import (
    CheckpointRecord,
    Chosen,
    DataFile,
    Entry,
    Generation,
    Inputs,
    Intent,
    JobRecord,
    Lockfile,
    forgotten,
    verify,
    with_generation,
    with_intent,
    with_outcome,
)
from ftops.lockmerge import conflicts, gathered, merged

if TYPE_CHECKING:
    from collections.abc import Callable

EMPTY = Lockfile(target="here")
INPUTS = Inputs(model="m", method={}, training_file=DataFile(path="d", sha256="0", bytes=1, rows=1))
DIGEST = INPUTS.digest("here")


def generation(job: str, created_at: int = 1) -> Generation:
    record = JobRecord(id=job, status="running", created_at=created_at)
    return Generation(digest=Digest(f"sha256:{job}"), request={}, job=record)


def ended(job: str, model: str, policy: str = "best") -> Generation:
    record = JobRecord(id=job, status="succeeded", created_at=1, finished_at=9)
    begun = generation(job)
    return msgspec.structs.replace(begun, job=record, model=model, checkpoint=Chosen(policy=policy, step=1))


def intent(*, request: bool = True, attempt: int = 1) -> Intent:
    return Intent(
        digest=DIGEST, inputs=INPUTS, request={"model": "m"} if request else {}, started_at=1, attempt=attempt
    )


def entry(lock: Lockfile, name: str = "elle") -> Entry:
    return lock.models[name]


def jobs(lock: Lockfile, name: str = "elle") -> list[str]:
    """Of the history and then the current one."""
    return [each.job.id for each in entry(lock, name).generations]


BASE = with_generation(EMPTY, "elle", generation("a"))


def test_what_one_of_two_recorded_stands() -> None:
    ours = with_generation(BASE, "elle", generation("b", 2))
    assert merged(BASE, ours, BASE) == merged(BASE, BASE, ours) == merged(BASE, ours, ours) == ours


def test_of_two_that_made_a_job_the_later_is_current_and_both_are_recorded() -> None:
    ours = with_generation(BASE, "elle", generation("b", 2))
    theirs = with_generation(BASE, "elle", generation("c", 3))
    for lock in (merged(BASE, ours, theirs), merged(BASE, theirs, ours)):
        assert jobs(lock) == ["a", "b", "c"]
        assert verify(lock, "ftops.lock") == ()


def test_what_one_collected_and_the_other_superseded_is_both() -> None:
    ours = with_outcome(BASE, "elle", ended("a", "ft:a"))
    theirs = with_generation(BASE, "elle", generation("b", 2))
    for lock in (merged(BASE, ours, theirs), merged(BASE, theirs, ours)):
        assert jobs(lock) == ["a", "b"]
        assert entry(lock).history[0].model == "ft:a"
        assert verify(lock, "ftops.lock") == ()


def test_of_two_that_looked_at_a_job_the_one_who_saw_its_end_is_believed() -> None:
    again = msgspec.structs.replace(generation("a"), job=JobRecord(id="a", status="queued", created_at=1))
    ours, theirs = with_outcome(BASE, "elle", ended("a", "ft:a")), with_outcome(BASE, "elle", again)
    assert merged(BASE, ours, theirs) == merged(BASE, theirs, ours) == ours


def test_of_two_that_collected_a_job_the_one_who_found_its_checkpoints_is_believed() -> None:
    """A job that somebody deletes takes the list of its checkpoints with it, but not its models."""
    bare = ended("a", "m")
    whole = msgspec.structs.replace(bare, checkpoints=(CheckpointRecord(model="m:ckpt-step-1", step=1),))
    ours, theirs = (with_outcome(BASE, "elle", each) for each in (whole, bare))
    for lock in (merged(BASE, ours, theirs), merged(BASE, theirs, ours), gathered(theirs, ours)):
        assert [each.model for each in entry(lock).generations[0].checkpoints] == ["m:ckpt-step-1"]


def test_another_checkpoint_that_one_chose_stays_chosen() -> None:
    base = with_outcome(BASE, "elle", ended("a", "ft:a"))
    ours = with_outcome(base, "elle", ended("a", "ft:a:last", "last"))
    theirs = with_generation(base, "elle", generation("b", 2))
    for lock in (merged(base, ours, theirs), merged(base, theirs, ours)):
        assert entry(lock).history[0].model == "ft:a:last"


def test_what_one_forgot_and_the_other_trained_anew_is_current() -> None:
    ours, theirs = forgotten(BASE, "elle"), with_generation(BASE, "elle", generation("b", 2))
    for lock in (merged(BASE, ours, theirs), merged(BASE, theirs, ours)):
        assert jobs(lock) == ["a", "b"]
        assert entry(lock).generation is not None
    assert merged(BASE, ours, with_generation(BASE, "other", generation("c"))).models["elle"].generation is None


def test_what_both_forgot_stays_so_with_what_came_of_it() -> None:
    ours = forgotten(BASE, "elle")
    theirs = with_outcome(ours, "elle", ended("a", "ft:a"))
    lock = merged(BASE, ours, theirs)
    assert (entry(lock).generation, entry(lock).history[0].model) == (None, "ft:a")


def test_an_intent_that_the_other_fulfilled_is_none_any_more() -> None:
    made = msgspec.structs.replace(generation("b", 2), digest=DIGEST, inputs=INPUTS)
    ours, theirs = with_intent(BASE, "elle", intent()), with_generation(BASE, "elle", made)
    for lock in (merged(BASE, ours, theirs), merged(BASE, theirs, ours)):
        assert (jobs(lock), entry(lock).intent) == (["a", "b"], None)


def test_of_two_intents_the_one_that_may_have_been_sent_stays() -> None:
    ours, theirs = with_intent(BASE, "elle", intent()), with_intent(BASE, "elle", intent(request=False))
    for lock in (merged(BASE, ours, theirs), merged(BASE, theirs, ours)):
        assert entry(lock).intent == intent()


def test_an_intent_that_one_gave_up_is_gone() -> None:
    base = with_intent(BASE, "elle", intent())
    ours = with_generation(EMPTY, "elle", generation("a"))
    theirs = with_outcome(base, "elle", ended("a", "ft:a"))
    for lock in (merged(base, ours, theirs), merged(base, theirs, ours)):
        assert (entry(lock).intent, entry(lock).generations[0].model) == (None, "ft:a")


def test_what_was_changed_by_hand_is_not_sealed_by_a_merge() -> None:
    bad = msgspec.structs.replace(entry(BASE), generation=ended("a", "ft:forged"))
    theirs = msgspec.structs.replace(BASE, models={"elle": bad})
    ours = with_generation(BASE, "elle", generation("b", 2))
    assert conflicts(BASE, ours, theirs) == ("elle",)
    assert conflicts(BASE, with_generation(BASE, "other", generation("c")), theirs) == ()


STEPS: tuple[Callable[[Lockfile], Lockfile], ...] = (
    lambda lock: with_generation(lock, "elle", generation("b", 2)),
    lambda lock: with_generation(lock, "elle", generation("c", 3)),
    lambda lock: with_generation(lock, "ask", generation("d", 4)),
    lambda lock: with_outcome(lock, "elle", ended("a", "ft:a")),
    lambda lock: forgotten(lock, "elle"),
    lambda lock: with_intent(lock, "elle", intent()),
    lambda lock: with_generation(lock, "elle", generation("a")),
)


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(STEPS), max_size=4), min_size=2, max_size=4))
def test_whoever_is_first_the_same_jobs_are_recorded_and_the_chain_holds(
    machines: list[list[Callable[[Lockfile], Lockfile]]],
) -> None:
    found = set()
    for order in permutations(machines):
        lock = BASE
        for steps in order:
            mine = BASE
            for step in steps:
                mine = step(mine)
            lock = merged(BASE, mine, lock)
            recorded = {job for name in mine.models for job in jobs(mine, name)}
            assert recorded <= {job for name in lock.models for job in jobs(lock, name)}
            assert verify(lock, "ftops.lock") == ()
        found.add(frozenset((name, job) for name in lock.models for job in jobs(lock, name)))
    assert len(found) == 1


def test_a_lockfile_that_is_older_than_what_it_is_held_against_drops_nothing() -> None:
    """As after a conflict that somebody solved by taking their own side, or a file that was deleted."""
    base = with_outcome(with_generation(BASE, "elle", generation("b", 2)), "elle", ended("b", "ft:b"))
    for older in (BASE, EMPTY, with_generation(BASE, "elle", generation("b", 2))):
        assert merged(base, older, base) == base
        ours = with_generation(older, "elle", generation("c", 3))
        assert jobs(merged(base, ours, base)) == ["a", "b", "c"]
    theirs = with_generation(base, "other", generation("d", 4))
    assert merged(base, EMPTY, theirs) == theirs


def test_what_was_only_intended_and_given_up_is_gone() -> None:
    base = with_intent(BASE, "ask", intent())
    assert "ask" not in merged(base, BASE, base).models


def test_what_waits_to_be_merged_is_gathered_once() -> None:
    """Entries that tell of a job what is not known yet; what is older, or was gone back from, is not."""
    first = with_generation(EMPTY, "elle", generation("ftjob-1", 1))
    second = with_generation(first, "elle", generation("ftjob-2", 2))
    assert gathered(first, second) == second
    assert gathered(second, first) == second
    back = with_generation(second, "elle", generation("ftjob-1", 1))
    assert jobs(back) == ["ftjob-2", "ftjob-1"]
    assert gathered(back, second) == back
    other = with_generation(EMPTY, "emma", generation("ftjob-3"))
    assert set(gathered(first, other).models) == {"elle", "emma"}
    assert verify(gathered(first, other), "ftops.lock") == ()
    known = with_generation(EMPTY, "elle", ended("ftjob-1", "ft:model"))
    assert gathered(first, known) == known
    assert gathered(known, first) == known
    assert gathered(first, EMPTY) == first
    assert gathered(EMPTY, first) == first

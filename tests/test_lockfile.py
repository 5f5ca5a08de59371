"""The lockfile's content: canonical, strict, verified, and history that only grows."""

from __future__ import annotations

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.diagnostics import ProblemsError
from ftops.lockfile import (
    DataFile,
    Entry,
    Generation,
    Inputs,
    Intent,
    JobRecord,
    Lockfile,
    decode,
    encode,
    forgotten,
    verify,
    with_generation,
    with_intent,
    with_outcome,
    without_intent,
)

DATA = DataFile(path="specs/data/a.jsonl", sha256="a" * 64, bytes=10, rows=2)


def inputs(seed: int = 1) -> Inputs:
    return Inputs(model="base", method={"type": "supervised", "supervised": {}}, training_file=DATA, seed=seed)


def generation(seed: int = 1, status: str = "succeeded") -> Generation:
    given_inputs = inputs(seed)
    return Generation(
        digest=given_inputs.digest("local"),
        inputs=given_inputs,
        request={"model": "base"},
        job=JobRecord(id=f"ftjob-{seed}", status=status, created_at=seed),
        model=f"ft:{seed}",
    )


def intent(seed: int = 1) -> Intent:
    return Intent(digest=inputs(seed).digest("local"), inputs=inputs(seed), request={}, started_at=1)


def lock(*seeds: int, name: str = "elle") -> Lockfile:
    found = Lockfile(target="local")
    for seed in seeds:
        found = with_generation(found, name, generation(seed))
    return found


def code_of(content: bytes) -> str:
    with pytest.raises(ProblemsError) as caught:
        decode(content, "ftops.lock")
    return caught.value.problems[0].code


def test_equal_content_gives_equal_bytes_whatever_the_order() -> None:
    one = with_generation(lock(1, name="b"), "a", generation(2))
    other = with_generation(lock(2, name="a"), "b", generation(1))
    assert encode(one) == encode(other)
    assert encode(one).endswith(b"}\n")
    assert list(json.loads(encode(one))["models"]) == ["a", "b"]


def test_nothing_in_it_changes_with_time_or_tool() -> None:
    assert set(json.loads(encode(lock(1)))) == {"version", "target", "models"}


@given(st.lists(st.integers(min_value=1, max_value=9), max_size=6))
def test_what_is_written_is_what_is_read(seeds: list[int]) -> None:
    written = lock(*seeds)
    assert decode(encode(written), "ftops.lock") == written
    assert verify(written, "ftops.lock") == ()


def test_a_new_generation_makes_the_old_one_history_in_one_chain() -> None:
    entry = lock(1, 2, 3).models["elle"]
    assert [each.job.id for each in entry.generations] == ["ftjob-1", "ftjob-2", "ftjob-3"]
    assert len({each.hash for each in entry.generations}) == 3
    assert entry.find(inputs(1).digest("local")) == entry.history[0]


def test_going_back_keeps_what_came_between() -> None:
    entry = lock(1, 2, 1).models["elle"]
    assert [each.job.id for each in entry.generations] == ["ftjob-2", "ftjob-1"]


def test_an_outcome_is_recorded_wherever_its_generation_stands() -> None:
    before = lock(1, 2)
    old = msgspec.structs.replace(generation(1), model="ft:late")
    after = with_outcome(before, "elle", old)
    assert [each.model for each in after.models["elle"].generations] == ["ft:late", "ft:2"]
    assert verify(after, "ftops.lock") == ()


def test_forgetting_keeps_the_model_id() -> None:
    entry = forgotten(lock(1, 2), "elle").models["elle"]
    assert entry.generation is None
    assert [each.model for each in entry.history] == ["ft:1", "ft:2"]


def test_an_intent_ends_with_its_own_generation_only() -> None:
    waiting = with_intent(lock(1), "elle", intent(3))
    assert with_generation(waiting, "elle", generation(2)).models["elle"].intent == intent(3)
    assert with_generation(waiting, "elle", generation(3)).models["elle"].intent is None


def test_an_intent_that_had_no_effect_leaves_nothing_behind() -> None:
    begun = with_intent(Lockfile(target="local"), "elle", intent())
    assert without_intent(begun, "elle") == Lockfile(target="local")
    assert without_intent(with_intent(lock(1), "elle", intent(2)), "elle") == lock(1)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b"ft:1", b"ft:9", "the hash of generation 1"),
        (b'"seed": 2', b'"seed": 3', "the hash of generation 2"),
        (b'"ftjob-2"', b'"ftjob-7"', "the hash of generation 2"),
    ],
)
def test_every_change_by_hand_shows_and_names_its_entry(old: bytes, new: bytes, what: str) -> None:
    content = encode(lock(1, 2))
    assert old in content
    problems = verify(decode(content.replace(old, new, 1), "ftops.lock"), "ftops.lock")
    assert what in problems[0].summary
    assert "`elle`" in problems[0].summary


def test_a_removed_generation_breaks_the_chain() -> None:
    entry = lock(1, 2).models["elle"]
    cut = Lockfile(target="local", models={"elle": Entry(generation=entry.generation)})
    assert verify(cut, "ftops.lock")[0].code == "lock-edited"


def test_inputs_that_do_not_give_the_digest_show() -> None:
    wrong = msgspec.structs.replace(generation(1), digest=inputs(2).digest("local"))
    found = with_generation(Lockfile(target="local"), "elle", wrong)
    assert "digest of generation 1" in verify(found, "ftops.lock")[0].summary
    begun = with_intent(lock(), "elle", msgspec.structs.replace(intent(1), digest=inputs(2).digest("local")))
    assert "digest of its intent" in verify(begun, "ftops.lock")[0].summary


def test_a_lockfile_of_a_newer_version_is_refused() -> None:
    assert code_of(encode(lock(1)).replace(b'"version": 1', b'"version": 2')) == "lock-version"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"{",
        b"<<<<<<< HEAD\n{}",
        b"\xff\xfe",
        b'{"version": 1}',
        b"[" * 100_000,
        b'{"version": "1", "target": "local"}',
    ],
)
def test_what_is_no_lockfile_is_said_to_be_none(content: bytes) -> None:
    assert code_of(content) == "lock-malformed"


def test_an_unknown_field_is_refused_and_its_entry_and_line_named() -> None:
    content = encode(lock(1)).replace(b'"job": {', b'"jab": 1, "job": {')
    with pytest.raises(ProblemsError) as caught:
        decode(content, "ftops.lock")
    (problem,) = caught.value.problems
    assert "`elle`" in problem.summary
    assert str(problem.place) == "ftops.lock:5"


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_problems(content: bytes) -> None:
    with contextlib.suppress(ProblemsError):
        decode(content, "ftops.lock")

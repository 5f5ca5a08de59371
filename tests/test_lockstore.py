"""The lockfile on disk: what others write meanwhile stays, what is not saved is kept, writers wait for each other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import count
from typing import TYPE_CHECKING

import msgspec
import pytest

from ftops.diagnostics import ProblemsError
from ftops.digest import Digest
from ftops.lockfile import (
    DataFile,
    Generation,
    Inputs,
    Intent,
    JobRecord,
    Lockfile,
    encode,
    with_generation,
    with_intent,
    without_intent,
)
from ftops.lockstore import LockStore

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def generation(job: str, status: str = "running") -> Generation:
    record = JobRecord(id=job, status=status, created_at=1)
    return Generation(digest=Digest(f"sha256:{job}"), request={}, job=record)


def edited(lock: Lockfile) -> Lockfile:
    """As a person leaves it."""
    models = {
        name: msgspec.structs.replace(entry, generation=msgspec.structs.replace(entry.generation, attempt=9))
        for name, entry in lock.models.items()
        if entry.generation
    }
    return msgspec.structs.replace(lock, models=models)


EMPTY = Lockfile(target="here")
MINE = with_generation(EMPTY, "mine", generation("ftjob-mine"))
THEIRS = with_generation(EMPTY, "theirs", generation("ftjob-theirs"))


@pytest.fixture
def store(tmp_path: Path) -> LockStore:
    store = LockStore(tmp_path, "ftops.lock", "here")
    store.read()
    return store


def write(store: LockStore, lock: Lockfile) -> None:
    """As `git pull` does."""
    (store.root / store.name).write_bytes(encode(lock))


def on_disk(store: LockStore) -> Lockfile:
    return LockStore(store.root, store.name, "here").read()


@pytest.mark.parametrize("spent", [True, False])
def test_what_a_colleague_recorded_meanwhile_stays(store: LockStore, *, spent: bool) -> None:
    write(store, THEIRS)
    saved = store.save(MINE, spent=spent)
    assert saved.models.keys() == {"mine", "theirs"}
    assert on_disk(store) == saved


def test_each_save_merges_again(store: LockStore) -> None:
    saved = store.save(MINE, spent=True)
    write(store, with_generation(saved, "theirs", generation("ftjob-theirs")))
    saved = store.save(with_generation(saved, "second", generation("ftjob-second")), spent=True)
    write(store, msgspec.structs.replace(saved, models={"theirs": saved.models["theirs"]}))
    saved = store.save(with_generation(saved, "third", generation("ftjob-third")), spent=True)
    assert on_disk(store).models.keys() == saved.models.keys() == {"theirs", "third"}


def written_while_it_saves(monkeypatch: pytest.MonkeyPatch, store: LockStore, writes: Iterable[Lockfile]) -> None:
    """While a save waits for the disk, somebody writes the lockfile."""
    pending, sync = iter(writes), os.fsync

    def write_and_sync(descriptor: int) -> None:
        if lock := next(pending, None):
            write(store, lock)
        sync(descriptor)

    monkeypatch.setattr("ftops.lockstore.os.fsync", write_and_sync)


def test_what_a_colleague_records_while_it_is_written_stays(store: LockStore, monkeypatch: pytest.MonkeyPatch) -> None:
    written_while_it_saves(monkeypatch, store, [THEIRS])
    assert store.save(MINE, spent=True).models.keys() == on_disk(store).models.keys() == {"mine", "theirs"}
    assert [path.name for path in store.root.iterdir()] == ["ftops.lock"]


def test_a_lockfile_that_is_written_all_the_time_is_left(store: LockStore, monkeypatch: pytest.MonkeyPatch) -> None:
    others = (with_generation(EMPTY, "theirs", generation(f"ftjob-{number}")) for number in count())
    written_while_it_saves(monkeypatch, store, others)
    with pytest.raises(ProblemsError) as caught:
        store.save(MINE, spent=True)
    assert caught.value.problems[0].why == "something else changes it all the time"
    assert on_disk(store).models.keys() == {"theirs"}
    assert "mine" in (store.root / "ftops.lock.unsaved-1").read_text()


def test_what_was_begun_and_given_up_here_is_gone(store: LockStore) -> None:
    file = DataFile(path="d", sha256="0", bytes=1, rows=1)
    inputs = Inputs(model="m", method={}, training_file=file)
    intent = Intent(digest=inputs.digest("here"), inputs=inputs, request={}, started_at=1)
    both = store.save(with_intent(THEIRS, "mine", intent), spent=False)
    write(store, with_generation(both, "new", generation("ftjob-new")))
    store.save(without_intent(both, "mine"), spent=False)
    assert on_disk(store).models.keys() == {"theirs", "new"}


def test_what_is_recorded_after_they_dropped_it_stands(store: LockStore) -> None:
    store.save(MINE, spent=True)
    write(store, EMPTY)
    ours = with_generation(EMPTY, "mine", generation("ftjob-mine", "succeeded"))
    assert store.save(ours, spent=True) == on_disk(store) == ours


def test_a_lockfile_that_was_deleted_meanwhile_is_written_whole(store: LockStore) -> None:
    saved = store.save(MINE, spent=True)
    (store.root / store.name).unlink()
    store.save(with_generation(saved, "second", generation("ftjob-second")), spent=True)
    assert on_disk(store).models.keys() == {"mine", "second"}


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (encode(edited(MINE)), "the record of `mine`"),
        (b"<<<<<<< HEAD\n", "not a lockfile"),
        (encode(Lockfile(target="there")), "the target `there`"),
    ],
)
def test_what_must_not_be_overwritten_is_left_and_ours_set_beside_it(store: LockStore, found: bytes, why: str) -> None:
    (store.root / store.name).write_bytes(found)
    for number in (1, 2):
        with pytest.raises(ProblemsError) as caught:
            store.save(MINE, spent=True)
        (problem,) = caught.value.problems
        assert problem.code == "lock-unsaved"
        assert why in str(problem.why)
        assert "`ftops lock rebuild`" in str(problem.fix)
        assert "mv" not in str(problem.fix)
        assert (store.root / f"ftops.lock.unsaved-{number}").read_bytes() == encode(MINE)
    assert (store.root / store.name).read_bytes() == found
    write(store, THEIRS)
    assert on_disk(store) == THEIRS, "the copy must not block"


def test_what_cost_nothing_leaves_no_copy(store: LockStore) -> None:
    write(store, edited(MINE))
    with pytest.raises(ProblemsError) as caught:
        store.save(MINE, spent=False)
    assert str(caught.value.problems[0].fix).endswith("no job was created for this change")
    assert [path.name for path in store.root.iterdir()] == ["ftops.lock"]


def test_a_lockfile_that_became_a_folder_leaves_a_recovery_copy(store: LockStore) -> None:
    (store.root / store.name).mkdir()
    with pytest.raises(ProblemsError) as caught:
        store.save(MINE, spent=True)
    assert "`mv " in str(caught.value.problems[0].fix)
    assert (store.root / "ftops.lock.recovery").read_bytes() == encode(MINE)
    with pytest.raises(ProblemsError) as caught:
        store.read()
    assert caught.value.problems[0].code == "lock-recovery"


def test_a_damaged_lockfile_that_changes_once_more_is_not_overwritten(store: LockStore) -> None:
    path = store.root / store.name
    path.write_text("{")
    with pytest.raises(ProblemsError):
        store.read()
    assert store.set_aside() == "ftops.lock.damaged-1"
    write(store, THEIRS)
    with pytest.raises(ProblemsError) as caught:
        store.save(MINE, spent=False)
    assert caught.value.problems[0].code == "lock-unsaved"
    assert path.read_bytes() == encode(THEIRS)


HOLD = """
import sys, time
from pathlib import Path
from ftops.lockstore import LockStore
with LockStore(Path.cwd(), "ftops.lock", "here").exclusive():
    print("held", flush=True)
    time.sleep(float(sys.argv[1]))
"""


@pytest.mark.parametrize(("seconds", "is_waited_for"), [(0.5, True), (60, False)])
def test_a_writer_waits_a_moment_for_another(
    store: LockStore, monkeypatch: pytest.MonkeyPatch, seconds: float, *, is_waited_for: bool
) -> None:
    monkeypatch.setattr("ftops.lockstore.HELD_SECONDS", 2)
    command = [sys.executable, "-c", HOLD, str(seconds)]
    with subprocess.Popen(command, cwd=store.root, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        began = time.monotonic()
        if is_waited_for:
            with store.exclusive():
                pass
        else:
            with pytest.raises(ProblemsError) as caught, store.exclusive():
                pass
            assert caught.value.problems[0].code == "lock-held"
            assert time.monotonic() - began >= 2
        other.kill()
    with store.exclusive():
        assert (store.root / ".ftops" / ".gitignore").read_text() == "*\n"


def test_a_state_folder_that_cannot_be_made_is_said(store: LockStore) -> None:
    (store.root / ".ftops").touch()
    with pytest.raises(ProblemsError) as caught, store.exclusive():
        pass
    assert caught.value.problems[0].code == "state-unwritable"


def test_a_lock_that_cannot_be_opened_is_said(store: LockStore) -> None:
    (store.root / ".ftops" / "ftops.lock.held").mkdir(parents=True)
    with pytest.raises(ProblemsError) as caught, store.exclusive():
        pass
    assert caught.value.problems[0].code == "state-unwritable"

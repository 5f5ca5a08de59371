"""The lockfile and what was paid: full disks, two commands at once, recovery, rebuilding."""

from __future__ import annotations

import json
import re
import resource
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Run, Running, Shop, Start

CREATE = "POST /v1/fine_tuning/jobs"


def test_a_full_disk_before_the_create_costs_nothing(shop: Shop, run: Run, start: Start) -> None:
    done = start("apply", "--yes", is_disk_full=True).finish()
    assert (done.code, done.codes) == (1, ["lock-unsaved"])
    assert "no job was created" in done.err
    assert shop.jobs() == []
    assert unfinished_files(shop) == []
    assert run("apply", "--yes").code == 0
    assert len(shop.jobs()) == 1


def test_a_full_disk_after_the_create_is_mended_by_a_rebuild(shop: Shop, run: Run, start: Start) -> None:
    applying = start_slowly(shop, start)
    resource.prlimit(applying.process.pid, resource.RLIMIT_FSIZE, (64, 64))
    done = applying.finish()
    assert (done.code, done.codes) == (1, ["lock-unsaved"])
    assert "`ftops lock rebuild`" in done.err
    assert unfinished_files(shop) == []
    (job,) = shop.jobs()
    assert run("lock", "rebuild").code == 0
    assert recorded_job(shop) == job["id"]
    assert is_clean(shop, run)


def test_what_others_recorded_meanwhile_stays(shop: Shop, start: Start) -> None:
    """As when a colleague's record is pulled during an apply; that it lacks ours does no harm."""
    applying = start_slowly(shop, start)
    shop.lock.write_text('{"version": 1, "target": "here", "models": {"theirs": {}}}\n')
    done = applying.finish()
    assert done.code == 0, done.err
    (job,) = shop.jobs()
    assert recorded_job(shop) == job["id"]
    assert "theirs" in json.loads(shop.lock.read_text())["models"]


def test_what_others_recorded_of_the_same_model_is_merged(shop: Shop, run: Run, start: Start) -> None:
    applying = start_slowly(shop, start)
    theirs = json.loads(shop.lock.read_text())
    theirs["models"]["pong"]["intent"]["started_at"] += 1
    shop.lock.write_text(json.dumps(theirs))
    assert applying.finish().code == 0
    (job,) = shop.jobs()
    assert recorded_job(shop) == job["id"]
    assert is_clean(shop, run)


def test_what_a_person_changed_of_the_same_model_is_not_overwritten(shop: Shop, run: Run, start: Start) -> None:
    applying = start_slowly(shop, start)
    theirs = json.loads(shop.lock.read_text())
    theirs["models"]["pong"]["intent"]["inputs"]["seed"] += 1
    shop.lock.write_text(json.dumps(theirs))
    done = applying.finish()
    assert (done.code, done.codes) == (1, ["lock-unsaved"])
    assert "`ftops lock rebuild`" in done.err
    assert json.loads(shop.lock.read_text()) == theirs
    assert run("lock", "rebuild").code == 0
    (job,) = shop.jobs()
    assert recorded_job(shop) == job["id"]
    assert is_clean(shop, run)


def test_a_lockfile_that_became_a_folder_keeps_the_record_beside_it(shop: Shop, run: Run, start: Start) -> None:
    applying = start_slowly(shop, start)
    shop.lock.unlink()
    shop.lock.mkdir()
    done = applying.finish()
    assert (done.code, done.codes) == (1, ["lock-unsaved"])
    shop.lock.rmdir()
    bring_back(done.err)
    assert len(shop.jobs()) == 1
    assert is_clean(shop, run)


def test_a_project_that_vanished_leaves_its_record_among_the_temporary_files(
    shop: Shop, run: Run, start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As when a disk is pulled, or a network folder goes away."""
    temporary = tmp_path_factory.mktemp("temporary files")
    monkeypatch.setenv("TMPDIR", str(temporary))
    applying = start_slowly(shop, start)
    elsewhere = shop.root.with_name("elsewhere")
    shop.root.rename(elsewhere)
    done = applying.finish()
    elsewhere.rename(shop.root)
    assert (done.code, done.codes) == (1, ["lock-unsaved"])
    assert len(list(temporary.rglob("ftops.lock"))) == 1
    bring_back(done.err)
    assert len(shop.jobs()) == 1
    assert is_clean(shop, run)


def test_the_second_of_two_applies_at_once_is_refused(
    shop: Shop, run: Run, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftops.lockstore.HELD_SECONDS", 1)
    applying = start_slowly(shop, start, seconds=5)
    done = run("apply", "--yes")
    assert (done.code, done.codes) == (1, ["lock-held"]), done.err
    assert applying.finish().code == 0
    assert len(shop.jobs()) == 1
    assert run("apply", "--yes").code == 0
    assert len(shop.jobs()) == 1


def test_verify_names_the_entry_that_was_edited_and_rebuild_mends_it(trained: Shop, run: Run) -> None:
    sound = trained.lock.read_text()
    assert run("lock", "verify").err == "ftops.lock: 1 model, 1 generation, every hash matches\n"
    edited = sound.replace('"policy": "best"', '"policy": "last"')
    assert edited != sound
    trained.lock.write_text(edited)
    done = run("lock", "verify")
    assert (done.code, done.codes, done.out) == (1, ["lock-edited"], "")
    assert "the entry `pong`" in done.err
    assert run("lock", "rebuild").code == 0
    assert run("lock", "verify").code == 0
    assert model_of(trained.lock.read_text()) == model_of(sound)
    assert (trained.root / "ftops.lock.damaged-1").read_text() == edited


def test_a_rebuild_tells_of_which_jobs_the_record_went(
    trained: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftops.reconcile.LAG_SECONDS", 0)
    (job,) = trained.jobs()
    edited = trained.lock.read_text().replace(str(job["id"]), "ftjob-of-nobody")
    trained.lock.write_text(edited)
    done = run("lock", "rebuild")
    assert done.code == 0
    assert done.err.splitlines()[-3:] == [
        "pong: recorded again",
        "pong: job ftjob-of-nobody is not at the provider, so its record went, and stands in the copy only",
        "ftops.lock: recorded the missing jobs of 1 spec",
    ]
    assert (trained.root / "ftops.lock.damaged-1").read_text() == edited


def test_nothing_is_applied_on_a_record_that_was_edited(trained: Shop, run: Run) -> None:
    edited = trained.lock.read_text().replace('"policy": "best"', '"policy": "last"')
    trained.lock.write_text(edited)
    for command in (["apply", "--yes"], ["reconcile"]):
        done = run(*command)
        assert (done.code, done.codes) == (1, ["lock-edited"])
    assert trained.lock.read_text() == edited


def test_a_lockfile_with_marks_of_a_merge_is_rebuilt_and_a_copy_kept(trained: Shop, run: Run) -> None:
    sound = trained.lock.read_text()
    merged = "".join(["<<<<<<< HEAD\n", *sound.splitlines(keepends=True)[:9], "=======\n", ">>>>>>> theirs\n"])
    for number in (1, 2):
        trained.lock.write_text(merged)
        done = run("plan")
        assert (done.code, done.codes) == (1, ["lock-malformed"])
        assert "`ftops lock rebuild`" in done.err
        assert run("lock", "rebuild").code == 0
        assert (trained.root / f"ftops.lock.damaged-{number}").read_text() == merged
    assert model_of(trained.lock.read_text()) == model_of(sound)
    assert run("plan", "--refresh", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_truncated_lockfile_is_rebuilt(trained: Shop, run: Run, kept: float) -> None:
    sound = trained.lock.read_text()
    trained.lock.write_text(sound[: int(len(sound) * kept)])
    assert run("status").codes == ["lock-malformed"]
    assert run("lock", "rebuild").code == 0
    assert model_of(trained.lock.read_text()) == model_of(sound)
    assert run("lock", "verify").code == 0


def test_a_rebuild_that_fails_leaves_the_lockfile_as_it_was(
    trained: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained.lock.write_text("<<<<<<< HEAD\n")
    monkeypatch.setenv("SHOP_KEY", "wrong")
    done = run("lock", "rebuild")
    assert done.code == 1
    assert trained.lock.read_text() == "<<<<<<< HEAD\n"


@pytest.mark.parametrize("content", ['{"version": 99, "target": "here", "models": {}}', None])
def test_what_a_rebuild_cannot_judge_it_leaves_alone(trained: Shop, run: Run, content: str | None) -> None:
    """A newer ftops knows more than this one, and a folder is no lockfile at all."""
    trained.lock.unlink()
    if content is None:
        trained.lock.mkdir()
    else:
        trained.lock.write_text(content)
    done = run("lock", "rebuild")
    assert (done.code, done.codes) == (1, ["lock-unreadable" if content is None else "lock-version"])
    assert trained.lock.is_dir() or trained.lock.read_text() == content


def test_a_rebuild_of_a_sound_lockfile_changes_no_byte(trained: Shop, run: Run) -> None:
    before = trained.lock.read_bytes()
    done = run("lock", "rebuild")
    assert (done.code, done.out) == (0, "")
    assert trained.lock.read_bytes() == before


def start_slowly(shop: Shop, start: Start, *, seconds: float = 1.5) -> Running:
    """Start an apply, and return while its create, which takes *seconds*, is under way."""
    shop.server.faults({"match": CREATE, "kind": "delay", "seconds": seconds})
    applying = start("apply", "--yes")
    applying.await_until(lambda: shop.lock.exists() and '"intent"' in shop.lock.read_text())
    return applying


def bring_back(message: str) -> None:
    """Do exactly what the message says."""
    (command,) = re.findall(r"`(mv .+)`", message)
    subprocess.run(command, shell=True, check=True)
    assert shlex.split(command)[0] == "mv"


def is_clean(shop: Shop, run: Run) -> bool:
    """Whether there is nothing to do but to wait, and the lockfile proves itself."""
    return run("lock", "verify").code == 0 and run("plan", "--detailed-exitcode").code == 0 and len(shop.jobs()) == 1


def recorded_job(shop: Shop) -> object:
    return json.loads(shop.lock.read_text())["models"]["pong"]["generation"]["job"]["id"]


def model_of(lock: str) -> object:
    return json.loads(lock)["models"]["pong"]["generation"]["model"]


def unfinished_files(shop: Shop) -> list[str]:
    return [path.name for path in shop.root.iterdir() if path.name.startswith(".ftops.lock")]

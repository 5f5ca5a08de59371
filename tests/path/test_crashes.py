"""`kill -9` at every effect boundary: the next apply ends with exactly one job a digest, and no model id is lost."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from ftops.lockfile import verify
from ftops.lockstore import LockStore
from ftops.remote.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from conftest import Team

BOUNDARIES = (
    (Provider, "models"),
    (Provider, "jobs"),
    (Provider, "files"),
    (Provider, "upload"),
    (Provider, "create_job"),
    (Provider, "checkpoints"),
    (LockStore, "save"),
)
"""Every call that has an effect or depends on one; the process may die before and after each."""


def die_at(boundary: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, kill this process at the *boundary*-th place: even before a call, odd after it."""
    passed = 0

    def here() -> None:
        nonlocal passed
        if passed == boundary:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    def watched(function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            here()
            result = function(*args, **kwargs)
            here()
            return result

        return call

    for owner, name in BOUNDARIES:
        monkeypatch.setattr(owner, name, watched(getattr(owner, name)))


def killed(boundary: int, run: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether *run*, in a process of its own, was killed at *boundary*; False if it ended before it got there."""
    child = os.fork()
    if child == 0:
        die_at(boundary, monkeypatch)
        run()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


def test_an_apply_that_is_killed_anywhere_is_finished_by_the_next(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.data("pings.jsonl", 11)
    team.provider  # noqa: B018  # the SDK is imported once, here, and not anew in every child
    boundary = 0
    died = True
    while died:
        team.seed += 100_000
        team.config()
        team.data("pings.jsonl", answer=f"never seen before {team.seed}")
        team.spec("pong", epochs=1)
        (team.root / "ftops.lock").unlink(missing_ok=True)
        died = killed(boundary, team.apply, monkeypatch)
        team.apply()
        assert [len(jobs) for jobs in team.jobs().values()] == [1], f"killed at boundary {boundary}"
        entry = team.lock.models["pong"]
        assert entry.generation is not None
        assert entry.intent is None
        assert [entry.generation.job.id] == next(iter(team.jobs().values()))
        assert verify(team.lock, "ftops.lock") == ()
        boundary += 1
    # observe, jobs, jobs, files, upload, save, create, save: all were walked, before and after.
    assert boundary > 2 * len(BOUNDARIES)


def test_a_reconcile_that_is_killed_anywhere_loses_no_model(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.spec("parent", epochs=1)
    team.spec("child", model="{spec: parent}", epochs=1)
    boundary = 0
    died = True
    while died:
        (team.root / "ftops.lock").unlink(missing_ok=True)
        team.seed += 100_000
        team.config()
        team.spec("parent", epochs=1)
        team.spec("child", model="{spec: parent}", epochs=1)
        team.apply()
        (parent,) = (entry.generation for entry in team.lock.models.values() if entry.generation)
        while team.provider.job(parent.job.id).status != "succeeded":
            team.clock.sleep(100)
        died = killed(boundary, team.reconcile, monkeypatch)
        team.reconcile()
        assert [len(jobs) for jobs in team.jobs().values()] == [1, 1], f"killed at boundary {boundary}"
        generation = team.lock.models["parent"].generation
        assert generation is not None
        assert generation.model in team.provider.models()
        assert verify(team.lock, "ftops.lock") == ()
        boundary += 1
    assert boundary > 2 * len(BOUNDARIES)

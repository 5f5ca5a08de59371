"""The whole story with the real workflow files: opened, edited, merged, trained, collected; nothing comes of that."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ftops.lockfile import decode, verify
from tests.github import events
from tests.github.actions import spec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.lockfile import Generation
    from tests.github.actions import Actions

BOT = "github-actions[bot]"
ALL_PASSED = {"plan": "success", "comment": "success", "required": "success"}
LONG = 50
"""Epochs: it is held before it ends."""


@contextmanager
def held(state: Path) -> Iterator[None]:
    """Let the provider begin to train, and get no further until the end of the block, however slow this machine is."""
    stopped: list[int] = []

    def hold() -> None:
        stopped.append(_trainer(state))
        os.kill(stopped[0], signal.SIGSTOP)

    watcher = threading.Thread(target=hold)
    watcher.start()
    try:
        yield
    finally:
        watcher.join()
        os.kill(stopped[0], signal.SIGCONT)


def _trainer(state: Path) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if "ftops.server.worker" in words and str(state) in words and "train" in words:
                return int(path.parent.name)
        time.sleep(0.02)
    raise AssertionError("no worker trains at the provider")


def recorded(actions: Actions) -> Generation:
    content = actions.repository.file("ftops.lock")
    assert content is not None
    lock = decode(content, "ftops.lock")
    assert verify(lock, "ftops.lock") == ()
    generation = lock.models["elle"].generation
    assert generation is not None
    return generation


def test_from_a_pull_request_to_a_model_on_the_main_branch(actions: Actions, tmp_path: Path) -> None:
    repository, provider = actions.repository, actions.provider

    # Somebody opens a pull request: one comment, and no call to the provider.
    repository.commit(spec("elle", epochs=1), branch="topic")
    number = repository.open_pull(head="topic", title="Train elle")
    (planned,) = actions.react()
    assert planned.jobs == ALL_PASSED, str(planned)
    (first,) = repository.comments(number)
    assert first["author"] == BOT
    assert "1 to train" in first["body"]
    assert provider.jobs() == []

    # They edit the spec: the same comment says so.
    repository.commit(spec("elle", epochs=LONG), branch="topic")
    (planned,) = actions.react()
    assert planned.jobs == ALL_PASSED, str(planned)
    (second,) = repository.comments(number)
    assert second["id"] == first["id"]
    assert second["body"] != first["body"]

    # They merge it: the job is submitted, recorded on main by the bot, and the runner let go while it trains.
    with held(tmp_path / "provider" / "state"):
        (applied,) = actions.merge(number)
        assert applied.jobs == {"plan": "success", "apply": "success"}, str(applied)
        (job,) = provider.jobs()
        assert job["status"] in {"validating_files", "queued", "running"}
        assert (recorded(actions).job.id, recorded(actions).model) == (job["id"], None)
        assert repository.log()[0] == (BOT, "Record what ftops made (ftops.lock)")

        # The schedule comes while it trains: there is nothing to record, and nobody waits.
        before = repository.head()
        (early,) = actions.run(events.schedule(repository))
        assert early.jobs == {"pending": "success", "collect": "success"}, str(early)
        assert repository.head() == before

    # It comes again when the job has ended: the model is on main.
    provider.wait_until_ended()
    (collected,) = actions.run(events.schedule(repository))
    assert collected.jobs == {"pending": "success", "collect": "success"}, str(collected)
    (job,) = provider.jobs()
    assert recorded(actions).model == job["fine_tuned_model"]
    assert repository.log()[0] == (BOT, "Record what ftops made (ftops.lock)")

    # A second time it does nothing, and that at once; and the bot's commits started nothing.
    before = repository.head()
    (again,) = actions.run(events.schedule(repository))
    assert again.jobs == {"pending": "success", "collect": "skipped"}, str(again)
    assert repository.head() == before
    assert actions.react() == []
    assert len(provider.jobs()) == 1
    assert len(repository.comments(number)) == 1

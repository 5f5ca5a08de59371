"""When results were last collected."""

from __future__ import annotations

import subprocess
from random import Random
from typing import TYPE_CHECKING

import pytest

from ftops.collected import collected_file, last_collected, note_collected

if TYPE_CHECKING:
    from pathlib import Path

    from ftops.shared import SharedFile
    from tests.conftest import HeldClock


def cloned(remote: Path, name: str) -> SharedFile:
    root = remote.parent / name
    subprocess.run(["git", "clone", "--quiet", remote, root], check=True, capture_output=True)
    file = collected_file(root, "openai")
    assert file is not None
    return file


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    path = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", path], check=True)
    return path


def test_another_machine_sees_when_it_was(remote: Path, clock: HeldClock) -> None:
    here, there = cloned(remote, "here"), cloned(remote, "there")
    assert last_collected(there) is None
    note_collected(here, clock=clock, chance=Random(1))
    assert last_collected(there) == clock.now()
    clock.advance(3600)
    note_collected(there, clock=clock, chance=Random(1))
    assert last_collected(here) == clock.now()


def test_a_clock_that_is_slow_takes_nothing_back(remote: Path, clock: HeldClock) -> None:
    file = cloned(remote, "here")
    note_collected(file, clock=clock, chance=Random(1))
    noted = clock.now()
    clock.advance(-3600)
    note_collected(file, clock=clock, chance=Random(1))
    assert last_collected(file) == noted


@pytest.mark.parametrize("at", [4_000_000_000, 10**11])
def test_a_clock_that_is_years_ahead_hides_nothing_for_good(remote: Path, clock: HeldClock, at: int) -> None:
    file = cloned(remote, "here")
    file.swap(file.read(), b'{"at": %d}' % at)
    note_collected(file, clock=clock, chance=Random(1))
    assert last_collected(file) == clock.now()


@pytest.mark.parametrize(
    "content", [b"[9]", b'{"x": ' + b"[" * 10_000, b'{"at": -1}', b'{"at": %d}' % 10**400], ids=lambda each: each[:9]
)
def test_what_somebody_else_put_there_is_nothing(remote: Path, clock: HeldClock, content: bytes) -> None:
    file = cloned(remote, "here")
    file.swap(file.read(), content)
    assert last_collected(file) is None
    note_collected(file, clock=clock, chance=Random(1))
    assert last_collected(file) == clock.now()


def test_a_remote_that_is_gone_is_no_problem(remote: Path, clock: HeldClock) -> None:
    file = cloned(remote, "here")
    remote.rename(remote.with_name("elsewhere"))
    note_collected(file, clock=clock, chance=Random(1))
    assert last_collected(file) is None


def test_without_a_remote_there_is_no_place_for_it(tmp_path: Path) -> None:
    assert collected_file(tmp_path, "openai") is None
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    assert collected_file(tmp_path, "openai") is None

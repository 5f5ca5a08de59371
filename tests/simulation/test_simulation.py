"""A few seeds in every run of the tests; `make simulate` plays more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.play import play
from tests.simulation.schedule import schedule_of, setting_of

ROOT = Path(__file__).parents[2]
SEEDS = range(24)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_is_kept_whatever_goes_wrong(seed: int) -> None:
    played = play(setting_of(seed), schedule_of(seed))
    assert played.violation is None, "\n".join(played.trace)


def test_a_seed_gives_the_same_trace_in_every_process() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seed", "1"]
    told = [subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert told[0] == told[1]
    assert told[0].endswith("every promise was kept\n")


def test_the_figures_tell_what_was_played() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seeds", "2", "--first", "7"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "  2  seeds from 7 on" in told
    assert "with 0 violations" in told

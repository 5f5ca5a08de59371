"""Each planted bug is found: by the first seed that meets it, and by the few steps that it comes down to."""

from __future__ import annotations

import pytest

from tests.simulation.found import CANARIES, Canary, planted
from tests.simulation.play import play
from tests.simulation.schedule import schedule_of, setting_of

SEEDS_MAX = 2_000
"""Within so many seeds a planted bug must be found."""
ALL = pytest.mark.parametrize("canary", CANARIES, ids=lambda canary: canary.name)


@ALL
def test_a_seed_finds_the_planted_bug(canary: Canary) -> None:
    assert canary.seed < SEEDS_MAX
    with planted(canary):
        assert play(setting_of(canary.seed), schedule_of(canary.seed)).violation is not None


@ALL
def test_a_few_steps_are_enough_to_show_it_and_harmless_without_it(canary: Canary) -> None:
    with planted(canary):
        played = play(canary.setting, canary.steps)
    assert played.violation is not None
    assert canary.promise in played.violation, played.violation
    assert play(canary.setting, canary.steps).violation is None

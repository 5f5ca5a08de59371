"""From a schedule that fails to a short one that fails likewise."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.simulation import steps
from tests.simulation.play import Played, play

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.simulation import Setting
    from tests.simulation.steps import Step

_NAMES = re.compile(r"ftjob-\w+|sha256:\w+|\b\w\b|\d+|folder-\w+|\bmain\b")
PLAYS_MAX = 400
"""How many schedules are tried: some minutes at most."""


def shrunk(failed: Played, *, plays_max: int = PLAYS_MAX) -> Played:
    """Leave out steps, and make those that stay smaller, as long as the same promise is broken."""
    best, left = failed, plays_max
    has_shrunk = True
    while has_shrunk and left > 0:
        has_shrunk = False
        for setting, schedule in _smaller(best):
            if left == 0:
                break
            left -= 1
            played = play(setting, schedule)
            if _promise(played) == _promise(failed):
                best, has_shrunk = played, True
                break
    return best


def _promise(played: Played) -> str | None:
    """Which one was broken, whatever the job and the spec."""
    return (
        played.violation and re.sub(r"ftjob-\w+|sha256:\w+|\b\w\b|\d+|folder-\w+|\bmain\b", "", played.violation)[:40]
    )


def _smaller(played: Played) -> Iterator[tuple[Setting, list[Step]]]:
    """Without a part of the steps, the longest parts and the last ones first; then with simpler ones."""
    schedule, setting = list(played.steps), played.setting
    length = len(schedule) // 2
    while length > 0:
        for start in range(len(schedule) - length, -1, -length):
            yield setting, schedule[:start] + schedule[start + length :]
        length //= 2
    for number, step in enumerate(schedule):
        for simpler in _simpler(step):
            yield setting, [*schedule[:number], simpler, *schedule[number + 1 :]]
    if setting.page_size != _PLAIN_PAGE:
        yield replace(setting, page_size=_PLAIN_PAGE), schedule
    if setting.slots != _PLAIN_SLOTS:
        yield replace(setting, slots=_PLAIN_SLOTS), schedule


_PLAIN_PAGE, _PLAIN_SLOTS = 100, 99


def _simpler(step: Step) -> Iterator[Step]:
    match step:
        case steps.FailNetwork(times=times) | steps.FailDisk(times=times) if times > 1:
            yield replace(step, times=1)
        case steps.Write(epochs=epochs, parent=parent, on_change=on_change):
            if parent:
                yield replace(step, parent=None)
            if on_change != "keep":
                yield replace(step, on_change="keep")
            if epochs > 1:
                yield replace(step, epochs=1)
        case _:
            pass

"""From a seed to a schedule: all that chance decides is decided here, before anything happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ftops.claims import LEASE_SECONDS, SKEW_SECONDS
from ftops.create import LAG_SECONDS
from tests.simulation import steps
from tests.simulation.network import AFTER, ALL, BEFORE
from tests.simulation.seams import DISK_FAULTS, seeded
from tests.simulation.sharing import CLAIMS, MAIN, SHARED_FAULTS
from tests.simulation.simulation import Setting

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.simulation.steps import Step

SPECS = ("a", "b", "c", "d")
STEPS = (30, 60)
"""From, to: steps of a schedule after the first specs are written."""
DOORS = ("create", "create", "create", "list", "upload", "files", "models", "job", "checkpoints", "any")
TO_THE_END = 400
STEPS_OF_A_RACE = 8
LONELY = 0.25
"""The share of settings with one folder and no claims."""
TOGETHER = 0.8
"""The share of runners with a folder of their own."""
LEASE_OVER = LEASE_SECONDS + SKEW_SECONDS + 1
"""After so many seconds a claim that nobody renews is free."""


def setting_of(seed: int) -> Setting:
    chance = seeded(seed, "setting")
    if chance.random() < LONELY:
        # A project without a remote: one folder, and nobody else to keep a claim from.
        terminals = chance.randint(1, 2)
        folders, workflows, claims = (0,) * terminals, frozenset[int](), False
    else:
        number_of_runners = chance.randint(2, 5)
        folders = tuple(
            number if number == 0 or chance.random() < TOGETHER else chance.randrange(number)
            for number in range(number_of_runners)
        )
        own = {number for number in set(folders) if folders.count(number) == 1}
        workflows = frozenset(number for number in sorted(own) if chance.random() < 1 / 2)
        claims = True
    return Setting(
        seed=seed,
        folders=folders,
        workflows=workflows,
        page_size=chance.choice((1, 2, 3, ALL, ALL)),
        slots=chance.choice((1, 2, 3, 99)),
        claims=claims,
    )


def schedule_of(seed: int) -> list[Step]:
    chance = seeded(seed, "schedule")
    setting = setting_of(seed)
    # Each seed has its own mixture: what is rare among many faults may be frequent among few.
    weights = {kind: weight * chance.choice((0, 1, 1, 3)) for kind, weight in _FAULTS.items()} | _ORDINARY
    found: list[Step] = [steps.Write(name, chance.randint(1, 3)) for name in SPECS[: chance.randint(1, 2)]]
    for _ in range(chance.randint(*STEPS)):
        found += _next(chance, setting, weights)
    return found


_AHEAD = (-SKEW_SECONDS // 2, 0, SKEW_SECONDS // 2)
"""Seconds by which a clock may be wrong among machines that claim: two are never further apart than is promised."""
_FAR_AHEAD = (-3600, -20, 0, 20, 3600)
_ORDINARY = {"run": 26, "go on": 26, "edit": 8, "train": 7}
_FAULTS = {
    "crash": 4,
    "restart": 3,
    "overtake": 1,
    "race": 2,
    "network": 8,
    "disk": 2,
    "shared": 3,
    "lists": 5,
    "time": 4,
    "provider": 4,
    "folder": 5,
}


def _next(chance: Random, setting: Setting, weights: dict[str, int]) -> list[Step]:
    kind = chance.choices(tuple(weights), weights=tuple(weights.values()))[0]
    return _MAKE[kind](chance, chance.randrange(len(setting.folders)), setting)


def _run(chance: Random, runner: int, _: Setting) -> list[Step]:
    verbs: tuple[steps.Verb, ...] = ("apply", "reconcile", "push", "retry", "rebuild")
    verb = chance.choices(verbs, weights=(10, 6, 4, 1, 1))[0]
    return [steps.Start(runner, verb), steps.GoOn(runner, _boundaries(chance))]


def _go_on(chance: Random, runner: int, _: Setting) -> list[Step]:
    return [steps.GoOn(runner, _boundaries(chance))]


def _train(chance: Random, *_: object) -> list[Step]:
    return [steps.Train(chance.randint(1, 6))]


def _crash(_: Random, runner: int, __: Setting) -> list[Step]:
    return [steps.Crash(runner)]


def _restart(_: Random, runner: int, __: Setting) -> list[Step]:
    return [steps.Crash(runner), steps.Start(runner, "apply"), steps.GoOn(runner, TO_THE_END)]


def _overtake(chance: Random, runner: int, setting: Setting) -> list[Step]:
    """One comes late, when its lease is over and another went ahead."""
    other, boundaries = chance.randrange(len(setting.folders)), chance.randint(6, 30)
    late: list[Step] = [steps.Start(runner, "apply"), steps.GoOn(runner, boundaries), steps.Wait(LEASE_OVER)]
    return [*late, steps.Start(other, "apply"), steps.GoOn(other, TO_THE_END), steps.GoOn(runner, TO_THE_END)]


def _race(chance: Random, runner: int, setting: Setting) -> list[Step]:
    """Two begin at once, and go on step by step."""
    both = runner, chance.randrange(len(setting.folders))
    begun: list[Step] = [steps.Start(each, "apply") for each in both]
    return [*begun, *(steps.GoOn(chance.choice(both), chance.randint(1, 5)) for _ in range(STEPS_OF_A_RACE))]


def _fail_network(chance: Random, runner: int, _: Setting) -> list[Step]:
    door, kind = chance.choice(DOORS), chance.choice(BEFORE + AFTER + AFTER)
    return [steps.FailNetwork(runner, door, kind, chance.choice((1, 1, 1, 2, 4)))]


def _fail_disk(chance: Random, runner: int, _: Setting) -> list[Step]:
    return [steps.FailDisk(runner, chance.choice(DISK_FAULTS), chance.choice((1, 1, 2, 3)))]


def _fail_shared(chance: Random, runner: int, _: Setting) -> list[Step]:
    what = chance.choice((CLAIMS, MAIN))
    return [steps.FailShared(runner, what, chance.choice(SHARED_FAULTS), chance.choice((1, 1, 3)))]


def _spoil_lists(chance: Random, *_: object) -> list[Step]:
    times = chance.randint(1, 3)
    lags = (steps.Lag(chance.randint(1, LAG_SECONDS)), steps.Lag(LAG_SECONDS), steps.Lag(0))
    return [chance.choice((*lags, steps.SpoilPages("drop", times), steps.SpoilPages("repeat", times)))]


def _pass_time(chance: Random, runner: int, setting: Setting) -> list[Step]:
    ahead = chance.choice(_AHEAD if setting.claims else _FAR_AHEAD)
    waits = steps.Wait(chance.randint(1, 20)), steps.Wait(chance.randint(60, 1000))
    return [chance.choice((*waits, steps.SetClock(runner, ahead)))]


def _at_provider(chance: Random, *_: object) -> list[Step]:
    verbs: tuple[Literal["pause", "resume", "cancel"], ...] = ("pause", "resume", "cancel")
    number = chance.randrange(4)
    found: Step = chance.choice(
        (
            steps.SpoilUpload(),
            steps.FailJob(),
            steps.FailJob(),
            steps.Steer(chance.choice(verbs), number),
            steps.LoseJob(number),
            steps.DeleteModel(number),
            steps.PlantNamesake(number),
        )
    )
    return [found]


def _at_folder(chance: Random, runner: int, _: Setting) -> list[Step]:
    hows: tuple[Literal["truncate", "edit"], ...] = ("truncate", "edit")
    pull, mend, spoil = steps.Pull(runner), steps.Mend(runner), steps.Break(runner, chance.choice(hows))
    return [chance.choice((pull, pull, pull, mend, mend, spoil))]


def _boundaries(chance: Random) -> int:
    return chance.choice((1, 2, 3, 5, 8, 13, 21, TO_THE_END, TO_THE_END))


def _edit(chance: Random, *_: object) -> list[Step]:
    spec = chance.choice(SPECS[:3])
    parents = SPECS[: SPECS.index(spec)]
    parent = chance.choice(parents) if parents and chance.random() < 0.4 else None
    on_change = "cancel" if chance.random() < 0.3 else "keep"
    write = steps.Write(spec, chance.randint(1, 3), parent, on_change)
    found = chance.choice(
        (
            write,
            write,
            write,
            steps.Comment(spec, chance.randint(1, 3)),
            steps.Comment(spec, chance.randint(1, 3)),
            steps.Remove(spec),
            steps.Rename(spec, SPECS[-1]),
            steps.Data(spec, chance.randint(0, 2)),
            steps.Configure(chance.randint(0, 2)),
        )
    )
    return [found]


_MAKE: dict[str, Callable[[Random, int, Setting], list[Step]]] = {
    "run": _run,
    "go on": _go_on,
    "edit": _edit,
    "train": _train,
    "crash": _crash,
    "restart": _restart,
    "overtake": _overtake,
    "race": _race,
    "network": _fail_network,
    "disk": _fail_disk,
    "shared": _fail_shared,
    "lists": _spoil_lists,
    "time": _pass_time,
    "provider": _at_provider,
    "folder": _at_folder,
}

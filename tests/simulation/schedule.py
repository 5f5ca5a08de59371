"""From a seed to a schedule: all that chance decides is decided here, before anything happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.claims import LEASE_SECONDS, SKEW_SECONDS
from ftops.create import LAG_SECONDS
from tests.simulation import steps
from tests.simulation.claimsfile import CLAIM_FAULTS
from tests.simulation.network import AFTER, ALL, BEFORE
from tests.simulation.seams import DISK_FAULTS, seeded
from tests.simulation.simulation import Setting

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.steps import Step

SPECS = ("a", "b", "c", "d")
STEPS = (30, 60)
"""From, to: steps of a schedule after the first specs are written."""
DOORS = ("create", "create", "create", "list", "upload", "files", "models", "job", "checkpoints", "any")
TO_THE_END = 400
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


def _next(chance: Random, setting: Setting, weights: dict[str, int]) -> list[Step]:
    runner = chance.randrange(len(setting.folders))
    kind = chance.choices(tuple(weights), weights=tuple(weights.values()))[0]
    match kind:
        case "run":
            verb = chance.choices(("apply", "reconcile", "push", "retry", "rebuild"), weights=(10, 6, 4, 1, 1))[0]
            return [steps.Start(runner, verb), steps.GoOn(runner, _boundaries(chance))]
        case "go on":
            return [steps.GoOn(runner, _boundaries(chance))]
        case "crash":
            return [steps.Crash(runner)]
        case "restart":
            return [steps.Crash(runner), steps.Start(runner, "apply"), steps.GoOn(runner, TO_THE_END)]
        case "overtake":
            other = chance.randrange(len(setting.folders))
            ahead = [steps.Start(runner, "apply"), steps.GoOn(runner, chance.randint(6, 30)), steps.Wait(LEASE_OVER)]
            return [*ahead, steps.Start(other, "apply"), steps.GoOn(other, TO_THE_END), steps.GoOn(runner, TO_THE_END)]
        case "edit":
            return [_edit(chance)]
        case "train":
            return [steps.Train(chance.randint(1, 6))]
        case "network":
            door, fault = chance.choice(DOORS), chance.choice(BEFORE + AFTER + AFTER)
            return [steps.FailNetwork(runner, door, fault, chance.choice((1, 1, 1, 2, 4)))]
        case "disk":
            return [steps.FailDisk(runner, chance.choice(DISK_FAULTS), chance.choice((1, 1, 2, 3)))]
        case "claims":
            return [steps.FailClaims(runner, chance.choice(CLAIM_FAULTS), chance.choice((1, 1, 3)))]
        case "lists":
            return [
                chance.choice(
                    (
                        steps.Lag(chance.randint(1, LAG_SECONDS)),
                        steps.Lag(LAG_SECONDS),
                        steps.Lag(0),
                        steps.SpoilPages("drop", chance.randint(1, 3)),
                        steps.SpoilPages("repeat", chance.randint(1, 3)),
                    )
                )
            ]
        case "time":
            return [
                chance.choice(
                    (
                        steps.Wait(chance.randint(1, 20)),
                        steps.Wait(chance.randint(60, 1000)),
                        steps.SetClock(runner, chance.choice((-3600, -20, 0, 20, 3600))),
                    )
                )
            ]
        case "provider":
            return [
                chance.choice(
                    (
                        steps.SpoilUpload(),
                        steps.FailJob(),
                        steps.FailJob(),
                        steps.Steer(chance.choice(("pause", "resume", "cancel")), chance.randrange(4)),
                        steps.LoseJob(chance.randrange(4)),
                        steps.DeleteModel(chance.randrange(4)),
                        steps.PlantNamesake(chance.randrange(4)),
                    )
                )
            ]
        case _:
            return [
                chance.choice(
                    (
                        steps.Pull(runner),
                        steps.Pull(runner),
                        steps.Pull(runner),
                        steps.Mend(runner),
                        steps.Mend(runner),
                        steps.Break(runner, chance.choice(("truncate", "edit"))),
                    )
                )
            ]


_ORDINARY = {"run": 26, "go on": 26, "edit": 8, "train": 7}
_FAULTS = {
    "crash": 4,
    "restart": 3,
    "overtake": 1,
    "network": 8,
    "disk": 2,
    "claims": 2,
    "lists": 5,
    "time": 4,
    "provider": 4,
    "person": 5,
}


def _boundaries(chance: Random) -> int:
    return chance.choice((1, 2, 3, 5, 8, 13, 21, TO_THE_END, TO_THE_END))


def _edit(chance: Random) -> Step:
    spec = chance.choice(SPECS[:3])
    parents = SPECS[: SPECS.index(spec)]
    parent = chance.choice(parents) if parents and chance.random() < 0.4 else None
    on_change = "cancel" if chance.random() < 0.3 else "keep"
    write = steps.Write(spec, chance.randint(1, 3), parent, on_change)
    return chance.choice(
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

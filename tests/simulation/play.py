"""One seed from its first step to its last, and on until all is as it should be."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftops.plan.changes import PAID, PENDING, Kind
from tests.simulation.acts import act
from tests.simulation.invariants import Invariants, ViolationError, check_all_recorded
from tests.simulation.runner import Folder
from tests.simulation.simulation import BOUNDARIES_MAX, Setting, Simulation

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from ftops.plan.changes import Change
    from ftops.plan.plan import Plan
    from tests.simulation.runner import Runner
    from tests.simulation.steps import Step, Verb

ROUNDS_MAX = 8
"""Of apply, training and reconcile by one runner once faults stop: a chain of three models takes three."""
LEASE_OVER_SECONDS = 1_000
"""After which nobody holds a claim of a runner that died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of a schedule."""

    setting: Setting
    steps: tuple[Step, ...]
    violation: str | None
    trace: tuple[str, ...]
    count: Counter[str]


def play(setting: Setting, schedule: Sequence[Step], *, until_settled: bool = True) -> Played:
    """Let *schedule* happen, with all invariants held after each step; then let faults stop, and see it settle."""
    violation = None
    with Simulation(setting) as simulation:
        invariants = Invariants(simulation)
        try:
            for number, step in enumerate(schedule, start=1):
                simulation.log(f"{number:3} {step}")
                simulation.count["steps"] += 1
                act(step, simulation)
                invariants.check()
            if until_settled:
                settle(simulation, invariants)
        except ViolationError as error:
            violation = str(error)
        except Exception as error:  # noqa: BLE001  # ftops has no such end: it tells problems
            violation = f"{type(error).__name__}: {error}"
            simulation.lines += traceback.format_exception(error)
        return Played(
            setting=setting,
            steps=tuple(schedule),
            violation=violation,
            trace=tuple(simulation.lines),
            count=simulation.count,
        )


def settle(simulation: Simulation, invariants: Invariants) -> None:
    """Let faults stop; one runner with a new checkout then brings all to rest, in a bounded number of rounds.

    Raises:
        ViolationError: It does not, or something that was paid for is lost.
    """
    simulation.log("    faults stop")
    _stop_faults(simulation)
    for runner in simulation.runners:
        _to_its_end(simulation, runner)
        invariants.check()
    closer = _closer(simulation)
    for number in range(1, ROUNDS_MAX + 1):
        told = len(simulation.lines)
        simulation.time.seconds += LEASE_OVER_SECONDS
        _run(simulation, closer, "apply")
        simulation.provider.finish_all()
        _run(simulation, closer, "reconcile")
        invariants.check()
        if closer.left and all(_is_at_rest(change, closer.left) for change in closer.left.changes):
            break
        if 1 < number < ROUNDS_MAX:
            # Of rounds that are all alike, a trace needs the first and the last.
            del simulation.lines[told:]
    else:
        raise ViolationError(f"after {ROUNDS_MAX} rounds there is still something to do: {_told(closer.left)}")
    _run(simulation, closer, "rebuild")
    invariants.check()
    check_all_recorded(simulation, closer.world().store().read())


def _is_at_rest(change: Change, planned: Plan) -> bool:
    """Whether nothing is to be done about it, or only by a person, for a reason that is told."""
    if change.kind not in PENDING | {Kind.AWAIT} or change.kind is Kind.DRIFT:
        return True
    stuck = {each.name for each in planned.changes if each.kind in {Kind.BLOCKED, Kind.DRIFT}}
    stuck |= {each.name for each in planned.changes if each.kind in PAID and each.wanted.parent}
    # A model that starts from another one which failed, or is gone, waits for a person too.
    parent = change.desired.parent if change.desired else None
    return change.kind in PAID and parent is not None and parent.spec in stuck


def _told(left: Plan | None) -> str:
    """What is not at rest."""
    if left is None:
        return "no command comes through"
    return "; ".join(f"{each.name}: {each.kind}, {each.reason}" for each in left.changes if not _is_at_rest(each, left))


def _stop_faults(simulation: Simulation) -> None:
    lists, provider = simulation.lists, simulation.provider
    lists.lag_seconds, lists.drops, lists.repeats, provider.spoils = 0, 0, 0, 0
    for runner in simulation.runners:
        runner.network.faults.clear()
        runner.folder.faults.clear()
        runner.clock.ahead = 0
        for access in filter(None, (runner.claims, runner.main)):
            access.faults.clear()


def _to_its_end(simulation: Simulation, runner: Runner) -> None:
    simulation.go_on(runner, BOUNDARIES_MAX)
    if runner.command:
        raise ViolationError(f"{runner.name} does not come to an end: it is at {runner.command.at}")


def _closer(simulation: Simulation) -> Runner:
    """A runner that knows only what is on main and at the provider."""
    runner = simulation.runners[0]
    runner.name, runner.is_workflow = "the last runner", False
    runner.folder = Folder(simulation.scratch / "last")
    runner.folder.check_out(simulation.branch)
    return runner


def _run(simulation: Simulation, runner: Runner, verb: Verb) -> None:
    runner.folder.pull(simulation.branch)
    runner.left = None
    runner.start(verb)
    _to_its_end(simulation, runner)

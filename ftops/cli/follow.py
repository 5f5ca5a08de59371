"""Following jobs until they end, for `ftops apply --wait` and `ftops reconcile --wait`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ftops.cli.door import wants_colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftops.plan.changes import Outcome
    from ftops.plan.plan import Plan
    from ftops.reconcile import Options, World
    from ftops.remote.provider import Event, Provider
    from ftops.report.progress import Progress


def follow(
    world: World, options: Options, *, provider: Provider, quiet: bool, told: Sequence[Outcome] = ()
) -> tuple[Plan, tuple[Outcome, ...]]:
    """Reconcile until nothing is outstanding, showing how the jobs get on; gives what is left, and what was done.

    Each turn asks for one list of jobs, and for the new events of those that run. What *told* says already is not said
    again.
    """
    from ftops import reconcile  # noqa: PLC0415  # commands load what they use
    from ftops.report.progress import live_view  # noqa: PLC0415

    done: list[Outcome] = []
    said = {(outcome.name, outcome.text) for outcome in told}
    events: dict[str, list[Event]] = {}
    with live_view(sys.stderr, is_terminal=not quiet and wants_colour(sys.stderr)) as view:

        def tell(outcome: Outcome) -> None:
            # What still waits says so once, not at every look.
            if not quiet and (outcome.name, outcome.text) not in said:
                view.say(f"{outcome.name}: {outcome.text}")
            said.add((outcome.name, outcome.text))

        while True:
            plan, outcomes = reconcile.reconcile(world, options, provider=provider, tell=tell)
            done.extend(outcome for outcome in outcomes if not outcome.waits)
            if not reconcile.outstanding(plan) or any(outcome.problem and not outcome.waits for outcome in outcomes):
                return plan, tuple(done)
            if not quiet:
                view.update(_progress(plan, provider, events, world.clock.now()))
            world.clock.sleep(provider.profile.poll_seconds)


def _progress(plan: Plan, provider: Provider, events: dict[str, list[Event]], now: int) -> tuple[Progress, ...]:
    from ftops.report.progress import progress_of  # noqa: PLC0415  # as above

    shown = []
    for change in plan.changes:
        if change.seen is None or change.seen.status in {"succeeded", "failed", "cancelled"}:
            continue
        known = events.setdefault(change.seen.id, [])
        known.extend(provider.events(change.seen.id, since=known[-1].id if known else None))
        shown.append(progress_of(change.name, change.seen, known, now))
    return tuple(shown)

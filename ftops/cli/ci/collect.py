"""`ftops ci collect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftops.cli import frame
from ftops.cli.ci import step
from ftops.diagnostics import Diagnostic, Severity
from ftops.plan.changes import PAID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftops.plan.changes import Change


@click.command()
@frame.target_option
def collect(target: str | None) -> int:
    """Collect what finished, go on with what was approved before, and commit the lockfile back.

    A run too many does no harm. What no apply was told to make is not begun, but told of.
    """
    from ftops import reconcile  # noqa: PLC0415  # commands load what they use
    from ftops.collected import note_collected  # noqa: PLC0415
    from ftops.github.guard import refuse_caches  # noqa: PLC0415

    run = step.current_run()
    with step.annotated():
        world = frame.open_world(target)
        step.refuse_embedded(world)
        refuse_caches(world.project.root)
        with step.committed_back(run, world):
            left, outcomes = reconcile.reconcile(world, reconcile.Options(), provider=world.provider, tell=frame.tell)
            unapplied = [change for change in left.changes if change.kind in PAID and not change.approved]
            problems = [_unapplied(unapplied)] if unapplied else []
            frame.warn(problems)
            code = step.told_results(run, "ftops collect", outcomes, left=left, problems=problems)
        if world.collected:
            note_collected(world.collected, clock=world.clock, chance=world.chance)
        return code


def _unapplied(changes: Sequence[Change]) -> Diagnostic:
    names = ", ".join(f"`{change.name}`" for change in changes[:5])
    more = f" and {len(changes) - 5} more" if len(changes) > 5 else ""  # noqa: PLR2004  # as many as are named
    return Diagnostic(
        code="ci-unapplied",
        severity=Severity.WARNING,
        summary=f"what the specs ask for is not trained: {names}{more}",
        why="no run of the apply workflow was approved for it yet, or it was dropped",
        fix="approve the run that waits; if none does, start the apply workflow by hand",
    )

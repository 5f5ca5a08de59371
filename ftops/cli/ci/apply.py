"""`ftops ci apply`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftops.cli import frame
from ftops.cli.ci import step
from ftops.cli.door import REFUSED
from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.digest import short

if TYPE_CHECKING:
    from ftops.plan.approval import Action
    from ftops.plan.plan import Plan
    from ftops.reconcile import Options, World
    from ftops.report.planfile import PlanFile


@click.command()
@click.option("--plan", "path", required=True, type=click.Path(path_type=Path), help="Plan file of this run.")
@click.option("--checksum", required=True, metavar="DIGEST", help="Of the plan file, as the job that made it told.")
def apply(path: Path, checksum: str) -> int:
    """Carry out what the plan file of the same run approves, and commit the lockfile back.

    What there is to do is found anew. Less than was approved is fine; anything else is refused, and nothing is done.
    Submits and returns: `ftops ci collect` records what comes of it.
    """
    from ftops import reconcile  # noqa: PLC0415  # commands load what they use
    from ftops.github.guard import refuse_caches  # noqa: PLC0415
    from ftops.plainfile import read_plain  # noqa: PLC0415
    from ftops.report.plan import render_plan  # noqa: PLC0415
    from ftops.report.planfile import BYTES_MAX, decoded  # noqa: PLC0415

    run = step.current_run()
    with step.annotated():
        reviewed = decoded(read_plain(path, BYTES_MAX + 1), str(path), checksum=checksum)
        world = frame.open_world(reviewed.target)
        step.refuse_embedded(world)
        refuse_caches(world.project.root)
        options = reconcile.Options(retry_failed=reviewed.retry_failed)
        planned = reconcile.plan(world, options, refresh=True)
        frame.say(render_plan(planned, colour=False, width=frame.width(), next_step=False))
        _refuse_more(planned, reviewed, world, options)
        if planned.refusals:
            raise ProblemsError(*planned.refusals, exit_code=REFUSED)
        with step.committed_back(run, world):
            outcomes = reconcile.apply(world, planned, options, provider=world.provider, tell=frame.tell)
            return step.told_results(run, "ftops apply", outcomes)


def _refuse_more(planned: Plan, reviewed: PlanFile, world: World, options: Options) -> None:
    """See that all there is to do was in the plan that was reviewed.

    Raises:
        ProblemsError: Some was not (exit code 3).
    """
    from ftops import reconcile  # noqa: PLC0415  # as above
    from ftops.git import head_commit  # noqa: PLC0415
    from ftops.plan.approval import actions, beyond  # noqa: PLC0415

    if more := beyond(actions(planned), reviewed.actions):
        head = head_commit(world.project.root)
        newer = head if head != reviewed.commit else None
        gone = beyond(more, actions(reconcile.plan(world, options)))
        problems = [_gone(each, reviewed) if each in gone else _unapproved(each, reviewed, newer) for each in more]
        raise ProblemsError(*problems, exit_code=REFUSED)


def _unapproved(action: Action, reviewed: PlanFile, newer: str | None) -> Diagnostic:
    """One thing that nobody approved, and whether the branch went on since the review."""
    approved = [each for each in reviewed.actions if each.name == action.name]
    was = f"approved was {_said(approved[0])}" if approved else "the approved plan has nothing of it"
    reviewed_at = (reviewed.commit or "")[:12]
    since = f"; the branch went on from {reviewed_at} to {newer[:12]} since" if newer else ""
    return Diagnostic(
        code="plan-unapproved",
        summary=f"{action.name}: {_said(action)} was not approved, so nothing was done",
        why=f"{was}{since}",
        fix="approve the run of the newer commit instead" if newer else "run the workflow again, and review its plan",
    )


def _gone(action: Action, reviewed: PlanFile) -> Diagnostic:
    """One thing that no plan here can have for approval: another run of the workflow would end as this one did."""
    retry = " --retry-failed" if reviewed.retry_failed else ""
    return Diagnostic(
        code="plan-unapproved",
        summary=f"{action.name}: {_said(action)} was not approved, so nothing was done",
        why="what is on record is gone at the provider; a plan that is reviewed asks no provider, and cannot show that",
        fix=f"change its spec in a pull request, such as its `seed`; or run `ftops apply{retry} {action.name}` and "
        "`ftops lock push` where you have access to the provider",
    )


def _said(action: Action) -> str:
    """Such as `train 0a1b2c3d4e5f` or `select last of 0a1b2c3d4e5f`."""
    of = short(action.digest) if action.digest else "what is recorded"
    if action.kind == "select":
        return f"select {action.checkpoint} of {of}"
    return f"{action.kind} {of}" + (f", attempt {action.attempt}" if action.attempt > 1 else "")

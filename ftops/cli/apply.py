"""`ftops apply`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ftops.cli import frame
from ftops.cli.door import REFUSED, WRONG_USAGE
from ftops.cli.follow import follow
from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.plan.changes import PAID, Kind
from ftops.plan.observed import UNFINISHED, state_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftops.lockfile import Lockfile
    from ftops.plan.changes import Outcome
    from ftops.plan.plan import Plan
    from ftops.report.plan import Asked

ASKED = PAID | {Kind.SELECT, Kind.CANCEL, Kind.FORGET}
"""What a person is asked about; the rest only records what is there."""


@click.command()
@frame.selectors_argument
@frame.target_option
@click.option("--wait", is_flag=True, help="Follow the jobs until they end, and collect them.")
@frame.retry_option
@click.option("--checksum", metavar="SUM", help="Carry out the plan with this checksum, or none.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@frame.json_option
@frame.quiet_option
def apply(
    selectors: tuple[str, ...],
    target: str | None,
    *,
    wait: bool,
    retry_failed: bool,
    checksum: str | None,
    yes: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Carry the plan out: upload data, create jobs, record them in the lockfile.

    Looks at the provider, shows the plan and asks, unless --yes or --checksum is given.
    Submits and returns; `ftops reconcile` collects later, or --wait follows. SPEC as in `ftops plan`.
    """
    from ftops import reconcile  # noqa: PLC0415  # commands load what they use
    from ftops.report.machine import outcomes_json  # noqa: PLC0415
    from ftops.report.plan import Asked, render_plan  # noqa: PLC0415

    world = frame.open_world(target)
    options = reconcile.Options(selectors=selectors, retry_failed=retry_failed)
    asked = Asked(selectors=selectors, target=target, retry_failed=retry_failed)
    planned = reconcile.plan(world, options, refresh=True)
    frame.warn(planned.warnings)
    if not (as_json or quiet):
        shown = render_plan(
            planned, colour=frame.colour(), width=frame.width(), next_step=not planned.pending, asked=asked
        )
        frame.say(shown)
    if planned.refusals:
        raise ProblemsError(*planned.refusals, exit_code=REFUSED)
    _check(planned, checksum, asked, yes=yes)
    tell = frame.silent if quiet else frame.tell
    outcomes = reconcile.apply(world, planned, options, provider=world.provider, tell=tell)
    left = None
    if wait:
        left, collected = follow(world, options, provider=world.provider, quiet=quiet, told=outcomes)
        outcomes += collected
    elif outcomes and not (quiet or as_json) and _goes_on(outcomes, world.store().read()):
        command = f"ftops reconcile{asked.scope}"
        frame.say(f"next: `{command}` records what comes of it, `{command} --wait` follows it")
    if as_json:
        frame.answer_json(outcomes_json(outcomes))
    return frame.exit_code(outcomes, left)


def _goes_on(outcomes: Sequence[Outcome], recorded: Lockfile) -> bool:
    """Whether anything of *outcomes* has yet to come: a job that runs, or one that could not be made so far."""
    entries = [recorded.models.get(outcome.name) for outcome in outcomes]
    jobs = [entry.generation.job for entry in entries if entry and entry.generation]
    return any(outcome.waits for outcome in outcomes) or any(state_of(job.status) in UNFINISHED for job in jobs)


def _check(planned: Plan, checksum: str | None, asked: Asked, *, yes: bool) -> None:
    """See that a person, or a review, agreed to this plan."""
    if checksum is not None:
        if checksum != planned.checksum:
            raise ProblemsError(_other_plan(checksum, planned.checksum), exit_code=REFUSED)
    elif any(change.kind in ASKED for change in planned.changes) and not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise ProblemsError(_cannot_ask(planned.checksum, asked.apply), exit_code=WRONG_USAGE)
        click.echo(err=True)
        if not click.confirm("Carry this out?", err=True):
            raise click.exceptions.Exit(0)


def _other_plan(wanted: str, found: str) -> Diagnostic:
    return Diagnostic(
        code="plan-stale",
        summary=f"the plan's checksum is `{found}`, not `{wanted}`",
        why="specs, data or the lockfile changed since that plan was made, so it was not carried out",
        fix="look at the plan above; if it is right, `ftops apply --checksum` with its checksum",
    )


def _cannot_ask(checksum: str, command: str) -> Diagnostic:
    return Diagnostic(
        code="apply-unconfirmed",
        summary="nobody is there to be asked, and the plan has changes",
        why="apply spends money, so it goes ahead only when a person or a reviewed plan says so",
        fix=f"`{command} --checksum {checksum}` carries out just this plan, `{command} --yes` whatever is due",
    )

"""`ftops reconcile`."""

from __future__ import annotations

import click

from ftops.cli import frame
from ftops.cli.follow import follow
from ftops.plan.changes import Kind


@click.command()
@frame.selectors_argument
@frame.target_option
@click.option("--wait", is_flag=True, help="Follow the jobs until they end.")
@frame.json_option
@frame.quiet_option
def reconcile(selectors: tuple[str, ...], target: str | None, *, wait: bool, as_json: bool, quiet: bool) -> int:
    """Collect what finished, and go on with what an earlier apply left waiting.

    Starts nothing that no apply was told to make, nor what policy forbids by now: then it exits with 3, once all is
    collected. A run too many does no harm.
    """
    from ftops import reconcile as path  # noqa: PLC0415  # commands load what they use
    from ftops.report.machine import outcomes_json  # noqa: PLC0415

    world = frame.open_world(target)
    options = path.Options(selectors=selectors)
    provider = world.provider
    if wait:
        plan, outcomes = follow(world, options, provider=provider, quiet=quiet)
    else:
        tell = frame.silent if quiet else frame.tell
        plan, outcomes = path.reconcile(world, options, provider=provider, tell=tell)
        if not quiet:
            frame.say(_summary(len(outcomes), len(path.outstanding(plan))))
            for change in plan.changes:
                if change.kind is Kind.PAUSED:
                    frame.say(f"{change.name}: {change.reason}")
    if as_json:
        frame.answer_json(outcomes_json(outcomes))
    return frame.exit_code(outcomes, plan)


def _summary(done: int, left: int) -> str:
    if left:
        jobs = "1 job is" if left == 1 else f"{left} jobs are"
        return f"{jobs} still outstanding: run `ftops reconcile` again later"
    return "nothing is outstanding" if not done else "nothing else is outstanding"

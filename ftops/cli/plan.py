"""`ftops plan`."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import click

from ftops.cli import frame
from ftops.cli.door import as_shown

if TYPE_CHECKING:
    from ftops.plan.plan import Plan
    from ftops.reconcile import World

CHANGES_PENDING = 2


@click.command()
@frame.selectors_argument
@frame.target_option
@click.option("--refresh", is_flag=True, help="Ask the provider as well: ends of jobs, deleted models, drift.")
@frame.retry_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if changes or drift are pending.")
@frame.json_option
@frame.quiet_option
@frame.verbose_option
def plan(
    selectors: tuple[str, ...],
    target: str | None,
    *,
    refresh: bool,
    retry_failed: bool,
    detailed_exitcode: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Show what `ftops apply` would do, and why.

    SPEC is a name, a glob such as 'elle-*', or a label such as 'label:team=support'; without any, all specs.
    Asks nobody and needs no key, unless --refresh is given. Exits with 3 if a budget, or the provider's calendar,
    forbids what would be trained.
    """
    from ftops import reconcile  # noqa: PLC0415  # commands load what they use
    from ftops.planmemo import remember  # noqa: PLC0415
    from ftops.report.plan import Asked, render_plan  # noqa: PLC0415

    began = time.time()
    world = frame.open_world(target)
    options = reconcile.Options(selectors=selectors, retry_failed=retry_failed)
    planned = reconcile.plan(world, options, refresh=refresh)
    warnings = as_shown(planned.warnings)
    if not quiet:
        click.echo(warnings, err=True, nl=False)
        frame.tell_collected(planned, world.clock.now())
    if as_json:
        from ftops.report.machine import plan_json  # noqa: PLC0415  # only with --json

        frame.answer_json(plan_json(planned))
    elif not quiet:
        asked = Asked(selectors=selectors, target=target, retry_failed=retry_failed)
        text = render_plan(planned, colour=frame.colour(), width=frame.width(), verbose=verbose, asked=asked)
        frame.answer(text)
        # What policy says today of what is to be trained cannot be in a memo: then something is pending.
        if not (refresh or selectors or planned.pending):
            remember(world.project.root, _paths(world, planned), warnings, f"{text}\n", since=began)
    return frame.refused(planned) or (CHANGES_PENDING if detailed_exitcode and planned.pending else 0)


def _paths(world: World, planned: Plan) -> list[str]:
    """All that an empty plan depends on, relative to the project's root."""
    from ftops.dataset.tokens.base import SMOLLM2_FILE, models_folder  # noqa: PLC0415  # as above
    from ftops.datasets import paths_behind  # noqa: PLC0415
    from ftops.project import paths_read, read_declared  # noqa: PLC0415

    project = world.project
    specs = [change.desired.spec for change in planned.changes if change.desired]
    behind = paths_behind(project, read_declared(project).datasets)
    # Where rows are cut is only estimated until the local model's tokenizer is there.
    tokenizer = os.path.relpath(models_folder(world.environ) / SMOLLM2_FILE, project.root)
    return sorted({*paths_read(project, specs), *behind, tokenizer})

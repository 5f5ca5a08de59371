"""`ftops ci plan`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftops.cli import frame
from ftops.cli.ci import step
from ftops.cli.door import REFUSED

if TYPE_CHECKING:
    from ftops.github.event import Run
    from ftops.plan.plan import Plan
    from ftops.reconcile import Options, World


@click.command()
@click.option("--out", default="plan.json", show_default=True, type=click.Path(path_type=Path), help="Plan file.")
@frame.target_option
@frame.retry_option
def plan(out: Path, target: str | None, *, retry_failed: bool) -> int:
    """Plan, and tell it: annotations at lines of specs, the job's summary, and a plan file for the jobs after it.

    Asks no provider and needs no key. Outputs of the step: `checksum` of the plan file, `actions`, how many things in
    it need approval, and `pending`, how many there are to do: to record again what was trained before needs none.
    """
    from ftops.diagnostics import ProblemsError  # noqa: PLC0415  # commands load what they use
    from ftops.git import folder_in_repository, head_commit  # noqa: PLC0415
    from ftops.reconcile import Options  # noqa: PLC0415
    from ftops.report.plan import render_plan  # noqa: PLC0415
    from ftops.report.planfile import Scope, encoded, encoded_problems  # noqa: PLC0415

    run = step.current_run()
    folder = frame.current_folder()
    commit, scope = head_commit(folder), Scope(folder=folder_in_repository(folder), target=target)
    try:
        world = frame.open_world(target)
        planned = _planned(world, Options(retry_failed=retry_failed), run)
    except ProblemsError as error:
        # What is wrong with the specs is told to reviewers as a plan would be.
        _hand_on(run, out, encoded_problems(error.problems, commit=commit, scope=scope))
        step.annotate(error.problems)
        raise
    _hand_on(run, out, encoded(planned, commit=commit, scope=scope, retry_failed=retry_failed))
    step.annotate([*planned.warnings, *planned.refusals])
    frame.say(render_plan(planned, colour=False, width=frame.width(), next_step=False))
    if planned.refusals:
        raise ProblemsError(*planned.refusals, exit_code=REFUSED)
    return 0


def _planned(world: World, options: Options, run: Run) -> Plan:
    from ftops import reconcile  # noqa: PLC0415  # as above
    from ftops.diagnostics import ProblemsError  # noqa: PLC0415
    from ftops.github.guard import refuse_caches, refuse_locks  # noqa: PLC0415
    from ftops.lockfile import verify  # noqa: PLC0415

    refuse_caches(world.project.root)
    if run.pull:
        refuse_locks(world.project.root, run.pull)
    store = world.store()
    if problems := verify(store.read(), store.name):
        raise ProblemsError(*problems)
    planned = reconcile.plan(world, options)
    return replace(planned, collected_at=reconcile.collected_at(world, planned))


def _hand_on(run: Run, out: Path, content: bytes) -> None:
    """Leave the plan to the jobs after this one, and to whoever reads the run's page."""
    from ftops.clock import SystemClock  # noqa: PLC0415  # as above
    from ftops.digest import digest_of_bytes  # noqa: PLC0415
    from ftops.github.runner import SUMMARY_BYTES_MAX, add_summary, set_output  # noqa: PLC0415
    from ftops.lockstore import write_atomically  # noqa: PLC0415
    from ftops.report.comment import render_comment  # noqa: PLC0415
    from ftops.report.planfile import decoded  # noqa: PLC0415

    write_atomically(out, content)
    file = decoded(content, str(out))
    # Of a pull request, what is checked out is a merge that nobody knows; and the summary ends in a line break.
    head, most = run.pull.head_sha if run.pull else None, SUMMARY_BYTES_MAX - 1
    text = render_comment(file, now=SystemClock().now(), run_url=run.url, bytes_max=most, commit=head)
    add_summary(run, text)
    set_output(run, "checksum", digest_of_bytes(content))
    set_output(run, "actions", str(len(file.actions)))
    set_output(run, "pending", str(sum(line.pending for line in file.changes)))

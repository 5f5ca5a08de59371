"""`ftops ci comment`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftops.cli import frame
from ftops.cli.ci import step

if TYPE_CHECKING:
    from ftops.github.event import Pull, Run
    from ftops.report.planfile import PlanFile

DEPENDABOT = "dependabot[bot]"


@click.command()
@click.option("--plan", "path", required=True, type=click.Path(path_type=Path), help="Plan file of this run.")
@click.option("--checksum", required=True, metavar="DIGEST", help="Of the plan file, as the job that made it told.")
def comment(path: Path, checksum: str) -> int:
    """Show the plan on the pull request: one comment, written anew in place by each run.

    Prints the comment's address. Where there is no pull request, or none that the run's token may write on, it says so.
    """
    from ftops.plainfile import read_plain  # noqa: PLC0415  # commands load what they use
    from ftops.report.planfile import BYTES_MAX, decoded  # noqa: PLC0415

    run = step.current_run()
    if not run.pull or (reason := _why_read_only(run, run.pull)):
        frame.say(f"no comment: {reason if run.pull else 'this run is of no pull request'}; the plan is on {run.url}")
        return 0
    with step.annotated():
        plan = decoded(read_plain(path, BYTES_MAX + 1), str(path), checksum=checksum)
        return _show(run, run.pull, plan)


def _why_read_only(run: Run, pull: Pull) -> str:
    """Why GitHub gives this run a token that may only read; empty if it gives another."""
    if pull.is_fork:
        return "a pull request from a fork has a token that may only read"
    return "runs of Dependabot have a token that may only read" if run.actor == DEPENDABOT else ""


def _show(run: Run, pull: Pull, plan: PlanFile) -> int:
    from ftops.clock import SystemClock  # noqa: PLC0415  # as above
    from ftops.github.api import GitHub  # noqa: PLC0415
    from ftops.github.comments import Marker, marker_of, show  # noqa: PLC0415
    from ftops.report.comment import COMMENT_BYTES_MAX, render_comment  # noqa: PLC0415

    clock = SystemClock()

    def text(marker: Marker) -> str:
        return render_comment(
            plan,
            now=clock.now(),
            run_url=run.url,
            bytes_max=COMMENT_BYTES_MAX - len(marker.line) - 1,
            commit=marker.head,
            since=marker.since,
        )

    github = GitHub(run=run, environ=os.environ, clock=clock)
    shown = show(github, pull, marker_of(plan, pull.head_sha), text)
    if shown.comment is None:
        frame.say(f"no comment: the pull request has a newer commit than {pull.head_sha[:12]}, whose run writes it")
    else:
        frame.say(f"{shown.done} the comment")
        frame.answer(f"{run.repository_url}/pull/{pull.number}#issuecomment-{shown.comment}")
    return 0

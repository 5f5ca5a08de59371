"""`ftops cancel`, `ftops pause` and `ftops resume`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ftops.cli import frame
from ftops.diagnostics import Diagnostic, ProblemsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftops.plan.observed import JobSeen
    from ftops.remote.provider import Provider


@click.command()
@click.argument("spec")
@frame.target_option
def cancel(spec: str, target: str | None) -> None:
    """Cancel the newest job of SPEC, or a job by its id; it is not tried again until the spec changes."""
    _ask(spec, target, lambda provider, job_id: provider.cancel(job_id))
    from ftops.report.plan import Asked  # noqa: PLC0415  # commands load what they use

    command = f"ftops reconcile{Asked(target=target).at_target}"
    frame.say(f"next: `{command}` records it; until then `ftops status` shows what it was")


@click.command()
@click.argument("spec")
@frame.target_option
def pause(spec: str, target: str | None) -> None:
    """Pause the newest job of SPEC, or a job by its id; ftops never resumes it by itself."""
    _ask(spec, target, lambda provider, job_id: provider.pause(job_id))


@click.command()
@click.argument("spec")
@frame.target_option
def resume(spec: str, target: str | None) -> None:
    """Resume the paused job of SPEC, or a job by its id."""
    _ask(spec, target, lambda provider, job_id: provider.resume(job_id))


def _ask(spec: str, target: str | None, ask: Callable[[Provider, str], JobSeen]) -> None:
    """Ask the provider for something of the newest job of *spec*, and say how the job stands then.

    Raises:
        ProblemsError: There is no job, or the provider refuses: most often a job that has ended meanwhile.
    """
    world = frame.open_world(target)
    generation = frame.generation_of(world.store().read(), spec)
    try:
        job = ask(world.provider, generation.job.id)
    except ProblemsError as error:
        raise ProblemsError(*(_of_a_job(problem) for problem in error.problems)) from error
    frame.say(f"{spec}: job {job.id} is {job.status}")


def _of_a_job(problem: Diagnostic) -> Diagnostic:
    """What the provider refuses here is about the state of the job, which no spec mends."""
    if problem.code != "remote-refused":
        return problem
    return replace(
        problem, fix="`ftops plan --refresh` shows how the job stands; if it ended, `ftops reconcile` records it"
    )

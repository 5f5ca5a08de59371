"""`ftops cancel`, `ftops pause` and `ftops resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftops.cli import frame

if TYPE_CHECKING:
    from ftops.plan.observed import JobSeen
    from ftops.remote.provider import Provider


@click.command()
@click.argument("spec")
@frame.target_option
def cancel(spec: str, target: str | None) -> None:
    """Cancel the newest job of SPEC, or a job by its id; it is not tried again until the spec changes."""
    provider, job_id = _job(spec, target)
    _tell(spec, provider.cancel(job_id))


@click.command()
@click.argument("spec")
@frame.target_option
def pause(spec: str, target: str | None) -> None:
    """Pause the newest job of SPEC, or a job by its id; ftops never resumes it by itself."""
    provider, job_id = _job(spec, target)
    _tell(spec, provider.pause(job_id))


@click.command()
@click.argument("spec")
@frame.target_option
def resume(spec: str, target: str | None) -> None:
    """Resume the paused job of SPEC, or a job by its id."""
    provider, job_id = _job(spec, target)
    _tell(spec, provider.resume(job_id))


def _job(spec: str, target: str | None) -> tuple[Provider, str]:
    world = frame.open_world(target)
    generation = frame.generation_of(world.store().read(), spec)
    return world.provider, generation.job.id


def _tell(spec: str, job: JobSeen) -> None:
    frame.say(f"{spec}: job {job.id} is {job.status}")

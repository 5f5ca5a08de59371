"""`ftops logs`."""

from __future__ import annotations

import click

from ftops.cli import frame
from ftops.plan.observed import State


@click.command()
@click.argument("spec")
@frame.target_option
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends.")
@frame.json_option
def logs(spec: str, target: str | None, *, follow: bool, as_json: bool) -> None:
    """Show what the newest job of SPEC, or a job by its id, said; oldest first."""
    from ftops.report.events import render_event  # noqa: PLC0415  # commands load what they use

    world = frame.open_world(target)
    generation = frame.generation_of(world.store().read(), spec)
    provider = world.provider
    last: str | None = None
    while True:
        # Asked before the events, so that none of the last ones is missed.
        state = provider.job(generation.job.id).state if follow else State.SUCCEEDED
        for event in provider.events(generation.job.id, since=last):
            last = event.id
            frame.answer(_line(event)) if as_json else frame.answer(render_event(event))
        if state is not State.PENDING:
            return
        world.clock.sleep(provider.profile.poll_seconds)


def _line(event: object) -> str:
    """One JSON object a line, so that it can be followed."""
    import msgspec  # noqa: PLC0415  # only with --json

    return msgspec.json.encode(event).decode()

"""`ftops status`."""

from __future__ import annotations

import click

from ftops.cli import frame


@click.command()
@frame.selectors_argument
@frame.target_option
@click.option("--refresh", is_flag=True, help="Ask the provider as well.")
@frame.json_option
def status(selectors: tuple[str, ...], target: str | None, *, refresh: bool, as_json: bool) -> None:
    """Show every model: trained, training, failed, and since when."""
    from ftops import reconcile  # noqa: PLC0415  # commands load what they use
    from ftops.report.machine import status_json  # noqa: PLC0415
    from ftops.report.status import render_status  # noqa: PLC0415

    world = frame.open_world(target)
    options = reconcile.Options(selectors=selectors)
    planned = reconcile.plan(world, options, refresh=refresh)
    frame.warn(planned.warnings)
    frame.tell_collected(planned, world.clock.now())
    recorded = world.store().read()
    if as_json:
        frame.answer_json(status_json(planned, recorded))
    else:
        now = world.clock.now()
        frame.answer(render_status(planned, recorded, now=now, colour=frame.colour(), width=frame.width()))

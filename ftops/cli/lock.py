"""`ftops lock verify`, `ftops lock show` and `ftops lock rebuild`."""

from __future__ import annotations

import click

from ftops.cli import frame
from ftops.diagnostics import ProblemsError
from ftops.lockfile import Lockfile


@click.group()
def lock() -> None:
    """Verify, show or rebuild the lockfile."""


@lock.command()
@frame.target_option
def verify(target: str | None) -> None:
    """Check that nothing but ftops changed the lockfile: every hash and every digest."""
    from ftops import lockfile  # noqa: PLC0415  # commands load what they use

    world = frame.open_world(target)
    store = world.store()
    recorded = store.read()
    if problems := lockfile.verify(recorded, store.name):
        raise ProblemsError(*problems)
    generations = sum(len(entry.generations) for entry in recorded.models.values())
    frame.say(f"{store.name}: {len(recorded.models)} models, {generations} generations, every hash matches")


@lock.command()
@click.argument("spec", required=False)
@frame.target_option
@frame.json_option
def show(spec: str | None, target: str | None, *, as_json: bool) -> None:
    """Show the lineage of SPEC, or a line for every model."""
    from ftops.report.lock import render_entry, render_lock  # noqa: PLC0415  # as above
    from ftops.report.machine import lock_json  # noqa: PLC0415

    recorded = frame.open_world(target).store().read()
    if spec is None:
        frame.answer_json(lock_json(recorded)) if as_json else frame.answer(render_lock(recorded))
        return
    entry = frame.entry_of(recorded, spec)
    frame.answer_json(lock_json(entry)) if as_json else frame.answer(render_entry(spec, entry))


@lock.command()
@frame.target_option
def rebuild(target: str | None) -> None:
    """Record again every job that carries this project's labels at the provider.

    What the lockfile has stays as it is. One that cannot be read is set aside first.
    """
    from ftops.reconcile import rebuild as rebuild_from_labels  # noqa: PLC0415  # as above

    world = frame.open_world(target)
    store = world.store()
    try:
        recorded = store.read()
    except ProblemsError as error:
        if error.problems[0].code != "lock-malformed":
            raise
        frame.warn(error.problems)
        frame.say(f"set aside as {store.set_aside()}")
        recorded = Lockfile(target=world.project.target.name)
    names = rebuild_from_labels(world, recorded, provider=world.provider(), store=store)
    for name in names:
        frame.say(f"{name}: recorded again")
    frame.say(f"{store.name}: {len(names) or 'no'} specs had jobs that were not recorded")

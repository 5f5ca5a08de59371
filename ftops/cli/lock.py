"""`ftops lock verify`, `ftops lock show` and `ftops lock rebuild`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftops.cli import frame
from ftops.diagnostics import ProblemsError
from ftops.lockfile import Lockfile

if TYPE_CHECKING:
    from ftops.diagnostics import Diagnostic
    from ftops.lockstore import LockStore


@click.group()
def lock() -> None:
    """Verify, show or rebuild the lockfile."""


@lock.command()
@frame.target_option
def verify(target: str | None) -> None:
    """Check that nothing but ftops changed the lockfile: every hash and every digest."""
    from ftops import lockfile  # noqa: PLC0415  # commands load what they use
    from ftops.report.terminal import counted  # noqa: PLC0415

    world = frame.open_world(target)
    store = world.store()
    recorded = store.read()
    if problems := lockfile.verify(recorded, store.name):
        raise ProblemsError(*problems)
    models = counted(len(recorded.models), "model")
    generations = counted(sum(len(entry.generations) for entry in recorded.models.values()), "generation")
    frame.say(f"{store.name}: {models}, {generations}, every hash matches")


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

    What the lockfile has stays as it is, but for entries that were changed by hand: they are recorded anew. Of a
    lockfile that is damaged in any way, a copy is kept beside it.
    """
    from ftops.reconcile import rebuild as rebuild_from_labels  # noqa: PLC0415  # as above
    from ftops.report.terminal import counted  # noqa: PLC0415

    world = frame.open_world(target)
    store = world.store()
    recorded, problems = _damaged(store, world.project.target.name)
    provider = world.provider
    if problems:
        frame.warn(problems)
        frame.say(f"a copy of it as it was is in {store.set_aside()}")
    names = rebuild_from_labels(world, recorded, provider=provider, store=store)
    for name in names:
        frame.say(f"{name}: recorded again")
    missing = f"recorded the missing jobs of {counted(len(names), 'spec')}" if names else "nothing was missing"
    frame.say(f"{store.name}: {missing}")


def _damaged(store: LockStore, target: str) -> tuple[Lockfile, tuple[Diagnostic, ...]]:
    """What can be read of the lockfile, and what is wrong with it."""
    from ftops import lockfile  # noqa: PLC0415  # as above

    try:
        recorded = store.read()
    except ProblemsError as error:
        if error.problems[0].code != "lock-malformed":
            raise
        return Lockfile(target=target), error.problems
    return recorded, lockfile.verify(recorded, store.name)

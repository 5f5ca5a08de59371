"""`ftops ci commit`."""

from __future__ import annotations

import click

from ftops.cli import frame


@click.command()
@frame.target_option
@click.option("--branch", metavar="NAME", help="Branch of the remote, instead of the one that the run is on.")
def commit(target: str | None, branch: str | None) -> None:
    """Commit the lockfile back to the branch, merged by meaning with what others recorded.

    Through GitHub's API within a workflow, so that the commit is signed; with git elsewhere. Where the branch takes
    changes by pull request only, the lockfile is offered on the branch `ftops/lock`.
    """
    from ftops.github.commit import commit_back  # noqa: PLC0415  # commands load what they use
    from ftops.github.event import run_of  # noqa: PLC0415

    world = frame.open_world(target)
    run = run_of(world.environ)
    store, clock, chance = world.store(), world.clock, world.chance
    frame.say(commit_back(store, run, environ=world.environ, clock=clock, chance=chance, branch=branch))

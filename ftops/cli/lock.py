"""`ftops lock`: verify, show, rebuild, push; claims and release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ftops.cli import frame
from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.lockfile import Lockfile

if TYPE_CHECKING:
    from ftops.lockstore import LockStore
    from ftops.reconcile import World
    from ftops.shared import SharedFile


@click.group()
def lock() -> None:
    """Verify, show, rebuild or push the lockfile; show or release claims."""


@lock.command(short_help="Check that nothing but ftops changed the lockfile.")
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


@lock.command(short_help="Record again jobs that the lockfile lacks.")
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
    frame.say("looking for jobs; where the record was lost, for a while, since lists of new jobs may lag")
    names = rebuild_from_labels(world, recorded, provider=provider, store=store)
    for name in names:
        frame.say(f"{name}: recorded again")
    lost = _lost(recorded, store.read())
    for name, job_id in lost:
        frame.say(f"{name}: job {job_id} is not at the provider, so its record went, and stands in the copy only")
    nothing = "no job was found" if lost else "nothing was missing"
    found = f"recorded the missing jobs of {counted(len(names), 'spec')}" if names else nothing
    frame.say(f"{store.name}: {found}")


@lock.command(short_help="Commit the lockfile to the remote's branch.")
@frame.target_option
@click.option("--branch", metavar="NAME", help="Branch of the remote, instead of the one checked out.")
def push(target: str | None, branch: str | None) -> None:
    """Commit the lockfile to the remote's branch, merged by meaning with what others recorded.

    Nothing else of the working tree goes with it.
    """
    from ftops.gitbranch import branch_file, content_before, follow, is_checked_out  # noqa: PLC0415  # as above
    from ftops.gitlogin import login  # noqa: PLC0415
    from ftops.lockpush import push as push_to  # noqa: PLC0415

    world = frame.open_world(target)
    store = world.store()
    file = branch_file(world.project.root, store.name, branch, login(world.environ))
    before = file.read()
    stands = push_to(store, file, content_before(file), clock=world.clock, chance=world.chance)
    if stands.content is None:
        frame.say(f"{store.name}: nothing is recorded yet")
        return
    if stands == before:
        frame.say(f"{store.name}: {file.name} has all of it already")
    else:
        frame.say(f"{store.name}: committed to {file.name} as {str(stands.version)[:12]}")
    if is_checked_out(file) and not follow(file, stands):
        frame.say(f"next: `git pull --rebase --autostash origin {file.branch}` brings here what else came to it")


@lock.command(short_help="Show which machines are about to create jobs.")
@frame.target_option
@frame.json_option
def claims(target: str | None, *, as_json: bool) -> None:
    """Show which machines are about to create which jobs, or have just done so."""
    from ftops.claimant import listed  # noqa: PLC0415  # as above
    from ftops.report.claims import claims_json, render_claims  # noqa: PLC0415

    world = frame.open_world(target)
    found = listed(_claims_file(world))
    now = world.clock.now()
    frame.answer_json(claims_json(found, now)) if as_json else frame.answer(render_claims(found, now))


@lock.command(short_help="Free the claims of a machine that died.")
@click.argument("spec")
@frame.target_option
def release(spec: str, target: str | None) -> None:
    """Free the claims on the jobs of SPEC, if the machine that took them died.

    If it lives after all, it is refused before it creates anything.
    """
    from ftops.claimant import release as release_claims  # noqa: PLC0415  # as above
    from ftops.report.terminal import counted  # noqa: PLC0415

    world = frame.open_world(target)
    number = release_claims(_claims_file(world), spec, clock=world.clock, chance=world.chance)
    frame.say(f"{spec}: freed {counted(number, 'claim')}" if number else f"{spec}: nobody claims it")


def _claims_file(world: World) -> SharedFile:
    file = world.claims
    if file is None:
        raise ProblemsError(_no_claims(world.project.target.name))
    return file


def _no_claims(target: str) -> Diagnostic:
    return Diagnostic(
        code="claims-none",
        summary=f"no claims are kept on the jobs of the target `{target}`",
        why="no other machine pays for them: the target is this checkout's own, there is no git remote `origin`, "
        "or ftops.yaml says `claims: local`",
    )


def _lost(before: Lockfile, after: Lockfile) -> list[tuple[str, str]]:
    """Specs and ids of jobs that were on record and are no more."""
    kept = {each.job.id for entry in after.models.values() for each in entry.generations}
    recorded = [(name, each.job.id) for name, entry in before.models.items() for each in entry.generations]
    return [(name, job_id) for name, job_id in dict.fromkeys(recorded) if job_id not in kept]


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

"""The whole program on one page: gather what is desired, recorded and observed; decide; act; record.

Every run looks at everything outstanding and moves it on as far as it can. A run that is dropped, doubled or late does
no harm: the next one starts from what is there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ftops.apply import Applier, Outcome
from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.git import head_commit, origin_name
from ftops.lockstore import LockStore
from ftops.plan.changes import PAID, Change, Kind
from ftops.plan.desired import Desired, resolve
from ftops.plan.diff import diff
from ftops.plan.plan import Plan, select
from ftops.project import Project, make_state_folder, read_data, read_specs
from ftops.remote.connect import connect
from ftops.remote.profiles import profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ftops.clock import Clock
    from ftops.lockfile import Lockfile
    from ftops.plan.observed import Observed
    from ftops.remote.provider import Provider

RECONCILED = frozenset({Kind.COLLECT, Kind.ADOPT, Kind.SELECT})
"""What `reconcile` does without being asked again: it records, and pays for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person may narrow or allow."""

    selectors: Sequence[str] = ()
    retry_failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a run acts through."""

    project: Project
    environ: Mapping[str, str]
    clock: Clock

    def store(self) -> LockStore:
        return LockStore(self.project.root, self.project.lock_name, self.project.target.name)

    def provider(self) -> Provider:
        """The target's provider; the local one is started if it does not run."""
        project = self.project
        make_state_folder(project.state)
        repo = project.config.project or origin_name(project.root) or project.root.name
        state = project.state / "local"
        return connect(project.target, repo=repo, state=state, environ=self.environ, clock=self.clock)


def plan(world: World, options: Options, *, provider: Provider | None = None) -> Plan:
    """Say what there is to do. Without a *provider* this asks nobody and needs no key.

    Raises:
        ProblemsError: Configuration, specs, data or lockfile have problems: all that were found.
    """
    recorded = world.store().read()
    desired, warnings = _desired(world.project, recorded)
    observed = _observe(provider, desired, recorded) if provider else None
    return _plan(world.project, desired, recorded, observed, options, warnings)


def apply(
    world: World, planned: Plan, options: Options, *, provider: Provider, tell: Callable[[Outcome], None]
) -> tuple[Outcome, ...]:
    """Carry out *planned*: what is observed now can only make it cheaper, never add to it.

    Raises:
        ProblemsError: The plan is stale (exit code 3), or the record cannot be kept.
    """
    store = world.store()
    with store.exclusive():
        recorded = store.read()
        desired, warnings = _desired(world.project, recorded)
        if _plan(world.project, desired, recorded, None, options, warnings).checksum != planned.checksum:
            raise ProblemsError(_stale(), exit_code=3)
        observed = _observe(provider, desired, recorded)
        now = _plan(world.project, desired, recorded, observed, options, warnings)
        return _applier(world, provider, store, recorded).carry_out(_within(now.changes, planned), tell)


def reconcile(
    world: World, options: Options, *, provider: Provider, tell: Callable[[Outcome], None]
) -> tuple[Plan, tuple[Outcome, ...]]:
    """Collect what ended, and go on with what an earlier apply was told to make; gives what is left, and what was done.

    Raises:
        ProblemsError: The record cannot be kept.
    """
    store = world.store()
    with store.exclusive():
        recorded = store.read()
        desired, warnings = _desired(world.project, recorded)
        observed = _observe(provider, desired, recorded)
        now = _plan(world.project, desired, recorded, observed, options, warnings)
        applier = _applier(world, provider, store, recorded)
        outcomes = applier.carry_out((change for change in now.changes if change.kind in RECONCILED), tell)
        # Models that were just collected may be what approved children wait for.
        left = _plan(world.project, desired, applier.lock, observed, options, warnings)
        approved = [change for change in left.changes if change.kind in PAID and change.approved]
        outcomes += applier.carry_out(approved, tell)
        return _plan(world.project, desired, applier.lock, observed, options, warnings), outcomes


def outstanding(plan: Plan) -> tuple[Change, ...]:
    """What a later `reconcile` still has to collect or to go on with."""
    return tuple(
        change
        for change in plan.changes
        if change.kind in {Kind.AWAIT, Kind.COLLECT} or (change.kind in PAID and change.approved)
    )


def _desired(project: Project, recorded: Lockfile) -> tuple[tuple[Desired, ...], tuple[Diagnostic, ...]]:
    specs = read_specs(project)
    files, warnings = read_data(project, specs)
    desired = resolve(specs, files, config=project.config, target=project.target, recorded=recorded)
    methods = profile(project.target.profile).methods
    refused = [_unsupported(each, project) for each in desired if each.spec.method.type not in methods]
    if refused:
        raise ProblemsError(*refused)
    return desired, warnings


def _observe(provider: Provider, desired: Iterable[Desired], recorded: Lockfile) -> Observed:
    known = {(each.name, str(each.digest)) for each in desired}
    for name, entry in recorded.models.items():
        generations = (*entry.history, entry.generation) if entry.generation else entry.history
        known |= {(name, str(generation.digest)) for generation in generations}
    return provider.observe(known)


def _plan(
    project: Project,
    desired: tuple[Desired, ...],
    recorded: Lockfile,
    observed: Observed | None,
    options: Options,
    warnings: tuple[Diagnostic, ...],
) -> Plan:
    changes = diff(desired, recorded, observed, retry_failed=options.retry_failed)
    if options.selectors:
        names = {each.name for each in select(desired, options.selectors)}
        changes = tuple(change for change in changes if change.name in names)
    return Plan(target=project.target.name, changes=changes, warnings=warnings)


def _applier(world: World, provider: Provider, store: LockStore, recorded: Lockfile) -> Applier:
    return Applier(
        project=world.project,
        provider=provider,
        store=store,
        clock=world.clock,
        lock=recorded,
        commit=head_commit(world.project.root),
    )


def _within(changes: Iterable[Change], planned: Plan) -> tuple[Change, ...]:
    """Keep of *changes* those that pay for nothing, and those that *planned* pays for too."""
    agreed = {(change.name, change.attempt) for change in planned.changes if change.kind in PAID}
    return tuple(
        replace(change, approved=False) if change.kind in PAID else change
        for change in changes
        if change.kind not in PAID or (change.name, change.attempt) in agreed
    )


def _stale() -> Diagnostic:
    return Diagnostic(
        code="plan-stale",
        summary="the plan is stale: it would do something else now",
        why="specs, data or the lockfile changed since it was made",
        fix="run `ftops plan` again, and apply what it says now",
    )


def _unsupported(desired: Desired, project: Project) -> Diagnostic:
    span = desired.spec.places.get("method.type") or desired.spec.places.get("method")
    methods = ", ".join(profile(project.target.profile).methods)
    return Diagnostic(
        code="method-unsupported",
        summary=f"the target `{project.target.name}` cannot train with the method `{desired.spec.method.type}`",
        place=Place(
            path=desired.spec.path,
            line=span.line if span else None,
            column=span.column if span else None,
            end_column=span.end_column if span else None,
        ),
        why=f"its profile `{project.target.profile}` trains: {methods}",
        fix="choose another method, or another target with `--target`",
    )

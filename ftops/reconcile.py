"""The whole program on one page: gather what is desired, recorded and observed; decide; act; record.

Every run looks at everything outstanding and moves it on as far as it can. A run that is dropped, doubled or late does
no harm: the next one starts from what is there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING

from ftops.apply import Applier
from ftops.claimant import Claimant
from ftops.clock import day
from ftops.collected import collected_file, last_collected
from ftops.create import LAG_SECONDS, Creator, Ledger
from ftops.datafiles import read_data
from ftops.dataset.tokens.base import models_folder
from ftops.datasets import built_for
from ftops.diagnostics import Diagnostic, ProblemsError, Severity
from ftops.git import head_commit, origin_name
from ftops.gitfile import claims_file
from ftops.gitlogin import login
from ftops.lockfile import Lockfile, broken, verify
from ftops.lockstore import LockStore, make_state_folder
from ftops.plan.changes import PAID, Change, Kind
from ftops.plan.desired import Desired, base_model, resolve
from ftops.plan.diff import diff
from ftops.plan.duration import durations
from ftops.plan.fit import unfit
from ftops.plan.observed import UNFINISHED, Observed, State, state_of
from ftops.plan.plan import Plan, checksum, select
from ftops.plan.policy import Policy, Verdict, judge
from ftops.plan.rebuild import rebuilt, unrecorded
from ftops.project import Project, read_declared, with_source
from ftops.remote.connect import connect
from ftops.remote.profiles import base_named, profile
from ftops.upload import Uploader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from ftops.clock import Clock
    from ftops.datafiles import Data
    from ftops.dataset.diff import DataDiff
    from ftops.plan.changes import Outcome
    from ftops.plan.cost import Cost
    from ftops.plan.observed import JobSeen
    from ftops.remote.provider import Provider
    from ftops.shared import SharedFile

ENDED_WITH_CHECKPOINTS = frozenset({State.SUCCEEDED, State.CANCELLED})
RECONCILED = frozenset({Kind.COLLECT, Kind.ADOPT, Kind.CANCEL})
"""What `reconcile` does without being asked again: it records, and pays for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person may narrow or allow."""

    selectors: Sequence[str] = ()
    retry_failed: bool = False


@dataclass(frozen=True, kw_only=True)
class World:
    """What a run acts through."""

    project: Project
    environ: Mapping[str, str]
    clock: Clock
    chance: Random = field(default_factory=Random)

    def store(self) -> LockStore:
        return LockStore(self.project.root, self.project.lock_name, self.project.target.name)

    @cached_property
    def provider(self) -> Provider:
        """The target's provider; the local one is started if it does not run."""
        project = self.project
        make_state_folder(project.state)
        repo = project.config.project or origin_name(project.root) or project.root.name
        state = project.state / "local"
        return connect(project.target, repo=repo, state=state, environ=self.environ, clock=self.clock)

    @cached_property
    def claims(self) -> SharedFile | None:
        """Where machines that may pay for the same jobs keep their claims; None if there are no others."""
        project = self.project
        if project.target.is_embedded or project.config.claims == "local":
            return None
        return claims_file(project.root, project.target.name, login(self.environ))

    @cached_property
    def collected(self) -> SharedFile | None:
        """Where machines that collect say when they did; None where there is only this one."""
        if self.claims is None:
            return None
        return collected_file(self.project.root, self.project.target.name, login(self.environ))


def plan(world: World, options: Options, *, refresh: bool = False) -> Plan:
    """Say what there is to do. Without *refresh* this asks nobody and needs no key; with it, only once all is read.

    Raises:
        ProblemsError: Configuration, specs, data or lockfile have problems: all that were found.
    """
    store = world.store()
    recorded = store.read()
    wanted = _gather(world, recorded)
    planned = _plan(world, wanted, recorded, _observe(world.provider, wanted, recorded) if refresh else None, options)
    # A look at what was changed by hand does no harm; to write over it would, so there it is an error.
    edited = tuple(replace(problem, severity=Severity.WARNING) for problem in verify(recorded, store.name))
    return replace(
        planned,
        warnings=(*planned.warnings, *edited),
        data_changes=_data_changes(world.project, planned, wanted.data),
        seconds=durations(planned.changes, recorded),
        collected_at=collected_at(world, planned) if refresh else None,
    )


def apply(
    world: World, planned: Plan, options: Options, *, provider: Provider, tell: Callable[[Outcome], None]
) -> tuple[Outcome, ...]:
    """Carry out *planned*: what is observed now may make it cheaper; if it would add to it, the plan is stale.

    Raises:
        ProblemsError: The plan is stale, or policy refuses something of it (exit code 3), or the record cannot be kept.
    """
    store = world.store()
    with store.exclusive():
        recorded = _verified(store)
        wanted = _gather(world, recorded)
        now = _plan(world, wanted, recorded, _observe(provider, wanted, recorded), options)
        if now.checksum != planned.checksum:
            raise ProblemsError(_stale(), exit_code=3)
        if now.refusals:
            raise ProblemsError(*now.refusals, exit_code=3)
        return _applier(world, provider, store, recorded).carry_out(now.changes, tell)


def reconcile(
    world: World, options: Options, *, provider: Provider, tell: Callable[[Outcome], None]
) -> tuple[Plan, tuple[Outcome, ...]]:
    """Collect what ended, and go on with what an earlier apply was told to make; gives what is left, and what was done.

    What policy refuses by now is left alone, and told among the refusals of what is left.

    Raises:
        ProblemsError: The record cannot be kept.
    """
    store = world.store()
    with store.exclusive():
        recorded = _verified(store)
        wanted = _gather(world, recorded)
        observed = _observe(provider, wanted, recorded)
        applier = _applier(world, provider, store, recorded)
        found = _plan(world, wanted, recorded, observed, options, only_approved=True)
        outcomes = applier.carry_out((change for change in found.changes if change.kind in RECONCILED), tell)
        # Models that were just collected may be what approved children wait for.
        ready = _plan(world, wanted, applier.lock, observed, options, only_approved=True)
        outcomes += applier.carry_out((change for change in ready.changes if _goes_on(change, ready)), tell)
        # What was made or recorded just now is there, though the look before it did not see it.
        models = dict.fromkeys(model for model in _models(applier.lock) if model not in _models(recorded))
        seen = Observed(jobs=(*applier.made, *observed.jobs), models={**observed.models, **models})
        return _plan(world, wanted, applier.lock, seen, options, only_approved=True), outcomes


def collected_at(world: World, planned: Plan) -> int | None:
    """When results that *planned* waits for were last collected, as far as the git remote tells."""
    waits = planned.counts.keys() & {Kind.AWAIT, Kind.COLLECT}
    return last_collected(world.collected) if waits and world.collected else None


def rebuild(world: World, recorded: Lockfile, *, provider: Provider, store: LockStore) -> tuple[str, ...]:
    """Record every job that carries this project's labels and that *recorded* lacks; gives the specs concerned.

    Entries that were changed by hand are recorded anew; all others stay.

    Raises:
        ProblemsError: The record cannot be kept.
    """
    with store.exclusive():
        edited = broken(recorded)
        whole = {name: entry for name, entry in recorded.models.items() if name not in edited}
        named = {each.job.id for name in edited for each in recorded.models[name].generations}
        recorded = Lockfile(target=recorded.target, models=whole)
        wanted = _gather(world, recorded)
        observed = _observe(provider, wanted, recorded)
        if not (whole or edited) or named - {job.id for job in observed.jobs}:
            # What was on record may be so new that no list has it yet, and what is not found is paid for once more.
            world.clock.sleep(LAG_SECONDS)
            observed = _observe(provider, wanted, recorded)
        missing = unrecorded(recorded, observed.jobs)
        checkpoints = {job.id: provider.checkpoints(job.id) for job in missing if job.state in ENDED_WITH_CHECKPOINTS}
        store.save(rebuilt(recorded, wanted.desired, observed, checkpoints), spent=False)
    return tuple(sorted({job.labels.spec for job in missing if job.labels}))


def outstanding(plan: Plan) -> tuple[Change, ...]:
    """What a later `reconcile` still has to collect or to go on with.

    Not what waits for a parent that failed, nor what policy refuses.
    """
    found: list[Change] = []
    going: set[str | None] = {None}
    for change in plan.changes:
        if change.kind in {Kind.AWAIT, Kind.COLLECT} or (_goes_on(change, plan) and change.waits_for in going):
            found.append(change)
            going.add(change.name)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What the working tree asks for."""

    target: str
    desired: tuple[Desired, ...]
    data: Data
    warnings: tuple[Diagnostic, ...]


def _gather(world: World, recorded: Lockfile) -> _Wanted:
    try:
        return _read(world.project, recorded, models_folder(world.environ))
    except ProblemsError as error:
        raise ProblemsError(*with_source(world.project, error.problems), exit_code=error.exit_code) from None


def _read(project: Project, recorded: Lockfile, models: Path) -> _Wanted:
    declared = read_declared(project)
    built, of_builds = built_for(project, declared)
    data = read_data(project, declared.specs, built, models, recorded)
    desired = resolve(declared.specs, data.files, config=project.config, target=project.target, recorded=recorded)
    desired = tuple(replace(each, cost=_estimate(each, data.costs.get(each.name))) for each in desired)
    dialect = profile(project.target.profile)
    if problems := unfit(desired, project.target, methods=dialect.methods, models=dialect.models):
        raise ProblemsError(*problems)
    return _Wanted(target=project.target.name, desired=desired, data=data, warnings=(*of_builds, *data.warnings))


def _estimate(want: Desired, cost: Cost | None) -> Cost | None:
    """What was estimated of the spec's own fields, unless others are trained."""
    if cost and want.kept & {"model", "method", "training_file"}:
        return replace(cost, usd=None, unknown="`ignore_changes` keeps fields as they were, and has no estimate")
    return cost


def _data_changes(project: Project, planned: Plan, data: Data) -> dict[tuple[str, str], DataDiff]:
    """What changed in the data that is to be trained on anew, where the old rows are to be had."""
    found = {
        (change.name, cause.field): data.change(project, change.name, cause.field, change.recorded)
        for change in planned.changes
        if change.kind is Kind.REPLACE and change.recorded
        for cause in change.causes
        if cause.field in {"training_file", "validation_file"}
    }
    return {key: diff for key, diff in found.items() if diff}


def _observe(provider: Provider, wanted: _Wanted, recorded: Lockfile) -> Observed:
    """Look at all jobs and models in a list each, and by its id at what is counted on and lacks there: they may lag."""
    known = {(each.name, str(each.digest)) for each in wanted.desired}
    running: set[str] = set()
    for name, entry in recorded.models.items():
        known |= {(name, str(each.digest)) for each in entry.generations}
        known |= {(name, str(entry.intent.digest))} if entry.intent else set()
        running |= {each.job.id for each in entry.generations if state_of(each.job.status) in UNFINISHED}
    jobs = provider.jobs(known)
    lacking = sorted(running - {job.id for job in jobs})
    jobs += tuple(job for job in map(provider.find_job, lacking) if job)
    # Models last: those of all jobs that were seen to have ended are among them.
    models = provider.models()
    lost = sorted(_counted_on(wanted, recorded, jobs) - models.keys())
    return Observed(jobs=jobs, models=models | {model: None for model in lost if provider.has_model(model)})


def _counted_on(wanted: _Wanted, recorded: Lockfile, jobs: Iterable[JobSeen]) -> set[str]:
    """The models of what is asked for: one that is taken for gone may be paid for once more."""
    asked = {(each.name, str(each.digest)) for each in wanted.desired}
    found = {job.fine_tuned_model for job in jobs if job.labels and (job.labels.spec, job.labels.digest) in asked}
    for name, entry in recorded.models.items():
        found |= {each.model for each in entry.generations if (name, str(each.digest)) in asked}
    return {model for model in found if model}


def _models(lock: Lockfile) -> set[str]:
    return {each.model for entry in lock.models.values() for each in entry.generations if each.model}


def _verified(store: LockStore) -> Lockfile:
    """The record, if nothing but ftops wrote it: writing it again would put new hashes on what was changed."""
    recorded = store.read()
    if problems := verify(recorded, store.name):
        raise ProblemsError(*problems)
    return recorded


def _plan(
    world: World,
    wanted: _Wanted,
    recorded: Lockfile,
    observed: Observed | None,
    options: Options,
    *,
    only_approved: bool = False,
) -> Plan:
    """Decide, with or without a look at the provider.

    The checksum is over what is decided without one, so that a reviewed plan holds whatever has finished meanwhile;
    only what a look adds to the bill (a model to be taken back that is gone) makes it another plan.
    Policy judges all that is to be trained; with *only_approved*, what of it an earlier apply was told to make.
    """
    names = {each.name for each in select(wanted.desired, options.selectors)}

    def decide(seen: Observed | None) -> tuple[Change, ...]:
        changes = diff(wanted.desired, recorded, seen, retry_failed=options.retry_failed)
        return tuple(change for change in changes if change.name in names or not options.selectors)

    offline = decide(None)
    changes = decide(observed) if observed else offline
    expected = {change.name for change in offline if change.kind in PAID}
    added = [change for change in changes if change.kind in PAID and change.name not in expected]
    agreed = checksum(wanted.target, (*offline, *added))
    due = tuple(each for each in changes if each.kind in PAID and (each.approved or not only_approved))
    verdict = _judged(world, wanted, recorded, due) if due else Verdict()
    budget = world.project.config.budget
    return Plan(
        target=wanted.target,
        changes=changes,
        checksum=agreed,
        warnings=(*wanted.warnings, *verdict.warnings),
        refusals=verdict.refusals,
        refused=verdict.refused,
        limit_usd=budget.max_usd if budget else None,
    )


def _judged(world: World, wanted: _Wanted, recorded: Lockfile, due: tuple[Change, ...]) -> Verdict:
    """What policy says today of jobs that are to be made."""
    project, inputs = world.project, {each.name: each.inputs for each in wanted.desired}
    starts = {change.name: base_model(change.wanted.inputs.model, inputs, recorded) for change in due}
    known = {name: base_named(start, project.target.profile) for name, start in starts.items() if start}
    verdict = judge(
        due,
        Policy(
            target=project.target,
            budget=project.config.budget,
            today=day(world.clock.now()),
            closed_from=profile(project.target.profile).closed_from,
            bases={name: base for name, base in known.items() if base},
        ),
    )
    return replace(
        verdict,
        refusals=with_source(project, verdict.refusals),
        warnings=with_source(project, verdict.warnings),
    )


def _applier(world: World, provider: Provider, store: LockStore, recorded: Lockfile) -> Applier:
    ledger = Ledger(store=store, lock=recorded)
    commit = head_commit(world.project.root)
    claimant = Claimant(world.claims, owner=store.holder(), clock=world.clock, chance=world.chance)
    creator = Creator(provider=provider, ledger=ledger, claimant=claimant, clock=world.clock, commit=commit)
    uploader = Uploader(project=world.project, provider=provider)
    return Applier(provider=provider, ledger=ledger, creator=creator, uploader=uploader)


def _goes_on(change: Change, plan: Plan) -> bool:
    return change.kind in PAID and change.approved and change.name not in plan.refused


def _stale() -> Diagnostic:
    return Diagnostic(
        code="plan-stale",
        summary="the plan is stale: it would do something else now",
        why="specs, data or the lockfile changed since it was made",
        fix="run `ftops plan` again, and apply what it says now",
    )

"""Carries out a plan, change by change, each recorded before the next begins."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from ftops.create import BUSY, Creator, LaterError, Ledger
from ftops.diagnostics import Diagnostic
from ftops.lockfile import forgotten, with_generation, with_outcome
from ftops.plan.changes import PAID, Change, Kind, Outcome
from ftops.plan.desired import model_of
from ftops.plan.generations import begun, ended, with_choice
from ftops.plan.observed import UNFINISHED, JobSeen, State, state_of
from ftops.remote.errors import RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ftops.lockfile import Generation, Lockfile
    from ftops.plan.desired import Desired
    from ftops.remote.provider import Provider
    from ftops.upload import Uploader

OF_ONE_MODEL = frozenset({"remote-refused", "remote-not-found", "remote-file"})
"""Failures of a call that say nothing about the next model's."""
WAITS_FOR = {
    BUSY: "waits for a free slot",
    "claim-held": "waits for another machine, which is about to create it",
    "claim-lost": "waits: another machine took it over",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Applier:
    """Carries out changes through the provider, and keeps the ledger."""

    provider: Provider
    ledger: Ledger
    creator: Creator
    uploader: Uploader
    made: list[JobSeen] = field(default_factory=list)
    """Jobs that it created or found: an earlier look at the provider does not know them."""

    @property
    def lock(self) -> Lockfile:
        return self.ledger.lock

    def carry_out(self, changes: Iterable[Change], tell: Callable[[Outcome], None]) -> tuple[Outcome, ...]:
        """Carry out *changes* in their order; *tell* hears of each at once.

        A job that failed keeps none of the others from being tried; a call that failed does, if theirs would too.

        Raises:
            ProblemsError: The record cannot be saved, claims cannot be taken, or the data changed since it was planned.
        """
        due = tuple(changes)
        self.creator.claim(change for change in due if change.kind in PAID and not change.waits_for)
        try:
            return self._one_by_one(due, tell)
        finally:
            self.creator.claimant.settle()

    def _one_by_one(self, changes: Iterable[Change], tell: Callable[[Outcome], None]) -> tuple[Outcome, ...]:
        outcomes: list[Outcome] = []
        for change in changes:
            stops = False
            try:
                outcome = self._carry_out(change)
            except LaterError as error:
                outcome = _done(change, WAITS_FOR[error.problem.code], waits=True, problem=error.problem)
            except RemoteError as error:
                outcome = _done(change, "failed", problem=error.problem)
                stops = error.problem.code not in OF_ONE_MODEL
            if outcome:
                tell(outcome)
                outcomes.append(outcome)
            if stops:
                break
        return tuple(outcomes)

    def _carry_out(self, change: Change) -> Outcome | None:
        match change.kind:
            case Kind.CREATE | Kind.REPLACE:
                return self._create(change)
            case Kind.ADOPT:
                return self._adopt(change)
            case Kind.COLLECT:
                assert change.recorded is not None
                assert change.seen is not None
                return self._collect(change, change.recorded, change.seen)
            case Kind.SELECT:
                return self._select(change)
            case Kind.CANCEL:
                return self._cancel(change)
            case Kind.FORGET:
                self.creator.settle(change.name)
                self.ledger.save(forgotten(self.lock, change.name))
                return _done(change, _farewell(change.recorded))
            case _:
                return None

    def _create(self, change: Change) -> Outcome:
        want = change.wanted
        model = model_of(self.lock, want.parent) if want.parent else want.inputs.model
        if not isinstance(model, str):
            self.creator.promise(change)
            return _done(change, self._why_it_waits(want), waits=True)
        if found := self.creator.find(change):
            return self._record(change, found, "adopted")
        inputs = self.uploader.uploaded(want.inputs)
        return self._record(change, self.creator.create(change, inputs, model), "submitted")

    def _why_it_waits(self, want: Desired) -> str:
        parent = want.parent.spec if want.parent else ""
        generation = self.ledger.entry(parent).generation
        if generation and state_of(generation.job.status) in {State.FAILED, State.CANCELLED}:
            return f"waits for {parent}, whose job {generation.job.status}"
        return f"waits for {parent}"

    def _adopt(self, change: Change) -> Outcome:
        old = change.recorded
        if old and old.inputs is None:
            # `lock rebuild` found it by its labels while nothing asked for it; what asks for it now knows its inputs.
            old = msgspec.structs.replace(old, inputs=change.wanted.inputs)
        if change.seen:
            return self._record(change, change.seen, "adopted", earlier=old if _is_of(old, change.seen) else None)
        assert old is not None
        self.ledger.save(with_generation(self.lock, change.name, old))
        return _done(change, f"took back job {old.job.id}; nothing is trained")

    def _record(self, change: Change, job: JobSeen, verb: str, *, earlier: Generation | None = None) -> Outcome:
        """Record *job* as the current generation, and at once what came of it if it has ended already."""
        want = change.wanted
        intent = self.ledger.entry(want.name).intent
        mine = intent if intent and intent.digest == want.digest else None
        inputs = mine.inputs if mine and mine.request else want.inputs
        generation = earlier or begun(want.digest, inputs, job, intent=mine, commit=self.creator.commit)
        superseded = self.ledger.entry(want.name).generation
        self.ledger.save(with_generation(self.lock, want.name, generation))
        self.made.append(job)
        self._cancel_if_told(want, superseded, job)
        if job.state in UNFINISHED:
            return _done(change, f"{verb} job {job.id}")
        return self._collect(change, generation, job)

    def _cancel_if_told(self, want: Desired, old: Generation | None, job: JobSeen) -> None:
        """Cancel what *job* supersedes, if the spec says so, and only now that *job* is there.

        If that fails, or this process dies first, the next plan has a cancel.
        """
        if want.spec.on_change != "cancel" or old is None or old.job.id == job.id:
            return
        if state_of(old.job.status) in UNFINISHED:
            with suppress(RemoteError):
                self.provider.cancel(old.job.id)

    def _cancel(self, change: Change) -> Outcome:
        assert change.seen is not None
        self.provider.cancel(change.seen.id)
        return _done(change, f"cancelled job {change.seen.id}, which is superseded")

    def _collect(self, change: Change, old: Generation, job: JobSeen) -> Outcome:
        """Record how a job ended: its model, all checkpoints, what the provider resolved and measured."""
        checkpoints = self.provider.checkpoints(job.id) if job.state is not State.FAILED else ()
        generation = ended(old, job, checkpoints)
        if job.state is not State.SUCCEEDED:
            self.ledger.save(with_outcome(self.lock, change.name, generation))
            return _ended(change, job)
        policy = change.desired.spec.checkpoint if change.desired else "best"
        generation, problem = with_choice(generation, policy, change.name, job.fine_tuned_model)
        self.ledger.save(with_outcome(self.lock, change.name, generation))
        return _done(change, generation.model or "no checkpoint could be chosen", problem=problem)

    def _select(self, change: Change) -> Outcome:
        old = change.recorded
        assert old is not None
        policy = change.wanted.spec.checkpoint
        generation, problem = with_choice(old, policy, change.name, old.model)
        if problem is None:
            self.ledger.save(with_outcome(self.lock, change.name, generation))
        return _done(change, generation.model or "no checkpoint could be chosen", problem=problem)


def _farewell(generation: Generation | None) -> str:
    if generation and state_of(generation.job.status) in UNFINISHED:
        return f"is history now; its job {generation.job.id} goes on: `ftops cancel {generation.job.id}` ends it"
    return "is history now; its models stay at the provider"


def _is_of(generation: Generation | None, job: JobSeen) -> bool:
    return generation is not None and generation.job.id == job.id


def _done(change: Change, text: str, *, waits: bool = False, problem: Diagnostic | None = None) -> Outcome:
    return Outcome(name=change.name, kind=change.kind, text=text, waits=waits, problem=problem)


def _ended(change: Change, job: JobSeen) -> Outcome:
    if job.state is State.CANCELLED:
        return _done(change, f"job {job.id} was cancelled")
    words = (job.error.message or job.error.code) if job.error else None
    problem = Diagnostic(
        code="job-failed",
        summary=f"the job of `{change.name}` failed: {words or 'the provider gives no reason'}",
        why=f"it is job `{job.id}`; `ftops logs {change.name}` shows what it said",
        fix="mend the spec or its data; or, if the provider was at fault, `ftops apply --retry-failed`",
    )
    return _done(change, f"job {job.id} failed", problem=problem)

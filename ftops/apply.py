"""Carries out a plan, change by change: intent, effect, record. Nothing is paid twice, nothing paid is lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from ftops.diagnostics import Diagnostic
from ftops.lockfile import (
    DataFile,
    Entry,
    Generation,
    Inputs,
    Intent,
    Lockfile,
    forgotten,
    with_generation,
    with_intent,
    with_outcome,
    without_intent,
)
from ftops.plan.changes import PAID, Change, Kind, Outcome
from ftops.plan.desired import model_of
from ftops.plan.generations import begun, ended, with_choice
from ftops.plan.observed import JobSeen, Labels, Observed, State, state_of
from ftops.remote.dialect import job_request, remote_name
from ftops.remote.errors import Effect, RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ftops.clock import Clock
    from ftops.lockstore import LockStore
    from ftops.plan.desired import Desired
    from ftops.project import Project
    from ftops.remote.provider import FileSeen, Provider

PATIENCE_SECONDS = (1, 1, 2, 4, 8)
"""Waits between the looks for a job whose create had a doubtful outcome: the list may lag behind."""

BUSY = "remote-busy"
"""All slots for training are taken: no failure, but a reason to come back."""

GOES_ON = frozenset({"remote-refused", BUSY, "remote-not-found", "remote-file"})
"""Problems of one model that say nothing about the next."""


@dataclass(slots=True, kw_only=True)
class Applier:
    """What carrying out needs: the provider, the record, and the project's data."""

    project: Project
    provider: Provider
    store: LockStore
    clock: Clock
    lock: Lockfile
    commit: str | None = None
    made: list[JobSeen] = field(default_factory=list, init=False)
    """Jobs that it created or found: an earlier look at the provider does not know them."""
    _files: dict[str, FileSeen] | None = field(default=None, init=False)

    def carry_out(self, changes: Iterable[Change], tell: Callable[[Outcome], None]) -> tuple[Outcome, ...]:
        """Carry out *changes* in their order, each recorded before the next begins; *tell* hears of each at once.

        A change that fails keeps those after it from being tried only if they would fail likewise.

        Raises:
            ProblemsError: The record cannot be saved, or the data changed since it was planned.
        """
        outcomes: list[Outcome] = []
        for change in changes:
            try:
                outcome = self._carry_out(change)
            except RemoteError as error:
                waits = error.problem.code == BUSY
                text = "waits for a free slot" if waits else "failed"
                outcome = Outcome(name=change.name, kind=change.kind, text=text, waits=waits, problem=error.problem)
            if outcome is None:
                continue
            tell(outcome)
            outcomes.append(outcome)
            if outcome.problem and outcome.problem.code not in GOES_ON:
                break
        return tuple(outcomes)

    def _carry_out(self, change: Change) -> Outcome | None:
        match change.kind:
            case Kind.CREATE | Kind.REPLACE:
                return self._create(change)
            case Kind.ADOPT:
                return self._adopt(change)
            case Kind.COLLECT:
                return self._collect(change)
            case Kind.SELECT:
                return self._select(change)
            case Kind.FORGET:
                self._save(forgotten(self.lock, change.name))
                return _done(change, "is history now; its model stays at the provider")
            case _:
                return None

    def _create(self, change: Change) -> Outcome:
        want = _desired(change)
        model = model_of(self.lock, want.parent) if want.parent else want.inputs.model
        if not isinstance(model, str):
            return self._wait_for_parent(change, want)
        if found := self._look(change):
            return self._record_job(change, want, found, "adopted")
        self._cancel_superseded(change)
        inputs = self._with_files(want.inputs)
        labels = Labels(spec=want.name, digest=want.digest, attempt=change.attempt, repo=self.provider.repo)
        request = job_request(inputs, model=model, profile=self.provider.profile, labels=labels)
        intent = self._intent(want, inputs, request, change.attempt)
        self._save(with_intent(self.lock, want.name, intent), spent=False)
        return self._record_job(change, want, self._submit(change, request), "submitted")

    def _submit(self, change: Change, request: dict[str, object]) -> JobSeen:
        """Create the job; if it is not known whether that worked, look until it is."""
        want = _desired(change)
        try:
            return self.provider.create_job(request)
        except RemoteError as error:
            if error.problem.code == BUSY:
                # The intent stays: it was asked for, and `reconcile` goes on with it once there is a slot.
                raise
            if error.effect is Effect.NO:
                self._save(without_intent(self.lock, want.name), spent=False)
                raise
            for seconds in PATIENCE_SECONDS:
                self.clock.sleep(seconds)
                if found := self._look(change):
                    return found
            raise RemoteError(_doubtful(want.name, error.problem), effect=Effect.UNKNOWN, status=error.status) from None

    def _look(self, change: Change) -> JobSeen | None:
        """The job of this digest, if one exists already: a create is never sent without this look.

        A further attempt is not taken for the one before: neither for the job that it is made in place of, nor for an
        earlier one that came to nothing.
        """
        want = _desired(change)
        jobs = self.provider.jobs([(want.name, want.digest)], digest=want.digest)
        if change.attempt > 1:
            replaced = change.recorded.job.id if change.recorded else None
            nothing = {State.FAILED, State.CANCELLED}
            jobs = tuple(
                job
                for job in jobs
                if job.id != replaced
                and not (job.state in nothing and job.labels and job.labels.attempt < change.attempt)
            )
        return Observed(jobs=jobs, models={}).labelled(want.name, want.digest)

    def _wait_for_parent(self, change: Change, want: Desired) -> Outcome:
        """Record that it was asked for, so that `reconcile` makes it once its parent is there."""
        if not change.approved:
            intent = self._intent(want, want.inputs, {}, change.attempt)
            self._save(with_intent(self.lock, want.name, intent), spent=False)
        parent = want.parent.spec if want.parent else ""
        return _done(change, f"waits for {parent}: `ftops reconcile` goes on when its model is there", waits=True)

    def _cancel_superseded(self, change: Change) -> None:
        old = change.recorded
        if change.kind is not Kind.REPLACE or old is None or _desired(change).spec.on_change != "cancel":
            return
        if state_of(old.job.status) in {State.PENDING, State.PAUSED}:
            try:
                self.provider.cancel(old.job.id)
            except RemoteError as error:
                # It may have ended by itself in between; what it became is collected like any other.
                if error.problem.code not in {"remote-refused", "remote-not-found"}:
                    raise

    def _intent(self, want: Desired, inputs: Inputs, request: dict[str, object], attempt: int) -> Intent:
        return Intent(
            digest=want.digest,
            inputs=inputs,
            request=request,
            started_at=self.clock.now(),
            attempt=attempt,
            commit=self.commit,
        )

    def _with_files(self, inputs: Inputs) -> Inputs:
        training = self._uploaded(inputs.training_file)
        validation = self._uploaded(inputs.validation_file) if inputs.validation_file else None
        return msgspec.structs.replace(inputs, training_file=training, validation_file=validation)

    def _uploaded(self, file: DataFile) -> DataFile:
        """*file* with its id at the provider: the one that is there already, by content, or a new upload."""
        if self._files is None:
            self._files = self.provider.files()
        name = remote_name(file)
        seen = self._files.get(name)
        if seen is None or seen.bytes != file.bytes or seen.status in {"error", "deleted"}:
            seen = self._files[name] = self._upload(file)
        return msgspec.structs.replace(file, file_id=seen.id)

    def _upload(self, file: DataFile) -> FileSeen:
        with self.project.open_data(file) as stream:
            try:
                return self.provider.upload(file, stream)
            except RemoteError as error:
                if error.effect is Effect.NO:
                    raise
                # An upload costs nothing, so one look is enough: a second copy would do no harm.
                found = self.provider.files().get(remote_name(file))
                if found is None:
                    raise
                return found

    def _adopt(self, change: Change) -> Outcome:
        want = _desired(change)
        if change.seen:
            return self._record_job(change, want, change.seen, "adopted", earlier=change.recorded)
        assert change.recorded is not None
        self._save(with_generation(self.lock, want.name, change.recorded))
        return _done(change, f"took back the model of job {change.recorded.job.id}; nothing is trained")

    def _record_job(
        self, change: Change, want: Desired, job: JobSeen, verb: str, *, earlier: Generation | None = None
    ) -> Outcome:
        """Record *job* as the current generation, and at once what came of it if it has ended already."""
        intent = self.lock.models.get(want.name, Entry()).intent
        mine = intent if intent and intent.digest == want.digest else None
        generation = earlier or begun(want, job, intent=mine, commit=self.commit)
        self._save(with_generation(self.lock, want.name, generation))
        self.made.append(job)
        if job.state in {State.PENDING, State.PAUSED}:
            return _done(change, f"{verb} job {job.id}")
        return self._collect(
            Change(name=want.name, kind=change.kind, reason="", desired=want, recorded=generation, seen=job)
        )

    def _collect(self, change: Change) -> Outcome:
        """Record how a job ended: its model, all checkpoints, what the provider resolved and measured."""
        old, job = change.recorded, change.seen
        assert old is not None
        assert job is not None
        checkpoints = self.provider.checkpoints(job.id) if job.state is not State.FAILED else ()
        generation = ended(old, job, checkpoints)
        if job.state is not State.SUCCEEDED:
            self._save(with_outcome(self.lock, change.name, generation))
            return _ended(change, job)
        policy = change.desired.spec.checkpoint if change.desired else "best"
        generation, problem = with_choice(generation, policy, change.name, job.fine_tuned_model)
        self._save(with_outcome(self.lock, change.name, generation))
        return _done(change, generation.model or "no checkpoint could be chosen", problem=problem)

    def _select(self, change: Change) -> Outcome:
        want = _desired(change)
        assert change.recorded is not None
        generation, problem = with_choice(change.recorded, want.spec.checkpoint, change.name, None)
        if problem is None:
            self._save(with_outcome(self.lock, change.name, generation))
        return _done(change, generation.model or "no checkpoint could be chosen", problem=problem)

    def _save(self, lock: Lockfile, *, spent: bool = True) -> None:
        self.store.save(lock, spent=spent)
        self.lock = lock


def paid(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Those that make the provider train."""
    return tuple(change for change in changes if change.kind in PAID)


def _desired(change: Change) -> Desired:
    assert change.desired is not None
    return change.desired


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


def _doubtful(name: str, cause: Diagnostic) -> Diagnostic:
    return Diagnostic(
        code="create-doubtful",
        summary=f"it is not known whether the job of `{name}` was created: {cause.summary}",
        why=f"no such job has appeared within {sum(PATIENCE_SECONDS)} s, but the provider's list may lag",
        fix="run `ftops apply` again in a minute: it looks for the job first, and creates it only if it is not there",
    )

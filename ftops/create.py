"""Creating a job exactly once: look, note the intent, send, and look again whenever it is not known what happened.

The API has no idempotency key, so that a create is never sent without a look for the job that it would make.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftops.claims import Key
from ftops.clock import in_utc
from ftops.diagnostics import Diagnostic
from ftops.lockfile import Entry, Inputs, Intent, Lockfile, with_intent, with_superseded, without_intent
from ftops.plan.generations import begun
from ftops.plan.observed import JobSeen, Labels, Observed
from ftops.remote.dialect import job_request
from ftops.remote.errors import Effect, RemoteError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftops.claimant import Claimant
    from ftops.claims import Claim
    from ftops.clock import Clock
    from ftops.lockstore import LockStore
    from ftops.plan.changes import Change
    from ftops.plan.desired import Desired
    from ftops.remote.provider import Provider

LOOK_SECONDS = (1, 1, 2, 4, 8)
"""Waits between looks for a job whose create had a doubtful outcome."""
LAG_SECONDS = sum(LOOK_SECONDS)
"""How long the provider's list may lag behind: a job that is not there by then was not made."""
BUSY = "remote-busy"


class LaterError(RemoteError):
    """It cannot be created now, but may be later: no failure, but a reason to come back."""


@dataclass(slots=True, kw_only=True)
class Ledger:
    """The record while a run changes it: what it holds is on disk."""

    store: LockStore
    lock: Lockfile

    def save(self, lock: Lockfile, *, spent: bool = True) -> None:
        self.lock = self.store.save(lock, spent=spent)

    def entry(self, name: str) -> Entry:
        return self.lock.models.get(name, Entry())


@dataclass(frozen=True, slots=True, kw_only=True)
class Creator:
    """Creates jobs for one run, each noted in the ledger before it is sent."""

    provider: Provider
    ledger: Ledger
    claimant: Claimant
    clock: Clock
    commit: str | None

    def claim(self, changes: Iterable[Change]) -> None:
        """Take the claims on all of *changes* at once.

        Raises:
            ProblemsError: They cannot be taken now, so nothing may be paid for.
        """
        keys = [_key(change) for change in changes]
        self.claimant.take(keys)
        with suppress(RemoteError):  # what keeps us from looking is met again, and told, by who looks for each
            self._look_for_inherited([key for key in keys if self.claimant.is_inherited(key)])

    def _look_for_inherited(self, keys: list[Key]) -> None:
        """Look for what others may have created under claims before these: one patience does for all of them."""
        missing = [key for key in keys if not self._look(*key)]
        for seconds in LOOK_SECONDS:
            if not missing:
                return
            self.clock.sleep(seconds)
            missing = [key for key in missing if not self._look(*key)]
        for key in missing:
            self.claimant.looked(key)

    def find(self, change: Change) -> JobSeen | None:
        """The job that *change* would make, if it exists; after an interrupted create, with patience for the list.

        Raises:
            LaterError: Another machine is about to create it; the promise is kept in the record.
        """
        want, key = change.wanted, _key(change)
        intent = self.ledger.entry(want.name).intent
        if intent and intent.digest != want.digest:
            self.settle(want.name)
        if claim := self.claimant.held_by_another(key):
            if claim.job and (job := self.provider.find_job(claim.job)):
                return job
            self.promise(change)
            raise LaterError(_claimed(want.name, claim), effect=Effect.NO)
        is_begun = intent is not None and intent.digest == want.digest and bool(intent.request)
        patient = is_begun or self.claimant.is_inherited(key)
        found = self._look_for(want.name, want.digest, change.attempt, patient=patient)
        if found:
            self.claimant.made(key, found.id)
        elif patient:
            self.claimant.looked(key)
        return found

    def create(self, change: Change, inputs: Inputs, model: str) -> JobSeen:
        """Note the intent, then create the job.

        Args:
            change: Whose job `find` did not find.
            inputs: With the provider's ids of their files.
            model: The provider's id of the model to start from.

        Raises:
            LaterError: No slot is free, or its claim was lost; the promise is kept in the record.
            RemoteError: It was refused; or it is not known whether it was made, and the intent stays.
        """
        want, key = change.wanted, _key(change)
        labels = Labels(spec=want.name, digest=want.digest, attempt=change.attempt, repo=self.provider.repo)
        request = job_request(inputs, model=model, profile=self.provider.profile, labels=labels)
        if not self.claimant.still_holds(key):
            raise self._put_off(change, _lost(want.name))
        self._note(want, inputs, request, change.attempt)
        self.claimant.sent(key)
        try:
            job = self.provider.create_job(request)
        except RemoteError as error:
            if error.effect is Effect.NO:
                self.claimant.not_sent(key)
                if error.problem.code == BUSY:
                    raise self._put_off(change, error.problem) from None
                self.ledger.save(without_intent(self.ledger.lock, want.name), spent=False)
                raise
            job = self._after_doubt(change, error)
        self.claimant.made(key, job.id)
        return job

    def _after_doubt(self, change: Change, error: RemoteError) -> JobSeen:
        """The job of a create of which it is not known whether it was made."""
        want = change.wanted
        with suppress(RemoteError):  # what keeps us from looking makes it no less doubtful
            if found := self._look_for(want.name, want.digest, change.attempt, patient=True):
                return found
        raise RemoteError(_doubtful(want.name, error.problem), effect=Effect.UNKNOWN, status=error.status) from None

    def _put_off(self, change: Change, problem: Diagnostic) -> LaterError:
        """Keep in the record that *change* was agreed to; nothing was sent for it."""
        self._note(change.wanted, change.wanted.inputs, {}, change.attempt)
        return LaterError(problem, effect=Effect.NO)

    def promise(self, change: Change) -> None:
        """Note that *change* was agreed to, so that `reconcile` makes it once it can be made."""
        want = change.wanted
        if not change.approved:
            self.settle(want.name)
            self._note(want, want.inputs, {}, change.attempt)

    def settle(self, name: str) -> None:
        """Before an intent is given up: if its job was made after all, keep it as history, to be collected."""
        intent = self.ledger.entry(name).intent
        if intent is None or not intent.request:
            return
        if found := self._look_for(name, intent.digest, intent.attempt, patient=True):
            generation = begun(intent.digest, intent.inputs, found, intent=intent, commit=intent.commit)
            self.ledger.save(with_superseded(self.ledger.lock, name, generation))

    def _look_for(self, name: str, digest: str, attempt: int, *, patient: bool) -> JobSeen | None:
        """Look; if *patient*, for a job that may just have been made, until the list cannot lag behind any more.

        How long ago that was is not asked: clocks differ between machines, and jump.
        """
        found = self._look(name, digest, attempt)
        for seconds in LOOK_SECONDS if patient else ():
            if found:
                break
            self.clock.sleep(seconds)
            found = self._look(name, digest, attempt)
        return found

    def _look(self, name: str, digest: str, attempt: int) -> JobSeen | None:
        """The job of this digest. A further attempt is not taken for one before it, whatever came of that."""
        jobs = self.provider.jobs([(name, digest)], digest=digest)
        if attempt > 1:
            known = {generation.job.id for generation in self.ledger.entry(name).generations}
            labelled = self.provider.profile.metadata
            jobs = tuple(
                job
                for job in jobs
                if job.id not in known and not (labelled and job.labels and job.labels.attempt < attempt)
            )
        return Observed(jobs=jobs, models={}).labelled(name, digest)

    def _note(self, want: Desired, inputs: Inputs, request: dict[str, object], attempt: int) -> None:
        intent = Intent(
            digest=want.digest,
            inputs=inputs,
            request=request,
            started_at=self.clock.now(),
            attempt=attempt,
            commit=self.commit,
        )
        self.ledger.save(with_intent(self.ledger.lock, want.name, intent), spent=False)


def _key(change: Change) -> Key:
    return Key(change.wanted.name, change.wanted.digest, change.attempt)


def _claimed(name: str, claim: Claim) -> Diagnostic:
    return Diagnostic(
        code="claim-held",
        summary=f"`{name}` waits: `{claim.owner}` is about to create its job, or has just done so",
        why=f"it has claimed that until {in_utc(claim.until)}, so that no two machines pay for one job",
        fix="`ftops reconcile` goes on with it later; "
        f"if that command died, `ftops lock release {name}` frees it at once",
    )


def _lost(name: str) -> Diagnostic:
    return Diagnostic(
        code="claim-lost",
        summary=f"the claim on the job of `{name}` was lost before it was created",
        why="this command took longer than its claim was good for, or somebody released it, and another took it over",
        fix="`ftops reconcile` goes on with it: it looks for the job first, and creates it only if it is not there",
    )


def _doubtful(name: str, cause: Diagnostic) -> Diagnostic:
    return Diagnostic(
        code="create-doubtful",
        summary=f"it is not known whether the job of `{name}` was created: {cause.summary}",
        why=f"no such job has appeared within {LAG_SECONDS} s, but the provider's list may lag",
        fix="run `ftops apply` again: it looks for the job first, and creates it only if it is not there",
    )

"""Creating a job exactly once: look, note the intent, send, and look again whenever it is not known what happened.

The API has no idempotency key, so that a create is never sent without a look for the job that it would make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftops.diagnostics import Diagnostic
from ftops.lockfile import Entry, Inputs, Intent, Lockfile, with_intent, with_superseded, without_intent
from ftops.plan.generations import begun
from ftops.plan.observed import JobSeen, Labels, Observed
from ftops.remote.dialect import job_request
from ftops.remote.errors import Effect, RemoteError

if TYPE_CHECKING:
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


class SlotsFullError(RemoteError):
    """The provider trains as much as it will: no failure, but a reason to come back."""


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
    clock: Clock
    commit: str | None

    def find(self, change: Change) -> JobSeen | None:
        """The job that *change* would make, if it exists; after an interrupted create, with patience for the list."""
        want = change.wanted
        intent = self.ledger.entry(want.name).intent
        if intent and intent.digest != want.digest:
            self.settle(want.name)
        sent = intent if intent and intent.digest == want.digest else None
        return self._patiently(want.name, want.digest, change.attempt, sent)

    def create(self, change: Change, inputs: Inputs, model: str) -> JobSeen:
        """Note the intent, then create the job.

        Args:
            change: Whose job `find` did not find.
            inputs: With the provider's ids of their files.
            model: The provider's id of the model to start from.

        Raises:
            SlotsFullError: It waits for a slot; the promise is kept in the record.
            RemoteError: It was refused; or it is not known whether it was made, and the intent stays.
        """
        want = change.wanted
        labels = Labels(spec=want.name, digest=want.digest, attempt=change.attempt, repo=self.provider.repo)
        request = job_request(inputs, model=model, profile=self.provider.profile, labels=labels)
        self._note(want, inputs, request, change.attempt)
        try:
            return self.provider.create_job(request)
        except RemoteError as error:
            if error.problem.code == BUSY:
                self._note(want, want.inputs, {}, change.attempt)
                raise SlotsFullError(error.problem, effect=error.effect, status=error.status) from None
            if error.effect is Effect.NO:
                self.ledger.save(without_intent(self.ledger.lock, want.name), spent=False)
                raise
            for seconds in LOOK_SECONDS:
                self.clock.sleep(seconds)
                if found := self._look(want.name, want.digest, change.attempt):
                    return found
            raise RemoteError(_doubtful(want.name, error.problem), effect=Effect.UNKNOWN, status=error.status) from None

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
        if found := self._patiently(name, intent.digest, intent.attempt, intent):
            generation = begun(intent.digest, intent.inputs, found, intent=intent, commit=intent.commit)
            self.ledger.save(with_superseded(self.ledger.lock, name, generation))

    def _patiently(self, name: str, digest: str, attempt: int, sent: Intent | None) -> JobSeen | None:
        """Look; for what may have been *sent* a moment ago, until the list cannot lag behind any more."""
        found = self._look(name, digest, attempt)
        until = sent.started_at + LAG_SECONDS if sent and sent.request else 0
        for _ in range(LAG_SECONDS):
            if found or self.clock.now() >= until:
                break
            self.clock.sleep(1)
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


def _doubtful(name: str, cause: Diagnostic) -> Diagnostic:
    return Diagnostic(
        code="create-doubtful",
        summary=f"it is not known whether the job of `{name}` was created: {cause.summary}",
        why=f"no such job has appeared within {LAG_SECONDS} s, but the provider's list may lag",
        fix="run `ftops apply` again: it looks for the job first, and creates it only if it is not there",
    )

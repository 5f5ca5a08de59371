"""Planted bugs: variants of ftops that the simulation must find. They exist in the tests only."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import ftops.create
import ftops.reconcile
from ftops.claimant import Claimant
from ftops.create import Creator
from ftops.digest import digest_of, short
from ftops.lockfile import with_generation
from ftops.lockstore import LockStore
from ftops.plan.generations import begun
from ftops.plan.observed import JobSeen
from ftops.remote import provider
from ftops.remote.provider import Provider
from tests.simulation.claimsfile import ClaimsFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftops.plan.desired import Desired
    from ftops.project import Project
    from ftops.shared import Shared
    from ftops.spec.config import Target
    from ftops.spec.model import Declared

MonkeyPatch = pytest.MonkeyPatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One planted bug."""

    name: str
    plant: Callable[[MonkeyPatch], None]
    seed: int
    """The first that finds it; the schedules' own tests say when another does."""


@contextmanager
def planted(canary: Canary) -> Iterator[None]:
    with MonkeyPatch.context() as patch:
        canary.plant(patch)
        yield


def _no_adoption(patch: MonkeyPatch) -> None:
    """Creates without a look for the job."""
    patch.setattr(Creator, "_patiently", lambda *_: None)


def _retry_on_create(patch: MonkeyPatch) -> None:
    """Lets the transport send a create again."""
    made = Provider.__init__

    def made_with_retries(self: Provider, client: Any, *arguments: Any, **more: Any) -> None:
        made(self, client, *arguments, **more)
        self._once = client.with_options(max_retries=2)

    patch.setattr(Provider, "__init__", made_with_retries)


def _no_intent(patch: MonkeyPatch) -> None:
    """Sends a create that the record knows nothing of."""
    patch.setattr(Creator, "_note", lambda *_: None)


def _recorded_too_early(patch: MonkeyPatch) -> None:
    """Records a job of which it only hopes that it will be made."""
    create = Creator.create

    def recorded_then_created(self: Creator, change: Any, inputs: Any, model: str) -> JobSeen:
        hoped = JobSeen(id=f"ftjob-hoped-{change.name}", status="queued", model=model, created_at=self.clock.now())
        generation = begun(change.wanted.digest, inputs, hoped, intent=None, commit=None)
        self.ledger.save(with_generation(self.ledger.lock, change.name, generation))
        return create(self, change, inputs, model)

    patch.setattr(Creator, "create", recorded_then_created)


def _save_without_compare(patch: MonkeyPatch) -> None:
    """Overwrites what others recorded since."""
    patch.setattr(LockStore, "_with_theirs", lambda _, lock, __: lock)
    patch.setattr(LockStore, "_stands", lambda *_: True)


def _error_by_truthiness(patch: MonkeyPatch) -> None:
    """Takes a job for failed because it has an `error`, which is an object of nulls."""
    read = provider.job_seen

    def read_by_error(answer: Any, key: str) -> JobSeen:
        seen = read(answer, key)
        return replace(seen, status="failed") if getattr(answer, "error", None) else seen

    patch.setattr(provider, "job_seen", read_by_error)


def _first_page_only(patch: MonkeyPatch) -> None:
    """Takes the first page of a list for the whole."""
    patch.setattr(provider, "PAGES_MAX", 1)


def _no_patience(patch: MonkeyPatch) -> None:
    """Believes a list at once, though it may lag behind."""
    patch.setattr(ftops.create, "LAG_SECONDS", 0)
    patch.setattr(ftops.create, "LOOK_SECONDS", ())


def _retrained_on_comments(patch: MonkeyPatch) -> None:
    """Goes by a spec's bytes instead of what it asks for."""
    resolve, read = ftops.reconcile.resolve, ftops.reconcile.read_declared
    here = threading.local()

    def read_and_remembered(project: Project) -> Declared:
        here.root = project.root
        return read(project)

    def resolved(*arguments: Any, target: Target, **more: Any) -> tuple[Desired, ...]:
        found = []
        for each in resolve(*arguments, target=target, **more):
            text = (here.root / each.spec.path).read_text(encoding="utf-8")
            inputs = msgspec.structs.replace(each.inputs, suffix=short(digest_of(text)))
            found.append(replace(each, inputs=inputs, digest=inputs.digest(target.name)))
        return tuple(found)

    patch.setattr(ftops.reconcile, "read_declared", read_and_remembered)
    patch.setattr(ftops.reconcile, "resolve", resolved)


def _claims_without_compare(patch: MonkeyPatch) -> None:
    """Writes its claims over those of others."""

    def swapped(self: ClaimsFile, _: Shared, content: bytes) -> Shared:
        self.content, self.version = content, self.version + 1
        return self.read()

    patch.setattr(ClaimsFile, "swap", swapped)


def _no_second_look_at_claims(patch: MonkeyPatch) -> None:
    """Creates under a claim that may have been taken over meanwhile."""
    patch.setattr(Claimant, "still_holds", lambda *_: True)


def _no_claims(patch: MonkeyPatch) -> None:
    """Asks nobody before it pays."""
    patch.setattr(Claimant, "take", lambda *_: None)
    patch.setattr(Claimant, "still_holds", lambda *_: True)


CANARIES = (
    Canary(name="no look for the job before the create", plant=_no_adoption, seed=0),
    Canary(name="the transport sends a create again", plant=_retry_on_create, seed=0),
    Canary(name="a create is sent without an intent", plant=_no_intent, seed=0),
    Canary(name="a job is recorded before it is there", plant=_recorded_too_early, seed=0),
    Canary(name="a save compares with nothing", plant=_save_without_compare, seed=0),
    Canary(name="an error that is there counts as one", plant=_error_by_truthiness, seed=0),
    Canary(name="only the first page of a list is read", plant=_first_page_only, seed=0),
    Canary(name="no patience after a doubtful create", plant=_no_patience, seed=0),
    Canary(name="a comment asks for another model", plant=_retrained_on_comments, seed=0),
    Canary(name="claims are written without compare", plant=_claims_without_compare, seed=0),
    Canary(name="a claim is not looked at again", plant=_no_second_look_at_claims, seed=0),
    Canary(name="no claims at all", plant=_no_claims, seed=0),
)

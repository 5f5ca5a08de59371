"""Bugs to plant: each function puts a variant of ftops in its place. They exist in the tests only."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import ftops.apply
import ftops.create
import ftops.reconcile
from ftops.claimant import Claimant
from ftops.create import Creator
from ftops.digest import digest_of, short
from ftops.lockfile import Entry, with_entry, with_generation
from ftops.lockstore import LockStore
from ftops.plan.desired import resolve
from ftops.plan.generations import begun
from ftops.plan.observed import JobSeen
from ftops.project import read_declared
from ftops.remote import provider
from ftops.remote.provider import Provider
from ftops.remote.read import job_seen
from tests.simulation.sharing import ClaimsFile

if TYPE_CHECKING:
    from ftops.lockfile import Generation, Inputs, Lockfile
    from ftops.plan.desired import Desired
    from ftops.project import Project
    from ftops.shared import Shared
    from ftops.spec.config import Target
    from ftops.spec.model import Declared

MonkeyPatch = pytest.MonkeyPatch


def no_adoption(patch: MonkeyPatch) -> None:
    """Creates without a look for the job."""
    patch.setattr(Creator, "_look_for", lambda *_, **__: None)


def retry_on_create(patch: MonkeyPatch) -> None:
    """Lets the transport send a create again."""
    made = Provider.__init__

    def made_with_retries(self: Provider, client: Any, *arguments: Any, **more: Any) -> None:
        made(self, client, *arguments, **more)
        self._once = client.with_options(max_retries=2)

    patch.setattr(Provider, "__init__", made_with_retries)


def no_intent(patch: MonkeyPatch) -> None:
    """Notes what it was told to create, but not that it is about to send it."""
    note = Creator._note

    def noted(self: Creator, want: Desired, inputs: Inputs, _: object, attempt: int) -> None:
        note(self, want, inputs, {}, attempt)

    patch.setattr(Creator, "_note", noted)


def recorded_too_early(patch: MonkeyPatch) -> None:
    """Records a job of which it only hopes that it will be made."""
    create = Creator.create

    def recorded_then_created(self: Creator, change: Any, inputs: Any, model: str) -> JobSeen:
        hoped = JobSeen(id=f"ftjob-hoped-{change.name}", status="queued", model=model, created_at=self.clock.now())
        generation = begun(change.wanted.digest, inputs, hoped, intent=None, commit=None)
        self.ledger.save(with_generation(self.ledger.lock, change.name, generation))
        return create(self, change, inputs, model)

    patch.setattr(Creator, "create", recorded_then_created)


def save_without_compare(patch: MonkeyPatch) -> None:
    """Overwrites what others recorded since."""
    patch.setattr(LockStore, "_with_theirs", lambda _, lock, __: lock)
    patch.setattr(LockStore, "_stands", lambda *_: True)


def error_by_truthiness(patch: MonkeyPatch) -> None:
    """Takes a job for failed because it has an `error`, which is an object of nulls."""

    def read_by_error(answer: Any, key: str) -> JobSeen:
        seen = job_seen(answer, key)
        return replace(seen, status="failed") if getattr(answer, "error", None) else seen

    patch.setattr(provider, "job_seen", read_by_error)


def first_page_only(patch: MonkeyPatch) -> None:
    """Takes the first page of a list for the whole."""
    patch.setattr(provider, "PAGES_MAX", 1)


def no_patience(patch: MonkeyPatch) -> None:
    """Believes a list at once, though it may lag behind."""
    patch.setattr(ftops.create, "LOOK_SECONDS", ())


def models_by_list(patch: MonkeyPatch) -> None:
    """Takes a model for gone that a list lacks, which may lag behind."""
    patch.setattr(Provider, "has_model", lambda *_: False)


def history_forgotten(patch: MonkeyPatch) -> None:
    """Records a new generation in the place of the one before it."""

    def with_only(lock: Lockfile, name: str, generation: Generation) -> Lockfile:
        return with_entry(lock, name, Entry(generation=generation))

    patch.setattr(ftops.apply, "with_generation", with_only)


def retrained_on_comments(patch: MonkeyPatch) -> None:
    """Goes by a spec's bytes instead of what it asks for."""
    here = threading.local()

    def read_and_remembered(project: Project) -> Declared:
        here.root = project.root
        return read_declared(project)

    def resolved(*arguments: Any, target: Target, **more: Any) -> tuple[Desired, ...]:
        found = []
        for each in resolve(*arguments, target=target, **more):
            text = (here.root / each.spec.path).read_text(encoding="utf-8")
            inputs = msgspec.structs.replace(each.inputs, suffix=short(digest_of(text)))
            found.append(replace(each, inputs=inputs, digest=inputs.digest(target.name)))
        return tuple(found)

    patch.setattr(ftops.reconcile, "read_declared", read_and_remembered)
    patch.setattr(ftops.reconcile, "resolve", resolved)


def claims_without_compare(patch: MonkeyPatch) -> None:
    """Writes its claims over those of others."""

    def swapped(self: ClaimsFile, _: Shared, content: bytes) -> Shared:
        self.content, self.version = content, self.version + 1
        return self.read()

    patch.setattr(ClaimsFile, "swap", swapped)


def no_second_look_at_claims(patch: MonkeyPatch) -> None:
    """Creates under a claim that may have been taken over meanwhile."""
    patch.setattr(Claimant, "still_holds", lambda *_: True)


def no_claims(patch: MonkeyPatch) -> None:
    """Asks nobody before it pays."""
    patch.setattr(Claimant, "take", lambda *_: None)
    patch.setattr(Claimant, "still_holds", lambda *_: True)

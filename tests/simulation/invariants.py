"""What must hold after every step, whatever went wrong, seen from what is really at the provider and on the disks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from ftops.diagnostics import ProblemsError
from ftops.lockfile import decode, verify
from tests.simulation.provider import ENDED, PROJECT
from tests.simulation.texts import LOCK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.lockfile import Lockfile
    from tests.simulation.provider import JobRow
    from tests.simulation.simulation import Simulation


class ViolationError(AssertionError):
    """A promise that was not kept."""


@dataclass
class Invariants:
    """Look at one simulation again and again, and remember what was there."""

    simulation: Simulation
    _recorded: dict[object, dict[str, frozenset[str]]] = field(default_factory=dict)
    _foreign: dict[object, tuple[object, ...]] = field(default_factory=dict)

    def check(self) -> None:
        """Hold all of them.

        Raises:
            ViolationError: One does not hold.
        """
        jobs = self.simulation.provider.jobs(PROJECT)
        self._paid_once(jobs)
        self._nothing_foreign_is_touched(jobs)
        for folder in self.simulation.folders:
            folder.note_mended()
        for place, content, lineage in self._lockfiles():
            lock = _decoded(content)
            if isinstance(lock, str):
                raise ViolationError(f"the lockfile in {place} is damaged: {lock}")
            self._history_only_grows((place, lineage), place, lock)
            self._records_are_true(place, lock, jobs)
        for folder in self.simulation.folders:
            if folder.broken is not None and folder.content != folder.broken:
                raise ViolationError("a lockfile that a person had spoilt was written over")

    def _lockfiles(self) -> Iterator[tuple[str, bytes, int]]:
        """Every lockfile that nobody spoilt, with the name of its place, and its lineage there."""
        if self.simulation.branch.head.lock is not None:
            yield "main", self.simulation.branch.head.lock, 0
        for folder in self.simulation.folders:
            if folder.broken is None and (content := folder.content) is not None:
                yield folder.root.name, content, folder.lineage

    def _paid_once(self, jobs: list[JobRow]) -> None:
        """One job for a spec and what decides its result; further attempts only if asked for, or if it was lost."""
        for key, times in Counter((job.spec, job.digest, job.attempt) for job in jobs).items():
            if times > 1:
                raise ViolationError(f"{times} jobs were paid for spec {key[0]}, attempt {key[2]}: {key[1][:19]}")
        simulation = self.simulation
        excused = simulation.retries + simulation.provider.models_deleted + len(simulation.provider.vanished)
        for what, times in Counter((job.spec, *job.asked) for job in jobs).items():
            if times > 1 + excused:
                raise ViolationError(f"{times} jobs were paid for spec {what[0]}, which asked for one: {what[1:]}")

    def _nothing_foreign_is_touched(self, jobs: list[JobRow]) -> None:
        rows = self.simulation.provider.foreign()
        for row in rows:
            identity = row[:2]
            if self._foreign.setdefault(identity, row) != row:
                raise ViolationError(f"what another project owns was changed: {row[1]}")
        if len(rows) != len(self._foreign):
            raise ViolationError("what another project owns is gone")
        ours = {job.id for job in jobs} | self.simulation.provider.vanished.keys()
        for runner in self.simulation.runners:
            for method, path in runner.network.touched:
                parts = path.removeprefix("/v1/").split("/")
                if method == "DELETE" or (parts[:2] == ["fine_tuning", "jobs"] and parts[2:] and parts[2] not in ours):
                    raise ViolationError(f"{runner.name} touched what is not its own: {method} {path}")
            runner.network.touched.clear()

    def _history_only_grows(self, lineage: object, place: str, lock: Lockfile) -> None:
        before = self._recorded.get(lineage, {})
        now = {job: frozenset(models) for job, models in _models_of_jobs(lock).items()}
        for job, models in before.items():
            if job not in now:
                raise ViolationError(f"the lockfile in {place} lost job {job}")
            if not models <= now[job]:
                raise ViolationError(f"the lockfile in {place} lost a model of job {job}")
        self._recorded[lineage] = now

    def _records_are_true(self, place: str, lock: Lockfile, jobs: list[JobRow]) -> None:
        """What is recorded is the project's own, stands under its spec, and ended as the record says."""
        real = {job.id: job for job in (*self.simulation.provider.vanished.values(), *jobs)}
        for name, entry in lock.models.items():
            for generation in entry.generations:
                job = real.get(generation.job.id)
                if job is None:
                    raise ViolationError(f"the lockfile in {place} holds a job that is not the project's")
                if (job.spec, job.digest) != (name, generation.digest):
                    raise ViolationError(f"the lockfile in {place} holds job {job.id} under another spec or digest")
                recorded = generation.job.status
                if recorded in ENDED and recorded != job.status:
                    raise ViolationError(f"job {job.id} is {job.status}, and {place} has it as {recorded}")


def check_all_recorded(simulation: Simulation, lock: Lockfile) -> None:
    """Every job that was ever paid for, and is there still, stands in *lock*.

    Raises:
        ViolationError: One does not.
    """
    recorded = _models_of_jobs(lock).keys()
    for job in simulation.provider.jobs(PROJECT):
        if job.id not in recorded:
            raise ViolationError(f"job {job.id} of {job.spec} was paid for, and cannot be found any more")


def _models_of_jobs(lock: Lockfile) -> dict[str, set[str]]:
    """The models that are recorded of each job."""
    found: dict[str, set[str]] = {}
    for entry in lock.models.values():
        for generation in entry.generations:
            models = {checkpoint.model for checkpoint in generation.checkpoints}
            found[generation.job.id] = models | ({generation.model} if generation.model else set())
    return found


@lru_cache(maxsize=4096)
def _decoded(content: bytes) -> Lockfile | str:
    """What *content* holds; or what is wrong with it."""
    try:
        lock = decode(content, LOCK)
    except ProblemsError as error:
        return error.problems[0].summary
    problems = verify(lock, LOCK)
    return problems[0].summary if problems else lock

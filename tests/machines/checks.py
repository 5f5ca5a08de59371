"""What must hold after every round, held against the provider's own list and what stands on the remote."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftops.claims import decode as decode_claims
from ftops.claims import is_over
from ftops.lockfile import decode, verify
from tests.machines.places import BRANCH_REF, CLAIMS_REF, LOCK

if TYPE_CHECKING:
    from ftops.claims import Claims
    from ftops.lockfile import Lockfile
    from tests.machines.places import Places
    from tests.machines.project import Project


@dataclass(kw_only=True)
class Checks:
    """Look at the places round after round, and remember what was there."""

    places: Places
    _recorded: dict[str, set[str]] = field(default_factory=dict)

    def lock(self) -> Lockfile:
        content = self.places.file_at(BRANCH_REF, LOCK)
        assert content is not None, "no lockfile was ever pushed"
        return decode(content, LOCK)

    def claims(self) -> Claims:
        return decode_claims(self.places.file_at(CLAIMS_REF, "claims.json"), CLAIMS_REF)

    def hold(self, project: Project, now: int) -> int:
        """Hold all of them; gives how many jobs there are."""
        jobs = self.places.jobs()
        keys = Counter((job["metadata"]["ftops.spec"], job["metadata"]["ftops.digest"]) for job in jobs)
        assert set(keys.values()) <= {1}, f"paid for more than once: {[key for key, n in keys.items() if n > 1]}"
        lock = self.lock()
        assert verify(lock, LOCK) == (), "the lockfile on the branch does not verify"
        self._complete(
            lock, {job["id"]: (job["metadata"]["ftops.spec"], job["metadata"]["ftops.digest"]) for job in jobs}
        )
        self._only_grew(lock)
        self._as_asked(lock, project)
        held = [claim for claim in self.claims().claims if claim.job is None and not is_over(claim, now)]
        assert held == [], f"claims are left that block: {held}"
        return len(jobs)

    def _complete(self, lock: Lockfile, jobs: dict[str, tuple[str, str]]) -> None:
        """Every job is recorded under its spec and digest, once, and nothing else is."""
        recorded = [
            (generation.job.id, (name, str(generation.digest)))
            for name, entry in lock.models.items()
            for generation in entry.generations
        ]
        assert len(recorded) == len(dict(recorded)), "a job is recorded twice"
        missing, strange = jobs.items() - set(recorded), set(recorded) - jobs.items()
        assert not missing, f"jobs that were paid for and are not in the lockfile: {missing}"
        assert not strange, f"the lockfile holds jobs that are not there: {strange}"

    def _only_grew(self, lock: Lockfile) -> None:
        """No job and no model of the round before is gone."""
        now = {
            generation.job.id: {generation.model or "", *(each.model for each in generation.checkpoints)}
            for entry in lock.models.values()
            for generation in entry.generations
        }
        for job, models in self._recorded.items():
            assert job in now, f"the lockfile lost job {job}"
            assert models <= now[job], f"the lockfile lost a model of job {job}"
        self._recorded = now

    def _as_asked(self, lock: Lockfile, project: Project) -> None:
        """Each spec's current generation is of its inputs, and has its model."""
        for name in (*project.seeds, "child"):
            entry = lock.models[name]
            generation = entry.generation
            assert generation is not None, f"{name} has no current generation"
            assert generation.model is not None, f"{name} has no model"
            assert generation.inputs is not None, f"{name} has no inputs"
            assert generation.inputs.seed == project.seeds.get(name, 1), f"{name} is of other inputs"

"""A job that commits the lockfile back again and again: `python -m tests.github.committer NAME COUNT`, in its checkout.

Each time it records a job of its own, and nothing else. Whether it goes through the API or through git is up to the
environment, as it is for ftops itself.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from random import Random

from ftops.clock import SystemClock
from ftops.digest import Digest
from ftops.github.commit import commit_back
from ftops.github.event import run_of
from ftops.lockfile import Generation, JobRecord, with_generation
from ftops.lockstore import LockStore


def main() -> None:
    """Record and commit, COUNT times."""
    name, count = sys.argv[1], int(sys.argv[2])
    chance = Random(name)
    run = run_of(os.environ)
    for number in range(1, count + 1):
        store = LockStore(Path.cwd(), "ftops.lock", "here")
        with store.exclusive():
            job = JobRecord(id=f"ftjob-{name}-{number}", status="running", created_at=number)
            digest = Digest(f"sha256:{name}{number:060}")
            spec = f"{name}-{number % 3}"
            lock = with_generation(store.read(), spec, Generation(digest=digest, request={}, job=job))
            store.save(lock, spent=True)
        commit_back(store, run, environ=os.environ, clock=SystemClock(), chance=chance)


if __name__ == "__main__":
    main()

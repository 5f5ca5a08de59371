"""How long a runner is held from a pull request to a model on the main branch, and that it does not wait for training.

Runs the real workflow files on this machine, against the forge of the tests and a provider that trains for real. What a
runner of GitHub adds, such as its start and the installation of ftops, is not in it.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.common import Result, report

SHORT, LONG = 12, 150
"""Rows that are trained on, 50 times each, one at a time."""
TIMES_LONGER_MIN = 5
TIMES_HELD_MAX = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Seconds of one model, from its pull request on."""

    jobs: dict[str, float]
    """Each job of a workflow, and how long it held its runner."""
    training: float

    @property
    def held(self) -> float:
        return sum(self.jobs.values())


def main() -> int:
    forge = import_module("tests.github.forge.handle")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with forge.forge(folder / "forge") as github:
            _story(github, folder / "warm", SHORT)
            short, long = (_story(github, folder / str(rows), rows) for rows in (SHORT, LONG))
    for job, seconds in short.jobs.items():
        print(f"  {job:<20}{seconds:>6.1f} s{long.jobs[job]:>10.1f} s")
    print(f"  {'training':<20}{short.training:>6.1f} s{long.training:>10.1f} s")
    return report(
        f"Runner time of one model: {short.held:.1f} s and {long.held:.1f} s",
        [
            Result(
                what="training, long / short",
                measured=long.training / short.training,
                bound=TIMES_LONGER_MIN,
                unit="times",
                at_least=True,
            ),
            Result(
                what="runner time, long / short", measured=long.held / short.held, bound=TIMES_HELD_MAX, unit="times"
            ),
        ],
    )


def _story(github: Any, folder: Path, rows: int) -> Story:
    """Open a pull request, merge it, wait, and collect."""
    actions, events = (import_module(f"tests.github.{name}") for name in ("actions", "events"))
    github.reset()
    with actions.acting(github, folder) as acting:
        repository = acting.repository
        repository.commit(actions.spec("elle", epochs=50, rows=rows, batch_size=1), branch="topic")
        number = repository.open_pull(head="topic")
        runs = [*acting.react(), *acting.merge(number)]
        acting.provider.wait_until_ended(seconds=600)
        runs += acting.run(events.schedule(repository))
        assert all(run.passed for run in runs), "\n".join(map(str, runs))
        (job,) = acting.provider.jobs()
    held = {f"{run.workflow.removesuffix('.yml')}: {name}": took for run in runs for name, took in run.seconds.items()}
    return Story(jobs=held, training=max(job["finished_at"] - job["created_at"], 1))


if __name__ == "__main__":
    sys.exit(main())

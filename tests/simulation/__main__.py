"""The simulation as a program: many seeds with their figures, or one with its trace.

python -m tests.simulation --seeds 20000
python -m tests.simulation --seed 17
"""

# ruff: noqa: T201  # what it tells goes to stdout

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.simulation.found import CANARIES, planted
from tests.simulation.play import Played, play
from tests.simulation.schedule import schedule_of, setting_of
from tests.simulation.shrink import shrunk

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILURES_MAX = 5
"""After so many a run ends: they are to be looked at."""
AT_ONCE = 10
"""Seeds that a process plays before it answers."""


def main() -> int:
    """Run what is asked for; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one, and print its trace")
    parser.add_argument("--canary", type=int, help=f"with this planted bug, 0 to {len(CANARIES) - 1}")
    parser.add_argument("--whole", action="store_true", help="do not shrink a trace that fails")
    parser.add_argument("--seeds", type=int, default=500, help="how many to play")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    arguments = parser.parse_args()
    if arguments.canary is not None:
        with planted(CANARIES[arguments.canary]):
            return _one(arguments.seed, whole=arguments.whole)
    if arguments.seed is not None:
        return _one(arguments.seed, whole=arguments.whole)
    return _many(arguments.first, arguments.seeds)


def _one(seed: int, *, whole: bool) -> int:
    played = play(setting_of(seed), schedule_of(seed))
    if played.violation and not whole:
        played = shrunk(played)
    print(played.setting)
    print("\n".join(played.trace))
    print(played.violation or "every promise was kept")
    return int(played.violation is not None)


def _many(first: int, seeds: int) -> int:
    began, count, failures, done = time.monotonic(), Counter[str](), 0, 0
    for played in _played(range(first, first + seeds)):
        done += 1
        count += played.count
        count[f"runners: {len(played.setting.folders)}"] += 1
        if played.violation:
            failures += 1
            print(f"seed {played.setting.seed}: {played.violation}")
            print(f"  replay it: python -m tests.simulation --seed {played.setting.seed}", flush=True)
            if failures == FAILURES_MAX:
                break
    for name, times in sorted(count.items()):
        print(f"{times:12,}  {name}")
    seconds = time.monotonic() - began
    print(f"{done:12,}  seeds from {first} on, in {seconds:.0f} s, with {failures} violations")
    return int(failures > 0)


def _played(seeds: range) -> Iterator[Played]:
    """All of *seeds*, in their order, on all cores."""
    parts = [seeds[start : start + AT_ONCE] for start in range(0, len(seeds), AT_ONCE)]
    with ProcessPoolExecutor(os.cpu_count(), initializer=gc.freeze) as pool:
        try:
            for part in pool.map(_part, parts):
                yield from part
        finally:
            pool.shutdown(cancel_futures=True)


def _part(seeds: range) -> list[Played]:
    # Traces are long, and made again from the seed if anybody wants one.
    return [replace(play(setting_of(seed), schedule_of(seed)), trace=(), steps=()) for seed in seeds]


if __name__ == "__main__":
    sys.exit(main())

"""Run many seeds, or one with its trace: `python -m tests.simulation --seeds 2000`, `--seed 17`."""

from __future__ import annotations

import argparse
import sys

from tests.simulation.play import play
from tests.simulation.schedule import schedule_of, setting_of

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    a = parser.parse_args()
    if a.seed is not None:
        p = play(setting_of(a.seed), schedule_of(a.seed))
        print(p.setting)
        print("\n".join(p.trace)); print(p.violation)
        sys.exit()
    import time
    t = time.perf_counter()
    from collections import Counter
    c = Counter()
    v = Counter()
    for seed in range(a.first, a.first + a.seeds):
        p = play(setting_of(seed), schedule_of(seed))
        c.update(p.count)
        if p.violation:
            print(seed, p.violation)
    for k, n in sorted(c.items()): print(n, k)
    print((time.perf_counter() - t) / a.seeds)

"""Machines that race and die, as real processes: `python -m tests.machines --rounds 100`, or `make race ROUNDS=100`.

Ends with 0 if every promise was kept, and with figures. Which machine does what, and when it is killed, comes from the
seed; what the operating system makes of it does not. After a broken promise, the folder with everything stays.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import ftops.cli
import ftops.report
from tests.machines.places import places
from tests.machines.race import Race

IMPORTED = ("git", "openai", "openai.types.fine_tuning", "ftops.reconcile", "ftops.gitbranch", "ftops.lockpush")
PACKAGES = (ftops.cli, ftops.report)


def main() -> int:
    arguments = _arguments()
    # Every process begins as a copy of this one: importing takes longer than all that is tested here, and whoever edits
    # the program meanwhile does not change it for some.
    modules = (module.name for each in PACKAGES for module in walk_packages(each.__path__, f"{each.__name__}."))
    for name in (*IMPORTED, *(name for name in modules if name != "ftops.cli.serve")):
        import_module(name)
    assert threading.active_count() == 1, "a copy of a process has only one of its threads"
    folder = Path(tempfile.mkdtemp(prefix="ftops-machines-"))
    count: Counter[str] = Counter()
    began = time.monotonic()
    try:
        with places(folder) as found:
            race = Race(places=found, seed=arguments.seed, count=count)
            for number in range(1, arguments.rounds + 1):
                start, before = time.monotonic(), count.copy()
                race.run(number)
                count["rounds"] += 1
                done = ", ".join(f"{count[key] - before[key]} {key}" for key in ("processes", "killed", "jobs"))
                _say(f"round {number}: {done}, {time.monotonic() - start:.0f} s")
    except BaseException:
        _say(f"seed {arguments.seed}, round {count['rounds'] + 1}: everything is in {folder}")
        raise
    count["pushes that lost a race"] = _lost_pushes(folder / "trace.json")
    shutil.rmtree(folder)
    count["seconds"] = int(time.monotonic() - began)
    for key, value in sorted(count.items()):
        _say(f"{value:8,} {key}")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.machines", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _lost_pushes(trace: Path) -> int:
    """How often git ended a push with an error: somebody else's came first."""
    pushes, lost = set(), 0
    for line in trace.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["event"] == "start" and "push" in event["argv"]:
            pushes.add(event["sid"])
        elif event["event"] == "exit" and event["code"] and event["sid"] in pushes:
            lost += 1
    return lost


if __name__ == "__main__":
    sys.exit(main())

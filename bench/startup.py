"""`ftops --help` beside what its least dependency takes to import."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.common import FTOPS, Result, measure_in_turn, report

HELP_RATIO_MAX = 1.8


def main() -> int:
    taken = measure_in_turn(
        {"click": (sys.executable, "-c", "import click"), "help": (*FTOPS, "--help")}, cwd=Path.cwd(), runs=11
    )
    click, asked = taken["click"].milliseconds, taken["help"].milliseconds
    return report(
        f"Start: `ftops --help` {asked:.0f} ms, `import click` {click:.0f} ms",
        [Result(what="ftops --help / import click", measured=asked / click, bound=HELP_RATIO_MAX, unit="times")],
    )


if __name__ == "__main__":
    sys.exit(main())

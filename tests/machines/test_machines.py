"""Machines that race and die, within bounds; `make race ROUNDS=100` is the long form."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROUNDS = 2


def test_machines_that_are_killed_at_work_pay_once_and_lose_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.machines", "--rounds", str(ROUNDS), "--seed", "4"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = {name: int(number) for number, name in re.findall(r"^ +(\d+) (\S.*)$", done.stdout, re.MULTILINE)}
    assert figures["rounds"] == ROUNDS
    assert figures["jobs"] > ROUNDS
    assert figures["killed"] > 0
    # A machine that is killed while it writes a commit leaves its index behind; the race itself leaves nothing.
    assert [path for path in tmp_path.iterdir() if path.name.startswith("ftops-machines-")] == []

"""A million rows, and 50,000 held out: memory grows by tens of bytes a row, and what is read does not grow at all."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 1_000_000
PROGRAM = """
import json, resource, sys, time
import numpy as np
from ftops.dataset.columns import COLUMNS, Columns, ColumnWriter
from ftops.dataset.whole.check import project_problems, whole_problems
from ftops.dataset.whole.leaks import NamedFile
from ftops.dataset.whole.uses import FileUse

def peak_megabytes():
    # Since this program began: what `ru_maxrss` says includes what the parent held when it was forked.
    try:
        lines = open("/proc/self/status").read().splitlines()
    except OSError:  # not Linux, where it is told in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024

path, rows, group = sys.argv[1], int(sys.argv[2]), 2_000
chance = np.random.default_rng(1)
with open(path, "w+b") as stream:
    writer = ColumnWriter(stream)
    for begin in range(0, rows, group):
        made = {name: np.zeros((group, width), dtype=kind) for name, (kind, width) in COLUMNS.items()}
        made["line"][:, 0] = np.arange(begin + 1, begin + group + 1)
        for name in ("row", "prompt", "answer"):
            made[name] = chance.integers(1, 2**64, (group, 1), dtype="<u8")
        made["system"][:] = 7
        made["sketch"] = chance.integers(1, 2**32, made["sketch"].shape, dtype="<u4")
        made["sketch"][::2, :9] = 5  # Half of all rows have a template, and every hundredth is nearly the one before.
        made["sketch"][99::100] = made["sketch"][98::100]
        made["row"][0] = 11
        made["prompt"][1] = 13
        made["answer_chars"][:] = chance.integers(200, 900, (group, 1), dtype="<u4")
        made["ending"] = np.where(chance.random((group, 1)) < 0.01, 3, 1)
        made["prompt_script"][:] = 1
        made["answer_script"] = np.where(chance.random((group, 1)) < 0.001, 3, 1)
        writer.add(made)
    writer.finish()
    columns = Columns(stream)
    read = 0

    def read_row(row):
        global read
        read += 1
        words = " ".join(str((row - row % 100 // 99) * number % 9973) for number in range(40, 140))
        messages = [{"role": "user", "content": words}, {"role": "assistant", "content": f"Row {row}."}]
        return json.dumps({"messages": messages}).encode()

    started = time.perf_counter()
    problems = whole_problems(columns, "a.jsonl", read_row)
    whole = time.perf_counter() - started
    with open(path + ".held", "w+b") as other:
        writer = ColumnWriter(other)
        for begin in range(0, rows // 20, group):
            some = np.arange(begin, begin + group)
            writer.add({name: columns.take(name, some) for name in COLUMNS})
        writer.finish()
        held = NamedFile(path="b.jsonl", columns=Columns(other), uses=(FileUse(spec="a", role="validation"),))
        trained = NamedFile(path="a.jsonl", columns=columns, uses=(FileUse(spec="a", role="training"),))
        problems += project_problems([trained, held])
    print(json.dumps({
        "codes": [problem.code for problem in problems],
        "summaries": [problem.summary for problem in problems],
        "megabytes": peak_megabytes(),
        "read": read,
        "seconds": whole,
        "leakage_seconds": time.perf_counter() - started - whole,
    }))
"""


def test_a_million_rows_are_looked_at_in_bounded_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "columns"), str(ROWS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    told = json.loads(done.stdout)
    assert told["codes"] == [
        "data-duplicate",
        "data-near-duplicate",
        "data-answer-unfinished",
        "data-answer-script",
        "data-leakage",
    ]
    assert told["megabytes"] < 200
    assert told["read"] < 3_000
    assert told["seconds"] < 20

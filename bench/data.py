"""Checking data, beside the cookbook's procedure and beside the stages that no check can do without.

`python -m bench.data` makes a file of 250,000 mixed-language rows (200 MB), and one of 2,500,000 for peak memory.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from bench.common import FTOPS, Result, as_users_have_it, measure_in_turn, report

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS = 250_000
RUNS = 5
TIMES_COOKBOOK_MIN = 15
SHARE_OF_STAGE_MIN = 0.6
MEGABYTES_MAX = 250
TIMES_LONGER_MAX = 4.4
"""For four times the rows."""
DIFF_TIMES_MAX = 2
CHECK = (*FTOPS, "check")


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file, quarter = folder / "data.jsonl", folder / "quarter.jsonl"
        _make(file, ROWS)
        _first_rows(file, quarter, ROWS // 4)
        failed = _speed(file, quarter)
        failed |= _diff(folder, file)
        return failed | _memory(folder, file)


def _speed(file: Path, quarter: Path) -> int:
    texts = _texts_of(file)
    bench = (sys.executable, "-m")
    taken = measure_in_turn(
        {
            "check": (*CHECK, str(file)),
            "quarter": (*CHECK, str(quarter)),
            "tokens": (*bench, "bench.stages", "tokens", str(texts)),
            "quick": (*CHECK, "--quick", str(file)),
            "orjson": (*bench, "bench.stages", "orjson", str(file)),
        },
        cwd=Path.cwd(),
        runs=RUNS,
    )
    # A minute a run, so that it is taken once: its share of the result is 15 times as exact as needed.
    cookbook = measure_in_turn({"cookbook": (*bench, "bench.cookbook", str(file))}, cwd=Path.cwd(), runs=1)["cookbook"]
    check, quick = taken["check"].milliseconds, taken["quick"].milliseconds
    size = file.stat().st_size / 1e6
    for what, milliseconds in {name: run.milliseconds for name, run in taken.items()}.items():
        print(f"  {what}: {milliseconds / 1000:.2f} s")
    print(f"  cookbook: {cookbook.milliseconds / 1000:.1f} s, {cookbook.peak_megabytes:.0f} MB")
    return report(
        f"Check of {ROWS:,} rows, {size:.0f} MB, whole processes",
        [
            Result(
                what=f"cookbook's procedure / ftops check, {size / check * 1000:.0f} MB/s",
                measured=cookbook.milliseconds / check,
                bound=TIMES_COOKBOOK_MIN,
                unit="times",
                at_least=True,
            ),
            Result(
                what="counting tokens alone, 2 threads / ftops check",
                measured=taken["tokens"].milliseconds / check,
                bound=SHARE_OF_STAGE_MIN,
                unit="",
                at_least=True,
            ),
            Result(
                what=f"parsing with orjson alone / ftops check --quick, {size / quick * 1000:.0f} MB/s",
                measured=taken["orjson"].milliseconds / quick,
                bound=SHARE_OF_STAGE_MIN,
                unit="",
                at_least=True,
            ),
            Result(
                what="ftops check of four times the rows",
                measured=check / taken["quarter"].milliseconds,
                bound=TIMES_LONGER_MAX,
                unit="times",
            ),
        ],
    )


def _diff(folder: Path, file: Path) -> int:
    """Two files, of which every 50th row differs, one in 500 is gone and one in 500 is new."""
    other = folder / "other.jsonl"
    with file.open("rb") as old, other.open("wb") as new:
        for number, line in enumerate(old):
            if number % 500 == 0:
                continue
            if number % 500 == 1:
                new.write(line.replace(b'"user", "content": "', b'"user", "content": "Number %d. ' % number, 1))
            new.write(line.replace(b'."}]}', b'!"}]}') if number % 50 == 2 else line)  # any
    taken = measure_in_turn(
        {"check": (*CHECK, str(file)), "diff": (*FTOPS, "diff-data", str(file), str(other))}, cwd=Path.cwd(), runs=RUNS
    )
    check, diff = taken["check"].milliseconds, taken["diff"].milliseconds
    return report(
        f"Row diff of two files of {ROWS:,} rows: {diff / 1000:.2f} s",
        [Result(what="ftops diff-data / ftops check", measured=diff / check, bound=DIFF_TIMES_MAX, unit="times")],
    )


def _memory(folder: Path, file: Path) -> int:
    large = folder / "large.jsonl"
    makers = [folder / f"part{seed}.jsonl" for seed in range(10)]
    for pair in (makers[at : at + 2] for at in range(0, len(makers), 2)):
        makings = [_making(part, ROWS, seed=100 + makers.index(part)) for part in pair]
        for making in makings:
            assert making.wait() == 0
    with large.open("wb") as whole:
        for part in makers:
            with part.open("rb") as rows:
                while block := rows.read(1 << 24):
                    whole.write(block)
            part.unlink()
    results = []
    for path in (file, large):
        peak, seconds = _peak_of_tree((*CHECK, str(path)))
        size = path.stat().st_size
        what = f"ftops check, {size / 1e9:.1f} GB in {seconds:.1f} s ({size / 1e6 / seconds:.0f} MB/s): peak"
        results.append(Result(what=what, measured=peak, bound=MEGABYTES_MAX, unit="MB"))
    return report("Memory of all processes together, shared pages counted once", results)


def _making(path: Path, rows: int, seed: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "bench.corpus", str(path), str(rows), str(seed)])


def _make(path: Path, rows: int) -> None:
    assert _making(path, rows, seed=5).wait() == 0


def _first_rows(file: Path, part: Path, rows: int) -> None:
    with file.open("rb") as whole, part.open("wb") as made:
        for _ in range(rows):
            made.write(whole.readline())


def _texts_of(file: Path) -> Path:
    """All that is said in *file*, with NUL between: what the token stage counts."""
    texts = file.with_suffix(".texts")
    with file.open("rb") as lines, texts.open("w", encoding="utf-8") as made:
        for line in lines:
            made.write("\0".join(message["content"] for message in orjson.loads(line)["messages"]) + "\0")
    return texts


def _peak_of_tree(command: Sequence[str]) -> tuple[float, float]:
    """Run *command*: the most memory that it and its children held at one time, in MB, and how long it took."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=as_users_have_it(), stdout=subprocess.DEVNULL)
    peak = 0
    ended = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.02):
            peak = max(peak, sum(map(_proportional_bytes, _tree(process.pid))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = process.wait()
    ended.set()
    watcher.join()
    assert status == 0, command
    return peak / 1e6, time.perf_counter() - began


def _tree(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [child for word in task.read_text().split() for child in _tree(int(word))]
        except OSError:
            continue
    return found


def _proportional_bytes(pid: int) -> int:
    """Resident memory of a process, its share of what it shares with others; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    sys.exit(main())

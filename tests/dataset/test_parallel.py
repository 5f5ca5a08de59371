"""Reading with several processes gives what reading with one gives, and notices when the file is replaced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import toktok  # type: ignore[import-untyped]  # it has no types

from ftops.dataset import parallel
from ftops.dataset.columns import COLUMNS, Columns, ColumnWriter
from ftops.dataset.rows import Want
from ftops.dataset.scan import Scan, scan
from ftops.dataset.tokens.base import Base, Counting

COUNTING = Counting(Base(tokenizer="o200k_base"), Path("none"))


def rows(count: int) -> list[str]:
    return [
        json.dumps(
            {
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": f"What is {number} plus {number}? 和は?"},
                    {"role": "assistant", "content": f"It is {2 * number}. " * (number % 7 + 1)},
                ]
            }
        )
        for number in range(count)
    ]


def scanned(file: Path, *, workers: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Scan, dict[str, bytes]]:
    monkeypatch.setattr("ftops.dataset.scan.workers_for", lambda _: workers)
    kept = file.with_suffix(".columns")
    with file.open("rb") as stream, kept.open("w+b") as made:
        writer = ColumnWriter(made)
        found = scan(stream, "data.jsonl", "supervised", writer, counting=COUNTING, file=file)
        writer.finish()
        columns = Columns(made)
        return found, {name: columns.read(name).tobytes() for name in COLUMNS}


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_several_processes_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    lines = rows(9000)
    lines[0] = "\ufeff" + lines[0]
    for at in (5, 4000, 8999):
        lines[at] = '{"messages": 3}'
    lines[6000] = ""
    file = tmp_path / "data.jsonl"
    file.write_text("\n".join(lines))
    monkeypatch.setattr(parallel, "STRETCH_BYTES", 100_000)
    monkeypatch.setattr(parallel, "BLOCK_BYTES", 30_000)
    if start == "spawn":
        monkeypatch.setattr(parallel.sys, "platform", "darwin")
    assert scanned(file, workers=2, monkeypatch=monkeypatch) == scanned(file, workers=1, monkeypatch=monkeypatch)


def test_a_file_that_is_something_else_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "data.jsonl"
    file.write_text("prompt,completion\n" + "a,b\n" * 100_000)
    monkeypatch.setattr(parallel, "STRETCH_BYTES", 50_000)
    found, _ = scanned(file, workers=2, monkeypatch=monkeypatch)
    assert [problem.code for problem in found.problems] == ["data-not-jsonl"]
    assert found.bytes == file.stat().st_size


def test_another_file_in_its_place_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    file.write_text("\n".join(rows(100)))
    with file.open("rb") as stream:
        other = tmp_path / "other"
        other.write_text("\n".join(rows(100)))
        other.replace(file)
        with pytest.raises(parallel.FileChangedError):
            list(parallel.read_in_parallel(stream, file, Want("data.jsonl", "supervised"), len, 2))


def test_a_small_file_is_not_worth_a_second_process() -> None:
    assert parallel.workers_for(parallel.WORTH_BYTES - 1) == 1
    assert 1 <= parallel.workers_for(parallel.WORTH_BYTES) <= parallel.WORKERS_MAX


def test_ctrl_c_ends_all_processes_and_no_worker_says_anything(tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    file.write_text("\n".join(rows(200_000)))
    program = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from ftops.dataset import parallel
        from ftops.dataset.rows import Want
        file = Path({str(file)!r})
        with file.open("rb") as stream:
            for part in parallel.read_in_parallel(stream, file, Want("data.jsonl", "supervised"), len, 2):
                print("begun", flush=True)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode != 0
    assert told.count("Traceback") <= 1
    for _ in range(100):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("a worker outlived its parent")


def test_the_vocabulary_is_let_go_after_a_large_file_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "data.jsonl"
    file.write_text("\n".join(rows(100)))
    monkeypatch.setattr(parallel, "LARGE_BYTES", 1)
    before = scanned(file, workers=2, monkeypatch=monkeypatch)
    assert not toktok._CACHE  # nothing else tells
    assert scanned(file, workers=1, monkeypatch=monkeypatch) == before

"""A data file is read once, as long as it does not change."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec
import pytest

from ftops.dataset import parallel
from ftops.dataset.columns import COLUMNS
from ftops.dataset.tokens.base import Base, Counting
from ftops.diagnostics import ProblemsError
from ftops.examine import Examined, Examiner, Reading, Source
from ftops.filecache import SETTLED_NS
from ftops.subjects import open_data

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

BASE = Base(tokenizer="o200k_base")
READING = Reading("supervised", Counting(BASE, Path()))


def row(number: int) -> str:
    messages = [{"role": "user", "content": f"ping {number}"}, {"role": "assistant", "content": f"pong {number}"}]
    return json.dumps({"messages": messages}) + "\n"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    file = tmp_path / "data.jsonl"
    # A row that is not JSON, two that are alike, and a blank line: problems of every origin.
    file.write_text("".join(map(row, range(200))) + "{\n\n" + row(7))
    return Source(path="data.jsonl", file=file, open=partial(open_data, "data.jsonl", file))


@pytest.fixture
def settled(source: Source) -> Source:
    """One that was left alone for long enough, so that its stat can be trusted."""
    assert source.file
    while time.time_ns() <= source.file.stat().st_ctime_ns + SETTLED_NS:
        time.sleep(0.05)
    return source


def refuse(_stream: BinaryIO) -> BinaryIO:
    raise AssertionError("the file is read")


def learnt(folder: Path, source: Source, reading: Reading = READING) -> Examined:
    examiner = Examiner(folder)
    examined = examiner.examine(source, reading)
    examiner.save()
    return examined


def test_what_is_cached_is_what_was_found(settled: Source, tmp_path: Path) -> None:
    fresh = learnt(tmp_path / "cache", settled)
    assert {each.code for each in fresh.problems} >= {"data-not-json", "data-duplicate", "data-blank-line"}
    assert Examiner(tmp_path / "cache").examine(settled, READING, refuse) == fresh


def test_a_limit_is_another_finding_and_no_other_reading(settled: Source, tmp_path: Path) -> None:
    short = READING._replace(counting=Counting(msgspec.structs.replace(BASE, row_tokens_max=12), Path()))
    priced = READING._replace(counting=Counting(msgspec.structs.replace(BASE, training_usd_per_million=3), Path()))
    assert learnt(tmp_path / "cache", settled).cut.rows == 0
    assert learnt(tmp_path / "cache", settled, short).cut.rows > 0
    assert Examiner(tmp_path / "cache").examine(settled, priced, refuse).cut.rows == 0
    assert len(list((tmp_path / "cache/rows").iterdir())) == 1, "columns are the same for any limit"


def test_a_file_that_has_just_changed_is_read_once_by_a_command(source: Source, tmp_path: Path) -> None:
    examiner = Examiner(tmp_path / "cache")
    assert examiner.examine(source, READING) is examiner.examine(source, READING, refuse)


def test_columns_that_were_let_go_are_made_again(source: Source, tmp_path: Path) -> None:
    examiner = Examiner(tmp_path / "cache")
    sha256 = examiner.examine(source, READING).sha256

    def columns() -> dict[str, bytes]:
        with examiner.columns(source, READING, sha256) as found:
            return {name: found.read(name).tobytes() for name in COLUMNS}

    kept = columns()
    (file,) = (tmp_path / "cache/rows").iterdir()
    whole = file.read_bytes()
    for spoilt in (None, b"", whole[:-9], b"\0" * len(whole)):
        file.unlink()
        if spoilt is not None:
            file.write_bytes(spoilt)
        assert columns() == kept
        assert file.read_bytes() == whole


def test_columns_that_are_kept_are_looked_through_once_and_not_for_each_file(tmp_path: Path) -> None:
    examiner = Examiner(tmp_path / "cache")
    stale = tmp_path / "cache/rows/stale.rows"
    stale.parent.mkdir(parents=True)
    left = []
    for file in (tmp_path / "first.jsonl", tmp_path / "second.jsonl"):
        stale.touch()
        os.utime(stale, (0, 0))
        file.write_text(row(len(left)))
        examiner.examine(Source(path=file.name, file=file, open=partial(open_data, file.name, file)), READING)
        left.append(stale.exists())
    assert left == [False, True], "what is to be done for each costs the more, the more there are"


def test_columns_of_another_content_are_refused(source: Source, tmp_path: Path) -> None:
    with (
        pytest.raises(ProblemsError, match="file-changed"),
        Examiner(tmp_path / "cache").columns(source, READING, "0" * 64),
    ):
        raise AssertionError


def test_where_nothing_can_be_kept_all_is_read(source: Source, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    examiner = Examiner(tmp_path / "cache")
    examined = examiner.examine(source, READING)
    examiner.save()
    with examiner.columns(source, READING, examined.sha256) as found:
        assert found.rows == examined.rows - 1, "one cannot be read"


class _Disturbed(io.BufferedReader):
    """A file to which something happens after its first block was read."""

    def __init__(self, stream: BinaryIO, disturb: Callable[[], object]) -> None:
        super().__init__(io.FileIO(stream.fileno(), closefd=False))
        self._disturb = disturb
        self._reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        self._reads += 1
        if self._reads == 1:
            self._disturb()
        return block


def disturbed(disturb: Callable[[], object]) -> Callable[[BinaryIO], BinaryIO]:
    return lambda stream: cast("BinaryIO", _Disturbed(stream, disturb))


def test_a_file_that_another_process_writes_to_is_told(source: Source, tmp_path: Path) -> None:
    assert source.file
    command = [sys.executable, "-c", f"open({os.fspath(source.file)!r}, 'a').write('x')"]
    examiner = Examiner(tmp_path / "cache")
    with pytest.raises(ProblemsError, match=r"file-changed: `data\.jsonl`"):
        examiner.examine(source, READING, disturbed(partial(subprocess.run, command, check=True)))
    assert examiner.examine(source, READING).counts["data-not-json"] == 2, "once it is left alone"


def test_a_file_that_is_replaced_while_several_processes_read_it_is_told(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "WORTH_BYTES", 1)
    monkeypatch.setattr(parallel, "workers_for", lambda _: 2)
    monkeypatch.setattr("ftops.dataset.scan.workers_for", lambda _: 2)
    assert source.file
    other = tmp_path / "other.jsonl"
    other.write_bytes(source.file.read_bytes())
    replaced = disturbed(partial(other.replace, source.file))
    with pytest.raises(ProblemsError, match=r"file-changed: `data\.jsonl`"):
        Examiner(tmp_path / "cache").examine(source, READING, replaced)


def test_a_file_that_only_this_process_can_open_is_read_as_well(source: Source, tmp_path: Path) -> None:
    alone = replace(source, file=None)
    assert Examiner(tmp_path / "one").examine(alone, READING) == Examiner(tmp_path / "two").examine(source, READING)

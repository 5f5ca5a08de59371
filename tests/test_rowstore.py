"""Columns are kept by content, up to a bound."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from ftops import rowstore
from ftops.dataset.columns import COLUMNS
from ftops.rowstore import RowStore

SHA256 = [f"{number:064x}" for number in range(100)]


def keep(store: RowStore, sha256: str, rows: int = 3) -> None:
    group = {name: np.zeros((rows, width), dtype=kind) for name, (kind, width) in COLUMNS.items()}
    with store.writer("reading") as (writer, finish):
        writer.add({name: column.squeeze(1) if column.shape[1] == 1 else column for name, column in group.items()})
        assert finish(sha256).rows == rows


def is_kept(store: RowStore, sha256: str, reading: str = "reading") -> bool:
    with store.columns(sha256, reading) as columns:
        return columns is not None


def test_columns_are_found_by_content_and_reading(tmp_path: Path) -> None:
    store = RowStore(tmp_path / "rows")
    keep(store, SHA256[0])
    assert is_kept(store, SHA256[0])
    assert not is_kept(store, SHA256[0], "other")
    assert not is_kept(store, SHA256[1])
    assert len(list((tmp_path / "rows").iterdir())) == 1, "nothing temporary is left"


def test_what_nobody_asked_for_in_a_month_goes_and_what_was_asked_for_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftops.rowstore.TRIM_BYTES", 0)
    store = RowStore(tmp_path)
    keep(store, SHA256[0])
    keep(store, SHA256[1])
    long_ago = time.time() - rowstore.UNUSED_SECONDS_MAX - 60
    for file in tmp_path.iterdir():
        os.utime(file, (long_ago, long_ago))
    assert is_kept(store, SHA256[1])
    keep(store, SHA256[2])
    assert [is_kept(store, each) for each in SHA256[:3]] == [False, True, True]


def test_beyond_the_bound_the_oldest_go_but_what_is_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftops.rowstore.TRIM_BYTES", 0)
    store = RowStore(tmp_path)
    for number in range(4):
        keep(store, SHA256[number])
        (file,) = tmp_path.glob(f"{SHA256[number]}*")
        used_at = time.time() - 2 * rowstore.IN_USE_SECONDS + number
        os.utime(file, (used_at, used_at))
    monkeypatch.setattr(rowstore, "BYTES_MAX", 3 * file.stat().st_size)
    keep(store, SHA256[4])
    assert [is_kept(store, each) for each in SHA256[:5]] == [False, False, True, True, True]
    keep(store, SHA256[5])
    assert all(is_kept(store, each) for each in SHA256[2:6])


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted by Linux")
def test_columns_of_many_files_are_looked_at_without_holding_them_open(tmp_path: Path) -> None:
    store = RowStore(tmp_path)
    for each in SHA256:
        keep(store, each)
    before = open_files()
    with ExitStack() as stack:
        found = [stack.enter_context(store.columns(each, "reading")) for each in SHA256]
        assert all(columns is not None and len(columns.read("row")) == 3 for columns in found)
        assert open_files() == before


def test_a_store_that_cannot_be_written_gives_columns_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "rows").write_text("a file where the folder should be")
    store = RowStore(tmp_path / "rows")
    keep(store, SHA256[0])
    assert not is_kept(store, SHA256[0])

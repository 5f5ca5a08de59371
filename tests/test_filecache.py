"""What the cache must never trust, and what it must not lose."""

from __future__ import annotations

import os
import shutil
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ftops import filecache
from ftops.dataset.scan import Scan
from ftops.filecache import SETTLED_NS, FileCache

if TYPE_CHECKING:
    from pathlib import Path


STAT_FIELDS = ("st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    rows: int


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".ftops" / "cache"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"{}\n")
    return path


def load(folder: Path, version: str = "1", kind: str = "learnt") -> FileCache[Learnt]:
    return FileCache.load(folder, kind, version, Learnt)


def long_after(stat: os.stat_result) -> int:
    return max(stat.st_mtime_ns, stat.st_ctime_ns) + SETTLED_NS


def remember(folder: Path, file: Path, rows: int = 1) -> os.stat_result:
    cache = load(folder)
    stat = file.stat()
    cache.put(file.name, stat, Learnt(rows=rows), long_after(stat))
    cache.save()
    return stat


def test_what_was_put_is_got_while_the_file_stays_the_same(folder: Path, file: Path) -> None:
    remember(folder, file, rows=7)
    assert load(folder).get(file.name, file.stat()) == Learnt(rows=7)
    assert load(folder).get("other.jsonl", file.stat()) is None


def test_an_entry_is_got_before_it_is_saved_too(folder: Path, file: Path) -> None:
    cache = load(folder)
    cache.put(file.name, file.stat(), Learnt(rows=7), long_after(file.stat()))
    assert cache.get(file.name, file.stat()) == Learnt(rows=7)


@pytest.mark.parametrize("field", STAT_FIELDS)
def test_a_file_that_differs_in_one_field_alone_is_not_trusted(folder: Path, file: Path, field: str) -> None:
    before = remember(folder, file)
    same = {name: getattr(before, name) for name in STAT_FIELDS}
    other: Any = SimpleNamespace(**same | {field: same[field] + 1})
    assert load(folder).get(file.name, before) is not None
    assert load(folder).get(file.name, other) is None


def test_a_modification_time_that_was_set_back_is_not_trusted(folder: Path, file: Path) -> None:
    before = remember(folder, file)
    while file.stat().st_ctime_ns == before.st_ctime_ns:  # until the file system's clock has moved on
        file.write_bytes(b"[]\n")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert load(folder).get(file.name, file.stat()) is None


def test_another_file_in_the_same_place_is_not_trusted(folder: Path, file: Path) -> None:
    remember(folder, file)
    other = file.with_name("other")
    shutil.copy2(file, other)
    other.replace(file)
    assert load(folder).get(file.name, file.stat()) is None


@pytest.mark.parametrize(("settled_ns", "is_kept"), [(0, False), (SETTLED_NS - 1, False), (SETTLED_NS, True)])
def test_a_file_modified_just_before_it_was_read_is_not_kept(
    folder: Path,
    file: Path,
    settled_ns: int,
    is_kept: bool,
) -> None:
    stat = file.stat()
    cache = load(folder)
    cache.put(file.name, stat, Learnt(rows=1), max(stat.st_mtime_ns, stat.st_ctime_ns) + settled_ns)
    cache.save()
    assert (load(folder).get(file.name, stat) is not None) is is_kept


def test_a_file_modified_just_before_it_was_read_again_loses_its_entry(folder: Path, file: Path) -> None:
    stat = remember(folder, file)
    cache = load(folder)
    cache.put(file.name, stat, Learnt(rows=2), stat.st_mtime_ns)
    cache.save()
    assert load(folder).get(file.name, stat) is None


def test_a_file_dated_in_the_future_is_read_every_time(folder: Path, file: Path) -> None:
    future = time.time_ns() + 3_600_000_000_000
    os.utime(file, ns=(future, future))
    cache = load(folder)
    cache.put(file.name, file.stat(), Learnt(rows=1), time.time_ns())
    assert cache.get(file.name, file.stat()) is None


def test_entries_that_were_not_used_are_dropped(folder: Path, file: Path) -> None:
    remember(folder, file)
    load(folder).save()
    assert load(folder).get(file.name, file.stat()) is None


def test_entries_that_were_not_used_are_kept_for_a_command_that_looks_at_some_files_only(
    folder: Path, file: Path
) -> None:
    remember(folder, file)
    cache = load(folder)
    cache.put("other.jsonl", file.stat(), Learnt(rows=2), long_after(file.stat()))
    cache.save(keep_unused=True)
    assert load(folder).get(file.name, file.stat()) == Learnt(rows=1)
    assert load(folder).get("other.jsonl", file.stat()) == Learnt(rows=2)


def test_of_what_is_not_used_the_oldest_goes(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = file.stat()
    monkeypatch.setattr(filecache, "UNUSED_MAX", 2)
    for name in ("a", "b", "c", "a", "d"):
        cache = load(folder)
        cache.put(name, stat, Learnt(rows=1), long_after(stat))
        cache.save(keep_unused=True)
    assert [name for name in "abcd" if load(folder).get(name, stat)] == ["a", "c", "d"]


def test_a_cache_that_did_not_change_is_not_written(folder: Path, file: Path) -> None:
    remember(folder, file)
    (written,) = folder.iterdir()
    before = written.stat()
    cache = load(folder)
    cache.get(file.name, file.stat())
    cache.save()
    assert written.stat() == before or written.stat().st_ino == before.st_ino


def test_another_version_or_kind_is_ignored(folder: Path, file: Path) -> None:
    stat = remember(folder, file)
    assert load(folder, version="2").get(file.name, stat) is None
    (folder / "learnt.cache").rename(folder / "foreign.cache")
    assert load(folder, kind="foreign").get(file.name, stat) is None


def test_a_cache_that_was_cut_or_damaged_anywhere_is_ignored(folder: Path, file: Path) -> None:
    stat = remember(folder, file)
    (written,) = folder.iterdir()
    whole = written.read_bytes()
    for length in range(len(whole)):
        written.write_bytes(whole[:length])
        assert load(folder).get(file.name, stat) is None
        written.write_bytes(whole[:length] + bytes([whole[length] ^ 0xFF]) + whole[length + 1 :])
        assert load(folder).get(file.name, stat) is None
    written.write_bytes(whole)
    assert load(folder).get(file.name, stat) == Learnt(rows=1)


def test_entries_in_another_shape_are_ignored(folder: Path, file: Path) -> None:
    other: FileCache[str] = FileCache.load(folder, "learnt", "1", str)
    other.put(file.name, file.stat(), "words", long_after(file.stat()))
    other.save()
    assert load(folder).get(file.name, file.stat()) is None
    (written,) = folder.iterdir()
    from_elsewhere = FileCache(written, b"", list, {})
    from_elsewhere._header = b"ftops learnt 1\n"
    from_elsewhere._entries = ["no entries"]  # type: ignore[assignment]  # on purpose
    from_elsewhere._has_changed = True
    from_elsewhere.save(keep_unused=True)
    assert load(folder).get(file.name, file.stat()) is None


@pytest.mark.parametrize("obstacle", ["file", "folder"])
def test_a_cache_that_cannot_be_read_or_written_is_no_error(tmp_path: Path, file: Path, obstacle: str) -> None:
    folder = tmp_path / "cache"
    if obstacle == "file":
        folder.write_text("a file where the folder should be")
    else:
        (folder / "learnt.cache" / "full").mkdir(parents=True)
    cache = load(folder)
    cache.put(file.name, file.stat(), Learnt(rows=1), long_after(file.stat()))
    cache.save()
    assert cache.get(file.name, file.stat()) == Learnt(rows=1)
    assert not folder.is_dir() or [path.name for path in folder.iterdir()] == ["learnt.cache"]


def test_a_scan_can_be_kept(folder: Path, file: Path) -> None:
    kept = Scan(sha256="0" * 64, bytes=3, rows=1, format="chat", problems=())
    cache = FileCache.load(folder, "scan-supervised", "1", Scan)
    cache.put(file.name, file.stat(), kept, long_after(file.stat()))
    cache.save()
    assert FileCache.load(folder, "scan-supervised", "1", Scan).get(file.name, file.stat()) == kept


def test_ten_thousand_entries_load_at_once(folder: Path, file: Path) -> None:
    stat = file.stat()
    cache = load(folder)
    for number in range(10_000):
        cache.put(f"specs/data/train-{number:05}.jsonl", stat, Learnt(rows=number), long_after(stat))
    cache.save()
    start = time.perf_counter()
    again = load(folder)
    seconds = time.perf_counter() - start
    assert again.get("specs/data/train-09999.jsonl", stat) == Learnt(rows=9999)
    assert seconds < 0.5  # about 5 ms on an idle machine; generous, as tests share theirs

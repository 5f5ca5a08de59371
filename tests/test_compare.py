"""What changed since a model was trained, for the plan."""

from __future__ import annotations

import hashlib
import json
import subprocess
from functools import partial
from pathlib import Path

import pytest

from ftops.compare import Recorded, change_since
from ftops.dataset.tokens.base import Base, Counting
from ftops.examine import Examiner, Reading, Source
from ftops.lockfile import DataFile
from ftops.subjects import open_data

READING = Reading("supervised", Counting(Base(tokenizer="o200k_base"), Path()))


def lines(*numbers: int) -> bytes:
    rows = (
        [{"role": "user", "content": f"ping {number}"}, {"role": "assistant", "content": f"pong {number}"}]
        for number in numbers
    )
    return b"".join(json.dumps({"messages": row}).encode() + b"\n" for row in rows)


def recorded(content: bytes, commit: str | None, path: str = "data/x.jsonl") -> Recorded:
    digest = hashlib.sha256(content).hexdigest()
    return Recorded(DataFile(path=path, sha256=digest, bytes=len(content), rows=content.count(b"\n")), commit)


def change(root: Path, old: Recorded, cache: Path) -> tuple[int, int, int] | None:
    """Rows that were added, removed, and left, between *old* and `new.jsonl`."""
    examiner = Examiner(cache)
    new = cache.parent / "new.jsonl"
    source = Source(path="new.jsonl", file=new, open=partial(open_data, "new.jsonl", new))
    sha256 = examiner.examine(source, READING).sha256
    with examiner.columns(source, READING, sha256) as now:
        found = change_since(examiner, root, old, READING, now)
    return (found.added, found.removed, found.unchanged) if found else None


OLD, NEW = lines(1, 2, 3), lines(2, 3, 4, 5)


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    (folder / "new.jsonl").write_bytes(NEW)
    return folder / "cache"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose first commit holds the old data; on disk is the new."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x.jsonl").write_bytes(OLD)
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    (tmp_path / "data/x.jsonl").write_bytes(NEW)
    return tmp_path


def test_old_data_is_taken_from_the_commit_that_asked_for_it(repository: Path, cache: Path) -> None:
    assert change(repository, recorded(OLD, "HEAD"), cache) == (2, 1, 2)
    (repository / "data/x.jsonl").unlink()
    assert change(repository, recorded(OLD, "HEAD"), cache) == (2, 1, 2)


def test_old_data_that_was_read_once_is_kept(repository: Path, cache: Path, tmp_path: Path) -> None:
    assert change(repository, recorded(OLD, "HEAD"), cache) == (2, 1, 2)
    assert change(tmp_path / "elsewhere", recorded(OLD, None), cache) == (2, 1, 2)


def test_old_data_that_is_still_on_disk_needs_no_commit(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x.jsonl").write_bytes(OLD)
    assert change(tmp_path, recorded(OLD, None), cache) == (2, 1, 2)


def test_a_project_may_be_a_folder_of_a_repository(repository: Path, cache: Path) -> None:
    assert change(repository / "data", recorded(OLD, "HEAD", "x.jsonl"), cache) == (2, 1, 2)


@pytest.mark.parametrize("commit", [None, "0" * 40, "--output=x"])
def test_without_the_old_bytes_nothing_is_said(repository: Path, cache: Path, commit: str | None) -> None:
    assert change(repository, recorded(OLD, commit), cache) is None


def test_other_bytes_are_not_taken_for_the_old_ones(repository: Path, cache: Path) -> None:
    other = lines(7, 8, 9)
    assert len(other) == len(OLD)
    (repository / "data/x.jsonl").write_bytes(OLD)
    assert change(repository, recorded(other, "HEAD"), cache) is None

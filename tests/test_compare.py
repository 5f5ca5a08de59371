"""What changed since a model was trained, for the plan."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from ftops.compare import change_since
from ftops.dataset.columns import Columns, ColumnWriter
from ftops.dataset.scan import scan
from ftops.lockfile import DataFile

if TYPE_CHECKING:
    from pathlib import Path

    from ftops.dataset.diff import DataDiff


def lines(*numbers: int) -> bytes:
    rows = (
        [{"role": "user", "content": f"ping {number}"}, {"role": "assistant", "content": f"pong {number}"}]
        for number in numbers
    )
    return b"".join(json.dumps({"messages": row}).encode() + b"\n" for row in rows)


def columns(content: bytes) -> Columns:
    kept = io.BytesIO()
    writer = ColumnWriter(kept)
    scan(io.BytesIO(content), "x.jsonl", "supervised", writer)
    writer.finish()
    return Columns(kept)


def recorded(content: bytes) -> DataFile:
    digest = hashlib.sha256(content).hexdigest()
    return DataFile(path="data/x.jsonl", sha256=digest, bytes=len(content), rows=content.count(b"\n"))


def counts(found: DataDiff | None) -> tuple[int, int, int] | None:
    return found and (found.added, found.removed, found.unchanged)


OLD, NEW = lines(1, 2, 3), lines(2, 3, 4, 5)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose first commit holds the old data."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x.jsonl").write_bytes(OLD)
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_old_data_is_taken_from_what_is_kept(tmp_path: Path) -> None:
    old = recorded(OLD)
    found = change_since(tmp_path, old, None, columns(NEW), known={old.sha256: columns(OLD)}.get)
    assert counts(found) == (2, 1, 2)


def test_old_data_that_is_not_kept_is_taken_from_the_commit_that_asked_for_it(repository: Path) -> None:
    assert counts(change_since(repository, recorded(OLD), "HEAD", columns(NEW), known={}.get)) == (2, 1, 2)
    (repository / "data/x.jsonl").unlink()
    assert counts(change_since(repository, recorded(OLD), "HEAD", columns(NEW), known={}.get)) == (2, 1, 2)


def test_a_project_may_be_a_folder_of_a_repository(repository: Path) -> None:
    old = recorded(OLD)
    inner = DataFile(path="x.jsonl", sha256=old.sha256, bytes=old.bytes, rows=old.rows)
    assert counts(change_since(repository / "data", inner, "HEAD", columns(NEW), known={}.get)) == (2, 1, 2)


@pytest.mark.parametrize("commit", [None, "0" * 40, "--output=x"])
def test_without_the_old_bytes_nothing_is_said(repository: Path, commit: str | None) -> None:
    assert change_since(repository, recorded(OLD), commit, columns(NEW), known={}.get) is None


def test_other_bytes_at_that_commit_are_not_taken_for_the_old_ones(repository: Path, tmp_path: Path) -> None:
    assert change_since(repository, recorded(NEW), "HEAD", columns(NEW), known={}.get) is None
    assert change_since(tmp_path / "data", recorded(OLD), "HEAD", columns(NEW), known={}.get) is None

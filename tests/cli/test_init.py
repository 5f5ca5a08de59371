"""`ftops init`: asks nothing, overwrites nothing, and what it writes works."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run

WRITTEN = {
    ".gitattributes",
    ".gitignore",
    "ftops.yaml",
    "specs/data/first-model.train.jsonl",
    "specs/data/first-model.valid.jsonl",
    "specs/first-model.yaml",
}


def test_a_new_project_plans_one_model(folder: Path, run: Run) -> None:
    done = run("init")
    assert (done.code, done.out) == (0, "")
    assert "`ftops plan`" in done.err
    assert set(contents(folder)) == WRITTEN
    done = run("plan")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Plan: 1 to train on target local")
    assert "+ first-model" in done.out


def test_a_second_init_changes_nothing(folder: Path, run: Run) -> None:
    run("init")
    before = contents(folder)
    done = run("init")
    assert done.code == 0
    assert "everything is there already" in done.err
    assert contents(folder) == before


def test_a_project_within_a_project_is_told(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("init")
    (folder / "inner").mkdir()
    monkeypatch.chdir(folder / "inner")
    done = run("init")
    assert done.code == 0
    assert f"lies in the project {folder}" in done.err


def test_what_stands_there_is_kept(folder: Path, run: Run) -> None:
    (folder / "specs").mkdir()
    (folder / "specs/first-model.yaml").write_text("mine")
    (folder / "ftops.yaml").write_text("default_target: local\n")
    assert run("init").code == 0
    assert (folder / "specs/first-model.yaml").read_text() == "mine"
    assert (folder / "ftops.yaml").read_text() == "default_target: local\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b".ftops/\n"),
        (b"*.log\n", b"*.log\n.ftops/\n"),
        (b"*.log", b"*.log\n.ftops/\n"),
        (b"caf\xe9\r\n\n", b"caf\xe9\r\n\n.ftops/\n"),
        (b".ftops/\n*.log\n", b".ftops/\n*.log\n"),
    ],
)
def test_lines_are_added_to_a_gitignore_that_is_there(folder: Path, run: Run, before: bytes, after: bytes) -> None:
    (folder / ".gitignore").write_bytes(before)
    assert run("init").code == 0
    assert (folder / ".gitignore").read_bytes() == after


@pytest.mark.parametrize("path", ["specs", "specs/data", "ftops.yaml/", ".gitignore/"])
def test_nothing_is_written_if_something_is_in_the_way(folder: Path, run: Run, path: str) -> None:
    blocking = folder / path
    if path.endswith("/"):
        blocking.mkdir()
    else:
        blocking.parent.mkdir(exist_ok=True)
        blocking.touch()
    before = contents(folder)
    done = run("init")
    assert (done.code, set(done.codes)) == (1, {"init-blocked"})
    assert contents(folder) == before


@pytest.mark.parametrize(
    "name",
    ["2024", "no", "1e3", "My Models", "モデル", "-", "x" * 200, "a\nb: c", "\u2028\x7f", '"', "caf\udce9", "{}"],
)
def test_a_folder_of_any_name_gives_a_project_that_can_be_read(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    assert run("init").code == 0
    assert run("plan").code == 0


@pytest.mark.parametrize("content", [b"[[[[\n", b"\xff\xfe\x00", b'[remote "origin"]\n'])
def test_a_broken_configuration_of_git_is_no_trouble(folder: Path, run: Run, content: bytes) -> None:
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / ".git/config").write_bytes(content)
    assert run("init").code == 0
    assert "project:" in (folder / "ftops.yaml").read_text()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path

"""An empty plan is remembered only for the very files that it was made from."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ftops.planmemo import BYTES_MAX, SETTLED_SECONDS, recall, remember

if TYPE_CHECKING:
    from pathlib import Path

PATHS = ["ftops.yaml", "specs", "specs/a.yaml", "specs/none.yaml"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose files were last touched long ago, as far as can be told: *later* is when a plan begins."""
    (tmp_path / "specs").mkdir()
    (tmp_path / ".ftops").mkdir()
    (tmp_path / ".ftops" / ".gitignore").touch()
    (tmp_path / "ftops.yaml").touch()
    (tmp_path / "specs" / "a.yaml").write_text("old")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ftops", "plan"])
    return tmp_path


def later() -> float:
    return time.time() + SETTLED_SECONDS + 1


def test_what_was_settled_when_the_plan_began_is_remembered(root: Path) -> None:
    remember(root, PATHS, "", "no changes\n", since=later())
    assert recall(["plan"]) == ("", "no changes\n")
    assert recall(["plan", "--verbose"]) is None


def test_what_changed_while_a_slow_plan_ran_is_not(root: Path) -> None:
    began = time.time() - 60
    (root / "specs" / "a.yaml").write_text("new")
    remember(root, PATHS, "", "no changes\n", since=began)
    assert recall(["plan"]) is None


def test_what_changed_just_before_the_plan_began_is_not(root: Path) -> None:
    remember(root, PATHS, "", "no changes\n", since=time.time())
    assert recall(["plan"]) is None


@pytest.mark.parametrize("change", [lambda file: file.write_text("new"), os.remove])
def test_a_change_afterwards_is_seen(root: Path, change: object) -> None:
    remember(root, PATHS, "", "no changes\n", since=later())
    assert callable(change)
    change(root / "specs" / "a.yaml")
    assert recall(["plan"]) is None


@pytest.mark.parametrize("path", ["specs/a.yaml/under-a-file", "specs/" + "x" * 300])
def test_a_path_that_cannot_be_looked_at_costs_only_time(root: Path, path: str) -> None:
    remember(root, [*PATHS, path], "", "no changes\n", since=later())
    assert recall(["plan"]) is None


def test_no_place_for_a_memo_costs_only_time(root: Path) -> None:
    shutil.rmtree(root / ".ftops")
    (root / ".ftops").touch()
    remember(root, PATHS, "", "no changes\n", since=later())
    assert recall(["plan"]) is None


def test_a_memo_that_came_from_another_checkout_is_no_answer(root: Path) -> None:
    remember(root, ["none.yaml"], "", "no changes\n", since=later())
    assert recall(["plan"]) == ("", "no changes\n")
    (root / ".ftops" / ".gitignore").unlink()
    assert recall(["plan"]) is None
    (root / ".ftops" / ".gitignore").touch()
    assert recall(["plan"]) is None


@pytest.mark.timeout(20)  # A device that is read would never end.
def test_what_stands_in_a_memo_s_place_is_not_read(root: Path) -> None:
    memo = root / ".ftops" / "cache" / "plan.memo"
    remember(root, PATHS, "", "no changes\n", since=later())
    for device in ("/dev/zero", "/dev/full"):
        memo.unlink()
        memo.symlink_to(device)
        assert recall(["plan"]) is None
    memo.unlink()
    os.mkfifo(memo)
    assert recall(["plan"]) is None
    memo.unlink()
    with memo.open("wb") as file:
        file.truncate(BYTES_MAX + 1)
    assert recall(["plan"]) is None

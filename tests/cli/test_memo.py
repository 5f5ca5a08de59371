"""An unchanged plan is answered from memory: byte for byte the same, and never when anything changed."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ftops.cli import main
from ftops.planmemo import FILE, VARIABLES, recall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Run, Shop


def nothing(_: Path) -> None:
    """Change nothing."""


def touch_a_spec(root: Path) -> None:
    (root / "specs/pong.yaml").touch()


def change_a_spec_and_set_its_time_back(root: Path) -> None:
    spec = root / "specs/pong.yaml"
    before = spec.stat()
    spec.write_text(spec.read_text().replace("n_epochs: 6", "n_epochs: 7"))
    os.utime(spec, ns=(before.st_atime_ns, before.st_mtime_ns))


def change_data(root: Path) -> None:
    data = root / "specs/data/pings.jsonl"
    data.write_text(data.read_text().replace("pong", "pang"))


def replace_data(root: Path) -> None:
    data = root / "specs/data/pings.jsonl"
    shutil.copy2(data, root / "other")
    (root / "other").replace(data)


def remove_data(root: Path) -> None:
    (root / "specs/data/pings.jsonl").unlink()


def change_the_lockfile(root: Path) -> None:
    (root / "ftops.lock").write_text("")


def leave_a_recovery_copy(root: Path) -> None:
    (root / "ftops.lock.recovery").touch()


def change_the_configuration(root: Path) -> None:
    with (root / "ftops.yaml").open("a") as file:
        file.write("# a comment\n")


def remove_the_configuration(root: Path) -> None:
    (root / "ftops.yaml").unlink()


def add_a_spec(root: Path) -> None:
    shutil.copy(root / "specs/pong.yaml", root / "specs/second.yaml")


def add_a_spec_in_a_folder(root: Path) -> None:
    (root / "specs/more").mkdir()
    shutil.copy(root / "specs/pong.yaml", root / "specs/more/second.yaml")


def add_a_spec_in_an_empty_folder(root: Path) -> None:
    shutil.copy(root / "specs/pong.yaml", root / "specs/empty/second.yaml")


def remove_a_spec(root: Path) -> None:
    (root / "specs/pong.yaml").unlink()


def rename_a_spec(root: Path) -> None:
    (root / "specs/pong.yaml").rename(root / "specs/ping.yaml")


def cut_the_memo(root: Path) -> None:
    memo = (root / FILE).read_bytes()
    (root / FILE).write_bytes(memo[: len(memo) // 2])


def empty_the_memo(root: Path) -> None:
    (root / FILE).write_bytes(b"")


def fill_the_memo_with_noise(root: Path) -> None:
    (root / FILE).write_bytes(bytes(range(256)) * 10)


def turn_the_memo_into_a_folder(root: Path) -> None:
    (root / FILE).unlink()
    (root / FILE).mkdir()


CHANGES: tuple[Callable[[Path], None], ...] = (
    touch_a_spec,
    change_a_spec_and_set_its_time_back,
    change_data,
    replace_data,
    remove_data,
    change_the_lockfile,
    leave_a_recovery_copy,
    change_the_configuration,
    remove_the_configuration,
    add_a_spec,
    add_a_spec_in_a_folder,
    add_a_spec_in_an_empty_folder,
    remove_a_spec,
    rename_a_spec,
    cut_the_memo,
    empty_the_memo,
    fill_the_memo_with_noise,
    turn_the_memo_into_a_folder,
)
ALL = (nothing, *CHANGES)
HOME = "/nonexistent"


@pytest.fixture(scope="module")
def remembered(trained_once: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A project for each change, whose empty plan is remembered."""
    folder = tmp_path_factory.mktemp("remembered")
    roots = {change.__name__: folder / change.__name__ for change in ALL}
    for root in roots.values():
        shutil.copytree(trained_once.root, root)
        (root / "specs/empty").mkdir()
        (root / "inner/deep").mkdir(parents=True)
    # Until then, a second edit could hide within the same tick of the file system's clock.
    time.sleep(2.1)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sys, "argv", ["ftops", "plan"])
        monkeypatch.setenv("HOME", HOME)
        for root in roots.values():
            monkeypatch.chdir(root)
            assert main(["plan"]) == 0
            assert (root / FILE).exists()
        yield roots


@pytest.fixture(autouse=True)
def one_home(own_world: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  # which gives each test its own
    """What is remembered holds for one person: where the local model's tokenizer is depends on the home folder."""
    monkeypatch.setenv("HOME", HOME)


def test_the_answer_from_memory_is_the_same_byte_for_byte(
    remembered: dict[str, Path], monkeypatch: pytest.MonkeyPatch, program: Run, run: Run
) -> None:
    monkeypatch.chdir(remembered["nothing"])
    asked = run("plan")
    assert recall(["plan"]) == ("", asked.out)
    forgetful, remembering = program("plan"), program("plan")
    assert (forgetful.code, forgetful.out, forgetful.err) == (0, asked.out, "")
    assert remembering == forgetful


def test_warnings_are_remembered_with_the_answer_and_go_where_they_went(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, program: Run, run: Run
) -> None:
    monkeypatch.setattr(sys, "argv", ["ftops", "plan"])
    data = shop.root / "specs/data/pings.jsonl"
    data.write_text(data.read_text() + "\n")
    assert run("apply", "--yes", "--wait", "-q").code == 0
    time.sleep(2.1)
    asked = run("plan")
    assert asked.code == 0
    assert asked.err.startswith("warning[data-blank-line]: ")
    assert recall(["plan"]) == (asked.err, asked.out)
    forgetful, remembering = program("plan"), program("plan")
    assert (forgetful.code, forgetful.out, forgetful.err) == (0, asked.out, asked.err)
    assert remembering == forgetful


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_nothing_is_answered_from_memory_after_a_change(
    remembered: dict[str, Path], monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    root = remembered[change.__name__]
    monkeypatch.chdir(root)
    assert recall(["plan"]) is not None
    change(root)
    assert recall(["plan"]) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "-v"],
        ["plan", "--json"],
        ["plan", "--refresh"],
        ["plan", "--target", "local"],
        ["plan", "pong"],
        ["plan", "--help"],
        ["plan", "--no-such-option"],
    ],
    ids=" ".join,
)
def test_other_arguments_are_not_answered_from_memory(
    remembered: dict[str, Path], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(remembered["nothing"])
    assert recall(["plan"]) is not None
    assert recall(arguments) is None


@pytest.mark.parametrize("name", VARIABLES)
def test_another_look_is_not_answered_from_memory(
    remembered: dict[str, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(remembered["nothing"])
    monkeypatch.setenv(name, "40")
    assert recall(["plan"]) is None


def test_another_folder_is_not_answered_from_memory(
    remembered: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(remembered["nothing"] / "inner")
    assert recall(["plan"]) is None
    monkeypatch.chdir(tmp_path)
    assert recall(["plan"]) is None


@pytest.mark.parametrize("mark", ["ftops.yaml", "ftops.lock", "specs", ".git"])
def test_a_project_within_the_project_is_not_answered_from_its_memory(
    remembered: dict[str, Path], monkeypatch: pytest.MonkeyPatch, run: Run, mark: str
) -> None:
    root = remembered["nothing"]
    monkeypatch.chdir(root / "inner/deep")
    assert run("plan").code == 0
    assert recall(["plan"]) is not None
    (root / "inner" / mark).mkdir()
    try:
        assert recall(["plan"]) is None
    finally:
        (root / "inner" / mark).rmdir()
        monkeypatch.chdir(root)
        run("plan")


def test_a_plan_with_changes_is_never_remembered(trained: Shop, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(sys, "argv", ["ftops", "plan"])
    trained.spec(epochs=7)
    time.sleep(2.1)
    assert run("plan").out.startswith("Plan: 1 to train")
    assert recall(["plan"]) is None
    assert not (trained.root / FILE).exists()


def test_what_changed_just_now_is_not_remembered(trained: Shop, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(sys, "argv", ["ftops", "plan"])
    (trained.root / "specs/pong.yaml").touch()
    assert run("plan").out.startswith("No changes.")
    assert recall(["plan"]) is None

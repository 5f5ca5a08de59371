"""Files that are not what they should be: each ends in a diagnostic, and nothing is sent or half-written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Result, Run, Shop

SPEC = "specs/pong.yaml"
DATA = "specs/data/pings.jsonl"


def a_spec_that_is_not_utf8(shop: Shop) -> None:
    (shop.root / SPEC).write_bytes(b"kind: FineTune\nsuffix: caf\xe9\n")


def a_spec_with_a_yaml_bomb(shop: Shop) -> None:
    levels = "".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 40))
    (shop.root / SPEC).write_text(f"kind: FineTune\na0: &a0 lol\n{levels}")


def a_spec_that_nests_without_end(shop: Shop) -> None:
    (shop.root / SPEC).write_text("kind: FineTune\nmodel: " + "[" * 100_000)


def a_spec_of_many_megabytes(shop: Shop) -> None:
    with (shop.root / SPEC).open("wb") as file:
        file.truncate(100_000_000)


def an_empty_spec(shop: Shop) -> None:
    (shop.root / SPEC).write_bytes(b"")


def a_folder_where_a_spec_should_be(shop: Shop) -> None:
    (shop.root / "specs/another.yaml").mkdir()


def a_pipe_where_a_spec_should_be(shop: Shop) -> None:
    os.mkfifo(shop.root / "specs/another.yaml")


def a_spec_that_leads_out_of_the_project(shop: Shop) -> None:
    outside = shop.root.parent / f"{shop.root.name}-outside.yaml"
    outside.write_text((shop.root / SPEC).read_text())
    (shop.root / "specs/another.yaml").symlink_to(outside)


def a_spec_that_leads_to_itself(shop: Shop) -> None:
    (shop.root / "specs/another.yaml").symlink_to("another.yaml")


def a_spec_that_leads_nowhere(shop: Shop) -> None:
    (shop.root / "specs/another.yaml").symlink_to("nowhere.yaml")


def a_file_where_the_specs_should_be(shop: Shop) -> None:
    shop.config(more="specs: models\n")
    (shop.root / "models").touch()


def a_spec_whose_name_is_not_utf8(shop: Shop) -> None:
    (shop.root / os.fsdecode(b"specs/caf\xe9.yaml")).write_text((shop.root / SPEC).read_text())


def a_spec_in_a_folder_whose_name_is_not_utf8(shop: Shop) -> None:
    folder = shop.root / os.fsdecode(b"specs/caf\xe9")
    folder.mkdir()
    (folder / "another.yaml").write_text((shop.root / SPEC).read_text())


def a_parent_that_does_not_exist(shop: Shop) -> None:
    shop.spec("child").write_text((shop.root / SPEC).read_text().replace("tiny-byte-90k", "{spec: pnog}"))


def specs_in_a_circle(shop: Shop) -> None:
    for name, parent in (("one", "two"), ("two", "one")):
        shop.spec(name).write_text((shop.root / SPEC).read_text().replace("tiny-byte-90k", f"{{spec: {parent}}}"))


def data_that_is_not_there(shop: Shop) -> None:
    (shop.root / DATA).unlink()


def data_that_is_not_utf8(shop: Shop) -> None:
    with (shop.root / DATA).open("ab") as file:
        file.write(b'{"messages": [{"role": "user", "content": "caf\xe9"}]}\n')


def data_in_one_line_of_100_megabytes(shop: Shop) -> None:
    with (shop.root / DATA).open("wb") as file:
        file.write(b'{"messages": "')
        file.truncate(100_000_000)


def data_of_zeros(shop: Shop) -> None:
    with (shop.root / DATA).open("wb") as file:
        file.truncate(1_000_000)


def a_folder_where_data_should_be(shop: Shop) -> None:
    (shop.root / DATA).unlink()
    (shop.root / DATA).mkdir()


def a_pipe_where_data_should_be(shop: Shop) -> None:
    (shop.root / DATA).unlink()
    os.mkfifo(shop.root / DATA)


def data_that_is_a_device(shop: Shop) -> None:
    (shop.root / DATA).unlink()
    (shop.root / DATA).symlink_to("/dev/zero")


def data_that_leads_out_of_the_project(shop: Shop) -> None:
    outside = shop.root.parent / f"{shop.root.name}-outside.jsonl"
    (shop.root / DATA).rename(outside)
    (shop.root / DATA).symlink_to(outside)


def a_folder_where_the_configuration_should_be(shop: Shop) -> None:
    (shop.root / "ftops.yaml").unlink()
    (shop.root / "ftops.yaml").mkdir()


def a_configuration_that_leads_nowhere(shop: Shop) -> None:
    (shop.root / "ftops.yaml").unlink()
    (shop.root / "ftops.yaml").symlink_to("settings/ftops.yaml")


def a_configuration_that_is_not_yaml(shop: Shop) -> None:
    (shop.root / "ftops.yaml").write_text("targets: {here: [\n")


def a_configuration_that_is_not_utf8(shop: Shop) -> None:
    (shop.root / "ftops.yaml").write_bytes(b"project: caf\xe9\n")


def a_folder_where_the_lockfile_should_be(shop: Shop) -> None:
    shop.lock.mkdir()


def a_pipe_where_the_lockfile_should_be(shop: Shop) -> None:
    os.mkfifo(shop.lock)


def a_lockfile_of_a_newer_version(shop: Shop) -> None:
    shop.lock.write_text('{"version": 99, "target": "here", "models": {"pong": {"whatever": true}}}\n')


def a_lockfile_of_another_target(shop: Shop) -> None:
    shop.lock.write_text('{"version": 1, "target": "there", "models": {}}\n')


def an_empty_lockfile(shop: Shop) -> None:
    shop.lock.touch()


def a_lockfile_that_is_not_utf8(shop: Shop) -> None:
    shop.lock.write_bytes(b'{"version": 1, "target": "caf\xe9", "models": {}}\n')


def a_recovery_copy_that_waits(shop: Shop) -> None:
    (shop.root / "ftops.lock.recovery").touch()


BROKEN: list[tuple[Callable[[Shop], None], str]] = [
    (a_spec_that_is_not_utf8, "yaml-encoding"),
    (a_spec_with_a_yaml_bomb, "yaml-alias"),
    (a_spec_that_nests_without_end, "yaml-too-deep"),
    (a_spec_of_many_megabytes, "yaml-too-large"),
    (an_empty_spec, "yaml-empty"),
    (a_folder_where_a_spec_should_be, "file-unreadable"),
    (a_pipe_where_a_spec_should_be, "file-unreadable"),
    (a_spec_that_leads_out_of_the_project, "file-outside"),
    (a_spec_that_leads_to_itself, "file-unreadable"),
    (a_spec_that_leads_nowhere, "file-missing"),
    (a_file_where_the_specs_should_be, "file-unreadable"),
    (a_spec_whose_name_is_not_utf8, "spec-path"),
    (a_spec_in_a_folder_whose_name_is_not_utf8, "spec-path"),
    (a_parent_that_does_not_exist, "spec-parent"),
    (specs_in_a_circle, "spec-cycle"),
    (data_that_is_not_there, "file-missing"),
    (data_that_is_not_utf8, "data-not-utf8"),
    (data_in_one_line_of_100_megabytes, "data-row-too-long"),
    (data_of_zeros, "data-not-jsonl"),
    (a_folder_where_data_should_be, "file-unreadable"),
    (a_pipe_where_data_should_be, "file-unreadable"),
    (data_that_is_a_device, "file-outside"),
    (data_that_leads_out_of_the_project, "file-outside"),
    (a_folder_where_the_configuration_should_be, "file-unreadable"),
    (a_configuration_that_leads_nowhere, "file-missing"),
    (a_configuration_that_is_not_yaml, "yaml-syntax"),
    (a_configuration_that_is_not_utf8, "yaml-encoding"),
    (a_folder_where_the_lockfile_should_be, "lock-unreadable"),
    (a_pipe_where_the_lockfile_should_be, "lock-unreadable"),
    (a_lockfile_of_a_newer_version, "lock-version"),
    (a_lockfile_of_another_target, "lock-target"),
    (an_empty_lockfile, "lock-malformed"),
    (a_lockfile_that_is_not_utf8, "lock-malformed"),
    (a_recovery_copy_that_waits, "lock-recovery"),
]


@pytest.mark.timeout(20)  # A pipe or a device that is read would never end.
@pytest.mark.parametrize(("damage", "code"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_it_is_told_and_nothing_is_written_or_sent(
    shop: Shop, run: Run, damage: Callable[[Shop], None], code: str
) -> None:
    damage(shop)
    before = names(shop.root)
    commands = (["plan"], ["plan", "--json"], ["status"], ["apply", "--yes"], ["reconcile"])
    for done in (run(*arguments) for arguments in commands):
        assert code in done.codes, done.err
        assert (done.code, done.out) == (1, "")
        assert "Traceback" not in done.err
    assert names(shop.root) == before
    assert shop.jobs() == []


def test_all_problems_are_told_at_once(shop: Shop, run: Run) -> None:
    (shop.root / "specs/a.yaml").write_text("kind: FineTune\nmodle: x\n")
    (shop.root / "specs/b.yaml").write_text("kind: FineTune\nmodel: 7\n")
    done = run("plan")
    assert done.code == 1
    assert {"--> specs/a.yaml:2:1", "--> specs/b.yaml:2:8"} <= set(places(done))


def test_a_missing_file_is_shown_where_the_spec_names_it(shop: Shop, run: Run) -> None:
    data_that_is_not_there(shop)
    assert run("plan").err.startswith(
        "error[file-missing]: `specs/data/pings.jsonl` does not exist\n"
        "  --> specs/pong.yaml:3:16\n"
        "3 | training_file: data/pings.jsonl\n"
        "  |                ^^^^^^^^^^^^^^^^\n"
    )


@pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"], ["status"], ["lock", "verify"], ["logs", "x"]])
def test_a_folder_without_a_project_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*command)
    assert (done.code, done.codes, done.out) == (1, ["project-missing"], "")
    assert "ftops init" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_deleted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Run) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for command in ("plan", "init"):
        done = program(command)
        assert (done.code, done.codes) == (1, ["project-missing"])


def test_a_plan_needs_no_cache(shop: Shop, run: Run) -> None:
    expected = run("plan").out
    (shop.root / ".ftops").touch()
    done = run("plan")
    assert (done.code, done.out, done.err) == (0, expected, "")


def test_an_apply_that_cannot_hold_the_lock_sends_nothing(shop: Shop, run: Run) -> None:
    (shop.root / ".ftops").touch()
    done = run("apply", "--yes")
    assert (done.code, done.codes) == (1, ["state-unwritable"])
    assert shop.jobs() == []
    assert not shop.lock.exists()


def names(root: Path) -> list[str]:
    """All paths of a project but those of caches."""
    return sorted(os.fsencode(path).decode("latin-1") for path in root.rglob("*") if ".ftops" not in path.parts)


def places(done: Result) -> list[str]:
    return [line.strip() for line in done.err.splitlines() if "-->" in line]

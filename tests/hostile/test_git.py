"""Repositories whose git configuration, hooks and attributes name programs: none of them is ever run by ftops."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from ftops.git import head_commit, origin_name

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run, Shop

HOOKS = (
    "applypatch-msg", "commit-msg", "fsmonitor-watchman", "post-checkout", "post-commit", "post-index-change",
    "post-merge", "pre-auto-gc", "pre-commit", "pre-push", "prepare-commit-msg", "proc-receive", "push-to-checkout",
    "reference-transaction",
)  # fmt: skip
PROGRAMS = (
    "core.fsmonitor", "core.pager", "core.editor", "core.askPass", "core.gitProxy", "core.alternateRefsCommand",
    "core.sshCommand", "diff.external", "diff.evil.textconv", "diff.evil.command", "filter.evil.clean",
    "filter.evil.smudge", "filter.evil.process", "merge.evil.driver", "gpg.program", "gpg.ssh.program",
    "gpg.x509.program", "sequence.editor", "interactive.diffFilter", "uploadpack.packObjectsHook", "web.browser",
    "remote.origin.uploadpack", "remote.origin.receivepack", "pager.rev-parse", "pager.log", "pager.cat-file",
)  # fmt: skip
"""Settings whose value is a command line."""
SHELL_WORDS = (
    "alias.rev-parse", "alias.cat-file", "alias.ls-remote", "alias.push", "alias.fetch", "credential.helper",
    "submodule.x.update",
)  # fmt: skip
"""Likewise, after `!`."""
SIGNED = ("commit.gpgSign", "push.gpgSign", "tag.gpgSign", "log.showSignature", "push.recurseSubmodules")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def marking(marks: Path, name: str) -> str:
    """A program that leaves a file of this *name*."""
    program = marks.parent / "programs" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\ntouch '{marks}/{name}'\nexit 1\n")
    program.chmod(0o755)
    return str(program)


def configure(folder: Path, marks: Path, *, origin: str) -> None:
    """Plant a program wherever git takes one."""
    config = folder / "config" if (folder / "HEAD").exists() else folder / ".git/config"
    entries = [(name, marking(marks, name)) for name in PROGRAMS]
    entries += [(name, "!" + marking(marks, name)) for name in SHELL_WORDS]
    entries += [(name, "true") for name in SIGNED]
    entries += [
        ("core.hooksPath", str(marks.parent / "hooks")),
        ("core.attributesFile", str(marks.parent / "attributes")),
        ("remote.origin.url", origin),
        ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
        ("protocol.ext.allow", "always"),
        ("protocol.file.allow", "always"),
        ("filter.evil.required", "true"),
        ("gc.auto", "1"),
        ("core.fsmonitorHookVersion", "2"),
        ("include.path", str(marks.parent / "included")),
    ]
    (marks.parent / "hooks").mkdir(exist_ok=True)
    for hook in HOOKS:
        shutil.copy(marking(marks, f"hook-{hook}"), marks.parent / "hooks" / hook)
    (marks.parent / "attributes").write_text("* filter=evil diff=evil merge=evil\n")
    (marks.parent / "included").write_text(f'[alias]\n\tstatus = "!{marking(marks, "included")}"\n')
    for name, value in entries:
        git(folder, "config", "--file", str(config), "--add", name, value)


@pytest.fixture
def marks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outside") / "marks"
    folder.mkdir()
    return folder


@pytest.fixture
def committed(shop: Shop) -> Shop:
    git(shop.root, "init", "--quiet", "--initial-branch=main")
    git(shop.root, "add", "--all")
    git(shop.root, "commit", "--quiet", "--message=first")
    return shop


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


EVERY = (
    ["plan"],
    ["plan", "--refresh"],
    ["check"],
    ["status"],
    ["lock", "show"],
    ["lock", "verify"],
    ["tokens", "specs/data/pings.jsonl"],
    ["diff-data", "HEAD", "specs/data/pings.jsonl"],
    ["diff-data", "main:specs/data/pings.jsonl", ":specs/data/pings.jsonl"],
    ["build"],
    ["init"],
    ["apply", "--yes"],
    ["reconcile"],
    ["lock", "rebuild"],
)
"""Each command that may ask git, and those that might one day."""


def test_the_programs_planted_are_ones_that_git_runs(committed: Shop, marks: Path) -> None:
    """Otherwise the tests below would prove nothing."""
    configure(committed.root, marks, origin="/nowhere")
    for command in (["status"], ["diff"], ["commit-tree", "-S", "HEAD^{tree}"], ["hook", "run", "pre-push"], ["fetch"]):
        subprocess.run(["git", *command], cwd=committed.root, check=False, capture_output=True)
    expected = {"core.fsmonitor", "gpg.program", "hook-pre-push", "remote.origin.uploadpack"}
    assert expected <= set(names(marks))


def test_nothing_that_a_repository_names_is_run(committed: Shop, marks: Path, run: Run, tmp_path: Path) -> None:
    shared = tmp_path / "shared.git"
    git(tmp_path, "init", "--quiet", "--bare", str(shared))
    configure(committed.root, marks, origin=str(shared))
    (committed.root / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    told = {" ".join(command): run(*command) for command in EVERY}
    assert names(marks) == []
    assert {command: done.err for command, done in told.items() if done.code == 70} == {}
    assert told["apply --yes"].code == 0, told["apply --yes"].err


@pytest.mark.parametrize(
    "origin", ["ext::sh -c {marking}% %S", "ssh://host.invalid/x", "git://host.invalid/x", "fd::7", "-u{marking}"]
)
def test_nor_is_what_an_address_names(committed: Shop, marks: Path, run: Run, origin: str) -> None:
    address = origin.format(marking=marking(marks, "address"))
    configure(committed.root, marks, origin=address)
    git(committed.root, "config", "--replace-all", "core.sshCommand", "/bin/false")
    for command in (["plan"], ["apply", "--yes"], ["reconcile"]):
        assert run(*command).code in {0, 1}
    assert names(marks) == []


def test_nor_is_a_helper_for_another_kind_of_remote(committed: Shop, marks: Path, run: Run) -> None:
    configure(committed.root, marks, origin="x")
    git(committed.root, "config", "remote.origin.vcs", "ext")
    git(committed.root, "config", "--replace-all", "remote.origin.url", marking(marks, "address"))
    run("apply", "--yes")
    assert names(marks) == []


def test_what_is_missing_is_not_fetched(committed: Shop, marks: Path, run: Run) -> None:
    blob = git(committed.root, "rev-parse", "HEAD:specs/data/pings.jsonl")
    configure(committed.root, marks, origin=f"ext::{marking(marks, 'promisor')}")
    git(committed.root, "config", "remote.origin.promisor", "true")
    git(committed.root, "config", "extensions.partialClone", "origin")
    (committed.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    done = run("diff-data", "HEAD", "specs/data/pings.jsonl")
    assert (done.code, done.codes) == (1, ["git-path"])
    (committed.root / ".git/HEAD").write_text(f"{'1' * 40}\n")
    assert head_commit(committed.root) in {None, "1" * 40}
    for command in EVERY:
        assert run(*command).code != 70, command
    assert names(marks) == []


def test_a_repository_within_the_files_of_another_is_none(
    committed: Shop, marks: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git takes any folder with HEAD, objects and refs for a bare repository, and those are files that it carries."""
    inner = committed.root / "specs"
    git(committed.root, "clone", "--quiet", "--bare", str(committed.root), str(committed.root / "bare.git"))
    for path in (committed.root / "bare.git").iterdir():
        path.rename(inner / path.name)
    configure(inner, marks, origin="https://evil.example/team/evil.git")
    (inner / "ftops.yaml").write_text((committed.root / "ftops.yaml").read_text().replace("project:", "#"))
    (inner / "specs").mkdir()
    monkeypatch.chdir(inner)
    assert origin_name(inner) != "team/evil"
    for command in EVERY:
        run(*command)
    assert names(marks) == []


def test_a_repository_elsewhere_is_taken_with_the_same_care(
    committed: Shop, marks: Path, run: Run, tmp_path: Path
) -> None:
    (committed.root / ".git").rename(tmp_path / "elsewhere")
    (committed.root / ".git").write_text(f"gitdir: {tmp_path}/elsewhere\n")
    configure(tmp_path / "elsewhere", marks, origin="ext::x")
    for command in EVERY:
        assert run(*command).code != 70, command
    assert names(marks) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_somebody_else_is_none_and_no_bug(committed: Shop, marks: Path, run: Run) -> None:
    configure(committed.root, marks, origin="ext::x")
    for path in (committed.root, *(committed.root / ".git").rglob("*"), committed.root / ".git"):
        os.chown(path, 12345, 12345)
    for command in EVERY:
        assert run(*command).code != 70, command
    assert names(marks) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("--output={mark}:specs/data/pings.jsonl", "specs/data/pings.jsonl"),
        ("--upload-pack={mark}", "specs/data/pings.jsonl"),
        ("HEAD:--output={mark}", "specs/data/pings.jsonl"),
        ("HEAD --output={mark}:x", "specs/data/pings.jsonl"),
        ("HEAD\n--output={mark}:x", "specs/data/pings.jsonl"),
        ("HEAD:../../../etc/passwd", "specs/data/pings.jsonl"),
        ("HEAD:/etc/passwd", "specs/data/pings.jsonl"),
        ("HEAD^{{/x}}:a", "specs/data/pings.jsonl"),
        ("@{{-1}}:a", ":(attr:x)a"),
        ("\ud800:a", "specs/data/pings.jsonl"),
        ("HEAD:a\0b", "specs/data/pings.jsonl"),
        ("x" * 200_000, "specs/data/pings.jsonl"),
    ],
)
@pytest.mark.usefixtures("committed")
def test_a_revision_is_never_an_option(marks: Path, run: Run, old: str, new: str) -> None:
    done = run("diff-data", "--", old.format(mark=marks / "written"), new)
    assert done.code == 1, done.err
    assert done.codes, done.err
    assert names(marks) == []
    assert len(done.err) < 10_000

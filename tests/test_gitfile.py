"""A file on a ref of a real remote: compare-and-swap, also when several try at once."""

from __future__ import annotations

import os
import subprocess
import sys
from random import Random
from typing import TYPE_CHECKING

import pytest

from ftops.diagnostics import ProblemsError
from ftops.gitfile import GitFile, claims_file
from ftops.shared import PATIENCE_SECONDS, PAUSE_SECONDS, TRIES, Shared, SharedUnknownError, update

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import HeldClock


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    path = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", path], check=True)
    return path


def clone(remote: Path, name: str) -> Path:
    path = remote.parent / name
    subprocess.run(["git", "clone", "--quiet", remote, path], check=True, capture_output=True)
    return path


@pytest.fixture
def here(remote: Path) -> Path:
    return clone(remote, "here")


def claims(root: Path) -> GitFile:
    file = claims_file(root, "openai")
    assert file is not None
    return file


def branch(root: Path) -> GitFile:
    return GitFile(
        root=root, ref="refs/heads/main", path="ftops.lock", message="Record", is_branch=True, if_refused="fix"
    )


def test_nothing_is_there_at_first_and_then_what_was_put_there(here: Path, remote: Path) -> None:
    assert claims(here).read() == Shared()
    stands = claims(here).swap(Shared(), b"one\n")
    assert stands is not None
    assert claims(clone(remote, "there")).read() == stands


def test_only_who_knows_what_stands_there_replaces_it(here: Path, remote: Path) -> None:
    there = claims(clone(remote, "there"))
    first = claims(here).swap(Shared(), b"one\n")
    assert there.swap(Shared(), b"two\n") is None
    assert first is not None
    second = there.swap(first, b"two\n")
    assert second is not None
    assert claims(here).swap(first, b"three\n") is None
    assert claims(here).read() == second


def test_neither_working_tree_nor_index_nor_branches_are_touched(here: Path) -> None:
    (here / "note").write_text("staged")
    git(here, "add", "note")
    before = git(here, "status", "--porcelain=v2", "--branch"), git(here, "for-each-ref")
    claims(here).swap(Shared(), b"one\n")
    claims(here).read()
    assert (git(here, "status", "--porcelain=v2", "--branch"), git(here, "for-each-ref")) == before


def test_a_branch_keeps_its_history_and_its_other_files(here: Path, remote: Path) -> None:
    (here / "README").write_text("hello")
    git(here, "add", "README")
    git(here, "commit", "--quiet", "-m", "First")
    git(here, "push", "--quiet", "origin", "HEAD:main")
    stands = branch(here).swap(branch(here).read(), b"{}\n")
    assert stands is not None
    assert git(remote, "ls-tree", "--name-only", "main").split() == ["README", "ftops.lock"]
    assert git(remote, "log", "--format=%s by %an", "main").splitlines() == ["Record by Test", "First by Test"]
    assert branch(clone(remote, "there")).read() == stands


def test_who_has_no_name_in_git_commits_as_ftops(here: Path, remote: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(here, "commit", "--quiet", "--allow-empty", "-m", "First")
    git(here, "push", "--quiet", "origin", "HEAD:main")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME")
        monkeypatch.delenv(f"GIT_{role}_EMAIL")
    git(here, "config", "user.useConfigOnly", "true")
    assert branch(here).swap(branch(here).read(), b"{}\n")
    assert git(remote, "log", "--format=%an", "-1", "main") == "ftops"


def test_a_branch_that_is_not_there_is_not_made(here: Path, remote: Path) -> None:
    with pytest.raises(ProblemsError) as error:
        branch(here).swap(Shared(), b"{}\n")
    assert error.value.problems[0].code == "git-branch"
    assert git(remote, "for-each-ref") == ""


def test_without_a_repository_or_without_a_remote_there_is_nothing_to_share(tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    assert claims_file(alone, "openai") is None
    git(alone, "init", "--quiet")
    assert claims_file(alone, "openai") is None


def test_a_remote_that_is_gone_is_said_without_the_token_in_its_address(here: Path) -> None:
    git(here, "remote", "set-url", "origin", "https://user:canary@127.0.0.1:1/x.git")
    with pytest.raises(ProblemsError) as error:
        claims(here).read()
    (problem,) = error.value.problems
    assert problem.code == "git-unreachable"
    assert "canary" not in str(problem)


def test_a_push_whose_answer_is_lost_is_unknown(here: Path) -> None:
    git(here, "remote", "set-url", "--push", "origin", str(here / "nowhere"))
    with pytest.raises(SharedUnknownError):
        claims(here).swap(Shared(), b"one\n")


def test_a_remote_that_refuses_is_said_with_the_way_out(here: Path, remote: Path) -> None:
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(ProblemsError) as error:
        claims(here).swap(Shared(), b"one\n")
    (problem,) = error.value.problems
    assert problem.code == "git-refused"
    assert problem.why == "the remote says: [remote rejected] (pre-receive hook declined)"
    assert problem.fix is not None
    assert "claims: local" in problem.fix


def test_no_hook_of_the_repository_runs(here: Path) -> None:
    for name in ("pre-push", "reference-transaction", "post-index-change"):
        hook = here / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {here}/ran-{name}\n")
        hook.chmod(0o755)
    assert claims(here).swap(Shared(), b"one\n")
    assert list(here.glob("ran-*")) == []


def add_one(content: bytes | None) -> bytes:
    return b"%d" % (int(content or b"0") + 1)


def test_what_others_put_there_first_is_gone_on_from(here: Path, remote: Path) -> None:
    """Five processes add one, four times each, through one ref: none is lost."""
    program = (
        "import sys; from pathlib import Path; from random import Random\n"
        "from ftops.clock import SystemClock; from ftops.gitfile import claims_file; from ftops.shared import update\n"
        "for _ in range(4):\n"
        "    update(claims_file(Path(sys.argv[1]), 'openai'), lambda old: b'%d' % (int(old or b'0') + 1),\n"
        "           clock=SystemClock(), chance=Random())\n"
    )
    roots = [clone(remote, f"clone-{number}") for number in range(5)]
    running = [subprocess.Popen([sys.executable, "-c", program, root], env=os.environ) for root in roots]
    assert [process.wait() for process in running] == [0] * 5
    assert claims(here).read().content == b"20"


class Faster:
    """A shared file that somebody else always changes first."""

    name = "it"

    def __init__(self) -> None:
        self.swaps = 0

    def read(self) -> Shared:
        return Shared(content=b"1", version="1")

    def swap(self, _old: Shared, _content: bytes) -> Shared | None:
        self.swaps += 1
        return None


def test_who_is_never_the_first_gives_up_after_waiting_ever_longer(clock: HeldClock) -> None:
    file = Faster()
    with pytest.raises(ProblemsError) as error:
        update(file, add_one, clock=clock, chance=Random(1))
    assert error.value.problems[0].code == "shared-contended"
    assert (file.swaps, len(clock.slept)) == (TRIES, TRIES - 1)
    assert 1 < max(clock.slept) <= PAUSE_SECONDS[1]


class Slow(Faster):
    """A shared file of which each swap is lost after a minute."""

    def __init__(self, clock: HeldClock) -> None:
        super().__init__()
        self.clock = clock

    def swap(self, old: Shared, content: bytes) -> Shared | None:
        self.clock.advance(60)
        return super().swap(old, content)


def test_who_waits_too_long_gives_up_before_the_last_try(clock: HeldClock) -> None:
    file = Slow(clock)
    with pytest.raises(ProblemsError) as error:
        update(file, add_one, clock=clock, chance=Random(1))
    assert error.value.problems[0].why == f"others changed it first, {file.swaps} times in a row"
    assert file.swaps == PATIENCE_SECONDS / 60 + 1


class Silent(Faster):
    """A shared file whose answers are lost, after their effect."""

    content: bytes | None = None

    def read(self) -> Shared:
        return Shared(content=self.content, version=str(self.content))

    def swap(self, _old: Shared, content: bytes) -> Shared | None:
        self.content = content
        raise SharedUnknownError


def test_after_a_lost_answer_what_stands_there_decides(clock: HeldClock) -> None:
    file = Silent()
    stands = update(file, lambda old: old or b"mine", clock=clock, chance=Random(1))
    assert stands.content == b"mine"
    with pytest.raises(SharedUnknownError):
        update(file, lambda old: (old or b"") + b"+", clock=clock, chance=Random(1))


def test_what_is_too_large_for_a_lockfile_is_not_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claims(here).swap(Shared(), b"12345")
    monkeypatch.setattr("ftops.gitfile.CONTENT_BYTES_MAX", 4)
    with pytest.raises(ProblemsError) as error:
        claims(here).read()
    assert error.value.problems[0].code == "git-refused"


def test_a_ref_that_never_rests_is_given_up(here: Path, remote: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if somebody pushed between every listing and the fetch after it: what is listed is never here."""
    there = claims(clone(remote, "there"))
    assert there.swap(Shared(), b"one")
    monkeypatch.setattr("ftops.gitfile._has", lambda _repo, _commit: False)
    with pytest.raises(ProblemsError) as error:
        claims(here).read()
    assert error.value.problems[0].code == "shared-contended"

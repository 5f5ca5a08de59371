"""What machines share through git, as people use it: pushing the lockfile, looking at claims, releasing them."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import pytest

from ftops.claims import Claims, Key, encode, settled, taken
from ftops.clock import SystemClock
from ftops.digest import Digest
from ftops.gitfile import claims_file
from ftops.lockfile import Generation, JobRecord, Lockfile, decode, verify, with_generation
from ftops.lockfile import encode as encode_lock

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Result, Run, Shop, Start

TARGETS = (
    "project: shared\ndefault_target: here\ntargets:\n"
    "  here:\n    profile: local\n    base_url: http://127.0.0.1:9/v1\n    api_key: {env: SHOP_KEY}\n"
    "  there:\n    profile: local\n    base_url: http://127.0.0.1:9/v1\n    api_key: {env: SHOP_KEY}\n"
)


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def generation(job: str, created_at: int = 1) -> Generation:
    record = JobRecord(id=job, status="running", created_at=created_at)
    return Generation(digest=Digest(f"sha256:{job}"), request={}, job=record)


def recorded(lock: Lockfile) -> set[str]:
    return {each.job.id for entry in lock.models.values() for each in entry.generations}


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A clone of the remote, with what an apply in it might have recorded."""

    root: Path
    name: str = "ftops.lock"
    target: str = "here"

    @property
    def lock(self) -> Lockfile:
        path = self.root / self.name
        return decode(path.read_bytes(), self.name) if path.exists() else Lockfile(target=self.target)

    def record(self, spec: str, job: str, created_at: int = 1) -> None:
        lock = with_generation(self.lock, spec, generation(job, created_at))
        (self.root / self.name).write_bytes(encode_lock(lock))

    def edit_by_hand(self, spec: str) -> None:
        path = self.root / self.name
        path.write_text(path.read_text().replace(f'"ftjob-{spec}"', '"ftjob-forged"'))

    def commit(self, message: str) -> None:
        git(self.root, "add", "-A")
        git(self.root, "commit", "--quiet", "-m", message)

    def push(self) -> None:
        git(self.root, "push", "--quiet", "origin", "HEAD:main")

    @property
    def status(self) -> str:
        return git(self.root, "status", "--porcelain")


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """With one commit on `main`: a project with two targets, and no spec yet."""
    path = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", path], check=True)
    first = Checkout(root=tmp_path / "first")
    subprocess.run(["git", "clone", "--quiet", path, first.root], check=True, capture_output=True)
    (first.root / "ftops.yaml").write_text(TARGETS)
    (first.root / "specs").mkdir()
    (first.root / "specs" / ".keep").touch()
    first.commit("First")
    first.push()
    shutil.rmtree(first.root)
    return path


def clone(remote: Path, name: str, *options: str) -> Checkout:
    root = remote.parent / name
    subprocess.run(["git", "clone", "--quiet", *options, remote.as_uri(), root], check=True, capture_output=True)
    return Checkout(root=root)


@pytest.fixture
def here(remote: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """The clone that the program is run in."""
    checkout = clone(remote, "here")
    monkeypatch.chdir(checkout.root)
    return checkout


def on_remote(remote: Path, path: str = "ftops.lock", branch: str = "main") -> Lockfile:
    return decode(git(remote, "show", f"{branch}:{path}").encode(), path)


def problem(done: Result) -> str:
    assert done.code == 1, done.err
    assert "Traceback" not in done.err
    (code,) = done.codes
    return code


def test_after_a_push_from_the_newest_commit_git_sees_nothing_to_do(here: Checkout, remote: Path, run: Run) -> None:
    here.record("elle", "ftjob-1")
    done = run("lock", "push")
    assert (done.code, done.out) == (0, "")
    commit = git(remote, "rev-parse", "main")
    assert done.err == f"ftops.lock: committed to `main` of the git remote `origin` as {commit[:12]}\n"
    assert git(remote, "show", "--format=%an %s", "--name-only", "main").split("\n") == [
        "Test Record what ftops made (ftops.lock)",
        "",
        "ftops.lock",
    ]
    assert here.status == ""
    assert git(here.root, "rev-parse", "HEAD") == commit
    assert recorded(on_remote(remote)) == {"ftjob-1"}


def test_what_was_pushed_already_is_not_pushed_again(here: Checkout, remote: Path, run: Run) -> None:
    here.record("elle", "ftjob-1")
    run("lock", "push")
    commit = git(remote, "rev-parse", "main")
    assert run("lock", "push").err == "ftops.lock: `main` of the git remote `origin` has all of it already\n"
    assert git(remote, "rev-parse", "main") == commit


def test_where_nothing_is_recorded_nothing_is_pushed(here: Checkout, remote: Path, run: Run) -> None:
    done = run("lock", "push")
    assert (done.code, done.err) == (0, "ftops.lock: nothing is recorded yet\n")
    assert git(remote, "rev-list", "--count", "main") == "1"
    assert here.status == ""


def test_what_is_being_worked_on_here_stays_here(here: Checkout, remote: Path, run: Run) -> None:
    (here.root / "ftops.yaml").write_text(TARGETS + "claims: local\n")
    (here.root / "staged").write_text("staged")
    git(here.root, "add", "staged")
    here.record("elle", "ftjob-1")
    assert run("lock", "push").code == 0
    assert here.status.split("\n") == ["M ftops.yaml", "A  staged"]
    assert "staged" not in git(remote, "ls-tree", "--name-only", "main").split()


@pytest.mark.parametrize("is_known", [True, False], ids=["a lockfile git knows", "the first lockfile"])
def test_what_else_came_to_the_branch_is_brought_by_the_pull_that_is_named(
    here: Checkout, remote: Path, run: Run, *, is_known: bool
) -> None:
    if is_known:
        here.record("old", "ftjob-0")
        assert run("lock", "push").code == 0
    there = clone(remote, "there")
    (there.root / "note").write_text("theirs")
    there.record("ask", "ftjob-2")
    there.commit("Theirs")
    there.push()
    here.record("elle", "ftjob-1")
    done = run("lock", "push")
    assert done.code == 0
    pull = "git pull --rebase --autostash origin main"
    assert done.err.splitlines()[1:] == [f"next: `{pull}` brings here what else came to it"]
    git(here.root, *pull.split()[1:])
    assert here.status == ""
    assert (here.root / "note").exists()
    assert {"ftjob-1", "ftjob-2"} <= recorded(here.lock) == recorded(on_remote(remote))


def test_that_pull_works_with_commits_of_ones_own(here: Checkout, remote: Path, run: Run) -> None:
    (here.root / "mine").write_text("mine")
    here.commit("Mine")
    here.record("elle", "ftjob-1")
    done = run("lock", "push")
    assert git(remote, "ls-tree", "--name-only", "main").split() == ["ftops.lock", "ftops.yaml", "specs"]
    git(here.root, *done.err.split("`git ")[1].split("`")[0].split())
    assert here.status == ""
    assert git(here.root, "log", "--format=%s").split("\n")[0] == "Mine"


def test_lockfiles_that_others_pushed_are_followed_without_a_pull(here: Checkout, remote: Path, run: Run) -> None:
    there = clone(remote, "there")
    for number in (1, 2):
        there.record("ask", f"ftjob-{number}", number)
        there.commit("As `ftops lock push` does")
        there.push()
    here.record("elle", "ftjob-3")
    assert "next:" not in run("lock", "push").err
    assert here.status == ""
    assert recorded(here.lock) == {"ftjob-1", "ftjob-2", "ftjob-3"}
    assert git(here.root, "rev-parse", "HEAD") == git(remote, "rev-parse", "main")


def test_a_change_of_others_is_not_taken_for_a_push_of_ours(here: Checkout, remote: Path, run: Run) -> None:
    """The branch is not moved on over a spec that the working tree lacks: the next commit would take it back."""
    here.record("elle", "ftjob-1")
    run("lock", "push")
    there = clone(remote, "there")
    (there.root / "specs" / "theirs").touch()
    there.commit("Theirs")
    there.push()
    assert "next: `git pull" in run("lock", "push").err
    assert here.status == ""
    assert git(here.root, "rev-parse", "HEAD") == git(remote, "rev-parse", "main^")


def test_a_shallow_clone_pushes_as_ci_has_it(remote: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    other = clone(remote, "other")
    other.record("old", "ftjob-0")
    other.commit("A second commit")
    other.push()
    shallow = clone(remote, "shallow", "--depth=1")
    assert git(shallow.root, "rev-list", "--count", "HEAD") == "1"
    other.record("ask", "ftjob-1")
    other.commit("A third commit")
    other.push()
    monkeypatch.chdir(shallow.root)
    shallow.record("elle", "ftjob-2")
    assert run("lock", "push").code == 0
    assert recorded(on_remote(remote)) == {"ftjob-0", "ftjob-1", "ftjob-2"}
    assert git(remote, "rev-list", "--count", "main") == "4"


def test_where_a_commit_is_checked_out_the_branch_is_to_be_named(here: Checkout, remote: Path, run: Run) -> None:
    git(here.root, "checkout", "--quiet", "--detach")
    here.record("elle", "ftjob-1")
    done = run("lock", "push")
    assert problem(done) == "git-branch"
    assert "ftops lock push --branch main" in done.err
    done = run("lock", "push", "--branch", "main")
    assert (done.code, len(done.err.splitlines())) == (0, 1)
    assert recorded(on_remote(remote)) == {"ftjob-1"}


@pytest.mark.parametrize("name", ["main:evil", "*", "a b", "-x", "a..b", "@{u}", "x.lock"])
def test_what_can_be_no_branch_is_said(here: Checkout, remote: Path, run: Run, name: str) -> None:
    here.record("elle", "ftjob-1")
    done = run("lock", "push", f"--branch={name}")
    assert problem(done) == "git-branch"
    assert git(remote, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_a_branch_that_the_remote_lacks_is_not_made_of_a_lockfile_alone(here: Checkout, remote: Path, run: Run) -> None:
    git(here.root, "checkout", "--quiet", "-b", "teams/elle")
    here.record("elle", "ftjob-1")
    done = run("lock", "push")
    assert problem(done) == "git-branch"
    assert git(remote, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    git(here.root, *done.err.split("`git ")[1].split("`")[0].split())
    assert run("lock", "push").code == 0
    assert recorded(on_remote(remote, branch="teams/elle")) == {"ftjob-1"}
    assert here.status == ""


def test_before_the_first_commit_there_is_no_branch_to_push_to(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty.git"
    subprocess.run(["git", "init", "--quiet", "--bare", empty], check=True)
    unborn = clone(empty, "unborn")
    (unborn.root / "ftops.yaml").write_text(TARGETS)
    monkeypatch.chdir(unborn.root)
    unborn.record("elle", "ftjob-1")
    assert problem(run("lock", "push")) == "git-branch"
    assert git(empty, "for-each-ref") == ""


def test_of_two_refs_that_end_alike_the_branch_is_meant(here: Checkout, remote: Path, run: Run) -> None:
    git(here.root, "push", "--quiet", "origin", "HEAD:refs/a/refs/heads/main")
    (here.root / "note").write_text("note")
    here.commit("Another")
    here.push()
    here.record("elle", "ftjob-1")
    assert run("lock", "push").code == 0
    assert recorded(on_remote(remote)) == {"ftjob-1"}


def test_a_project_in_a_subfolder_and_another_target_have_their_lockfiles_where_they_lie(
    remote: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = clone(remote, "whole")
    team = Checkout(root=whole.root / "teams" / "elle", name="ftops.there.lock", target="there")
    team.root.mkdir(parents=True)
    (team.root / "ftops.yaml").write_text(TARGETS)
    whole.commit("A project in a folder")
    whole.push()
    monkeypatch.chdir(team.root)
    team.record("elle", "ftjob-1")
    assert run("lock", "push", "--target", "there").code == 0
    assert recorded(on_remote(remote, "teams/elle/ftops.there.lock")) == {"ftjob-1"}
    assert whole.status == ""


def test_a_worktree_pushes_to_its_own_branch(
    here: Checkout, remote: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(here.root, "push", "--quiet", "origin", "HEAD:refs/heads/side")
    git(here.root, "fetch", "--quiet")
    git(here.root, "worktree", "add", "--quiet", "-b", "side", "../beside", "origin/side")
    beside = Checkout(root=here.root.parent / "beside")
    monkeypatch.chdir(beside.root)
    beside.record("elle", "ftjob-1")
    assert run("lock", "push").code == 0
    assert recorded(on_remote(remote, branch="side")) == {"ftjob-1"}
    assert (beside.status, here.status) == ("", "")


def test_pushes_at_once_lose_nothing(remote: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running = []
    for number in range(3):
        checkout = clone(remote, f"racer-{number}")
        checkout.record("elle", f"ftjob-{number}", number)
        checkout.record(f"own-{number}", f"ftjob-own-{number}")
        monkeypatch.chdir(checkout.root)
        running.append(start("lock", "push"))
    assert [each.finish().code for each in running] == [0, 0, 0]
    lock = on_remote(remote)
    assert verify(lock, "ftops.lock") == ()
    assert len(recorded(lock)) == 6
    assert lock.models["elle"].generation is not None
    assert lock.models["elle"].generation.job.id == "ftjob-2"


def test_a_lockfile_that_was_deleted_or_is_old_takes_nothing_from_the_branch(
    here: Checkout, remote: Path, run: Run
) -> None:
    here.record("elle", "ftjob-1")
    old = (here.root / "ftops.lock").read_bytes()
    here.record("elle", "ftjob-2", 2)
    run("lock", "push")
    for content in (None, old):
        (here.root / "ftops.lock").unlink() if content is None else (here.root / "ftops.lock").write_bytes(content)
        assert "has all of it already" in run("lock", "push").err
        assert here.status == ""
        assert recorded(on_remote(remote)) == recorded(here.lock) == {"ftjob-1", "ftjob-2"}


def test_a_lockfile_edited_by_hand_here_is_not_pushed(here: Checkout, remote: Path, run: Run) -> None:
    here.record("elle", "ftjob-elle")
    here.edit_by_hand("elle")
    assert problem(run("lock", "push")) == "lock-edited"
    assert git(remote, "rev-list", "--count", "main") == "1"


def test_an_entry_edited_by_hand_there_is_said_and_how_it_is_mended(here: Checkout, remote: Path, run: Run) -> None:
    here.record("elle", "ftjob-elle")
    run("lock", "push")
    there = clone(remote, "there")
    there.edit_by_hand("elle")
    there.commit("By hand")
    there.push()
    here.record("elle", "ftjob-2", 2)
    done = run("lock", "push")
    assert problem(done) == "lock-edited"
    assert "`main` of the git remote `origin`" in done.err
    assert recorded(on_remote(remote)) == {"ftjob-forged"}
    assert recorded(here.lock) == {"ftjob-elle", "ftjob-2"}
    for command in done.err.split("`git ")[1].split("`")[0].split(" && "):
        git(here.root, *command.removeprefix("git ").split())
    assert recorded(here.lock) == {"ftjob-forged"}


@pytest.mark.parametrize("content", ["<<<<<<< ours\n", "", "[]"])
def test_a_damaged_lockfile_there_is_said_and_left(here: Checkout, remote: Path, run: Run, content: str) -> None:
    there = clone(remote, "there")
    (there.root / "ftops.lock").write_text(content)
    there.commit("A conflict")
    there.push()
    here.record("elle", "ftjob-1")
    done = run("lock", "push")
    if content:
        assert problem(done) == "lock-malformed"
        assert "on `main` of the git remote `origin`" in done.err
        assert git(remote, "show", "main:ftops.lock") == content.strip()
    else:
        assert recorded(on_remote(remote)) == {"ftjob-1"}


def test_what_was_damaged_in_a_commit_and_is_mended_here_is_pushed_by_git_first(
    here: Checkout, remote: Path, run: Run
) -> None:
    (here.root / "ftops.lock").write_text("<<<<<<< ours\n")
    here.commit("A conflict")
    here.push()
    (here.root / "ftops.lock").unlink()
    here.record("elle", "ftjob-1")
    assert problem(run("lock", "push")) == "lock-malformed"
    here.commit("Mended")
    here.push()
    here.record("elle", "ftjob-2", 2)
    assert run("lock", "push").code == 0
    assert recorded(on_remote(remote)) == {"ftjob-1", "ftjob-2"}


def test_a_lockfile_of_another_target_there_is_not_mixed_with_ours(here: Checkout, remote: Path, run: Run) -> None:
    there = Checkout(root=clone(remote, "there").root, target="there")
    there.record("ask", "ftjob-0")
    there.commit("Before the default target was changed")
    there.push()
    here.record("elle", "ftjob-1")
    assert problem(run("lock", "push")) == "lock-target"
    assert recorded(on_remote(remote)) == {"ftjob-0"}


def test_a_lockfile_of_a_newer_ftops_there_is_left_to_it(here: Checkout, remote: Path, run: Run) -> None:
    there = clone(remote, "there")
    (there.root / "ftops.lock").write_text('{"version": 99, "target": "here", "models": {}}\n')
    there.commit("Newer")
    there.push()
    here.record("elle", "ftjob-1")
    assert problem(run("lock", "push")) == "lock-version"


@pytest.mark.parametrize("command", [("push",), ("claims",), ("release", "elle")])
def test_a_remote_that_is_gone_is_said(here: Checkout, remote: Path, run: Run, command: tuple[str, ...]) -> None:
    here.record("elle", "ftjob-1")
    remote.rename(remote.with_name("gone.git"))
    done = run("lock", *command)
    assert problem(done) == "git-unreachable"
    assert "git push" in done.err


@pytest.mark.parametrize("command", [("push",), ("claims",), ("release", "elle")])
def test_no_token_of_an_address_is_shown(here: Checkout, run: Run, command: tuple[str, ...]) -> None:
    here.record("elle", "ftjob-1")
    git(here.root, "remote", "set-url", "origin", "https://ci:canary-token@127.0.0.1:1/team/models.git")
    done = run("lock", *command)
    assert problem(done) == "git-unreachable"
    assert "canary" not in done.err + done.out


def test_a_protected_branch_is_said_with_the_way_round(here: Checkout, remote: Path, run: Run) -> None:
    hook = remote / "hooks" / "update"
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ] || { echo "main is protected" >&2; exit 1; }\n')
    hook.chmod(0o755)
    here.record("elle", "ftjob-1")
    done = run("lock", "push")
    assert problem(done) == "git-refused"
    assert "the remote says: [remote rejected] (hook declined): main is protected\n" in done.err
    git(here.root, "push", "--quiet", "origin", "HEAD:refs/heads/records")
    assert run("lock", "push", "--branch", "records").code == 0
    assert recorded(on_remote(remote, branch="records")) == {"ftjob-1"}


@pytest.mark.parametrize("makes", [(), ("init", "--quiet")], ids=["no repository", "no remote"])
def test_without_a_remote_there_is_nowhere_to_push(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, makes: tuple[str, ...]
) -> None:
    alone = Checkout(root=tmp_path / "alone")
    alone.root.mkdir()
    (alone.root / "ftops.yaml").write_text(TARGETS)
    if makes:
        git(alone.root, *makes)
    monkeypatch.chdir(alone.root)
    alone.record("elle", "ftjob-1")
    done = run("lock", "push")
    assert problem(done) == "git-missing"
    assert "git remote add origin" in done.err
    for command in (("claims",), ("release", "elle")):
        done = run("lock", *command)
        assert problem(done) == "claims-none"


@pytest.mark.parametrize("text", ["", TARGETS + "claims: local\n"], ids=["the local target", "claims: local"])
def test_where_no_other_machine_pays_there_are_no_claims(here: Checkout, run: Run, text: str) -> None:
    (here.root / "ftops.yaml").write_text(text)
    assert problem(run("lock", "claims")) == "claims-none"


def claim(here: Checkout, *specs: str, digest: str | None = None, job: str | None = None) -> None:
    """As another machine does."""
    file = claims_file(here.root, "here")
    assert file is not None
    now = SystemClock().now()
    claims = taken(Claims(), [Key(spec, digest or f"sha256:{spec}") for spec in specs], owner="ci/1", now=now)
    made = [msgspec.structs.replace(each, job=job) for each in claims.claims if job]
    assert file.swap(file.read(), encode(settled(claims, made=made, released=[], now=now)))


def test_where_nobody_claims_anything_a_sentence_says_so(here: Checkout, run: Run) -> None:
    done = run("lock", "claims")
    assert (done.code, done.out) == (0, "No job is claimed\n")
    assert run("lock", "claims", "--json").json == {"format_version": 1, "claims": []}
    assert run("lock", "release", "elle").err == "elle: nobody claims it\n"
    assert here.status == ""


def test_claims_are_shown_with_their_owners_and_freed_by_name(here: Checkout, run: Run) -> None:
    claim(here, "elle", "ask")
    rows = [row.split() for row in run("lock", "claims").out.splitlines()]
    assert rows[0] == ["NAME", "DIGEST", "STATE", "UNTIL", "OWNER"]
    assert [(row[0], row[2:5], row[-1]) for row in rows[1:]] == [
        ("ask", ["about", "to", "create"], "ci/1"),
        ("elle", ["about", "to", "create"], "ci/1"),
    ]
    assert run("lock", "release", "elle").err == "elle: freed 1 claim\n"
    assert run("lock", "release", "elle").err == "elle: nobody claims it\n"
    found = run("lock", "claims", "--json").json["claims"]
    assert isinstance(found, list)
    assert [(each["spec"], each["job"], each["is_over"]) for each in found] == [
        ("ask", None, False),
        ("elle", None, True),
    ]
    assert "left behind" in run("lock", "claims").out


def test_a_claim_whose_job_is_there_stays_for_those_whose_list_lags(here: Checkout, run: Run) -> None:
    claim(here, "elle", job="ftjob-1")
    before = run("lock", "claims", "--json").out
    assert run("lock", "release", "elle").err == "elle: nobody claims it\n"
    assert run("lock", "claims", "--json").out == before
    assert json.loads(before)["claims"][0]["job"] == "ftjob-1"


@pytest.mark.parametrize("command", [("claims",), ("release", "elle")])
def test_a_ref_that_holds_something_else_is_said(here: Checkout, run: Run, command: tuple[str, ...]) -> None:
    file = claims_file(here.root, "here")
    assert file is not None
    assert file.swap(file.read(), b"not claims\n")
    assert problem(run("lock", *command)) == "claims-malformed"


def test_a_remote_that_lets_nobody_claim_is_said_before_anything_is_paid(
    remote: Path, shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = clone(remote, "team")
    shop.root.joinpath("ftops.yaml").rename(team.root / "ftops.yaml")
    shutil.copytree(shop.root / "specs", team.root / "specs", dirs_exist_ok=True)
    monkeypatch.chdir(team.root)
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    done = run("apply", "--yes")
    assert problem(done) == "git-refused"
    assert "claims: local" in done.err
    assert shop.jobs() == []


def test_one_machine_applies_and_pushes_and_the_next_has_nothing_to_do(
    remote: Path, shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = clone(remote, "team")
    shop.root.joinpath("ftops.yaml").rename(team.root / "ftops.yaml")
    shutil.copytree(shop.root / "specs", team.root / "specs", dirs_exist_ok=True)
    team.commit("A spec")
    team.push()
    monkeypatch.chdir(team.root)
    assert run("apply", "--yes", "--wait", "-q").code == 0
    assert "created ftjob-" in run("lock", "claims").out
    assert run("lock", "push").code == 0
    assert team.status == ""
    monkeypatch.chdir(clone(remote, "next").root)
    assert run("lock", "verify").code == 0
    assert run("plan", "--refresh", "--detailed-exitcode").code == 0
    assert len(shop.jobs()) == 1


def test_what_waits_for_another_machine_is_a_warning(
    remote: Path, shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = clone(remote, "team")
    shop.root.joinpath("ftops.yaml").rename(team.root / "ftops.yaml")
    shutil.copytree(shop.root / "specs", team.root / "specs", dirs_exist_ok=True)
    monkeypatch.chdir(team.root)
    changes = run("plan", "--json").json["changes"]
    assert isinstance(changes, list)
    claim(team, "pong", digest=changes[0]["digest"])
    done = run("apply", "--yes", "-q")
    assert (done.code, done.codes) == (0, [])
    assert done.err.startswith("warning[claim-held]: `pong` waits: `ci/1` is about to create its job")
    assert shop.jobs() == []

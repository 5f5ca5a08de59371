"""The lockfile committed back: through the API or with git, against a forge with true compare-and-swap and rules."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from ftops.diagnostics import ProblemsError
from ftops.digest import Digest
from ftops.gitbranch import branch_file
from ftops.github import commit as committing
from ftops.github.api import GitHub
from ftops.github.commit import ApiFile
from ftops.github.event import Run
from ftops.github.offer import branch_for
from ftops.gitlogin import login
from ftops.lockfile import Generation, JobRecord, Lockfile, decode, encode, verify, with_generation
from ftops.shared import Shared, SharedUnknownError

if TYPE_CHECKING:
    from tests.conftest import HeldClock
    from tests.github.forge.handle import Forge, Repository

ROOT = Path(__file__).parents[2]
TARGETS = (
    "project: models\ndefault_target: here\ntargets:\n"
    "  here:\n    profile: local\n    base_url: http://127.0.0.1:9/v1\n    api_key: {env: SHOP_KEY}\n"
    "  there:\n    profile: local\n    base_url: http://127.0.0.1:9/v1\n    api_key: {env: SHOP_KEY}\n"
)
BOT = "github-actions[bot]"
RECORD = "Record what ftops made (ftops.lock)"


def generation(job: str, created_at: int = 1) -> Generation:
    record = JobRecord(id=job, status="running", created_at=created_at)
    return Generation(digest=Digest(f"sha256:{job}"), request={}, job=record)


def jobs(content: bytes | None) -> set[str]:
    lock = decode(content or b"", "ftops.lock")
    assert verify(lock, "ftops.lock") == ()
    return {each.job.id for entry in lock.models.values() for each in entry.generations}


def git(folder: Path, *arguments: str, token: str = "") -> str:
    header = "AUTHORIZATION: basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode()
    given = ["-c", f"http.extraheader={header}"] if token else []
    done = subprocess.run(["git", "-C", folder, *given, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job on a runner, with its checkout and its token."""

    root: Path
    environ: dict[str, str]

    def record(
        self, spec: str, job: str, *, name: str = "ftops.lock", target: str = "here", created_at: int = 1
    ) -> None:
        path = self.root / name
        before = decode(path.read_bytes(), name) if path.exists() else Lockfile(target=target)
        path.write_bytes(encode(with_generation(before, spec, generation(job, created_at))))

    def ftops(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ftops", *arguments],
            cwd=self.root,
            env=self.environ | environ,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def commit(self, *arguments: str, **environ: str) -> str:
        """What `ftops ci commit` says, which must succeed."""
        done = self.ftops("ci", "commit", *arguments, **environ)
        assert done.returncode == 0, done.stderr
        return done.stderr.strip()

    def refused(self, *arguments: str, **environ: str) -> str:
        """What it says where it cannot commit."""
        done = self.ftops("ci", "commit", *arguments, **environ)
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr


def job(
    models: Repository, folder: Path, *, token: str | None = None, depth: int | None = 1, options: tuple[str, ...] = ()
) -> Job:
    """Check out main as `actions/checkout` does: shallow, and without leaving the token behind."""
    forge = models.forge
    secret = token if token is not None else forge.token(contents="write", pull_requests="write")
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    git(folder, "remote", "add", "origin", models.url)
    shallow = [f"--depth={depth}"] if depth else []
    ref = "+refs/heads/main:refs/remotes/origin/main"
    git(folder, "fetch", "--quiet", "--no-tags", *shallow, *options, "origin", ref, token=secret)
    git(folder, "checkout", "--quiet", "-B", "main", "refs/remotes/origin/main", token=secret)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ |= forge.environment(models.name) | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_RUN_ID": "42",
        "GITHUB_SHA": git(folder, "rev-parse", "HEAD"),
        "GITHUB_TOKEN": secret,
        "PYTHONPATH": str(ROOT),
    }
    return Job(root=folder, environ=environ)


@pytest.fixture
def project(models: Repository) -> Repository:
    models.commit({"ftops.yaml": TARGETS, "specs/.keep": ""})
    return models


def through_api(forge: Forge) -> int:
    return sum("createCommitOnBranch" in each["body"] for each in forge.requests())


def pushes(forge: Forge) -> int:
    return sum(each["path"].endswith("/git-receive-pack") for each in forge.requests())


def test_a_workflow_commits_through_the_api_and_elsewhere_git_does(
    github: Forge, project: Repository, tmp_path: Path
) -> None:
    here = job(project, tmp_path / "here")
    assert here.commit() == "ftops.lock: nothing is recorded yet"
    here.record("elle", "ftjob-1")
    said = here.commit()
    assert said == f"ftops.lock: committed to `main` of the git remote `origin` as {str(project.head())[:12]}"
    assert (project.log()[0], through_api(github), pushes(github)) == ((BOT, RECORD), 1, 0)
    assert here.commit() == "ftops.lock: `main` of the git remote `origin` has all of it already"
    here.record("emma", "ftjob-2")
    other = {"GITHUB_REPOSITORY": "acme/tools"}
    assert "committed" in here.commit(**other), "a checkout of another repository than the run's own"
    assert (project.log()[0], through_api(github), pushes(github)) == (("ftops", RECORD), 1, 1)
    assert jobs(project.file("ftops.lock")) == {"ftjob-1", "ftjob-2"}


def test_the_token_is_in_no_argument_no_file_and_no_output(project: Repository, tmp_path: Path) -> None:
    here = job(project, tmp_path / "here")
    traces = {"GIT_TRACE": str(tmp_path / "trace"), "GIT_TRACE2_EVENT": str(tmp_path / "events")}
    traces |= {"GIT_TRACE_SETUP": str(tmp_path / "setup"), "GIT_TRACE_CURL": str(tmp_path / "curl")}
    token = here.environ["GITHUB_TOKEN"]
    secrets = [token, base64.b64encode(f"x-access-token:{token}".encode()).decode()]
    project.protect("main")
    here.record("elle", "ftjob-1")
    done = here.ftops("ci", "commit", **traces, FTOPS_TRACEBACK="1", GIT_PYTHON_TRACE="full")
    assert done.returncode == 1
    found = [path for path in tmp_path.rglob("*") if path.is_file() and "forge" not in path.parts]
    assert {"trace", "events", "curl", "config", "HEAD"} <= {path.name for path in found}
    texts = [done.stdout, done.stderr, *(path.read_bytes().decode(errors="replace") for path in found)]
    assert [text[:200] for text in texts for secret in secrets if secret in text] == []


def test_what_a_checkout_left_in_gits_configuration_is_replaced(project: Repository, tmp_path: Path) -> None:
    """GitHub answers two headers with `Duplicate header: "Authorization"`."""
    here = job(project, tmp_path / "here")
    for url in (project.forge.url + "/", project.url):
        git(here.root, "config", f"http.{url}.extraheader", "AUTHORIZATION: basic bm9ib2R5")
    trace = tmp_path / "curl"
    git(here.root, "config", "--unset", f"http.{project.url}.extraheader")
    here.record("elle", "ftjob-1")
    here.commit(GIT_TRACE_CURL=str(trace), GIT_TRACE_REDACT="0")
    requests = re.split(r"=> Send header, .* bytes", trace.read_text())[1:]
    sent = [re.findall(r"=> Send header: AUTHORIZATION: basic (\S+)", each, re.IGNORECASE) for each in requests]
    assert sent
    assert {len(each) for each in sent} == {1}
    assert "bm9ib2R5" not in {each[0] for each in sent}


@pytest.mark.parametrize("depth", [1, None])
def test_others_commits_stay_whatever_the_checkout_knows_of_them(
    depth: int | None, project: Repository, tmp_path: Path
) -> None:
    here = job(project, tmp_path / "here", depth=depth)
    there = job(project, tmp_path / "there", depth=depth)
    there.record("emma", "ftjob-2")
    there.commit()
    project.commit({"specs/elle.yaml": "kind: FineTune\n"})
    here.record("elle", "ftjob-1")
    here.commit()
    assert jobs(project.file("ftops.lock")) == {"ftjob-1", "ftjob-2"}
    assert project.file("specs/elle.yaml") == b"kind: FineTune\n"
    assert jobs((here.root / "ftops.lock").read_bytes()) == {"ftjob-1", "ftjob-2"}


def test_a_checkout_that_lacks_most_contents_will_do(project: Repository, tmp_path: Path) -> None:
    project.commit({"data/rows.jsonl": "{}\n"})
    here = job(project, tmp_path / "here", options=("--filter=blob:none",))
    there = job(project, tmp_path / "there")
    there.record("emma", "ftjob-2")
    there.commit()
    here.record("elle", "ftjob-1")
    here.commit()
    assert jobs(project.file("ftops.lock")) == {"ftjob-1", "ftjob-2"}


def test_a_lost_answer_is_looked_up_and_commits_nothing_twice(
    github: Forge, project: Repository, tmp_path: Path
) -> None:
    here = job(project, tmp_path / "here")
    here.record("elle", "ftjob-1")
    github.fail("POST /api/graphql", "lost")
    assert "committed" in here.commit()
    assert [subject for _, subject in project.log()].count(RECORD) == 1
    github.fail("POST /api/graphql", "cut")
    here.record("emma", "ftjob-2")
    here.commit()
    assert [subject for _, subject in project.log()].count(RECORD) == 2


def api_file(project: Repository, root: Path, token: str, clock: HeldClock) -> ApiFile:
    forge = project.forge
    environ = forge.environment(project.name) | {"GITHUB_TOKEN": token}
    run = Run(
        repository=project.name, token=token, server_url=forge.url, api_url=forge.api_url, graphql_url=forge.graphql_url
    )
    door = GitHub(run=run, environ=environ, clock=clock, chance=Random(7))
    return ApiFile(plain=branch_file(root, "ftops.lock", "main", login(environ)), github=door)


def test_a_swap_holds_against_the_state_that_was_read(
    github: Forge, project: Repository, tmp_path: Path, clock: HeldClock
) -> None:
    here = job(project, tmp_path / "here")
    file = api_file(project, here.root, here.environ["GITHUB_TOKEN"], clock)
    seen = file.read()
    assert (seen.content, seen.version) == (None, project.head())
    stands = file.swap(seen, b"one")
    assert stands == file.read() == Shared(content=b"one", version=project.head())
    assert file.swap(seen, b"two") is None
    github.fail("POST /api/graphql", "lost")
    with pytest.raises(SharedUnknownError):
        file.swap(stands, b"three")
    assert file.read().content == b"three"


def test_a_file_that_is_too_long_for_the_api_is_pushed(
    github: Forge, project: Repository, tmp_path: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "API_BYTES_MAX", 10)
    here = job(project, tmp_path / "here")
    file = api_file(project, here.root, here.environ["GITHUB_TOKEN"], clock)
    assert file.swap(file.read(), b"a" * 11)
    assert (through_api(github), pushes(github), project.file("ftops.lock")) == (0, 1, b"a" * 11)


def test_a_token_that_may_only_read_is_told_what_it_lacks(github: Forge, project: Repository, tmp_path: Path) -> None:
    here = job(project, tmp_path / "here", token=github.token(contents="read"))
    here.record("elle", "ftjob-1")
    said = here.refused()
    assert "error[github-forbidden]: the token may not commit `ftops.lock` to `main`" in said
    assert "write `contents: write` under `permissions:` of the job" in said
    said = here.refused(GITHUB_REPOSITORY="acme/tools")
    assert "error[git-unreachable]" in said
    assert pushes(github) == 0
    assert sum("service=git-receive-pack" in each["path"] for each in github.requests()) == 1, "it was tried again"


def test_claims_are_reached_with_the_token_of_the_job(github: Forge, project: Repository, tmp_path: Path) -> None:
    here = job(project, tmp_path / "here", token=github.token(contents="read"))
    done = here.ftops("lock", "claims")
    assert (done.returncode, done.stderr) == (0, "")
    done = here.ftops("lock", "claims", GITHUB_TOKEN="")
    assert done.returncode == 1
    assert "give the step `GITHUB_TOKEN: ${{ github.token }}`" in done.stderr


@pytest.mark.parametrize("ref", ["refs/pull/7/merge", "refs/heads/gh-readonly-queue/main/pr-7-abc", "refs/tags/v1"])
def test_a_run_that_is_on_no_branch_commits_nothing(ref: str, project: Repository, tmp_path: Path) -> None:
    here = job(project, tmp_path / "here")
    here.record("elle", "ftjob-1")
    before = project.head()
    assert "error[github-branch]" in here.refused(GITHUB_REF=ref)
    assert project.head() == before
    here.commit("--branch", "main", GITHUB_REF=ref)
    assert jobs(project.file("ftops.lock")) == {"ftjob-1"}


# Where the branch takes changes by pull request only


@pytest.mark.parametrize("kind", ["ruleset", "classic"])
@pytest.mark.parametrize("repository", ["acme/models", "acme/tools"])
def test_a_protected_branch_gets_a_pull_request(
    kind: str, repository: str, project: Repository, tmp_path: Path
) -> None:
    """Through the API, and where git pushes because the run is of another repository."""
    project.protect("main", kind=kind)
    project.allow_actions_to_open_pulls()
    before = project.head()
    here = job(project, tmp_path / "here")
    here.record("elle", "ftjob-1")
    said = here.refused(GITHUB_REPOSITORY=repository)
    assert "error[lock-protected]: `main` takes `ftops.lock` by pull request only" in said
    assert (
        "Changes must be made through a pull request." in said or "hook declined" in said or "rule violations" in said
    )
    assert (project.head(), project.bare.head("refs/heads/ftops/lock~1")) == (before, before)
    assert project.log("ftops/lock")[0] == ("ftops", RECORD)
    assert jobs(project.file("ftops.lock", at="ftops/lock")) == {"ftjob-1"}
    if repository != project.name:
        assert f"merge {project.forge.url}/acme/tools/compare/main...ftops/lock?expand=1" in said
        return
    assert f"merge {project.url}/pull/1 (" in said
    assert "close it and open it again" in said
    pull = project.pull(1)
    assert (pull["title"], pull["author"]) == (RECORD, BOT)
    assert f"{project.url}/actions/runs/42" in pull["body"]
    here.record("emma", "ftjob-2")
    assert f"merge {project.url}/pull/1" in here.refused()
    assert project.pulls() == [1]
    project.merge(1)
    assert jobs(project.file("ftops.lock")) == {"ftjob-1", "ftjob-2"}
    assert "has all of it already" in here.commit()


def test_a_token_that_may_open_no_pull_request_gives_the_address_to_open_it(
    github: Forge, project: Repository, tmp_path: Path
) -> None:
    project.protect("main")
    here = job(project, tmp_path / "here", token=github.token(contents="write"))
    here.record("elle", "ftjob-1")
    assert f"merge {project.url}/compare/main...ftops/lock?expand=1" in here.refused()
    assert project.pulls() == []
    assert jobs(project.file("ftops.lock", at="ftops/lock")) == {"ftjob-1"}


def test_an_app_that_may_pass_by_the_rule_needs_no_pull_request(
    github: Forge, project: Repository, tmp_path: Path
) -> None:
    project.protect("main", bypass=["ftops[bot]"])
    here = job(project, tmp_path / "here", token=github.token("ftops[bot]", contents="write"))
    here.record("elle", "ftjob-1")
    here.commit()
    assert project.log()[0] == ("ftops[bot]", RECORD)


def test_what_is_offered_and_not_merged_yet_stays_in_the_offer(project: Repository, tmp_path: Path) -> None:
    project.protect("main")
    first = job(project, tmp_path / "first")
    first.record("elle", "ftjob-1")
    first.refused()
    project.commit({"specs/elle.yaml": "kind: FineTune\n"})
    second = job(project, tmp_path / "second")
    second.record("emma", "ftjob-2")
    second.refused()
    assert jobs(project.file("ftops.lock", at="ftops/lock")) == {"ftjob-1", "ftjob-2"}
    assert project.bare.head("refs/heads/ftops/lock~1") == project.head(), "it goes on from main as it is now"
    head = project.head("ftops/lock")
    second.refused()
    assert project.head("ftops/lock") == head, "nothing new is offered, so reviews of it stay"


def test_what_was_offered_merged_and_gone_on_from_is_not_offered_again(project: Repository, tmp_path: Path) -> None:
    """A branch that nobody deleted after its merge by squash: main went back to an older job since."""
    project.protect("main")
    first = job(project, tmp_path / "first")
    first.record("elle", "ftjob-1", created_at=1)
    first.record("elle", "ftjob-2", created_at=2)
    first.refused()
    old = decode(project.file("ftops.lock", at="ftops/lock") or b"", "ftops.lock")
    back = with_generation(old, "elle", generation("ftjob-1", 1))
    project.commit({"ftops.lock": encode(back)}, message="Record (#1), and go back")
    second = job(project, tmp_path / "second")
    second.record("emma", "ftjob-3")
    second.refused()
    offered = decode(project.file("ftops.lock", at="ftops/lock") or b"", "ftops.lock")
    assert offered.models["elle"] == back.models["elle"]
    assert set(offered.models) == {"elle", "emma"}


@pytest.mark.parametrize("content", ["no lockfile", None, "edited"])
def test_what_somebody_else_wrote_on_the_offer_is_replaced(
    content: str | None, project: Repository, tmp_path: Path
) -> None:
    project.protect("main")
    here = job(project, tmp_path / "here")
    here.record("elle", "ftjob-1")
    here.refused()
    text = (project.file("ftops.lock", at="ftops/lock") or b"").decode()
    forged = text.replace("ftjob-1", "ftjob-forged") if content == "edited" else content
    project.commit({"ftops.lock": forged, "evil.py": "print()\n"}, branch="ftops/lock")
    here.refused()
    assert jobs(project.file("ftops.lock", at="ftops/lock")) == {"ftjob-1"}
    if content:
        assert project.file("evil.py", at="ftops/lock") is None


def test_who_offers_at_once_with_others_loses_nothing(project: Repository, tmp_path: Path) -> None:
    project.protect("main")
    logs = raced(project, tmp_path, ["anna", "ben", "cleo"], "1", code=1)
    assert all("lock-protected" in log for log in logs), logs
    assert jobs(project.file("ftops.lock", at="ftops/lock")) == {"ftjob-anna-1", "ftjob-ben-1", "ftjob-cleo-1"}
    assert project.bare.head("refs/heads/ftops/lock~1") == project.head()


def test_each_target_is_offered_on_a_branch_of_its_own(project: Repository, tmp_path: Path) -> None:
    assert branch_for("ftops.lock") == "ftops/lock"
    assert branch_for("ftops.there.lock") == "ftops/lock-there"
    project.protect("main")
    here = job(project, tmp_path / "here")
    here.record("elle", "ftjob-1")
    here.record("elle", "ftjob-2", name="ftops.there.lock", target="there")
    here.refused()
    here.refused("--target", "there")
    assert project.file("ftops.there.lock", at="ftops/lock") is None
    assert project.file("ftops.lock", at="ftops/lock-there") is None
    assert jobs(project.file("ftops.there.lock", at="ftops/lock-there")) == {"ftjob-2"}


def test_rules_over_all_branches_are_told_with_the_way_out(project: Repository, tmp_path: Path) -> None:
    project.commit({"README.md": "offered\n"}, branch="ftops/lock")
    project.protect("*")
    here = job(project, tmp_path / "here")
    here.record("elle", "ftjob-1")
    said = here.refused()
    assert "error[git-refused]: `ftops/lock` of the git remote `origin` cannot be written" in said
    assert "let the App that ftops commits with pass by the rule" in said


def test_a_shallow_checkout_fetches_no_history_for_an_offer(project: Repository, tmp_path: Path) -> None:
    for number in range(20):
        project.commit({"notes.md": f"{number}\n"})
    project.protect("main")
    first = job(project, tmp_path / "first")
    first.record("elle", "ftjob-1")
    first.refused()
    for number in range(20):
        project.commit({"notes.md": f"{number} again\n"})
    second = job(project, tmp_path / "second")
    second.record("emma", "ftjob-2")
    second.refused()
    assert jobs(project.file("ftops.lock", at="ftops/lock")) == {"ftjob-1", "ftjob-2"}
    commits = git(second.root, "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)").count("commit")
    assert commits <= 4, "main's, the one that is offered, the one before it, and the new one"


# Races


def raced(project: Repository, folder: Path, names: list[str], count: str, *, code: int, **environ: str) -> list[str]:
    """Let a committer for each name run at once with the others, in a checkout of its own; gives what they say."""
    committers = []
    try:
        for name in names:
            here = job(project, folder / name)
            command = [sys.executable, "-m", "tests.github.committer", name, count]
            with (folder / f"{name}.log").open("wb") as log:
                given = here.environ | environ
                committers.append(subprocess.Popen(command, cwd=here.root, env=given, stdout=log, stderr=log))
        codes = [each.wait() for each in committers]
    finally:
        for each in committers:
            each.kill()
            each.wait()
    logs = [(folder / f"{name}.log").read_text() for name in names]
    assert codes == [code] * len(names), logs
    return logs


@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", ["api", "git"])
def test_six_committers_with_ten_commits_each_lose_nothing(
    way: str, github: Forge, project: Repository, tmp_path: Path
) -> None:
    names = ["anna", "ben", "cleo", "dora", "emil", "finn"]
    before = len(project.log())
    repository = project.name if way == "api" else "acme/tools"
    raced(project, tmp_path, names, "10", code=0, GITHUB_REPOSITORY=repository)
    expected = {f"ftjob-{name}-{number}" for name in names for number in range(1, 11)}
    assert jobs(project.file("ftops.lock")) == expected
    history = project.bare.git("rev-list", "--first-parent", "--reverse", "main").split()[before:]
    assert 10 <= len(history) <= 60, "some commits carry what several recorded"
    known: set[str] = set()
    for commit in history:
        now = jobs(project.file("ftops.lock", at=commit))
        assert known < now, "the history only grows"
        known = now
        assert project.bare.git("diff-tree", "-r", "--name-only", "--no-commit-id", commit) == "ftops.lock"
    assert (through_api(github) > 0, pushes(github) > 0) == (way == "api", way == "git")


def test_what_the_remote_refuses_is_no_protected_branch_if_it_says_something_else(
    github: Forge, project: Repository, tmp_path: Path, clock: HeldClock
) -> None:
    here = job(project, tmp_path / "here")
    file = api_file(project, here.root, github.token(contents="read"), clock)
    with pytest.raises(ProblemsError, match="github-forbidden"):
        file.swap(file.read(), b"one")

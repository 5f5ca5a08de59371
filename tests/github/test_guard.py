"""What no pull request may bring."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftops.diagnostics import ProblemsError
from ftops.github.event import Pull
from ftops.github.guard import refuse_caches, refuse_locks
from ftops.github.offer import BRANCH
from ftops.lockfile import Generation, JobRecord, Lockfile, encode, with_generation

if TYPE_CHECKING:
    from pathlib import Path

EMPTY = Lockfile(target="openai")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def grown(lock: Lockfile, number: int) -> Lockfile:
    digest = f"sha256:{number:064}"
    job = JobRecord(id=f"ftjob-{number}", status="running", created_at=1_800_000_000 + number)
    return with_generation(lock, "elle", Generation(digest=digest, request={}, job=job))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A main branch with a lockfile, and a branch `topic` that parts from it."""
    root = tmp_path / "repository"
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", root], check=True)
    commit(root, {"ftops.lock": encode(grown(EMPTY, 1)), "specs/a.yaml": b"a"})
    git(root, "switch", "--quiet", "--create", "topic")
    return root


def commit(root: Path, files: dict[str, bytes | None]) -> None:
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
    git(root, "add", "--all", "--force")
    git(root, "commit", "--quiet", "--message", "Change")


def opened(root: Path, *, branch: str = "topic", is_fork: bool = False) -> Pull:
    """A pull request of what is committed, merged as GitHub merges it, and checked out."""
    head = git(root, "rev-parse", "HEAD")
    git(root, "switch", "--quiet", "--detach", "main")
    git(root, "merge", "--quiet", "--no-ff", "--message", "Merge", head)
    return Pull(number=7, head_sha=head, head_ref=branch, base_ref="main", is_fork=is_fork, author="somebody")


def refused(root: Path, pull: Pull) -> list[tuple[str, str | None]]:
    with pytest.raises(ProblemsError) as caught:
        refuse_locks(root, pull)
    return [(problem.code, problem.place and problem.place.path) for problem in caught.value.problems]


def test_a_pull_request_of_specs_may_pass(repository: Path) -> None:
    commit(repository, {"specs/a.yaml": b"b", "specs/b.lock": b"not ours"})
    refuse_locks(repository, opened(repository))


def test_what_came_to_the_lockfile_on_the_base_meanwhile_is_no_change_of_the_pull_request(repository: Path) -> None:
    commit(repository, {"specs/a.yaml": b"b"})
    git(repository, "switch", "--quiet", "main")
    commit(repository, {"ftops.lock": encode(grown(grown(EMPTY, 1), 2))})
    git(repository, "switch", "--quiet", "topic")
    refuse_locks(repository, opened(repository))


@pytest.mark.parametrize("path", ["ftops.lock", "ftops.openai.lock", "models/ftops.lock"])
def test_one_that_touches_a_lockfile_may_not(repository: Path, path: str) -> None:
    commit(repository, {path: encode(grown(EMPTY, 2))})
    assert refused(repository, opened(repository)) == [("ci-lock-touched", path)]


def test_where_it_is_is_told_as_of_all_other_files_from_the_project_on(repository: Path) -> None:
    commit(repository, {"team/ftops.lock": encode(grown(EMPTY, 2)), "ftops.lock": None})
    pull = opened(repository)
    places = [("ci-lock-touched", path) for path in ("../ftops.lock", "ftops.lock")]
    assert refused(repository / "team", pull) == places


def test_one_that_deletes_it_may_not(repository: Path) -> None:
    commit(repository, {"ftops.lock": None})
    assert refused(repository, opened(repository)) == [("ci-lock-touched", "ftops.lock")]


def test_the_own_one_of_ftops_may_add_to_lockfiles(repository: Path) -> None:
    commit(repository, {"ftops.lock": encode(grown(grown(EMPTY, 1), 2))})
    refuse_locks(repository, opened(repository, branch=BRANCH))


def test_of_each_target_the_own_one(repository: Path) -> None:
    commit(repository, {"ftops.tiny.lock": encode(grown(EMPTY, 3))})
    pull = opened(repository, branch=f"{BRANCH}-tiny")
    refuse_locks(repository, pull)
    assert refused(repository, replace(pull, head_ref=BRANCH)) == [("ci-lock-touched", "ftops.tiny.lock")]


def test_but_it_may_not_come_from_a_fork(repository: Path) -> None:
    commit(repository, {"ftops.lock": encode(grown(grown(EMPTY, 1), 2))})
    pull = opened(repository, branch=BRANCH, is_fork=True)
    assert refused(repository, pull) == [("ci-lock-touched", "ftops.lock")]


def test_nor_bring_anything_else(repository: Path) -> None:
    commit(repository, {"ftops.lock": encode(grown(grown(EMPTY, 1), 2)), "specs/a.yaml": b"b"})
    assert refused(repository, opened(repository, branch=BRANCH)) == [("ci-lock-touched", "specs/a.yaml")]


@pytest.mark.parametrize("after", [encode(grown(EMPTY, 2)), encode(EMPTY), None])
def test_nor_drop_a_job(repository: Path, after: bytes | None) -> None:
    commit(repository, {"ftops.lock": after})
    assert refused(repository, opened(repository, branch=BRANCH)) == [("ci-lock-touched", "ftops.lock")]


def test_nor_be_edited_by_hand(repository: Path) -> None:
    content = encode(grown(grown(EMPTY, 1), 2)).replace(b"ftjob-2", b"ftjob-9")
    commit(repository, {"ftops.lock": content})
    assert {code for code, _ in refused(repository, opened(repository, branch=BRANCH))} == {"lock-edited"}


def test_another_commit_than_the_merge_tells_nothing(repository: Path) -> None:
    commit(repository, {"specs/a.yaml": b"b"})
    pull = opened(repository)
    git(repository, "switch", "--quiet", "--detach", pull.head_sha)
    assert refused(repository, pull) == [("ci-checkout", None)]


def test_nor_does_a_clone_without_what_was_merged(repository: Path, tmp_path: Path) -> None:
    commit(repository, {"specs/a.yaml": b"b"})
    pull = opened(repository)
    git(repository, "branch", "merge")
    shallow = tmp_path / "shallow"
    command = ["git", "clone", "--quiet", "--depth=1", "--branch=merge", repository.as_uri(), shallow]
    subprocess.run(command, check=True, capture_output=True)
    assert refused(shallow, pull) == [("ci-checkout", None)]


def test_caches_that_are_committed_are_not_believed(repository: Path) -> None:
    refuse_caches(repository)
    commit(repository, {".ftops/datasets/x.jsonl": b"{}"})
    with pytest.raises(ProblemsError) as caught:
        refuse_caches(repository)
    assert [problem.code for problem in caught.value.problems] == ["ci-state-committed"]


def test_a_project_below_the_root_has_caches_of_its_own(repository: Path) -> None:
    commit(repository, {"models/.ftops/cache/rows": b"", "models/ftops.yaml": b""})
    refuse_caches(repository)
    with pytest.raises(ProblemsError, match="ci-state-committed"):
        refuse_caches(repository / "models")

"""What no pull request may bring: a changed lockfile, or caches that a plan would believe."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.git import folder_in_repository, repository
from ftops.gitfile import content_at, git_error, run
from ftops.github.offer import branch_for
from ftops.lockfile import Lockfile, decode, verify
from ftops.lockmerge import merged

if TYPE_CHECKING:
    from pathlib import Path

    from ftops.github.event import Pull

_SHOWN_MAX = 10
_LOCK = re.compile(r"(?:.*/)?ftops(?:\.[^/]+)?\.lock")


def refuse_caches(root: Path) -> None:
    """See that git has none of ftops' own files: what is built or looked at once is believed the next time.

    Raises:
        ProblemsError: It has.
    """
    repo = repository(root)
    if repo is None:
        return
    with repo:
        found = run(repo, "-C", str(root.resolve()), "ls-files", "-z", "--", ".ftops").split("\0")[0]
    if found:
        raise ProblemsError(_caches(found))


def refuse_locks(root: Path, pull: Pull) -> None:
    """See that the commit that is checked out, which merges *pull*, leaves every lockfile as it is on its base.

    The one by which ftops offers a lockfile may add to that, and change nothing else.

    Raises:
        ProblemsError: It does not, or it is not known what the pull request changes.
    """
    changed = _changed(root, pull.head_sha)
    locks = [path for path in changed if _LOCK.fullmatch(path)]
    problems: list[Diagnostic] = []
    if any(pull.is_fork or pull.head_ref != branch_for(path.rpartition("/")[2]) for path in locks):
        problems = [_touched(path, pull.base_ref) for path in locks]
    elif locks:
        problems = [problem for path in locks for problem in _not_grown(root, path)]
        problems += [_not_alone(path, pull.head_ref) for path in changed if path not in locks]
    if problems:
        folder = folder_in_repository(root)
        raise ProblemsError(*(_from(folder, problem) for problem in problems[:_SHOWN_MAX]))


def _changed(root: Path, head: str) -> list[str]:
    repo = repository(root)
    if repo is None:
        raise ProblemsError(_no_merge("there is no git repository here"))
    with repo:
        try:
            parents = run(repo, "rev-list", "--parents", "--max-count=1", "HEAD").split()[1:]
            if len(parents) != 2 or parents[1] != head:  # noqa: PLR2004  # the base, and what is merged into it
                raise ProblemsError(_no_merge(f"the commit that is checked out does not merge {head[:12]}"))
            changed = run(repo, "diff-tree", "-r", "-z", "--name-only", "HEAD^1", "HEAD")
        except git_error():
            raise ProblemsError(_no_merge("git lacks the commits that it merges")) from None
    return [path for path in changed.split("\0") if path]


def _not_grown(root: Path, path: str) -> tuple[Diagnostic, ...]:
    """What is wrong with a lockfile that should be what it was, and more."""
    repo = repository(root)
    assert repo is not None
    with repo:
        before, after = (content_at(repo, commit, path) for commit in ("HEAD^1", "HEAD"))
    if after is None:
        return (_lost(path),)
    new = decode(after, path)
    if problems := verify(new, path):
        return problems
    old = decode(before, path) if before else Lockfile(target=new.target)
    return () if merged(old, new, old) == new else (_lost(path),)


def _from(folder: str, problem: Diagnostic) -> Diagnostic:
    """*problem*, its place relative to the project in *folder*, as that of all others is."""
    place = problem.place
    return replace(problem, place=place and replace(place, path=posixpath.relpath(place.path, folder or ".")))


def _touched(path: str, base: str) -> Diagnostic:
    return Diagnostic(
        code="ci-lock-touched",
        summary="the pull request changes the lockfile",
        place=Place(path=path),
        why="only ftops writes it, on the main branch: what it says was trained and paid for",
        fix=f"at the repository's root, `git checkout origin/{base} -- {path}`, commit that, and push",
    )


def _not_alone(path: str, branch: str) -> Diagnostic:
    return Diagnostic(
        code="ci-lock-touched",
        summary=f"a pull request of `{branch}` changes more than lockfiles",
        place=Place(path=path),
        why="it brings back what ftops recorded, and nothing else",
        fix="take this file out of it, and bring it by a pull request of its own",
    )


def _lost(path: str) -> Diagnostic:
    return Diagnostic(
        code="ci-lock-touched",
        summary="the lockfile of the pull request lacks what the one on its base records",
        place=Place(path=path),
        why="a job that is on record stays there",
        fix="close it and delete its branch; the next run of ftops makes it anew",
    )


def _no_merge(why: str) -> Diagnostic:
    return Diagnostic(
        code="ci-checkout",
        summary="it cannot be told what the pull request changes",
        why=why,
        fix="let `actions/checkout` take the commit that it takes by itself, with `fetch-depth: 2`",
    )


def _caches(path: str) -> Diagnostic:
    return Diagnostic(
        code="ci-state-committed",
        summary="files of `.ftops` are committed",
        place=Place(path=path),
        why="that folder is a cache that ftops believes: in a commit, it could make a plan say anything",
        fix="`git rm -r --cached .ftops`, and leave the folder to `.gitignore`",
    )

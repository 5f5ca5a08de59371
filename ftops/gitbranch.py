"""The branch that this checkout is of, as the remote has it: where its lockfile is committed back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.git import repository
from ftops.gitfile import REMOTE, GitFile, content_at, git_error, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from git import Repo

    from ftops.shared import Shared


def branch_file(root: Path, name: str, branch: str | None, login: Mapping[str, str] | None = None) -> GitFile:
    """The file *name* of the project at *root*, on *branch* of the remote; by default on the one checked out.

    Raises:
        ProblemsError: There is no repository, no remote, or no branch of this name can be.
    """
    repo = repository(root)
    if repo is None or repo.working_tree_dir is None:
        raise ProblemsError(_not_shared("this folder is in no git repository"))
    with repo:
        if all(remote.name != REMOTE for remote in repo.remotes):
            raise ProblemsError(_not_shared(f"git knows no remote `{REMOTE}` here"))
        found = branch or _current(repo)
        if found is None:
            raise ProblemsError(_no_branch())
        if not _is_name(repo, found):
            raise ProblemsError(_bad_branch(found))
        path = (root.resolve() / name).relative_to(Path(repo.working_tree_dir).resolve()).as_posix()
    fix = f"allow ftops to push to it; or make another branch with `git push {REMOTE} HEAD:refs/heads/NAME`, "
    fix += "name that with `ftops lock push --branch NAME`, and merge it"
    message = f"Record what ftops made ({name})"
    return GitFile(
        root=root,
        ref=f"refs/heads/{found}",
        path=path,
        message=message,
        is_branch=True,
        if_refused=fix,
        login=login or {},
    )


def content_before(file: GitFile) -> bytes | None:
    """What *file* held where this checkout parted from the remote's branch, as far as is known here."""
    repo = repository(file.root)
    assert repo is not None
    with repo:
        tracked = f"refs/remotes/{REMOTE}/{file.branch}"
        for arguments in (("merge-base", "HEAD", tracked), ("rev-parse", "--verify", "--quiet", "HEAD")):
            try:
                return content_at(repo, run(repo, *arguments), file.path)
            except git_error():
                continue
    return None


def is_checked_out(file: GitFile) -> bool:
    """Whether *file* is on the branch that is checked out here."""
    repo = repository(file.root)
    assert repo is not None
    with repo:
        return file.ref == f"refs/heads/{_current(repo)}"


def follow(file: GitFile, stands: Shared) -> bool:
    """Let the branch that is checked out go on to what *stands*, if nothing but the file came to it; gives whether.

    The working tree has the file already. If more came, git knows of the file at least, so that it can bring the rest.
    """
    repo = repository(file.root)
    assert repo is not None
    with repo:
        after = str(stands.version)
        try:
            before = run(repo, "rev-parse", "--verify", "HEAD")
            blob = run(repo, "rev-parse", f"{after}:{file.path}")
            run(repo, "update-index", "--add", "--cacheinfo", f"100644,{blob},{file.path}")
            run(repo, "merge-base", "--is-ancestor", before, after)
            came = run(repo, "diff-tree", "-r", "-z", "--name-only", before, after).split("\0")
            if set(filter(None, came)) <= {file.path}:
                run(repo, "update-ref", "-m", "ftops lock push", file.ref, after, before)
                return True
        except git_error():
            pass
    return False


def _current(repo: Repo) -> str | None:
    """The branch that is checked out; None if a commit is, as in some CI systems."""
    try:
        return repo.active_branch.name
    except TypeError:
        return None


def _is_name(repo: Repo, branch: str) -> bool:
    try:
        run(repo, "check-ref-format", f"refs/heads/{branch}")
    except git_error():
        return False
    return True


def _not_shared(why: str) -> Diagnostic:
    return Diagnostic(
        code="git-missing",
        summary="the lockfile cannot be pushed",
        why=why,
        fix=f"work in a clone of the team's repository; or name it with `git remote add {REMOTE} URL`",
    )


def _no_branch() -> Diagnostic:
    return Diagnostic(
        code="git-branch",
        summary="it is not known to which branch the lockfile is to be pushed",
        why="a commit is checked out, not a branch",
        fix="name it: `ftops lock push --branch main`",
    )


def _bad_branch(name: str) -> Diagnostic:
    return Diagnostic(
        code="git-branch",
        summary=f"`{name}` can be no branch",
        why="git has rules for names of branches",
        fix="name one that `git branch -r` lists, without the remote: `ftops lock push --branch main`",
    )

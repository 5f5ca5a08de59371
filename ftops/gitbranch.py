"""The branch that this checkout is of, as the remote has it: where its lockfile is committed back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.git import repository
from ftops.gitfile import REMOTE, GitFile, content_at, git_error, run

if TYPE_CHECKING:
    from git import Repo

    from ftops.shared import Shared


def branch_file(root: Path, name: str, branch: str | None) -> GitFile:
    """The file *name* of the project at *root*, on *branch* of the remote; by default on the one checked out.

    Raises:
        ProblemsError: There is no repository, no remote, or no branch.
    """
    repo = repository(root)
    if repo is None or repo.working_tree_dir is None:
        raise ProblemsError(_not_shared("there is no git repository here"))
    with repo:
        if all(remote.name != REMOTE for remote in repo.remotes):
            raise ProblemsError(_not_shared(f"git knows no remote `{REMOTE}` here"))
        found = branch or _current(repo)
        if found is None:
            raise ProblemsError(_no_branch())
        path = (root.resolve() / name).relative_to(Path(repo.working_tree_dir).resolve()).as_posix()
    fix = "allow pushes to it; or commit the lockfile on another branch (`--branch NAME`), and merge that"
    message = f"Record what ftops made ({name})"
    return GitFile(root=root, ref=f"refs/heads/{found}", path=path, message=message, is_branch=True, if_refused=fix)


def content_before(file: GitFile) -> bytes | None:
    """What *file* held where this checkout parted from the remote's branch, as far as is known here."""
    repo = repository(file.root)
    assert repo is not None
    with repo:
        tracked = f"refs/remotes/{REMOTE}/{file.ref.removeprefix('refs/heads/')}"
        for arguments in (("merge-base", "HEAD", tracked), ("rev-parse", "--verify", "--quiet", "HEAD")):
            try:
                return content_at(repo, run(repo, *arguments), file.path)
            except git_error():
                continue
    return None


def follow(file: GitFile, stands: Shared) -> bool:
    """Let the branch that is checked out go on to what *stands*, if just that came to it; gives whether it did.

    Only the file differs then, and the working tree has it already, so that nothing else is touched.
    """
    repo = repository(file.root)
    assert repo is not None
    with repo:
        if file.ref != f"refs/heads/{_current(repo)}":
            return False
        try:
            before, after = run(repo, "rev-parse", f"{stands.version}^", str(stands.version)).split()
            run(repo, "update-ref", "-m", "ftops lock push", file.ref, after, before)
            blob = run(repo, "rev-parse", f"{after}:{file.path}")
            run(repo, "update-index", "--add", "--cacheinfo", f"100644,{blob},{file.path}")
        except git_error():
            return False
    return True


def _current(repo: Repo) -> str | None:
    """The branch that is checked out; None if a commit is, as in some CI systems."""
    try:
        return repo.active_branch.name
    except TypeError:
        return None


def _not_shared(why: str) -> Diagnostic:
    return Diagnostic(
        code="git-missing",
        summary="the lockfile cannot be pushed",
        why=why,
        fix=f"`git remote add {REMOTE} …` names where the team's repository is",
    )


def _no_branch() -> Diagnostic:
    return Diagnostic(
        code="git-branch",
        summary="it is not known to which branch the lockfile is to be pushed",
        why="a commit is checked out, not a branch",
        fix="name it: `ftops lock push --branch main`",
    )

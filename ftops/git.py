"""What git knows of the project; the only door to GitPython."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def head_commit(root: Path) -> str | None:
    """The commit that is checked out; None without git or without a commit."""
    from git import InvalidGitRepositoryError, Repo  # noqa: PLC0415  # 200 ms: only where something is recorded
    from git.exc import GitError  # noqa: PLC0415

    try:
        with Repo(root, search_parent_directories=True) as repo:
            return repo.head.commit.hexsha
    except (InvalidGitRepositoryError, GitError, ValueError, OSError):
        return None


def origin_name(root: Path) -> str | None:
    """`owner/name` of the remote `origin`, without its address; None if there is none."""
    from git import Repo  # noqa: PLC0415  # as above
    from git.exc import GitError  # noqa: PLC0415

    try:
        with Repo(root, search_parent_directories=True) as repo:
            url = repo.remotes["origin"].url
    except (GitError, ValueError, OSError, IndexError):
        return None
    parts = url.removesuffix(".git").replace(":", "/").rstrip("/").split("/")
    return "/".join(parts[-2:])

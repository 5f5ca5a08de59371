"""What git knows of the project; the only door to GitPython."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path

    from git import Repo


def head_commit(root: Path) -> str | None:
    """The commit that is checked out; None without git or without a commit."""
    repo = _repository(root)
    if repo is None:
        return None
    with repo:
        try:
            return repo.head.commit.hexsha
        except ValueError:
            return None


def origin_name(root: Path) -> str | None:
    """`owner/name` of the remote `origin`; None if there is none."""
    from configparser import Error  # noqa: PLC0415  # as GitPython below

    repo = _repository(root)
    if repo is None:
        return None
    with repo:
        try:
            url = repo.remotes["origin"].url
        except (AttributeError, Error, IndexError, ValueError):
            # AttributeError: it is configured without a url. Error, ValueError: git's configuration is none.
            return None
    parts = [part for part in _path(url).rstrip("/").removesuffix(".git").split("/") if part not in {"", ".", ".."}]
    return "/".join(parts[-2:]) or None


def _path(url: str) -> str:
    """The part of *url* that names the repository: what stands before it may hold a token."""
    if "://" not in url:
        return url.rpartition(":")[2]
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _repository(root: Path) -> Repo | None:
    try:
        from git import Repo  # noqa: PLC0415  # takes 200 ms: only where something is recorded
        from git.exc import GitError  # noqa: PLC0415
    except ImportError:
        # GitPython refuses to be imported on a machine without git.
        return None
    try:
        return Repo(root, search_parent_directories=True)
    except (GitError, OSError):
        return None

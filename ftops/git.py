"""What git knows of the project; the only door to GitPython."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ftops.diagnostics import Diagnostic, ProblemsError

if TYPE_CHECKING:
    from typing import IO

    from git import Repo

# A repository may have come from anybody, configuration and all; of two values of a setting, that of the command line
# holds. What is left to the configuration is how a remote is reached: addresses, `core.sshCommand`, credentials.
HARMLESS = (
    "core.alternateRefsCommand=true",
    "core.askPass=true",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.ext.allow=never",
    "push.gpgSign=false",
    "push.recurseSubmodules=no",
    "submodule.recurse=false",
)
"""Settings with which git runs no program but its own, where it is only asked for what it keeps."""
# A repository without some of its objects would fetch them, by a program that its configuration may name.
_FETCH_NOTHING = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}


def head_commit(root: Path) -> str | None:
    """The commit that is checked out; None without git or without a commit."""
    repo = repository(root)
    if repo is None:
        return None
    with repo:
        try:
            return repo.head.commit.hexsha
        except ValueError:
            return None


def folder_in_repository(root: Path) -> str:
    """Where *root* lies in its repository, with forward slashes; empty if it is its root, or in none."""
    full = root.absolute()
    top = next((each for each in (full, *full.parents) if os.path.lexists(each / ".git")), full)
    return "" if top == full else full.relative_to(top).as_posix()


def origin_name(root: Path) -> str | None:
    """`owner/name` of the remote `origin`; None if there is none."""
    from configparser import Error  # noqa: PLC0415  # as GitPython below

    repo = repository(root)
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


def main_branch(root: Path) -> str | None:
    """The main branch of the remote `origin`, as it was when it was cloned; None if git does not know."""
    repo = repository(root)
    if repo is None:
        return None
    with repo:
        try:
            head = repo.references["origin/HEAD"].reference
        except (AttributeError, IndexError, TypeError, ValueError):
            # TypeError: it names a commit and no branch. ValueError: git's files are none.
            return None
    return head.name.removeprefix("origin/")


def copy_file(folder: Path, revision: str, path: str, into: IO[bytes]) -> None:
    """Copy the content that a file had at a revision, as it was committed: no filter is run, and nothing is fetched.

    Args:
        folder: Any one of the repository.
        revision: As git names commits and trees; empty for what is staged.
        path: From the repository's root on, or from *folder* if it begins with `./` or `../`, as git has it.
        into: Takes the content; left where the content ends.

    Raises:
        ProblemsError: There is no such repository, revision or file.
    """
    repo = repository(folder)
    if repo is None:
        raise ProblemsError(_no_repository())
    from git.exc import GitCommandError  # noqa: PLC0415  # there, as the repository is

    with repo:
        # Git would take the first for an option; the others cannot be said to any program.
        if revision.startswith("-") or not _is_sayable(revision):
            raise ProblemsError(_no_revision(revision))
        if not _is_sayable(path):
            raise ProblemsError(_no_file(revision, path, "no file can have that name"))
        name = f"{revision}:{_from_root(repo, folder, path)}"
        try:
            found = repo.git.rev_parse(name, verify=True, quiet=True)
        except GitCommandError:
            raise ProblemsError(_nothing_at(repo, revision, path)) from None
        try:
            repo.git.cat_file("blob", found, output_stream=into)
        except GitCommandError:
            raise ProblemsError(_no_file(revision, path, "a folder has that name, or git has not fetched it")) from None


def _from_root(repo: Repo, folder: Path, path: str) -> str:
    if not path.startswith(("./", "../")) or repo.working_tree_dir is None:
        return path
    root = Path(repo.working_tree_dir).resolve()
    full = Path(os.path.normpath(folder.resolve() / path))
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else path


def _path(url: str) -> str:
    """The part of *url* that names the repository: what stands before it may hold a token."""
    if "://" not in url:
        return url.rpartition(":")[2]
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _is_sayable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def repository(root: Path) -> Repo | None:
    """The repository that *root* lies in; None if there is none, or no git.

    It fetches nothing by itself, and runs no program that its configuration names. What only looks like one, files that
    another repository carries, is none: git would take any folder with the right names in it for a bare repository.
    """
    folder = next((each for each in (root, *root.absolute().parents) if os.path.lexists(each / ".git")), None)
    if folder is None:
        return None
    try:
        from git import Repo  # noqa: PLC0415  # takes 200 ms: only where something is recorded
        from git.exc import GitError  # noqa: PLC0415
    except ImportError:
        # GitPython refuses to be imported on a machine without git.
        return None
    try:
        repo = Repo(folder)
    except (GitError, OSError):
        return None
    if Path(repo.git_dir) == folder:
        return None
    repo.git.set_persistent_git_options(c=list(HARMLESS))
    repo.git.update_environment(**_FETCH_NOTHING)
    return repo


def _nothing_at(repo: Repo, revision: str, path: str) -> Diagnostic:
    """Whose fault it is that git finds nothing: the revision's or the path's."""
    from git.exc import GitCommandError  # noqa: PLC0415  # as above

    try:
        if revision:
            repo.git.rev_parse(f"{revision}^{{tree}}", verify=True, quiet=True)
    except GitCommandError:
        return _no_revision(revision)
    return _no_file(revision, path, "git knows no file of that name there")


def _no_repository() -> Diagnostic:
    return Diagnostic(
        code="git-missing",
        summary="there is no git repository here",
        why="a revision names what a repository has kept",
        fix="compare two files, or go into the repository",
    )


def _no_revision(revision: str) -> Diagnostic:
    return Diagnostic(
        code="git-revision",
        summary=f"git knows no revision `{revision}`",
        why="it is neither a commit nor a branch or tag of this repository, or it was not fetched",
        fix="`git log --oneline` lists commits; in CI, fetch more than the last one (`fetch-depth: 0`)",
    )


def _no_file(revision: str, path: str, why: str) -> Diagnostic:
    return Diagnostic(
        code="git-path",
        summary=f"`{path}` is no file of {f'revision `{revision}`' if revision else 'what is staged'}",
        why=why,
        fix="write the path from the repository's root on, or with `./` from this folder on",
    )

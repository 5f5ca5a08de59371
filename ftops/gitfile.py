"""A file on a ref of the remote `origin`, replaced by compare-and-swap; neither working tree nor index is touched."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.git import HARMLESS, repository
from ftops.shared import ProtectedError, Shared, SharedUnknownError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from git import Repo
    from git.exc import GitCommandError

REMOTE = "origin"
LISTINGS_MAX = 20
"""How often a ref is looked for that goes on while it is fetched."""
CONTENT_BYTES_MAX = 512 * 1024 * 1024
"""Of a file: as much as of a lockfile on disk."""
SECONDS_MAX = 120
"""For one call of git: a remote that is silent for longer is gone."""
_GIT = ("git", *(word for setting in HARMLESS for word in ("-c", setting)))
# Nobody is asked for a password. Not `git://`: it lets nobody write, and its proxy is a program of the configuration.
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "file:http:https:ssh",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
# The configuration may name other programs for the other side, which is this machine where the remote is a folder.
_UPLOAD_PACK, _RECEIVE_PACK = "--upload-pack=git-upload-pack", "--receive-pack=git-receive-pack"
# A checkout that keeps few contents gets those of the commit itself all the same.
_FETCH = ("--quiet", "--no-filter", "--no-tags", "--no-write-fetch-head")
_FTOPS = {
    "GIT_AUTHOR_NAME": "ftops",
    "GIT_AUTHOR_EMAIL": "ftops@localhost",
    "GIT_COMMITTER_NAME": "ftops",
    "GIT_COMMITTER_EMAIL": "ftops@localhost",
}
_RACES = ("stale info", "fetch first", "non-fast-forward", "update ref", "lock ref", "already exists", "old value")
"""What git says of a ref that somebody else was faster to change, in its own words and in a server's."""
_DENIALS = ("returned error: 40", "Authentication failed", "could not read Username", "Permission denied")
"""What git says where it was not let in, so that nothing was changed."""
_REMOTE_SAYS = re.compile(r"^remote: *(?:error: *)?(\S.*?) *$", re.MULTILINE)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitFile:
    """One file on a ref of the remote."""

    root: Path
    """Any folder of the repository."""
    ref: str
    """In full, such as `refs/heads/main`."""
    path: str
    """From the repository's root on."""
    message: str
    """Of the commits."""
    is_branch: bool
    """Whether each commit goes on from the one before, in the name of whoever runs ftops. Otherwise it stands alone, in
    the name of ftops: what stood there before is of no use any more."""
    if_refused: str
    """What a person can do if the remote lets nobody write there."""
    login: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What git needs in its environment to be let in (`ftops.gitlogin`)."""
    onto: str | None = None
    """The commit that every commit goes on from, instead of the one that stands there."""
    is_tip_enough: bool = False
    """Whether of a checkout without history no more is fetched than the newest commit, and the one before it."""

    @property
    def branch(self) -> str:
        """The short name of a branch; of another ref, the full one."""
        return self.ref.removeprefix("refs/heads/")

    @property
    def name(self) -> str:
        return f"`{self.branch}` of the git remote `{REMOTE}`"

    def read(self) -> Shared:
        """Look; what is not here yet is fetched.

        Raises:
            ProblemsError: The remote cannot be reached, or does not let us read.
        """
        with self._open() as repo:
            try:
                commit = self._newest(repo)
                return Shared(content=content_at(repo, commit, self.path), version=commit) if commit else Shared()
            except git_error() as error:
                raise ProblemsError(_unreachable(self.name, error)) from None

    def _newest(self, repo: Repo) -> str | None:
        """The commit that the ref stands at, which is here then; None if there is no such ref."""
        for _ in range(LISTINGS_MAX):
            listed = self._listed(repo)
            if listed is None or _has(repo, listed):
                return listed
            # It may have gone on since it was listed: then what comes is another commit, and it is listed again.
            depth = ("--depth=2",) if self.is_tip_enough and _is_shallow(repo) else ()
            run(repo, "fetch", _UPLOAD_PACK, *_FETCH, *depth, REMOTE, self.ref)
        raise ProblemsError(_restless(self.name))

    def _listed(self, repo: Repo) -> str | None:
        """The commit that the remote says the ref stands at; git lists refs that only end in the same words, too."""
        lines = run(repo, "ls-remote", _UPLOAD_PACK, "--quiet", REMOTE, self.ref).splitlines()
        return next((line.split()[0] for line in lines if line.endswith(f"\t{self.ref}")), None)

    def swap(self, old: Shared, content: bytes) -> Shared | None:
        """Put *content* in the place of *old*.

        Raises:
            SharedUnknownError: The connection was lost on the way.
            ProtectedError: The branch takes changes by pull request only.
            ProblemsError: The remote does not let us write, or has no such branch.
        """
        before = self.onto or old.version
        if self.is_branch and before is None:
            # A commit that goes on from nothing could never be merged with what comes to a branch of this name later.
            raise ProblemsError(_no_branch_there(self.branch))
        with self._open() as repo:
            try:
                commit = self._committed(repo, before, content)
            except git_error() as error:
                raise ProblemsError(_unreachable(self.name, error)) from None
            lease = f"--force-with-lease={self.ref}:{old.version or ''}"
            try:
                run(repo, "push", _RECEIVE_PACK, "--porcelain", "--no-verify", lease, REMOTE, f"{commit}:{self.ref}")
            except git_error() as error:
                self._raise_unless_lost(error)
                return None
            return Shared(content=content, version=commit)

    def _committed(self, repo: Repo, old: str | None, content: bytes) -> str:
        """A commit with *content*; nothing points to it yet."""
        before = old if self.is_branch else None
        # Two that write the same in the same second would make the same commit, and both think that they were first.
        message = self.message if self.is_branch else f"{self.message}\n\n{token_hex(8)}"
        tree = _tree(repo, before, self.path, _stored(repo, content))
        with repo.git.custom_environment(**({} if self.is_branch and _has_identity(repo) else _FTOPS)):
            return run(repo, "commit-tree", *(("-p", before) if before else ()), "-m", message, tree)

    def _raise_unless_lost(self, error: GitCommandError) -> None:
        """Return if somebody else was faster; that the remote refuses a push, it says in a line of its own."""
        told, said = re.search(r"^!\t.*", _told(error.stdout), re.MULTILINE), _told(error.stderr)
        if told is None:
            is_refused = any(sign in said for sign in _DENIALS)
            raise (ProblemsError if is_refused else SharedUnknownError)(_unreachable(self.name, error)) from None
        if not any(sign in told[0] for sign in _RACES):
            words = [told[0].rpartition("\t")[2], *_REMOTE_SAYS.findall(said)[:1]]
            problem = _refused(self.name, ": ".join(words), self.if_refused)
            if ProtectedError.is_meant(f"{told[0]}\n{said}"):
                raise ProtectedError(problem, words=str(problem.why)) from None
            raise ProblemsError(problem) from None

    def _open(self) -> Repo:
        repo = repository(self.root)
        assert repo is not None, "a file of a repository that is gone"
        repo.git.update_environment(**_ENVIRONMENT, **self.login)
        return repo


def claims_file(root: Path, target: str, login: Mapping[str, str] | None = None) -> GitFile | None:
    """Where claims on the jobs of *target* are kept; None without a repository or without a remote `origin`."""
    repo = repository(root)
    if repo is None:
        return None
    with repo:
        if all(remote.name != REMOTE for remote in repo.remotes):
            return None
    fix = "allow pushes to `refs/ftops/`; or, if only this machine ever applies, write `claims: local` into ftops.yaml"
    ref = f"refs/ftops/claims/{target}"
    message = f"Claims on jobs of {target}"
    return GitFile(
        root=root,
        ref=ref,
        path="claims.json",
        message=message,
        is_branch=False,
        if_refused=fix,
        login=login or {},
    )


def run(repo: Repo, *arguments: str, **options: Any) -> str:
    """Call git, which runs nothing that the repository's configuration names; *options* as of GitPython.

    Raises:
        GitCommandError: It fails.
    """
    return str(repo.git.execute([*_GIT, *arguments], kill_after_timeout=SECONDS_MAX, **options))


def git_error() -> type[GitCommandError]:
    """What `run` raises."""
    from git.exc import GitCommandError  # noqa: PLC0415  # there, as the repository is

    return GitCommandError


def _is_shallow(repo: Repo) -> bool:
    return run(repo, "rev-parse", "--is-shallow-repository") == "true"


def _has(repo: Repo, commit: str) -> bool:
    try:
        run(repo, "cat-file", "-e", f"{commit}^{{commit}}")
    except git_error():
        return False
    return True


def content_at(repo: Repo, commit: str, path: str) -> bytes | None:
    """What the file holds at *commit*; None if it is not there.

    Raises:
        GitCommandError: A folder has its name.
        ProblemsError: It is too large.
    """
    listed = run(repo, "ls-tree", "-l", commit, "--", path).split()
    if not listed:
        return None
    size = listed[3]
    if size.isdecimal() and int(size) > CONTENT_BYTES_MAX:
        raise ProblemsError(_too_large(path))
    with tempfile.TemporaryFile() as file:
        run(repo, "cat-file", "blob", f"{commit}:{path}", output_stream=file)
        file.seek(0)
        return file.read()


def _stored(repo: Repo, content: bytes) -> str:
    """The name of *content* as an object of the repository; no filter is run over it."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        return run(repo, "hash-object", "-w", "--stdin", istream=file)


def _tree(repo: Repo, commit: str | None, path: str, blob: str) -> str:
    """The tree of *commit*, or an empty one, with *blob* as *path*; made in an index of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="ftops-") as folder,
        repo.git.custom_environment(GIT_INDEX_FILE=f"{folder}/index"),
    ):
        run(repo, "read-tree", commit or "--empty")
        run(repo, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        return run(repo, "write-tree")


def _has_identity(repo: Repo) -> bool:
    """Whether git knows in whose name to commit."""
    try:
        run(repo, "var", "GIT_COMMITTER_IDENT")
        run(repo, "var", "GIT_AUTHOR_IDENT")
    except git_error():
        return False
    return True


def _told(text: object) -> str:
    """What git wrote, which GitPython frames with a label and quotes."""
    return str(text or "").strip().removeprefix("stdout:").removeprefix("stderr:").strip(" '\n")


def _unreachable(name: str, error: GitCommandError) -> Diagnostic:
    words = [line for line in _told(error.stderr).splitlines() if line.strip()] or ["git gives no reason"]
    return Diagnostic(
        code="git-unreachable",
        summary=f"{name} cannot be reached",
        why=_CREDENTIALS.sub("", words[0])[:200],
        fix="see that `git push` works here without a question; in GitHub Actions, give the step "
        "`GITHUB_TOKEN: ${{ github.token }}`, and its job `contents: write`",
    )


def _restless(name: str) -> Diagnostic:
    return Diagnostic(
        code="shared-contended",
        summary=f"{name} could not be read",
        why=f"it was changed while it was fetched, {LISTINGS_MAX} times in a row",
        fix="run the command again in a minute",
    )


def _too_large(name: str) -> Diagnostic:
    return Diagnostic(
        code="git-refused",
        summary=f"the `{name}` that was committed is larger than {CONTENT_BYTES_MAX} bytes",
        why="ftops wrote none of this size",
        fix="see who pushed it, and take it back",
    )


def _no_branch_there(branch: str) -> Diagnostic:
    return Diagnostic(
        code="git-branch",
        summary=f"the git remote `{REMOTE}` has no branch `{branch}` yet",
        why="ftops adds a commit to a branch, and makes none",
        fix=f"`git push {REMOTE} HEAD:refs/heads/{branch}` makes it; or name another: `ftops lock push --branch NAME`",
    )


def _refused(name: str, words: str, fix: str) -> Diagnostic:
    return Diagnostic(
        code="git-refused",
        summary=f"{name} cannot be written",
        why=f"the remote says: {_CREDENTIALS.sub('', words)[:200]}",
        fix=fix,
    )

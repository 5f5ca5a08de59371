"""What the forge does with git: plumbing on a bare repository, where only `update-ref` decides who was first."""

from __future__ import annotations

import base64
import os
import subprocess
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

EMPTY = "0" * 40
"""For git, the commit of a ref that is not there."""
CONFIGURATION = {
    "gc.auto": "0",
    "http.receivepack": "true",
    # As GitHub: a commit may be fetched by its name, pull requests' refs may be read and never written.
    "uploadpack.allowAnySHA1InWant": "true",
    "uploadpack.allowFilter": "true",
    "receive.hideRefs": "refs/pull",
    "receive.advertisePushOptions": "false",
}
GITHUB = ("GitHub", "noreply@github.com")


class GitError(Exception):
    """Git said no; the text is what it said."""


class Bare:
    """A bare repository on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path) -> Bare:
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", path], check=True, env=environment())
        bare = cls(path)
        for name, value in CONFIGURATION.items():
            bare.git("config", name, value)
        return bare

    def git(self, *arguments: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None) -> str:
        """Run git here; gives what it prints, without the newline at the end.

        Raises:
            GitError: It fails.
        """
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            input=stdin,
            env={**environment(), **(variables or {})},
            check=False,
            capture_output=True,
        )
        if done.returncode:
            raise GitError(done.stderr.decode(errors="replace").strip())
        return done.stdout.decode(errors="replace").removesuffix("\n")

    def head(self, ref: str) -> str | None:
        """The commit that a full ref stands at."""
        try:
            return self.git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        except GitError:
            return None

    def move(self, ref: str, new: str, old: str | None) -> bool:
        """Compare and swap; False if *ref* is not at *old* (None: not there) any more."""
        try:
            self.git("update-ref", ref, new, old or EMPTY)
        except GitError:
            return False
        return True

    def blob(self, expression: str) -> bytes | None:
        """The bytes of `commit:path`."""
        command = ["git", "-C", str(self.path), "cat-file", "blob", expression]
        done = subprocess.run(command, env=environment(), check=False, capture_output=True)
        return None if done.returncode else done.stdout

    def committed(
        self,
        parent: str | None,
        *,
        additions: Mapping[str, bytes],
        deletions: Iterable[str] = (),
        message: str,
        author: tuple[str, str],
    ) -> str:
        """A commit on top of *parent* that nothing points to yet.

        Raises:
            GitError: A path is none that a tree can hold, or is not there to be deleted.
        """
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": f"{folder}/index"}
            self.git("read-tree", parent or "--empty", variables=index)
            for path in deletions:
                if not self.git("ls-files", "--", path, variables=index):
                    raise GitError(f"{path} does not exist")
                self.git("update-index", "--index-info", stdin=f"0 {EMPTY}\t{path}\n".encode(), variables=index)
            for path, content in additions.items():
                name = self.git("hash-object", "-w", "--stdin", stdin=content)
                self.git("update-index", "--add", "--cacheinfo", f"100644,{name},{path}", variables=index)
            tree = self.git("write-tree", variables=index)
        return self.commit_of(tree, [parent] if parent else [], message, author)

    def commit_of(self, tree: str, parents: list[str], message: str, author: tuple[str, str]) -> str:
        name, address = author
        ours = {"GIT_COMMITTER_NAME": GITHUB[0], "GIT_COMMITTER_EMAIL": GITHUB[1]}
        theirs = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": address}
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return self.git("commit-tree", tree, *flags, "-F", "-", stdin=message.encode(), variables=ours | theirs)

    def merged(self, base: str, head: str, message: str, author: tuple[str, str] = GITHUB) -> str | None:
        """A merge commit of two commits; None if they conflict. The first parent is *base*."""
        try:
            tree = self.git("merge-tree", "--write-tree", base, head)
        except GitError:
            return None
        return self.commit_of(tree, [base, head], message, author)

    def is_ancestor(self, old: str, new: str) -> bool:
        try:
            self.git("merge-base", "--is-ancestor", old, new)
        except GitError:
            return False
        return True

    def exists(self, commit: str) -> bool:
        try:
            self.git("cat-file", "-e", f"{commit}^{{commit}}")
        except GitError:
            return False
        return True


def environment() -> dict[str, str]:
    """Of every git that the forge runs: nothing of whoever started it."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def decoded(text: str) -> bytes:
    """Base64, which GraphQL's scalar says it is."""
    return base64.b64decode(text, validate=True)

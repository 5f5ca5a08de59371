"""The lockfile committed back from a workflow: through GitHub's API, else with git, else by a pull request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.git import origin_name
from ftops.gitbranch import branch_file, content_before
from ftops.github.api import GitHub
from ftops.github.offer import offer
from ftops.github.refusals import LostError
from ftops.gitlogin import login
from ftops.lockpush import merging, push
from ftops.report.terminal import visible
from ftops.shared import ProtectedError, Shared, SharedUnknownError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from random import Random

    from ftops.clock import Clock
    from ftops.gitfile import GitFile
    from ftops.github.event import Run
    from ftops.lockstore import LockStore

API_BYTES_MAX = 8 * 1024 * 1024
"""Of a file that is sent through the API, which gives up after 10 seconds; git takes longer ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiFile:
    """A file on a branch that is read with git, and written through GitHub's API.

    So the commits are signed, in the name of the token's owner; and reading costs none of the 1,000 requests an hour,
    works at any length, and from any checkout.
    """

    plain: GitFile
    github: GitHub

    @property
    def name(self) -> str:
        return self.plain.name

    def read(self) -> Shared:
        return self.plain.read()

    def swap(self, old: Shared, content: bytes) -> Shared | None:
        """Put *content* in the place of *old*.

        Raises:
            SharedUnknownError: The answer was lost.
            ProtectedError: The branch takes changes by pull request only.
            ProblemsError: The token may not, or GitHub cannot be reached.
        """
        if old.version is None or len(content) > API_BYTES_MAX:
            return self.plain.swap(old, content)
        plain = self.plain
        try:
            commit = self.github.commit(plain.branch, old.version, plain.path, content, plain.message)
        except LostError as error:
            raise SharedUnknownError(*error.problems) from None
        return Shared(content=content, version=commit) if commit else None


def commit_back(
    store: LockStore,
    run: Run | None,
    *,
    environ: Mapping[str, str],
    clock: Clock,
    chance: Random,
    branch: str | None = None,
) -> str:
    """Commit the lockfile to the branch that the run is on, merged by meaning; gives the sentence that tells of it.

    Args:
        store: The lockfile of this checkout.
        run: The workflow's; None outside of GitHub Actions.
        environ: Where git's token comes from.
        clock: For waiting between tries.
        chance: For how long.
        branch: Instead of the run's branch, or of the one that is checked out.

    Raises:
        ProblemsError: It is not on the branch, and if the branch takes changes by pull request only, on one of its own.
    """
    plain = branch_file(store.root, store.name, branch or _branch_of(run), login(environ))
    github = GitHub(run=run, environ=environ, clock=clock, chance=chance) if run and _speaks(run, store.root) else None
    file = ApiFile(plain=plain, github=github) if github else plain
    before = file.read()
    parted = content_before(plain)
    try:
        stands = push(store, file, parted, clock=clock, chance=chance)
    except ProtectedError as error:
        merge, words = merging(store, parted, plain.name), error.words
        told = offer(plain, store.name, merge, words=words, run=run, github=github, clock=clock, chance=chance)
        raise ProblemsError(told) from None
    if stands.content is None:
        return f"{store.name}: nothing is recorded yet"
    if stands == before:
        return visible(f"{store.name}: {file.name} has all of it already")
    return visible(f"{store.name}: committed to {file.name} as {str(stands.version)[:12]}")


def _branch_of(run: Run | None) -> str | None:
    if run and run.branch is None:
        raise ProblemsError(_no_branch(run.ref))
    return run.branch if run else None


def _speaks(run: Run, root: Path) -> bool:
    """Whether GitHub can be asked to commit: there is a token, and the checkout is of the run's own repository."""
    return bool(run.token) and (origin_name(root) or "").casefold() == run.repository.casefold()


def _no_branch(ref: str) -> Diagnostic:
    return Diagnostic(
        code="github-branch",
        summary=f"a run on `{visible(ref[:100])}` commits nothing back",
        why="it is no branch: what is there is thrown away, or is not merged yet",
        fix="train and collect in workflows on `push`, `schedule` or `workflow_dispatch`; or name the branch: "
        "`ftops ci commit --branch main`",
    )

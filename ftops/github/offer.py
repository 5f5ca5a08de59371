"""The lockfile offered by a pull request, where its branch takes changes in no other way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.lockfile import decode, encode, verify
from ftops.lockmerge import gathered
from ftops.shared import Shared, update

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from ftops.clock import Clock
    from ftops.gitfile import GitFile
    from ftops.github.api import GitHub
    from ftops.github.event import Run
    from ftops.lockfile import Lockfile

BRANCH = "ftops/lock"
"""Where the default target's lockfile is offered; another target's has its name behind it."""


def branch_for(name: str) -> str:
    """Where the lockfile *name* is offered."""
    target = name.removeprefix("ftops").removesuffix("lock").strip(".")
    return f"{BRANCH}-{target}" if target else BRANCH


@dataclass(kw_only=True)
class Offer:
    """The lockfile on a branch of its own, one commit ahead of the branch that it is for."""

    main: GitFile
    """The one that cannot be written."""
    there: GitFile
    """The one that is offered."""
    _base: Shared = field(default_factory=Shared)

    @property
    def name(self) -> str:
        return self.there.name

    def read(self) -> Shared:
        """Look at both: what is offered goes on from what stands on main by now."""
        self._base = self.main.read()
        return self.there.read()

    def swap(self, old: Shared, content: bytes) -> Shared | None:
        return replace(self.there, onto=self._base.version).swap(old, content)

    def merging(self, merge: Callable[[bytes | None], bytes | None], name: str) -> Callable[..., bytes | None]:
        """What to offer: main's lockfile with ours, and with what was offered before and is not on main yet."""

        def change(content: bytes | None) -> bytes | None:
            ours = merge(self._base.content)
            offered = _trusted(content, name)
            if ours is None or offered is None:
                return ours
            lock = decode(ours, name)
            whole = gathered(lock, offered) if offered.target == lock.target else lock
            return ours if whole == lock else encode(whole)

        return change


def offer(
    file: GitFile,
    name: str,
    merge: Callable[[bytes | None], bytes | None],
    *,
    words: str,
    run: Run | None,
    github: GitHub | None,
    clock: Clock,
    chance: Random,
) -> Diagnostic:
    """Offer the lockfile *name* for the branch of *file*; gives what to say of it.

    Args:
        file: The lockfile on the branch that cannot be written.
        name: Of the lockfile.
        merge: Ours into what stands there (`ftops.lockpush.merging`).
        words: What the remote says of the branch.
        run: That this is part of, if any.
        github: To open the pull request, if it can be asked.
        clock: For waiting between tries.
        chance: For how long.

    Raises:
        ProblemsError: It cannot be offered either.
    """
    branch = branch_for(name)
    there = replace(file, ref=f"refs/heads/{branch}", is_tip_enough=True, if_refused=_LET)
    offered = Offer(main=file, there=there)
    update(offered, offered.merging(merge, name), clock=clock, chance=chance)
    where = _opened(github, branch, file, name) if github else None
    if where is None and run:
        base, head = (quote(each, safe="/") for each in (file.branch, branch))
        where = f"{run.repository_url}/compare/{base}...{head}?expand=1"
    return Diagnostic(
        code="lock-protected",
        summary=f"`{file.branch}` takes `{name}` by pull request only",
        why=f"{words}; so what was recorded is on the branch `{branch}`",
        fix=f"merge {f'{where} ({_NOTHING_STARTS})' if where else f'the branch `{branch}`'}; {_LET}",
    )


_NOTHING_STARTS = "GitHub starts no checks for what a job's own token pushes: close it and open it again"
_LET = "to need none of this, let the App that ftops commits with pass by the rule (docs/github.md)"


def _trusted(content: bytes | None, name: str) -> Lockfile | None:
    """What was offered before; None if there is nothing, or somebody else wrote on it."""
    if not content:
        return None
    try:
        lock = decode(content, name)
    except ProblemsError:
        return None
    return None if verify(lock, name) else lock


def _opened(github: GitHub, branch: str, file: GitFile, name: str) -> str | None:
    """The address of the pull request; None if the token may open none, or GitHub cannot be reached."""
    body = f"""\
`{file.branch}` takes changes by pull request only, so ftops could not commit `{name}` to it.

This brings what {github.run.url} recorded, and changes nothing else. Until it is merged, ftops adds to it whatever
else is recorded.
"""
    try:
        return github.open_pull(branch, file.branch, f"Record what ftops made ({name})", body)
    except ProblemsError:
        # What was recorded is safe on its branch: that is to be told, and a person can open it.
        return None

"""The one comment of a plan on its pull request: found by its author and its first line, and written anew in place.

It tells, and is no authority: whoever may write in a repository can edit anybody's comments. What is carried out is
decided by the plan file of a run.
"""

from __future__ import annotations

import base64
import binascii
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from ftops.diagnostics import ProblemsError
from ftops.digest import digest_of, digest_of_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftops.github.api import Comment, GitHub
    from ftops.github.event import Pull
    from ftops.report.planfile import PlanFile

FOLDED_MAX = 10
"""Of our own comments that should not be there; two runs at the same moment make one too many."""

_LINE = re.compile(r"<!-- ftops:plan:v1 ([A-Za-z0-9+/]{1,2000}={0,2}) -->")
_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """What a comment is of, for the run that comes after: its first line, which nobody sees."""

    scope: str
    """Digest of the folder and the target that were asked for: each has a comment of its own."""
    checksum: str
    """Of the plan."""
    head: str
    """The newest commit of the pull request, when it was written."""
    actions: str
    """Digest of all that needs approval."""
    since: str
    """The newest commit of the pull request when the actions became these."""

    @property
    def line(self) -> str:
        # Its letters are such that nothing ends the comment early: there is no hyphen among them.
        return f"<!-- ftops:plan:v1 {base64.b64encode(msgspec.json.encode(self)).decode()} -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What became of the comment."""

    done: Literal["created", "updated", "unchanged", "superseded"]
    """Superseded: the pull request has a newer commit, whose own run tells of it."""
    comment: int | None = None


def marker_of(plan: PlanFile, head: str) -> Marker:
    """The marker of *plan* at *head*, the newest commit of the pull request; its actions are taken for new."""
    return Marker(
        scope=digest_of([plan.scope.folder, plan.scope.target]),
        checksum=plan.checksum[:64],
        head=head,
        actions=digest_of_bytes(b"\n".join(sorted(map(msgspec.json.encode, plan.actions)))),
        since=head,
    )


def read_marker(body: str) -> Marker | None:
    """The marker in the first line of a comment; None if that is none."""
    found = _LINE.fullmatch(body.partition("\n")[0].rstrip("\r"))
    try:
        return msgspec.json.decode(base64.b64decode(found[1], validate=True), type=Marker) if found else None
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def show(github: GitHub, pull: Pull, marker: Marker, render: Callable[[Marker], str]) -> Shown:
    """Write the comment of *marker* on *pull*, in the place of what it said before.

    Comments of others are left alone whatever they look like. Edits tell nobody, so the text says from which commit on
    its actions have been the same: whoever looked then has seen them.

    Args:
        github: As whom it is written.
        pull: On which.
        marker: Of the plan.
        render: The text below the marker that it is given, which knows since when.

    Raises:
        ProblemsError: GitHub does not let us.
    """
    ours = _ours(github, pull, marker.scope)
    marker = _since_before(marker, ours[0]) if ours else marker
    body = f"{marker.line}\n{render(marker)}"
    # The last question before writing: a run that was slow does not write over that of a newer commit.
    if github.head_of(pull.number) != marker.head:
        return Shown(done="superseded")
    if not ours:
        return Shown(done="created", comment=github.create_comment(pull.number, body).id)
    newest, *extras = ours
    is_new = newest.body.replace("\r\n", "\n") != body
    if is_new:
        github.update_comment(newest.id, body)
    with suppress(ProblemsError):  # the plan is told; this only tidies up
        for extra in extras[:FOLDED_MAX]:
            github.minimize(extra.node_id)
    return Shown(done="updated" if is_new else "unchanged", comment=newest.id)


def _ours(github: GitHub, pull: Pull, scope: str) -> list[Comment]:
    """Our comments of this scope, the newest first: of our login, with a marker in their first line."""
    login = github.viewer()
    found = [each for each in github.comments(pull.number) if login and each.author == login]
    marked = [each for each in found if (marker := read_marker(each.body)) and marker.scope == scope]
    return sorted(marked, key=lambda each: -each.id)


def _since_before(marker: Marker, comment: Comment) -> Marker:
    """*marker*, with the commit since which its actions stand, if they stood in *comment* as well."""
    before = read_marker(comment.body)
    if before and before.actions == marker.actions and _COMMIT.fullmatch(before.since):
        return msgspec.structs.replace(marker, since=before.since)
    return marker

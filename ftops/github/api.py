"""What ftops asks of GitHub: comments, pull requests, branches, commits, dispatches."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from ftops.github.refusals import Asked, RefusedError
from ftops.github.transport import Transport
from ftops.shared import ProtectedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftops.clock import Clock
    from ftops.github.event import Run

PAGE = 100
PAGES_MAX = 30
"""Of a pull request's comments, oldest first."""
_MISSING, _INVALID = 404, 422
_STALE = re.compile(r"expected branch to point to", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One comment of a pull request; its body is whatever its author wrote."""

    id: int
    node_id: str
    author: str
    """Login; empty if the account is gone."""
    body: str


class _User(msgspec.Struct, frozen=True):
    login: str = ""


class _Comment(msgspec.Struct, frozen=True):
    id: int
    node_id: str
    user: _User | None = None
    body: str | None = None


class _Commit(msgspec.Struct, frozen=True):
    sha: str


class _Ref(msgspec.Struct, frozen=True):
    object: _Commit


class _Pull(msgspec.Struct, frozen=True):
    html_url: str
    head: _Commit


class _Viewer(msgspec.Struct, frozen=True):
    viewer: _User


class _ViewerAnswer(msgspec.Struct, frozen=True):
    data: _Viewer


class _Oid(msgspec.Struct, frozen=True):
    oid: str


class _Committed(msgspec.Struct, frozen=True):
    commit: _Oid


class _CommitData(msgspec.Struct, frozen=True, rename="camel"):
    create_commit_on_branch: _Committed


class _CommitAnswer(msgspec.Struct, frozen=True):
    data: _CommitData


VIEWER = "query { viewer { login } }"
MINIMIZE = """mutation($subject: ID!) {
  minimizeComment(input: {subjectId: $subject, classifier: OUTDATED}) { minimizedComment { isMinimized } }
}"""
COMMIT = """mutation($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid } }
}"""


@dataclass(frozen=True, kw_only=True)
class GitHub:
    """GitHub, as the token of one run may use it. All methods raise ProblemsError, with a code `github-…`."""

    run: Run
    environ: Mapping[str, str]
    clock: Clock
    chance: Random = field(default_factory=Random)

    def viewer(self) -> str:
        """The login of the token's owner, such as `github-actions[bot]`."""
        asked = Asked(doing="say whose the token is", needs="metadata: read", may_repeat=True)
        return self._transport.graphql(VIEWER, {}, _ViewerAnswer, asked).data.viewer.login

    def comments(self, pull: int) -> tuple[Comment, ...]:
        """The comments of a pull request, oldest first; of more than 3,000 the first."""
        asked = Asked(doing=f"read the comments of pull request #{pull}", needs="pull-requests: read", may_repeat=True)
        found: list[_Comment] = []
        for number in range(1, PAGES_MAX + 1):
            path = self._path(f"issues/{pull}/comments?per_page={PAGE}&page={number}")
            page = self._transport.rest("GET", path, list[_Comment], asked)
            found += page
            if len(page) < PAGE:
                break
        return tuple(map(_comment, found))

    def create_comment(self, pull: int, body: str) -> Comment:
        asked = Asked(doing=f"comment on pull request #{pull}", needs="pull-requests: write")
        path = self._path(f"issues/{pull}/comments")
        return _comment(self._transport.rest("POST", path, _Comment, asked, {"body": body}))

    def update_comment(self, comment: int, body: str) -> Comment:
        """Put *body* in the place of what the comment says; done twice, it is as if done once."""
        asked = Asked(doing="write its comment anew", needs="pull-requests: write", may_repeat=True)
        path = self._path(f"issues/comments/{comment}")
        return _comment(self._transport.rest("PATCH", path, _Comment, asked, {"body": body}))

    def minimize(self, node_id: str) -> None:
        """Fold a comment as outdated."""
        asked = Asked(doing="fold an old comment", needs="pull-requests: write", may_repeat=True)
        self._transport.graphql(MINIMIZE, {"subject": node_id}, object, asked)

    def head_of(self, pull: int) -> str:
        """The newest commit of a pull request."""
        asked = Asked(doing=f"read pull request #{pull}", needs="pull-requests: read", may_repeat=True)
        return self._transport.rest("GET", self._path(f"pulls/{pull}"), _Pull, asked).head.sha

    def head(self, branch: str) -> str | None:
        """The newest commit of a branch; None if there is none."""
        asked = Asked(doing=f"read the branch `{branch}`", needs="contents: read", may_repeat=True)
        try:
            path = self._path(f"git/ref/heads/{quote(branch)}")
            return self._transport.rest("GET", path, _Ref, asked).object.sha
        except RefusedError as error:
            if error.status != _MISSING:
                raise
        return None

    def commit(self, branch: str, expected: str, path: str, content: bytes, message: str) -> str | None:
        """Commit one file on top of *expected*, in the token's name and signed; None if the branch went on meanwhile.

        Raises:
            ProtectedError: The branch takes changes by pull request only.
            LostError: It is not known whether it was committed.
        """
        asked = Asked(doing=f"commit `{path}` to `{branch}`", needs="contents: write")
        given = {
            "branch": {"repositoryNameWithOwner": self.run.repository, "branchName": branch},
            "expectedHeadOid": expected,
            "fileChanges": {"additions": [{"path": path, "contents": base64.b64encode(content).decode()}]},
            "message": {"headline": message},
        }
        try:
            answer = self._transport.graphql(COMMIT, {"input": given}, _CommitAnswer, asked)
        except RefusedError as error:
            if error.kind == "STALE_DATA" or _STALE.search(error.words):
                return None
            if ProtectedError.is_meant(error.words):
                raise ProtectedError(*error.problems, words=error.words) from None
            raise
        return answer.data.create_commit_on_branch.commit.oid

    def pull_from(self, branch: str) -> str | None:
        """The address of the open pull request from a branch of this repository; None if there is none."""
        owner, _, _ = self.run.repository.partition("/")
        asked = Asked(doing=f"look for a pull request from `{branch}`", needs="pull-requests: read", may_repeat=True)
        query = f"state=open&per_page=1&head={quote(f'{owner}:{branch}', safe='')}"
        found = self._transport.rest("GET", self._path(f"pulls?{query}"), list[_Pull], asked)
        return found[0].html_url if found else None

    def open_pull(self, branch: str, base: str, title: str, body: str) -> str:
        """Open a pull request from *branch* to *base*; gives its address, also if it is open already."""
        asked = Asked(doing=f"open a pull request from `{branch}`", needs="pull-requests: write")
        given = {"title": title, "head": branch, "base": base, "body": body}
        try:
            return self._transport.rest("POST", self._path("pulls"), _Pull, asked, given).html_url
        except RefusedError as error:
            if error.status != _INVALID or (there := self.pull_from(branch)) is None:
                raise
            return there

    def dispatch(self, event_type: str, payload: Mapping[str, object]) -> None:
        """Start the workflows on `repository_dispatch` with this type: perhaps twice, which does no harm to ours."""
        asked = Asked(doing=f"send the event `{event_type}`", needs="contents: write", may_repeat=True)
        given = {"event_type": event_type, "client_payload": dict(payload)}
        self._transport.rest("POST", self._path("dispatches"), object, asked, given)

    @cached_property
    def _transport(self) -> Transport:
        return Transport(run=self.run, environ=self.environ, clock=self.clock, chance=self.chance)

    def _path(self, rest: str) -> str:
        return f"/repos/{self.run.repository}/{rest}"


def _comment(found: _Comment) -> Comment:
    author = found.user.login if found.user else ""
    return Comment(id=found.id, node_id=found.node_id, author=author, body=found.body or "")

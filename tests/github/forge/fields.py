"""What the GraphQL API answers: each field of the queries and mutations that ftops uses."""

# ruff: noqa: N802, N803  # names that the schema gives

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from tests.github.forge.objects import GitError
from tests.github.forge.refs import refuse_protected
from tests.github.forge.world import Comment, Pull, Refusal, Repository, Token, World, node_id, user_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The fields of `Query` and `Mutation`, for one token."""

    world: World
    token: Token

    # Query

    def viewer(self) -> dict[str, Any]:
        """The login has `[bot]` here, and has it not where a comment's author is shown."""
        return {"__typename": "User", "id": node_id("User", user_id(self.token.login)), "login": self.token.login}

    def rateLimit(self, dryRun: bool = False) -> dict[str, int]:  # noqa: ARG002  # as the schema has it
        return {"cost": 1, "limit": 5_000, "remaining": 4_999}

    def repository(self, owner: str, name: str, followRenames: bool = True) -> dict[str, Any]:  # noqa: ARG002
        found = self.world.repository(f"{owner}/{name}")
        if found is None or (found.private and self.token.repository not in {None, found.name}):
            text = f"Could not resolve to a Repository with the name '{owner}/{name}'."
            raise Refusal(404, text, kind="NOT_FOUND")
        return self._repository(found)

    def node(self, id: str) -> dict[str, Any]:  # noqa: A002
        repository, comment = self._comment(id)
        self._need(repository, "issues", "pull-requests", level="read")
        return self._comment_fields(repository, comment)

    # Mutation

    def createCommitOnBranch(self, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
        repository, ref = self._branch(input["branch"])
        self._need(repository, "contents", level="write")
        expected, now = input["expectedHeadOid"], repository.bare.head(ref)
        if now is None:
            raise Refusal(404, f"The branch {ref} does not exist", kind="NOT_FOUND")
        if now != expected:
            raise _stale(expected)
        refuse_protected(repository, ref, self.token)
        changes = input.get("fileChanges") or {"additions": [], "deletions": []}
        message = "\n\n".join(filter(None, (input["message"]["headline"], input["message"].get("body"))))
        try:
            commit = repository.bare.committed(
                expected,
                additions={each["path"]: each["contents"] for each in changes["additions"]},
                deletions=[each["path"] for each in changes["deletions"]],
                message=message,
                author=self.token.author,
            )
        except GitError as error:
            raise Refusal(422, f"A path was requested that no tree can hold: {error}") from None
        if not repository.bare.move(ref, commit, expected):
            raise _stale(expected)
        repository.pushed(ref, expected, commit, self.token.login)
        made = self._commit(repository, commit)
        answer = {"clientMutationId": input.get("clientMutationId"), "commit": made}
        return answer | {"ref": self._ref(repository, ref, made)}

    def minimizeComment(self, input: dict[str, Any]) -> dict[str, Any]:  # noqa: A002
        repository, comment = self._comment(input["subjectId"])
        self._need(repository, "issues", "pull-requests", level="write")
        comment.minimized = input["classifier"].lower()
        shown = self._comment_fields(repository, comment)
        return {"clientMutationId": input.get("clientMutationId"), "minimizedComment": shown}

    # What they are made of

    def _need(self, repository: Repository, *permissions: str, level: str) -> None:
        is_open = level == "read" and not repository.private
        if not is_open and not any(self.token.may(repository, permission, level) for permission in permissions):
            raise self.token.refusal

    def _branch(self, asked: dict[str, Any]) -> tuple[Repository, str]:
        found = self.world.repository(asked.get("repositoryNameWithOwner") or "")
        if found is None or not asked.get("branchName"):
            text = f"Could not resolve to a Repository with the name '{asked.get('repositoryNameWithOwner')}'."
            raise Refusal(404, text, kind="NOT_FOUND")
        return found, f"refs/heads/{asked['branchName'].removeprefix('refs/heads/')}"

    def _comment(self, node: str) -> tuple[Repository, Comment]:
        for repository in self.world.repositories.values():
            for comment in repository.comments.values():
                if comment.node_id == node:
                    return repository, comment
        raise Refusal(404, f"Could not resolve to a node with the global id of '{node}'", kind="NOT_FOUND")

    def _comment_fields(self, repository: Repository, comment: Comment) -> dict[str, Any]:
        return {
            "__typename": "IssueComment",
            "id": comment.node_id,
            "databaseId": comment.id,
            "author": _actor(comment.author),
            "body": comment.body,
            "createdAt": comment.created,
            "updatedAt": comment.updated,
            "isMinimized": comment.minimized is not None,
            "minimizedReason": comment.minimized,
            "viewerDidAuthor": comment.author == self.token.login,
            "url": f"{self.world.url}/{repository.name}/pull/{comment.pull}#issuecomment-{comment.id}",
        }

    def _repository(self, repository: Repository) -> dict[str, Any]:
        def ref(qualifiedName: str) -> dict[str, Any] | None:
            self._need(repository, "contents", level="read")
            name = qualifiedName if qualifiedName.startswith("refs/") else f"refs/heads/{qualifiedName}"
            commit = repository.bare.head(name)
            return self._ref(repository, name, self._commit(repository, commit)) if commit else None

        def git_object(expression: str | None = None, oid: str | None = None) -> dict[str, Any] | None:
            self._need(repository, "contents", level="read")
            return self._object(repository, oid or expression or "")

        def pull(number: int) -> dict[str, Any]:
            self._need(repository, "pull-requests", level="read")
            return self._pull(repository, number)

        return {
            "__typename": "Repository",
            "id": node_id("Repository", repository.id),
            "databaseId": repository.id,
            "name": repository.short_name,
            "nameWithOwner": repository.name,
            "isPrivate": repository.private,
            "owner": _actor(repository.owner),
            "defaultBranchRef": lambda: ref("main"),
            "ref": ref,
            "object": git_object,
            "pullRequest": pull,
        }

    def _ref(self, repository: Repository, ref: str, target: dict[str, Any]) -> dict[str, Any]:
        prefix = "refs/heads/" if ref.startswith("refs/heads/") else f"{ref.rpartition('/')[0]}/"
        name = ref.removeprefix(prefix)
        number = node_id("Ref", repository.id)
        return {"__typename": "Ref", "id": number, "name": name, "prefix": prefix, "target": target}

    def _object(self, repository: Repository, expression: str) -> dict[str, Any] | None:
        try:
            oid = repository.bare.git("rev-parse", "--verify", "--quiet", expression)
            kind = repository.bare.git("cat-file", "-t", oid)
        except GitError:
            return None
        if kind == "commit":
            return self._commit(repository, oid)
        found: dict[str, Any] = {"__typename": kind.title(), "id": _node(kind, oid), "oid": oid}
        return found | (_blob(repository, oid) if kind == "blob" else {})

    def _commit(self, repository: Repository, commit: str) -> dict[str, Any]:
        message = repository.bare.git("log", "-1", "--format=%B", commit).rstrip("\n")
        headline, _, body = message.partition("\n\n")
        return {
            "__typename": "Commit",
            "id": _node("Commit", commit),
            "oid": commit,
            "message": message,
            "messageHeadline": headline,
            "messageBody": body,
            "url": f"{self.world.url}/{repository.name}/commit/{commit}",
        }

    def _pull(self, repository: Repository, number: int) -> dict[str, Any]:
        pull = repository.pulls.get(number)
        if pull is None:
            raise Refusal(404, f"Could not resolve to a PullRequest with the number of {number}.", kind="NOT_FOUND")
        return {
            "__typename": "PullRequest",
            "id": node_id("PullRequest", number),
            "number": number,
            "title": pull.title,
            "body": pull.body,
            "author": _actor(pull.author),
            "state": _state(pull),
            "baseRefName": pull.base,
            "headRefName": pull.head,
            "headRefOid": repository.bare.head(pull.head_ref),
            "isCrossRepository": pull.head_repository != repository.name,
            "createdAt": pull.created,
            "updatedAt": pull.created,
            "url": f"{self.world.url}/{repository.name}/pull/{number}",
        }


def _stale(expected: str) -> Refusal:
    text = f'Expected branch to point to "{expected}" but it did not.  Pull and try again.'
    return Refusal(409, text, kind="STALE_DATA")


def _state(pull: Pull) -> str:
    return "MERGED" if pull.merged else pull.state.upper()


def _actor(login: str) -> dict[str, Any]:
    """A bot's login is without `[bot]` where GraphQL shows an actor."""
    kind = "Bot" if login.endswith("[bot]") else "User"
    return {"__typename": kind, "id": node_id(kind, user_id(login)), "login": login.removesuffix("[bot]")}


def _blob(repository: Repository, oid: str) -> dict[str, Any]:
    content = repository.bare.blob(oid) or b""
    is_binary = b"\0" in content
    text = None if is_binary else content.decode(errors="replace")
    return {"byteSize": len(content), "isBinary": is_binary, "isTruncated": False, "text": text}


def _node(kind: str, oid: str) -> str:
    return base64.b64encode(f"{kind}:{oid}".encode()).decode()

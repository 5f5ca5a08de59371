"""Comments on pull requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.github.forge.call import failed, user
from tests.github.forge.pulls import pull_of
from tests.github.forge.world import Comment, Refusal, now

if TYPE_CHECKING:
    from tests.github.forge.call import Call
    from tests.github.forge.world import Repository, World

BODY_MAX = 65_536
"""Characters."""


def list_comments(call: Call) -> list[dict[str, Any]]:
    call.need("issues", "pull-requests", level="read")
    number = pull_of(call, "issue_number").number
    found = [each for each in call.repository.comments.values() if each.pull == number]
    return [_comment_json(call, each) for each in sorted(found, key=lambda each: each.id)]


def create_comment(call: Call) -> tuple[int, Any]:
    call.need("issues", "pull-requests", level="write")
    pull = pull_of(call, "issue_number")
    comment = add_comment(call.world, call.repository, pull.number, call.token.login, call.body["body"])
    return 201, _comment_json(call, comment)


def add_comment(world: World, repository: Repository, pull: int, author: str, body: str) -> Comment:
    _check_length(body)
    time = now()
    comment = Comment(id=world.number(), pull=pull, author=author, body=body, created=time, updated=time)
    with world.lock:
        repository.comments[comment.id] = comment
    return comment


def get_comment(call: Call) -> tuple[int, Any]:
    call.need("issues", "pull-requests", level="read")
    return 200, _comment_json(call, _comment(call))


def update_comment(call: Call) -> tuple[int, Any]:
    call.need("issues", "pull-requests", level="write")
    comment = _comment(call)
    _check_length(call.body["body"])
    comment.body, comment.updated = call.body["body"], now()
    return 200, _comment_json(call, comment)


def delete_comment(call: Call) -> tuple[int, Any]:
    call.need("issues", "pull-requests", level="write")
    del call.repository.comments[_comment(call).id]
    return 204, None


def _comment(call: Call) -> Comment:
    comment = call.repository.comments.get(int(call.operation.path["comment_id"]))
    if comment is None:
        raise Refusal(404, "Not Found")
    return comment


def _check_length(body: str) -> None:
    if not body.strip():
        raise failed("IssueComment", "body", "missing_field")
    if len(body) > BODY_MAX:
        text = f"Body is too long (maximum is {BODY_MAX} characters)"
        raise failed("IssueComment", "data", "unprocessable", message=text)


def _comment_json(call: Call, comment: Comment) -> dict[str, Any]:
    html = f"{call.world.url}/{call.repository.name}/pull/{comment.pull}#issuecomment-{comment.id}"
    return {
        "id": comment.id,
        "node_id": comment.node_id,
        "url": f"{call.url}/issues/comments/{comment.id}",
        "html_url": html,
        "issue_url": f"{call.url}/issues/{comment.pull}",
        "body": comment.body,
        "user": user(comment.author),
        "created_at": comment.created,
        "updated_at": comment.updated,
        "author_association": "NONE",
    }

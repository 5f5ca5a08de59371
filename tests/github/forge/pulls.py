"""Pull requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.github.forge.call import brief, failed, user
from tests.github.forge.world import ACTIONS, Pull, Refusal, node_id

if TYPE_CHECKING:
    from tests.github.forge.call import Call
    from tests.github.forge.world import Repository, World

BODY_MAX = 65_536
"""Characters."""


def list_pulls(call: Call) -> list[dict[str, Any]]:
    call.need("pull-requests", level="read")
    state, head, base = (call.query.get(name, "") for name in ("state", "head", "base"))
    # As GitHub: a head without its owner is no filter at all.
    owner, _, branch = head.rpartition(":")
    found = [
        pull
        for pull in call.repository.pulls.values()
        if state in {"all", pull.state} or (not state and pull.state == "open")
        if not owner or (pull.head_repository.partition("/")[0], pull.head) == (owner, branch)
        if base in {"", pull.base}
    ]
    return [_pull_json(call, pull) for pull in sorted(found, key=lambda each: -each.number)]


def list_pulls_of_commit(call: Call) -> list[dict[str, Any]]:
    call.need("pull-requests", level="read")
    commit = call.operation.path["commit_sha"]
    bare = call.repository.bare
    return [
        _pull_json(call, pull)
        for pull in call.repository.pulls.values()
        if commit in {pull.merged, bare.head(pull.head_ref)}
    ]


def get_pull(call: Call) -> tuple[int, Any]:
    call.need("pull-requests", level="read")
    return 200, _pull_json(call, pull_of(call, "pull_number"))


def create_pull(call: Call) -> tuple[int, Any]:
    call.need("pull-requests", level="write")
    if call.token.login == ACTIONS and not call.repository.actions_may_open_pulls:
        raise Refusal(403, "GitHub Actions is not permitted to create or approve pull requests.")
    body = call.body
    owner, _, head = body["head"].rpartition(":")
    if "title" not in body:
        raise failed("PullRequest", "title", "missing_field")
    if len(body.get("body") or "") > BODY_MAX:
        raise failed(
            "PullRequest", "body", "unprocessable", message=f"body is too long (maximum is {BODY_MAX} characters)"
        )
    source = call.repository
    if owner and owner != source.owner:
        forks = [each for each in call.world.repositories.values() if each.parent == source.name]
        source = next((each for each in forks if each.owner == owner), source)
    pull = open_pull(
        call.world,
        call.repository,
        source,
        head=head,
        base=body["base"],
        title=body["title"],
        body=body.get("body") or "",
        author=call.token.login,
    )
    return 201, _pull_json(call, pull)


def open_pull(
    world: World,
    repository: Repository,
    source: Repository,
    *,
    head: str,
    base: str,
    title: str,
    body: str,
    author: str,
) -> Pull:
    """A new pull request of the branch *head* of *source*."""
    commit, onto = source.bare.head(f"refs/heads/{head}"), repository.bare.head(f"refs/heads/{base}")
    for name, found in (("head", commit), ("base", onto)):
        if found is None:
            raise failed("PullRequest", name, "invalid")
    assert commit is not None
    assert onto is not None
    same = (source.name, head, base)
    if any(
        (each.head_repository, each.head, each.base) == same
        for each in repository.pulls.values()
        if each.state == "open"
    ):
        text = f"A pull request already exists for {source.owner}:{head}."
        raise failed("PullRequest", None, "custom", message=text)
    if source is not repository:
        repository.bare.git("fetch", "-q", str(source.bare.path), commit)
    if repository.bare.is_ancestor(commit, onto):
        raise failed("PullRequest", None, "custom", message=f"No commits between {base} and {head}")
    with world.lock:
        number = max(repository.pulls, default=0) + 1
        pull = Pull(
            number=number, title=title, body=body, author=author, head=head, head_repository=source.name, base=base
        )
        repository.pulls[number] = pull
    repository.bare.git("update-ref", pull.head_ref, commit)
    repository.test_merge(pull)
    repository.note("pull_request", author, action="opened", number=number, head=commit)
    return pull


def update_pull(call: Call) -> tuple[int, Any]:
    call.need("pull-requests", level="write")
    pull = pull_of(call, "pull_number")
    pull.title = call.body.get("title", pull.title)
    pull.body = call.body.get("body", pull.body) or ""
    if call.body.get("state", pull.state) != pull.state:
        pull.state = call.body["state"]
        action = "closed" if pull.state == "closed" else "reopened"
        call.repository.note("pull_request", call.token.login, action=action, number=pull.number)
    return 200, _pull_json(call, pull)


def pull_of(call: Call, parameter: str) -> Pull:
    pull = call.repository.pulls.get(int(call.operation.path[parameter]))
    if pull is None:
        raise Refusal(404, "Not Found")
    return pull


def _pull_json(call: Call, pull: Pull) -> dict[str, Any]:
    bare, world = call.repository.bare, call.world
    base = pull.merged and bare.head(f"{pull.merged}^1")
    head_repository = world.repository(pull.head_repository)
    assert head_repository is not None
    return {
        "id": 1_000 * call.repository.id + pull.number,
        "node_id": node_id("PullRequest", pull.number),
        "number": pull.number,
        "state": pull.state,
        "title": pull.title,
        "body": pull.body,
        "user": user(pull.author),
        "url": f"{call.url}/pulls/{pull.number}",
        "html_url": f"{world.url}/{call.repository.name}/pull/{pull.number}",
        "created_at": pull.created,
        "merge_commit_sha": pull.merged or bare.head(pull.merge_ref),
        "head": _side(head_repository, pull.head, bare.head(pull.head_ref)),
        "base": _side(call.repository, pull.base, base or bare.head(f"refs/heads/{pull.base}")),
    }


def _side(repository: Repository, branch: str, commit: str | None) -> dict[str, Any]:
    label = f"{repository.owner}:{branch}"
    return {"label": label, "ref": branch, "sha": commit, "user": user(repository.owner), "repo": brief(repository)}

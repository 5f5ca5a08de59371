"""The REST API: which operations ftops uses, by GitHub's published description."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.github.forge import comments, pulls, refs
from tests.github.forge.call import Call
from tests.github.forge.described import operation
from tests.github.forge.wire import Answer, json_answer
from tests.github.forge.world import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.github.forge.described import Operation
    from tests.github.forge.wire import Request
    from tests.github.forge.world import Token, World

PAGE_MAX = 100


def answer(world: World, request: Request, token: Token) -> Answer:
    """One request under `/api/v3`."""
    path = request.path.removeprefix("/api/v3")
    asked = operation(request.method, path)
    body = json.loads(request.body) if request.body else None
    problems = asked.problems(request.query, body) if asked else [f"{request.method} {path}: no operation that is used"]
    if asked is None or problems:
        return invalid(world, request, problems)
    try:
        call = _call(world, request, token, asked, body or {})
        status, value, links = PAGES.get(asked.described["operationId"], _single)(call)
    except Refusal as refusal:
        status, links = refusal.status, ""
        value = {"message": refusal.message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}
        value |= {"errors": refusal.errors} if refusal.errors else {}
    if unpublished := asked.unpublished(status, value):
        world.invalid.append(f"the forge answered {asked.described['operationId']} with {unpublished}")
    return json_answer(status, value, **({"Link": links} if links else {}))


def _call(world: World, request: Request, token: Token, asked: Operation, body: dict[str, Any]) -> Call:
    """What a token cannot see is not there."""
    repository = world.repository(f"{asked.path['owner']}/{asked.path['repo']}")
    if repository is None or (repository.private and token.repository not in {None, repository.name}):
        raise Refusal(404, "Not Found")
    return Call(world=world, token=token, repository=repository, operation=asked, query=request.query, body=body)


def invalid(world: World, request: Request, problems: list[str]) -> Answer:
    """Refuse and remember a request that GitHub's description does not allow."""
    with world.lock:
        world.invalid += [f"{request.method} {request.path}: {problem}" for problem in problems]
    return json_answer(400, {"message": "; ".join(problems), "documentation_url": "https://docs.github.com/rest"})


def _single(call: Call) -> tuple[int, Any, str]:
    status, value = OPERATIONS[call.operation.described["operationId"]](call)
    return status, value, ""


def _paged(find: Callable[[Call], list[Any]]) -> Callable[[Call], tuple[int, Any, str]]:
    """A page of what *find* gives, with the link to the next one."""

    def page_of(call: Call) -> tuple[int, Any, str]:
        size = min(int(call.query.get("per_page", 30)), PAGE_MAX)
        page = max(int(call.query.get("page", 1)), 1)
        found = find(call)
        link = ""
        if page * size < len(found):
            path = call.operation.template.format(**call.operation.path)
            link = f'<{call.world.url}/api/v3{path}?per_page={size}&page={page + 1}>; rel="next"'
        return 200, found[(page - 1) * size : page * size], link

    return page_of


OPERATIONS: dict[str, Callable[[Call], tuple[int, Any]]] = {
    "git/create-ref": refs.create_ref,
    "git/delete-ref": refs.delete_ref,
    "git/get-ref": refs.get_ref,
    "git/update-ref": refs.update_ref,
    "issues/create-comment": comments.create_comment,
    "issues/delete-comment": comments.delete_comment,
    "issues/get-comment": comments.get_comment,
    "issues/update-comment": comments.update_comment,
    "pulls/create": pulls.create_pull,
    "pulls/get": pulls.get_pull,
    "pulls/update": pulls.update_pull,
    "repos/create-dispatch-event": refs.dispatch,
    "repos/get": refs.get_repository,
    "repos/get-branch": refs.get_branch,
}
PAGES: dict[str, Callable[[Call], tuple[int, Any, str]]] = {
    "issues/list-comments": _paged(comments.list_comments),
    "pulls/list": _paged(pulls.list_pulls),
    "repos/list-pull-requests-associated-with-commit": _paged(pulls.list_pulls_of_commit),
}

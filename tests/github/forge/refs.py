"""The repository and its refs, and events that a client sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.github.forge.call import brief
from tests.github.forge.objects import EMPTY
from tests.github.forge.world import Refusal, node_id

if TYPE_CHECKING:
    from tests.github.forge.call import Call
    from tests.github.forge.world import Repository, Token

PROTECTED = "Repository rule violations found\n\nChanges must be made through a pull request.\n\n"
CLASSIC = "Changes must be made through a pull request."


def get_repository(call: Call) -> tuple[int, Any]:
    return 200, brief(call.repository) | {"default_branch": "main"}


def get_branch(call: Call) -> tuple[int, Any]:
    call.need("contents", level="read")
    branch = call.operation.path["branch"]
    commit = call.repository.bare.head(f"refs/heads/{branch}")
    if commit is None:
        raise Refusal(404, "Branch not found")
    protected = call.repository.protection(f"refs/heads/{branch}", "") is not None
    return 200, {"name": branch, "commit": {"sha": commit}, "protected": protected}


def get_ref(call: Call) -> tuple[int, Any]:
    call.need("contents", level="read")
    ref = f"refs/{call.operation.path['ref']}"
    commit = call.repository.bare.head(ref)
    if commit is None:
        raise Refusal(404, "Not Found")
    return 200, _ref_json(call, ref, commit)


def create_ref(call: Call) -> tuple[int, Any]:
    call.need("contents", level="write")
    ref, commit = call.body["ref"], call.body["sha"]
    if not (ref.startswith("refs/") and ref.count("/") >= 2):
        raise Refusal(422, "Reference name must start with 'refs/' and have at least two slashes.")
    if not call.repository.bare.exists(commit):
        raise Refusal(422, "Object does not exist")
    if not call.repository.bare.move(ref, commit, None):
        raise Refusal(422, "Reference already exists")
    call.repository.pushed(ref, EMPTY, commit, call.token.login)
    return 201, _ref_json(call, ref, commit)


def update_ref(call: Call) -> tuple[int, Any]:
    call.need("contents", level="write")
    repository = call.repository
    ref, commit = f"refs/{call.operation.path['ref']}", call.body["sha"]
    before = repository.bare.head(ref)
    if before is None:
        raise Refusal(422, "Reference does not exist")
    if not repository.bare.exists(commit):
        raise Refusal(422, "Object does not exist")
    refuse_protected(repository, ref, call.token)
    forward = repository.bare.is_ancestor(before, commit) or call.body.get("force", False)
    if not (forward and repository.bare.move(ref, commit, before)):
        raise Refusal(422, "Update is not a fast forward")
    repository.pushed(ref, before, commit, call.token.login)
    return 200, _ref_json(call, ref, commit)


def delete_ref(call: Call) -> tuple[int, Any]:
    call.need("contents", level="write")
    ref = f"refs/{call.operation.path['ref']}"
    before = call.repository.bare.head(ref)
    if before is None:
        raise Refusal(422, "Reference does not exist")
    refuse_protected(call.repository, ref, call.token)
    call.repository.bare.git("update-ref", "-d", ref, before)
    call.repository.pushed(ref, before, EMPTY, call.token.login)
    return 204, None


def refuse_protected(repository: Repository, ref: str, token: Token) -> None:
    if rule := repository.protection(ref, token.login):
        raise Refusal(422, CLASSIC if rule.kind == "classic" else PROTECTED)


def dispatch(call: Call) -> tuple[int, Any]:
    call.need("contents", level="write")
    facts = {"action": call.body["event_type"], "client_payload": call.body.get("client_payload", {})}
    call.repository.note("repository_dispatch", call.token.login, **facts)
    return 204, None


def _ref_json(call: Call, ref: str, commit: str) -> dict[str, Any]:
    made = {"type": "commit", "sha": commit, "url": f"{call.url}/git/commits/{commit}"}
    return {"ref": ref, "node_id": node_id("Ref", call.repository.id), "url": f"{call.url}/git/{ref}", "object": made}

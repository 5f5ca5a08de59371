"""Cuts GitHub's published descriptions down to what ftops uses: `python -m tests.github.schema.cut PACKAGES`.

PACKAGES is a folder with the unpacked npm packages `graphql-schema`, `openapi` and `webhooks-examples` of @octokit. The
results lie beside this file; README.md tells which versions they were cut from. Nothing is added or loosened: what is
left out is left out whole (an operation, a field, a description), so that what passes the cut passes the whole.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphql import assert_valid_schema, build_schema, parse, print_ast
from graphql.language import (
    DocumentNode,
    EnumTypeDefinitionNode,
    InputObjectTypeDefinitionNode,
    ListTypeNode,
    NonNullTypeNode,
    ScalarTypeDefinitionNode,
    UnionTypeDefinitionNode,
)

if TYPE_CHECKING:
    from graphql.language import DefinitionNode, FieldDefinitionNode

FOLDER = Path(__file__).parent

FIELDS = {
    "Query": "id node rateLimit repository viewer",
    "Mutation": "createCommitOnBranch minimizeComment",
    "RateLimit": "cost limit remaining",
    "Node": "id",
    "Actor": "login",
    "Bot": "id login",
    "User": "id login",
    "Organization": "id login",
    "Mannequin": "id login",
    "EnterpriseUserAccount": "id login",
    "RepositoryOwner": "id login",
    "Repository": "databaseId defaultBranchRef id isPrivate name nameWithOwner object owner pullRequest ref",
    "Ref": "id name prefix target",
    "GitObject": "id oid",
    "Blob": "byteSize id isBinary isTruncated oid text",
    "Commit": "id message messageBody messageHeadline oid url",
    "Tag": "id name oid",
    "Tree": "id oid",
    "PullRequest": "author baseRefName body createdAt headRefName headRefOid id isCrossRepository number state title "
    "updatedAt url",
    "Comment": "author body createdAt id updatedAt",
    "Minimizable": "isMinimized minimizedReason",
    "IssueComment": "author body createdAt databaseId id isMinimized minimizedReason updatedAt url viewerDidAuthor",
    "CreateCommitOnBranchPayload": "clientMutationId commit ref",
    "MinimizeCommentPayload": "clientMutationId minimizedComment",
}
"""What is kept of the types with fields. Inputs and enumerations are kept whole, as far as these need them."""

OPERATIONS = {
    "/repos/{owner}/{repo}": "get",
    "/repos/{owner}/{repo}/branches/{branch}": "get",
    "/repos/{owner}/{repo}/commits/{commit_sha}/pulls": "get",
    "/repos/{owner}/{repo}/dispatches": "post",
    "/repos/{owner}/{repo}/git/ref/{ref}": "get",
    "/repos/{owner}/{repo}/git/refs": "post",
    "/repos/{owner}/{repo}/git/refs/{ref}": "patch delete",
    "/repos/{owner}/{repo}/issues/{issue_number}/comments": "get post",
    "/repos/{owner}/{repo}/issues/comments/{comment_id}": "get patch delete",
    "/repos/{owner}/{repo}/pulls": "get post",
    "/repos/{owner}/{repo}/pulls/{pull_number}": "get patch",
}
"""Of the REST API."""

EVENTS = {
    "merge_group": {"action": "checks_requested"},
    "pull_request": {"action": "opened"},
    "push": {"ref": "refs/heads/master"},
    "repository_dispatch": {},
    "workflow_dispatch": {},
}
"""Of which events an example is kept: the first with these values. (None is published of `schedule`.)"""

PROSE = frozenset({"description", "summary", "example", "examples", "externalDocs", "tags", "deprecationDate"})


def main() -> None:
    """Read the packages, write the cuts."""
    packages = Path(sys.argv[1])
    graphql = (packages / "graphql-schema/package/schema.graphql").read_text(encoding="utf-8")
    (FOLDER / "github.graphql").write_text(cut_graphql(graphql), encoding="utf-8")
    openapi = json.loads((packages / "openapi/package/generated/api.github.com.json").read_text(encoding="utf-8"))
    _write("github-rest.json", cut_openapi(openapi))
    examples = json.loads((packages / "webhooks-examples/package/api.github.com/index.json").read_text("utf-8"))
    _write("github-events.json", cut_events(examples))


def cut_graphql(text: str) -> str:
    """The types of FIELDS with these fields alone, and the inputs, scalars and enumerations that they need."""
    known = {node.name.value: node for node in parse(text, no_location=True).definitions if hasattr(node, "name")}
    kept: dict[str, DefinitionNode] = {}
    wanted = sorted(FIELDS)
    while wanted:
        name = wanted.pop()
        if name not in kept and name in known:
            kept[name] = _cut_definition(known[name])
            wanted += _needed(kept[name])
    written = print_ast(DocumentNode(definitions=tuple(kept[name] for name in sorted(kept)))) + "\n"
    assert_valid_schema(build_schema(written))
    return written


def _cut_definition(node: Any) -> Any:
    """Without descriptions and directives, which are about GitHub's documentation; fields, interfaces as of FIELDS."""
    name = node.name.value
    changes: dict[str, Any] = {"description": None, "directives": ()}
    if isinstance(node, EnumTypeDefinitionNode):
        changes["values"] = tuple(replace(each, description=None, directives=()) for each in node.values or ())
    elif isinstance(node, InputObjectTypeDefinitionNode):
        changes["fields"] = tuple(replace(each, description=None, directives=()) for each in node.fields or ())
    elif isinstance(node, UnionTypeDefinitionNode):
        changes["types"] = tuple(each for each in node.types or () if each.name.value in FIELDS)
    elif not isinstance(node, ScalarTypeDefinitionNode):
        fields = FIELDS[name].split()
        assert (lacking := set(fields) - {each.name.value for each in node.fields}) == set(), f"{name}: no {lacking}"
        changes["fields"] = tuple(_cut_field(each) for each in node.fields if each.name.value in fields)
        changes["interfaces"] = tuple(each for each in node.interfaces or () if each.name.value in FIELDS)
    return replace(node, **changes)


def _cut_field(node: FieldDefinitionNode) -> FieldDefinitionNode:
    arguments = tuple(replace(each, description=None, directives=()) for each in node.arguments or ())
    return replace(node, description=None, directives=(), arguments=arguments)


def _needed(node: Any) -> list[str]:
    """The names of the types in its fields."""
    fields = getattr(node, "fields", None) or ()
    arguments = [each for field in fields for each in getattr(field, "arguments", None) or ()]
    return [_name(each.type) for each in (*fields, *arguments)]


def _name(node: Any) -> str:
    while isinstance(node, ListTypeNode | NonNullTypeNode):
        node = node.type
    return str(node.name.value)


def cut_openapi(whole: dict[str, Any]) -> dict[str, Any]:
    """Parameters and request bodies of OPERATIONS; of the answers, the codes alone."""
    paths: dict[str, Any] = {}
    for path, methods in OPERATIONS.items():
        paths[path] = {}
        for method in methods.split():
            operation = whole["paths"][path][method]
            paths[path][method] = {
                "operationId": operation["operationId"],
                "parameters": [_resolved(parameter, whole) for parameter in operation.get("parameters", ())],
                "requestBody": _without_prose(operation.get("requestBody")),
                "responses": {code: _properties(answer, whole) for code, answer in operation["responses"].items()},
            }
    return {"openapi": whole["openapi"], "info": whole["info"], "paths": paths}


def _resolved(value: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        found: Any = whole
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    cut = _without_prose(value)
    assert isinstance(cut, dict)
    return cut


def _properties(answer: dict[str, Any], whole: dict[str, Any]) -> list[str] | None:
    """The names of what an answer may have, as paths of two steps at most; None if it has no body."""
    schema = _resolved(answer, whole).get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        return None
    names: set[str] = set()
    for name, value in _all_properties(schema, whole).items():
        names |= {name} | {f"{name}.{inner}" for inner in _all_properties(value, whole)}
    return sorted(names)


def _all_properties(schema: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    schema = _resolved(schema, whole)
    found = dict(schema.get("properties", {}))
    parts = [*schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    for part in (*parts, *([schema["items"]] if "items" in schema else ())):
        found |= _all_properties(part, whole)
    return found


def _without_prose(value: object) -> object:
    if isinstance(value, list):
        return [_without_prose(each) for each in value]
    if not isinstance(value, dict):
        return value
    # A property may have such a name as well; its value is a schema then, and no text.
    return {
        name: _without_prose(each)
        for name, each in value.items()
        if not (name in PROSE and isinstance(each, str | list)) and not name.startswith("x-") and name != "examples"
    }


def cut_events(published: list[dict[str, Any]]) -> dict[str, Any]:
    """One example of each of EVENTS, without the addresses of everything that the API could be asked for as well."""
    examples = {each["name"]: each["examples"] for each in published}
    return {
        name: _without_addresses(next(each for each in examples[name] if each | values == each))
        for name, values in EVENTS.items()
    }


def _without_addresses(value: object) -> object:
    if isinstance(value, list):
        return [_without_addresses(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {"html_url", "clone_url", "url"}
    return {
        name: _without_addresses(each)
        for name, each in value.items()
        if name in kept or not name.endswith(("_url", "_links"))
    }


def _write(name: str, value: object) -> None:
    (FOLDER / name).write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

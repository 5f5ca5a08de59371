"""The GraphQL API, by GitHub's published schema: a document that it does not allow is no request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, execute_sync, parse, validate

from tests.github.forge.described import graphql_schema
from tests.github.forge.fields import Root
from tests.github.forge.rest import invalid
from tests.github.forge.wire import json_answer
from tests.github.forge.world import Refusal

if TYPE_CHECKING:
    from graphql import GraphQLResolveInfo

    from tests.github.forge.wire import Answer, Request
    from tests.github.forge.world import Token, World


def answer(world: World, request: Request, token: Token) -> Answer:
    """One document, carried out."""
    asked = json.loads(request.body)
    schema = graphql_schema()
    try:
        document = parse(asked["query"])
    except GraphQLError as error:
        return invalid(world, request, [error.message])
    if errors := validate(schema, document):
        return invalid(world, request, [error.message for error in errors])
    done = execute_sync(
        schema,
        document,
        root_value=Root(world=world, token=token),
        variable_values=asked.get("variables"),
        operation_name=asked.get("operationName"),
        field_resolver=_resolve,
    )
    errors = list(done.errors or ())
    if wrong := [error.message for error in errors if not isinstance(error.original_error, Refusal)]:
        return invalid(world, request, wrong)
    return json_answer(200, {"data": done.data} | ({"errors": [_shown(error) for error in errors]} if errors else {}))


def _shown(error: GraphQLError) -> dict[str, Any]:
    """As GitHub does, with the type beside the message."""
    assert isinstance(error.original_error, Refusal)
    places = [{"line": place.line, "column": place.column} for place in error.locations or ()]
    return {"type": error.original_error.kind, "path": error.path, "locations": places, "message": error.message}


def _resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    """A field of a dict or of Root; one that the forge does not know is an error, and never null."""
    value = source[info.field_name] if isinstance(source, dict) else getattr(source, info.field_name)
    return value(**arguments) if callable(value) else value

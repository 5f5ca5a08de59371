"""Answers in the API's shape: JSON, and for whatever goes wrong an error object."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from ftops.server.errors import ApiError, server_error

if TYPE_CHECKING:
    from starlette.exceptions import HTTPException
    from starlette.requests import Request

_NOT_FOUND, _NOT_ALLOWED = 404, 405


def json_response(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(value), status_code=status, headers=headers, media_type="application/json")


def refusal(error: ApiError) -> Response:
    return json_response(error.body(), status=error.status, headers=error.headers)


async def on_api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return refusal(error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """What the framework refuses by itself: unknown paths, wrong methods, malformed forms."""
    http: HTTPException = error  # type: ignore[assignment]  # starlette calls this for no other
    if http.status_code == _NOT_FOUND:
        message = f"Invalid URL ({request.method} {request.url.path})"
        return refusal(ApiError(404, message, code="unknown_url"))
    if http.status_code == _NOT_ALLOWED:
        message = f"Not allowed to {request.method} on {request.url.path}. Perhaps another HTTP method was meant."
        return refusal(ApiError(405, message, code="method_not_supported", headers=dict(http.headers or {})))
    return refusal(ApiError(http.status_code, http.detail))


async def on_disconnect(_: Request, __: Exception) -> Response:
    """The client went away while it was sending: nobody reads this."""
    return refusal(ApiError(400, "The request ended too early."))


async def on_failure(_: Request, error: Exception) -> Response:
    """A bug, or the machine's trouble; the traceback is in the server's log."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return refusal(server_error("The server's disk is full: nothing was saved."))
    return refusal(server_error())

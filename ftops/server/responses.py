"""Answers in the API's shape: JSON, and for whatever goes wrong an error object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from ftops.server.errors import ApiError, is_disk_full, server_error

if TYPE_CHECKING:
    from starlette.exceptions import HTTPException
    from starlette.requests import Request


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
    method, path = request.method, request.url.path
    known = {
        404: ("unknown_url", f"Invalid URL ({method} {path})"),
        405: ("method_not_supported", f"Not allowed to {method} on {path}. Perhaps another HTTP method was meant."),
    }
    code, message = known.get(http.status_code, (None, http.detail))
    return refusal(ApiError(http.status_code, message, code=code, headers=dict(http.headers or {})))


async def on_disconnect(_: Request, __: Exception) -> Response:
    """The client went away while it was sending: nobody reads this."""
    return refusal(ApiError(400, "The request ended too early."))


async def on_failure(_: Request, error: Exception) -> Response:
    """A bug, or the machine's trouble; the traceback is in the server's log.

    The connection ends, for the framework raises the error once more, and a client that went on with it would be cut.
    """
    told = server_error("The server's disk is full: nothing was saved.") if is_disk_full(error) else server_error()
    return json_response(told.body(), status=told.status, headers={"connection": "close"})

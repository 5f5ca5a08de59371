"""`/v1/models` and `/v1/chat/completions`. A model's id may hold colons, as they are or as `%3A`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.routing import Route

from ftops.server import chat, models
from ftops.server.bodies import read_fields
from ftops.server.chat_request import read_chat_request
from ftops.server.errors import ApiError
from ftops.server.responses import json_response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine

    from starlette.requests import Request
    from starlette.responses import Response

    from ftops.server.inference import Inference
    from ftops.server.state import State


async def list_models(request: Request) -> Response:
    return json_response(models.list_all(_state(request)))


async def retrieve_model(request: Request) -> Response:
    return json_response(models.retrieve(_state(request), request.path_params["model"]))


async def delete_model(request: Request) -> Response:
    return json_response(models.delete(_state(request), request.path_params["model"]))


async def complete_chat(request: Request) -> Response:
    asked = read_chat_request(await read_fields(request))
    inference: Inference = request.app.state.inference
    if not asked.is_streamed:
        return json_response(await _unless_gone(request, chat.answer(_state(request), inference, asked)))
    chunks = chat.stream(_state(request), inference, asked)
    # What cannot be answered at all is refused with a status of its own, which only the first chunk tells.
    first = await anext(chunks)
    return StreamingResponse(_server_sent(first, chunks), media_type="text/event-stream")


async def _unless_gone(request: Request, answering: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """The answer, not computed to its end for a client that has gone away.

    Raises:
        ClientDisconnect: It has.
    """
    answer = asyncio.create_task(answering)
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        raise ClientDisconnect
    finally:
        for task in (answer, gone):
            task.cancel()
        await asyncio.gather(answer, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _server_sent(
    first: dict[str, Any], chunks: AsyncGenerator[dict[str, Any], None]
) -> AsyncGenerator[bytes, None]:
    try:
        yield _line(first)
        async for chunk in chunks:
            yield _line(chunk)
        yield b"data: [DONE]\n\n"
    except ApiError as error:
        yield _line(error.body())
    finally:
        await chunks.aclose()


def _line(value: object) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def _state(request: Request) -> State:
    state: State = request.app.state.world.state
    return state


ROUTES = (
    Route("/v1/models", list_models, methods=["GET"]),
    Route("/v1/models/{model:path}", retrieve_model, methods=["GET"]),
    Route("/v1/models/{model:path}", delete_model, methods=["DELETE"]),
    Route("/v1/chat/completions", complete_chat, methods=["POST"]),
)

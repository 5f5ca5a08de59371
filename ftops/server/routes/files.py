"""`/v1/files` and `/v1/uploads`. What waits for the disk runs in a thread, beside the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ftops.server import files, uploads
from ftops.server.bodies import read_fields, received_file
from ftops.server.responses import json_response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

    from ftops.server.state import State

_CHUNK_BYTES: Final = 64 * 1024


async def create_file(request: Request) -> Response:
    state = _state(request)
    async with received_file(request, state, "file", most=files.MAX_BYTES) as (written, filename, fields):
        description = files.describe(fields, filename=filename)
        fields.finish()
        return json_response(await run_in_threadpool(files.add, state, written, description))


async def list_files(request: Request) -> Response:
    return json_response(files.list_page(_state(request), request.query_params))


async def retrieve_file(request: Request) -> Response:
    return json_response(files.retrieve(_state(request), request.path_params["file"]))


async def file_content(request: Request) -> Response:
    opened, file = files.content(_state(request), request.path_params["file"])
    headers = {
        "content-disposition": f"attachment; filename*=utf-8''{quote(file['filename'], safe='')}",
        "content-length": str(file["bytes"]),
    }
    return StreamingResponse(_chunks(opened), headers=headers, media_type="application/octet-stream")


async def _chunks(file: BinaryIO) -> AsyncGenerator[bytes, None]:
    with file:
        while chunk := await run_in_threadpool(file.read, _CHUNK_BYTES):
            yield chunk


async def delete_file(request: Request) -> Response:
    return json_response(files.delete(_state(request), request.path_params["file"]))


async def create_upload(request: Request) -> Response:
    return json_response(uploads.create(_state(request), await read_fields(request)))


async def add_part(request: Request) -> Response:
    state, upload = _state(request), request.path_params["upload"]
    uploads.require_pending(state, upload)
    async with received_file(request, state, "data", most=uploads.MAX_PART_BYTES) as (written, _, fields):
        fields.finish()
        return json_response(await run_in_threadpool(uploads.add_part, state, upload, written))


async def complete_upload(request: Request) -> Response:
    fields = await read_fields(request)
    return json_response(
        await run_in_threadpool(uploads.complete, _state(request), request.path_params["upload"], fields)
    )


async def cancel_upload(request: Request) -> Response:
    return json_response(uploads.cancel(_state(request), request.path_params["upload"]))


def _state(request: Request) -> State:
    state: State = request.app.state.world.state
    return state


ROUTES = (
    Route("/v1/files", create_file, methods=["POST"]),
    Route("/v1/files", list_files, methods=["GET"]),
    Route("/v1/files/{file}", retrieve_file, methods=["GET"]),
    Route("/v1/files/{file}", delete_file, methods=["DELETE"]),
    Route("/v1/files/{file}/content", file_content, methods=["GET"]),
    Route("/v1/uploads", create_upload, methods=["POST"]),
    Route("/v1/uploads/{upload}/parts", add_part, methods=["POST"]),
    Route("/v1/uploads/{upload}/complete", complete_upload, methods=["POST"]),
    Route("/v1/uploads/{upload}/cancel", cancel_upload, methods=["POST"]),
)

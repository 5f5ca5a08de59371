"""Bodies of requests: JSON objects in memory, files straight to the disk, neither larger than allowed."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from ftops.server.errors import ApiError, bad_request, too_large, too_slow
from ftops.server.fields import Fields, missing, wrong_type

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from starlette.datastructures import FormData
    from starlette.requests import Request

    from ftops.server.state import State

MAX_JSON_BYTES: Final = 2 * 1024 * 1024
"""More than the largest context holds; as objects it takes some twenty times as much memory."""
MAX_JSON_NESTING: Final = 64
MAX_FORM_FIELDS: Final = 32
MAX_FORM_FIELD_BYTES: Final = 16 * 1024
PATIENCE_SECONDS: Final = 30.0
"""How long a body may take, and beside that so long as it comes at this rate:"""
LEAST_BYTES_PER_SECOND: Final = 4096
_MEMORY_BYTES: Final = 64 * 1024
"""Of a file that comes, before it goes to the disk: as many come at once as there are connections."""
_ROOM_FOR_FIELDS: Final = MAX_FORM_FIELDS * (MAX_FORM_FIELD_BYTES + 1024)
"""Of a form, beside its file."""


async def read_value(request: Request) -> object:
    """The body's JSON, whatever it is.

    Raises:
        ApiError: It is no JSON (400), too slow (408), too large (413), or says to be something else (415).
    """
    _require_type(request, "application/json")
    body = b"".join([chunk async for chunk in _limited(request, MAX_JSON_BYTES)])
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        message = f"We could not parse the JSON body of your request: {error}."
        raise bad_request(message, code="invalid_json") from error
    if _is_nested_deeper(value, MAX_JSON_NESTING):
        message = f"The JSON body of your request is nested deeper than {MAX_JSON_NESTING} levels."
        raise bad_request(message, code="invalid_json")
    return value


def _is_nested_deeper(value: object, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


async def read_fields(request: Request) -> Fields:
    """The body's fields; likewise, and 400 if it is JSON but no object."""
    value = await read_value(request)
    if not isinstance(value, dict):
        raise wrong_type("body", "an object", value)
    return Fields(value)


@asynccontextmanager
async def received_file(
    request: Request, state: State, name: str, *, most: int
) -> AsyncIterator[tuple[Path, str, Fields]]:
    """The form's file called *name*, as a path that may be moved away, its name, and the form's other fields.

    Raises:
        ApiError: It is no form, or has no such file (400), is too slow (408), too large (413), or says to be something
            else (415).
    """
    _require_type(request, "multipart/form-data")
    parser = MultiPartParser(
        request.headers,
        _limited(request, most + _ROOM_FOR_FIELDS),
        max_files=1,
        max_fields=MAX_FORM_FIELDS,
        max_part_size=MAX_FORM_FIELD_BYTES,
    )
    parser.spool_max_size = _MEMORY_BYTES
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise bad_request(f"We could not parse the form of your request: {error.message}") from error
    written = state.incoming()
    try:
        _require_text(form)
        file = form.get(name)
        if file is None:
            raise missing(name)
        if not isinstance(file, UploadFile):
            raise wrong_type(name, "a file", file)
        if (file.size or 0) > most:
            raise too_large(f"The file has {file.size} bytes, but at most {most} are allowed.")
        await run_in_threadpool(_copy, file, written)
        yield written, file.filename or "", _fields_of(form)
    finally:
        written.unlink(missing_ok=True)
        await form.close()


def _require_text(form: FormData) -> None:
    """Whatever character set a form claims, its texts must be such as can be kept: not half a surrogate pair."""
    for name, value in form.multi_items():
        for text in (name, value.filename if isinstance(value, UploadFile) else value):
            try:
                (text or "").encode()
            except UnicodeEncodeError as error:
                raise bad_request(f"We could not parse the form of your request: {error.reason}.") from error


def _copy(file: UploadFile, target: Path) -> None:
    with target.open("wb") as written:
        shutil.copyfileobj(file.file, written)


def _fields_of(form: FormData) -> Fields:
    """Plain fields by name, and those spelt `name[key]` as objects; numbers among them are numbers."""
    values: dict[str, object] = {}
    for name, text in form.multi_items():
        if isinstance(text, UploadFile):
            continue
        outer, bracket, rest = name.partition("[")
        if not bracket:
            values[name] = text
            continue
        inner = values.setdefault(outer, {})
        if not isinstance(inner, dict):
            raise bad_request(f"Invalid form: '{outer}' comes both as a text and as an object.", param=outer)
        key = rest.removesuffix("]")
        inner[key] = int(text) if key == "seconds" and text.isdecimal() and text.isascii() else text
    return Fields(values)


async def _limited(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body in chunks, up to *most* bytes in all, as long as they come fast enough."""
    length = 0
    announced = request.headers.get("content-length", "")
    chunks = request.stream()
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise too_slow() from None
        if chunk is None:
            return
        length += len(chunk)
        if length > most or (announced.isdecimal() and int(announced) > most):
            raise too_large(f"The request is larger than {most} bytes.")
        deadline += len(chunk) / LEAST_BYTES_PER_SECOND
        yield chunk


def _require_type(request: Request, wanted: str) -> None:
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != wanted:
        message = f"Unsupported content type: '{given}'. This method accepts '{wanted}' only."
        raise ApiError(415, message, code="unsupported_content_type")

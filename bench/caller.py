"""HTTP as clients really speak it: they keep connections or not, read slowly, and go away in the middle."""

from __future__ import annotations

import asyncio
import json as jsons
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncIterator

_CHUNK_BYTES = 64 * 1024
_BOUNDARY = "----boundary"


class Dropped(Exception):  # noqa: N818  # nothing is wrong
    """The connection was cut by the caller, as it was told to."""


class Caller:
    """One client of the server at *url*."""

    def __init__(self, url: str, token: str, *, keeps_alive: bool) -> None:
        self._address = urlsplit(url)
        self._token = token
        self._keeps_alive = keeps_alive
        self._connection: tuple[StreamReader, StreamWriter] | None = None

    def twin(self) -> Caller:
        """Another client of the same server, with connections of its own."""
        return Caller(self._address.geturl(), self._token, keeps_alive=self._keeps_alive)

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        form: tuple[bytes, str | None] | None = None,
        drop_after: int | None = None,
        bytes_per_second: float | None = None,
    ) -> tuple[int, bytes]:
        """One request and its answer: the status and the body.

        Args:
            method: Of HTTP.
            path: Below `/v1`.
            json: The body, if there is one.
            form: Or, instead, a file and its purpose; a part of an upload if the purpose is None.
            drop_after: Cut the connection after so many bytes of the body; right after the request if 0.
            bytes_per_second: How fast to read, if not as fast as they come.

        Raises:
            Dropped: The connection was cut, as was asked for.
            EOFError: It ended by itself.
            OSError: It could not be made, or was lost.
        """
        reader, writer = await self._open()
        writer.write(self._request(method, path, json, form))
        await writer.drain()
        if drop_after == 0:
            raise await self._drop()
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n") if b": " in line)
        body = bytearray()
        async for chunk in _chunks(reader, headers):
            body += chunk
            if drop_after is not None and len(body) >= drop_after:
                raise await self._drop()
            if bytes_per_second is not None:
                await asyncio.sleep(len(chunk) / bytes_per_second)
        if not self._keeps_alive or headers.get(b"connection") == b"close":
            await self.close()
        return status, bytes(body)

    async def send_half(self, method: str, path: str, *, form: tuple[bytes, str | None]) -> None:
        """Go away in the middle of the request."""
        _, writer = await self._open()
        request = self._request(method, path, None, form)
        writer.write(request[: len(request) // 2])
        await writer.drain()
        await self.close()

    async def close(self) -> None:
        if self._connection is not None:
            _, writer = self._connection
            self._connection = None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _open(self) -> tuple[StreamReader, StreamWriter]:
        """A connection; one that the server has closed meanwhile, as it may when it was idle, is replaced."""
        if self._connection is not None and (self._connection[0].at_eof() or self._connection[1].is_closing()):
            await self.close()
        if self._connection is None:
            self._connection = await asyncio.open_connection(self._address.hostname, self._address.port)
        return self._connection

    async def _drop(self) -> Dropped:
        assert self._connection is not None
        self._connection[1].transport.abort()
        await self.close()
        return Dropped()

    def _request(self, method: str, path: str, json: object, form: tuple[bytes, str | None] | None) -> bytes:
        kind, body = "application/json", b"" if json is None else jsons.dumps(json).encode()
        if form is not None:
            kind, body = f"multipart/form-data; boundary={_BOUNDARY}", _form(*form)
        head = (
            f"{method} {self._address.path}{path} HTTP/1.1\r\nHost: {self._address.netloc}\r\n"
            f"Authorization: Bearer {self._token}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            f"{'' if self._keeps_alive else 'Connection: close' + chr(13) + chr(10)}\r\n"
        )
        return head.encode() + body


def _form(content: bytes, purpose: str | None) -> bytes:
    head = f"--{_BOUNDARY}\r\nContent-Disposition: form-data; name="
    end = f"\r\n--{_BOUNDARY}--\r\n"
    if purpose is None:
        return f'{head}"data"; filename="part"\r\n\r\n'.encode() + content + end.encode()
    fields = f'{head}"purpose"\r\n\r\n{purpose}\r\n'
    return f'{fields}{head}"file"; filename="a.jsonl"\r\n\r\n'.encode() + content + end.encode()


async def _chunks(reader: StreamReader, headers: dict[bytes, bytes]) -> AsyncIterator[bytes]:
    left = int(headers.get(b"content-length", b"-1"))
    while left > 0:
        chunk = await reader.read(min(left, _CHUNK_BYTES))
        if not chunk:
            raise EOFError("the answer ended in its middle")
        left -= len(chunk)
        yield chunk
    if headers.get(b"transfer-encoding") == b"chunked":
        while length := int(await reader.readline(), 16):
            yield (await reader.readexactly(length + 2))[:-2]
        await reader.readline()

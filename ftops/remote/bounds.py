"""How much of an answer is read, and for how long: a server that never stops must not fill the memory, nor wait us out.

The client library has a time-out for each read and no bound on their sum, nor on the size of a body.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""Of one answer. A page of 100 jobs is some 200 kB, a list of 10,000 files 3 MB."""
ANSWER_SECONDS_MAX = 600
"""From its headers to its end; the longest are streams of text."""
NO_COMPRESSION = {"Accept-Encoding": "identity"}
"""A few bytes can stand for gigabytes. Answers are small, so that compressing them gains little."""


def bound(response: httpx2.Response) -> None:
    """Let no more of *response* be read than the bounds allow; a hook of the HTTP client.

    Raises:
        httpx2.RemoteProtocolError: It is compressed, though that was not asked for.
    """
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise httpx2.RemoteProtocolError("the answer is compressed, which was not asked for")
    assert isinstance(response.stream, httpx2.SyncByteStream)
    response.stream = _Bounded(response.stream)


class _Bounded(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        left, until = ANSWER_BYTES_MAX, time.monotonic() + ANSWER_SECONDS_MAX
        for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise httpx2.RemoteProtocolError(f"the answer is longer than {ANSWER_BYTES_MAX >> 20} MiB")
            if time.monotonic() > until:
                raise httpx2.ReadTimeout(f"the answer did not end within {ANSWER_SECONDS_MAX} seconds")
            yield chunk

    def close(self) -> None:
        self._stream.close()

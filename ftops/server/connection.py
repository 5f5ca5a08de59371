"""One client's connection, as uvicorn serves it, but with an end to all patience and errors in the API's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ftops.server.errors import ApiError, bad_request, overloaded
from ftops.server.responses import refusal

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport

MAX_CONNECTIONS: Final = 200
"""At once; some systems let a process open 256 files, and beyond that nothing at all would work."""
MAX_HEAD_BYTES: Final = 64 * 1024
"""Of a request line and its headers."""
SECONDS_FOR_A_HEAD: Final = 10.0
SECONDS_TO_KEEP_ALIVE: Final = 5
"""How long a connection stays open without a request."""
_ROOM_TO_REFUSE: Final = 20
"""Connections beyond those, which are told so; still others are cut without a word."""
_SECONDS_TO_READ_A_REFUSAL: Final = 1.0
SECONDS_FOR_A_READER: Final = 60.0
"""To take what was written, which is some ten kilobytes at a time."""


class Connection(H11Protocol):
    """What bodies may take is in `bodies`; this is about all that comes before, between and after them."""

    _reading: TimerHandle | None = None
    _writing: TimerHandle | None = None
    _is_refused = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS + _ROOM_TO_REFUSE:
            transport.abort()
        elif len(self.connections) > MAX_CONNECTIONS:
            self._refuse(overloaded())
        else:
            self._reading = self.loop.call_later(SECONDS_FOR_A_HEAD, transport.abort)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        super().data_received(data)
        is_within_head = self.conn.their_state is h11.IDLE
        if self._reading is not None and not is_within_head:
            self._reading.cancel()
            self._reading = None
        elif self._reading is None and is_within_head and self.timeout_keep_alive_task is None:
            self._reading = self.loop.call_later(SECONDS_FOR_A_HEAD, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._await_reader()  # a connection closes only once all that was written has been taken

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._reading, self._writing):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for what is no HTTP."""
        self._refuse(bad_request(f"{msg} Perhaps its head is larger than {MAX_HEAD_BYTES} bytes.", code="invalid_http"))

    def _await_reader(self, seconds: float | None = None) -> None:
        if self._writing is not None:
            self._writing.cancel()
        self._writing = self.loop.call_later(seconds or SECONDS_FOR_A_READER, self.transport.abort)

    def _refuse(self, error: ApiError) -> None:
        """Answer outside of any request, unless an answer is under way, and close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            response = refusal(error)
            headers = [*response.raw_headers, (b"connection", b"close")]
            events = (
                h11.Response(status_code=response.status_code, headers=headers),
                h11.Data(data=bytes(response.body)),
                h11.EndOfMessage(),
            )
            for event in events:
                self.transport.write(cast("Any", self.conn).send(event))
            # Not closed at once, for then what the client still sends would be answered by a reset, and this be lost.
            self._is_refused = True
            self.transport.write_eof()
            self._await_reader(_SECONDS_TO_READ_A_REFUSAL)
        else:
            self.transport.close()

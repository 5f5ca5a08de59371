"""The server's end of the sampling process: started when it is first asked, ended when nobody has asked for long."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from ftops.server.errors import ApiError, bad_request, server_error
from ftops.server.supervisor import LOG, child_environment, end

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ftops.server.state import State
    from ftops.server.train.run import ModelSource

IDLE_SECONDS: Final = 300.0
_LONGEST_LINE: Final = 1024 * 1024


class Inference:
    """Answers one request after the other, in a process of its own."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._sampling: _Sampling | None = None
        self._readers: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    async def complete(self, source: ModelSource, arguments: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Pieces of one answer, as `sampling` sends them.

        Raises:
            ApiError: The prompt is too long (400), the model's file cannot be had (503), or the process died (500).
        """
        sampling = await self._running()
        request_id = self._state.new_id("req_")
        pieces = sampling.waiting[request_id] = asyncio.Queue()
        is_over = False
        try:
            weights = None if source.weights is None else str(source.weights)
            _send(sampling.process, {"id": request_id, "base": source.base, "weights": weights, **arguments})
            while not is_over:
                piece = await pieces.get()
                is_over = piece is None or "ended" in piece or "error" in piece
                if piece is None:
                    raise server_error("The process that computes answers ended unexpectedly. Please try again.")
                if "error" in piece:
                    raise _refusal(piece)
                yield piece
        finally:
            del sampling.waiting[request_id]
            if not is_over:
                _send(sampling.process, {"cancel": request_id})
            self._end_when_idle()

    async def stop(self) -> None:
        """End the process, and with it what it is computing."""
        if self._idle is not None:
            self._idle.cancel()
        if self._sampling is not None:
            await end(self._sampling.process)
        await asyncio.gather(*self._readers)

    async def _running(self) -> _Sampling:
        async with self._starting:
            if self._sampling is None:
                with (self._state.folder / LOG).open("ab") as log:
                    process = await asyncio.create_subprocess_exec(
                        sys.executable,
                        "-m",
                        "ftops.server.sampling",
                        stdin=PIPE,
                        stdout=PIPE,
                        stderr=log,
                        env=child_environment(),
                        limit=_LONGEST_LINE,
                    )
                self._sampling = _Sampling(process=process)
                reader = asyncio.create_task(self._read(self._sampling))
                self._readers.add(reader)
                reader.add_done_callback(self._readers.discard)
            return self._sampling

    async def _read(self, sampling: _Sampling) -> None:
        """Hand pieces out until the process ends; whoever still waits for it then is told so."""
        assert sampling.process.stdout is not None
        async for line in sampling.process.stdout:
            piece = orjson.loads(line)
            if queue := sampling.waiting.get(piece["id"]):
                queue.put_nowait(piece)
        if self._sampling is sampling:
            self._sampling = None
        await sampling.process.wait()
        for queue in sampling.waiting.values():
            queue.put_nowait(None)

    def _end_when_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_if_idle)

    def _end_if_idle(self) -> None:
        if self._sampling is not None and not self._sampling.waiting:
            assert self._sampling.process.stdin is not None
            self._sampling.process.stdin.close()
            self._sampling = None  # it is ending: what is asked from now on is for another


@dataclass(slots=True, kw_only=True)
class _Sampling:
    """A process, and who waits for its answers."""

    process: Process
    waiting: dict[str, asyncio.Queue[dict[str, Any] | None]] = field(default_factory=dict)


def _send(process: Process, message: dict[str, Any]) -> None:
    """Without waiting, for a request that is being cancelled may not wait; if nobody reads, `_read` finds out."""
    assert process.stdin is not None
    process.stdin.write(orjson.dumps(message) + b"\n")


def _refusal(piece: dict[str, Any]) -> ApiError:
    code, message = piece["code"], piece["error"]
    if code == "context_length_exceeded":
        return bad_request(f"This model's context is exceeded: {message}.", param="messages", code=code)
    if code == "model_not_found":
        return ApiError(404, f"The model was deleted before it could answer: {message}.", param="model", code=code)
    if code == "failed":
        return server_error(f"The process that computes answers failed over this request ({message}).")
    # Another try would only wait for the same failure once more.
    headers = {"x-should-retry": "false"}
    return ApiError(
        503, f"The model is not installed here: {message}.", kind="server_error", code=code, headers=headers
    )

"""Serving over a socket: one server a state folder, found by others through `server.json`, ended when nobody needs it.

`server.json` holds `{"pid", "url", "token", "version"}` and is locked while the server listens.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import fcntl
import os
import signal
import socket
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson
import uvicorn

from ftops.server.app import create_app
from ftops.server.connection import MAX_HEAD_BYTES, SECONDS_TO_KEEP_ALIVE, Connection
from ftops.server.errors import StateError
from ftops.server.gate import is_loopback
from ftops.server.settings import MAX_ACTIVE_JOBS, TOKEN_VARIABLE, Settings
from ftops.server.worker import ROLES, working_alone

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from starlette.applications import Starlette

FAILED: Final = 1
ALREADY_RUNNING: Final = 3
_TICKS_A_SECOND: Final = 10
_LARGEST_PORT: Final = 65535
_SECONDS_FOR_OPEN_REQUESTS: Final = 3


def main(arguments: Sequence[str]) -> int:
    """Serve as the command line says, with the token of `FTOPS_SERVER_TOKEN` if there is one; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ftops.server", description="The local fine-tuning server.")
    parser.add_argument("--state", type=Path, required=True, help="private folder of the server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 for any that is free")
    parser.add_argument("--idle-exit", type=float, metavar="SECONDS", help="end after so long without work")
    parser.add_argument("--max-active-jobs", type=int, default=MAX_ACTIVE_JOBS, metavar="N", help="of one model")
    parser.add_argument("--allow-faults", action="store_true", help="let tests make requests fail")
    options = parser.parse_args(arguments)
    if not 0 <= options.port <= _LARGEST_PORT:
        parser.error(f"--port {options.port}: a port is a number from 0 to {_LARGEST_PORT}")
    settings = Settings(
        state=options.state,
        host=options.host,
        port=options.port,
        idle_exit_seconds=options.idle_exit,
        max_active_jobs=options.max_active_jobs,
        allow_faults=options.allow_faults,
    )
    token = os.environ.get(TOKEN_VARIABLE)
    return serve(replace(settings, token=token) if token else settings)


def serve(settings: Settings) -> int:
    """Serve until a signal or long idleness; 0, or 1 if it cannot start, or 3 if another server has the folder."""
    folder = settings.state
    mask = os.umask(0o077)  # whatever is made in the folder, by workers too, is its owner's only
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _only_server(folder) as is_only:
            if not is_only:
                _say(f"another server has `{folder}`: {_running_server(folder)}")
                return ALREADY_RUNNING
            _serve(settings)
    except (OSError, StateError) as error:
        _say(f"the server cannot run on `{folder}`: {_words(error)}")
        return FAILED
    finally:
        os.umask(mask)
    return 0


def _serve(settings: Settings) -> None:
    with _listener(settings) as listener:
        address = listener.getsockname()[0]
        if not is_loopback(address):
            _say(
                f"WARNING: it listens on {address}, where other machines can reach it; whoever has the token can use "
                "it, and reads along unless something in front of it encrypts"
            )
        app = create_app(settings)
        try:
            with ExitStack() as stack:
                # None of the last server's workers goes on, or only for the instant in which it learns of its end.
                for role in ROLES:
                    stack.enter_context(working_alone(settings.state, role))
                app.state.world.recover()
            asyncio.run(_Server(app, settings, listener).serve(sockets=[listener]))
        finally:
            app.state.world.close()


class _Server(uvicorn.Server):
    """Tells where it is once it listens, and ends when it has been idle for long."""

    def __init__(self, app: Starlette, settings: Settings, listener: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
                timeout_keep_alive=SECONDS_TO_KEEP_ALIVE,
                log_level="warning",
                access_log=False,
                lifespan="on",
                timeout_graceful_shutdown=_SECONDS_FOR_OPEN_REQUESTS,
            )
        )
        self._app = app
        self._settings = settings
        self._card: _Card | None = None
        host, port = listener.getsockname()[:2]
        self._url = f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"
        app.state.traffic.cut = self._cut

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        card = {"pid": os.getpid(), "url": self._url, "token": self._settings.token, "version": version("ftops")}
        self._card = _Card(self._settings.state / "server.json", orjson.dumps(card) + b"\n")
        _say(f"listening on {self._url}, state in `{self._settings.state}`")

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_A_SECOND == 0:
            if self._card is not None and not self._card.is_there():
                _say("its `server.json` is gone, so that nobody can find it: it ends, and what is left is for the next")
                return True
            limit = self._settings.idle_exit_seconds
            if limit is not None and self._app.state.traffic.idle_seconds() >= limit:
                return not self._app.state.world.has_unfinished_jobs()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._card is not None:
            self._card.withdraw()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """End in order on a signal, and not by it once more afterwards as uvicorn would."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    def _cut(self, peer: tuple[str, int]) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection) and connection.client == peer:
                connection.transport.abort()


class _Card:
    """`server.json`, locked as long as this process lives and listens: a card that is not locked is a dead server's.

    A client that sees the lock *after* it has connected knows to whom it is about to tell the token: the port was the
    server's before the lock, and is until after it.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        self._path = path
        temporary = path.with_name(f".{path.name}.new")
        temporary.unlink(missing_ok=True)
        self._file = os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._file.write(content)
        self._file.flush()
        temporary.replace(path)

    def is_there(self) -> bool:
        """Whether it is still this card that others find."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except OSError:
            return False

    def withdraw(self) -> None:
        """Before the port is given up."""
        if self.is_there():
            self._path.unlink(missing_ok=True)
        self._file.close()


@contextmanager
def _only_server(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock as long as this process lives; False if another has it."""
    with (folder / "server.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _running_server(folder: Path) -> str:
    try:
        card = orjson.loads((folder / "server.json").read_bytes())
        return f"process {card['pid']} at {card['url']}"
    except (OSError, ValueError, KeyError):
        return "it is just starting or ending"


def _listener(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # The protocol is named, for only then asyncio sends at once: else an answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            why = f"port {settings.port} of {settings.host} is taken: stop what listens there, or choose another port"
        else:
            why = f"it cannot listen on {settings.host}: {_words(error)}"
        raise StateError(why) from None
    return listener


def _words(error: OSError | StateError) -> str:
    if isinstance(error, StateError) or error.strerror is None:
        return str(error)
    return error.strerror.lower() + (f": {error.filename}" if error.filename else "")


def _say(message: str) -> None:
    print(f"ftops server: {message}", file=sys.stderr, flush=True)  # noqa: T201 a program's own message

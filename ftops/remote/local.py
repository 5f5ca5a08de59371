"""The embedded default: starts ftops' own server on demand, and finds the one that runs."""

from __future__ import annotations

import fcntl
import http.client
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

import msgspec

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.plainfile import APPEND, open_plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ftops.clock import Clock

IDLE_SECONDS = 900
"""The server ends by itself when nobody asked for so long and no job is left."""
START_SECONDS = 30
CARD_BYTES_MAX = 10_000
"""Of what a running server tells of itself."""
LOOKS_PER_SECOND = 10


_NEEDED = frozenset({"HOME", "LANG", "LOGNAME", "PATH", "TEMP", "TMP", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV"})
_NEEDED_BEGINNINGS = ("COVERAGE_", "DYLD_", "FTOPS_", "LC_", "LD_", "MKL_", "OMP_", "OPENBLAS_", "PYTHON", "XDG_")
_NETWORK = frozenset({"ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_DIR", "SSL_CERT_FILE"})
"""For fetching a model; in capitals or not."""
_TOKEN = "FTOPS_SERVER_TOKEN"  # noqa: S105  # the name of a variable


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a running server listens, as it writes it into its folder."""

    pid: int
    url: str
    token: str


def local_endpoint(state: Path, environ: Mapping[str, str], clock: Clock) -> Endpoint:
    """Find the server that keeps its state in *state*, or start it.

    Raises:
        ProblemsError: It does not start; with the end of its log.
    """
    if running := _running(state):
        return running
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _starting(state):
            return _running(state) or _start(state, environ, clock)
    except OSError as error:
        raise ProblemsError(_not_started(str(error))) from None


def _running(state: Path) -> Endpoint | None:
    try:
        with open_plain(state / "server.json") as card:
            endpoint = msgspec.json.decode(card.read(CARD_BYTES_MAX), type=Endpoint)
            return endpoint if _answers(endpoint, card) else None
    except (OSError, ValueError, http.client.HTTPException, msgspec.MsgspecError):
        # There is no card, nobody listens, or what was written down is no address and no token.
        return None


def _answers(endpoint: Endpoint, card: BinaryIO) -> bool:
    """Whether the server that wrote *card* listens there still.

    It holds a lock on the card from after it listens until before it ends. So if the lock is held once the connection
    is made, the connection is to that server, and not to a stranger who was given the port of one that was killed:
    only then the token is sent.
    """
    address = urlsplit(endpoint.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    try:
        connection.connect()
        if not _is_locked(card):
            return False
        connection.request("GET", f"{address.path}/models", headers={"Authorization": f"Bearer {endpoint.token}"})
        return connection.getresponse().status == http.client.OK
    finally:
        connection.close()


def _is_locked(card: BinaryIO) -> bool:
    try:
        fcntl.flock(card, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


@contextmanager
def _starting(state: Path) -> Iterator[None]:
    """Let only one of several commands start the server."""
    with open_plain(state / "start.lock", APPEND) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _start(state: Path, environ: Mapping[str, str], clock: Clock) -> Endpoint:
    command = [sys.executable, "-m", "ftops.server", "--state", str(state), "--idle-exit", str(IDLE_SECONDS)]
    log = state / "server.log"
    with open_plain(log, APPEND) as output:
        # In a session of its own: Ctrl-C in this terminal does not end a training run.
        process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_needed(environ),
            start_new_session=True,
        )
    for _ in range(START_SECONDS * LOOKS_PER_SECOND):
        if running := _running(state):
            return running
        if process.poll() is not None:
            break
        clock.sleep(1 / LOOKS_PER_SECOND)
    tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    raise ProblemsError(_not_started(tail[0] if tail else f"it did not answer within {START_SECONDS} s"))


def _needed(environ: Mapping[str, str]) -> dict[str, str]:
    """What the local server needs: any variable may hold the key of a target, so it gets no others."""
    needed = {
        name: value
        for name, value in environ.items()
        if (name in _NEEDED or name.upper() in _NETWORK or name.startswith(_NEEDED_BEGINNINGS)) and name != _TOKEN
    }
    return needed | {"PYTHONUNBUFFERED": "1"}


def _not_started(why: str) -> Diagnostic:
    return Diagnostic(
        code="local-server",
        summary="the local training server does not start",
        why=why,
        fix="see `.ftops/local/server.log`; `ftops serve` runs it in the foreground",
    )

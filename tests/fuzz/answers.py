"""What a server answers, through the real client: every call of ours is made, and gets the same body."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import httpx2
import openai

from ftops import lockfile
from ftops.lockfile import DataFile, Lockfile
from ftops.plan.diff import diff
from ftops.plan.observed import Observed
from ftops.plan.plan import Plan, checksum
from ftops.plan.rebuild import rebuilt, unrecorded
from ftops.remote.profiles import profile
from ftops.remote.provider import Provider
from ftops.report.events import render_event
from ftops.report.plan import render_plan
from ftops.report.terminal import visible
from tests.fuzz.promises import KEY, harmless, told

if TYPE_CHECKING:
    from collections.abc import Callable

STATUSES = (200, 200, 200, 200, 201, 204, 400, 401, 403, 404, 409, 422, 429, 500, 503)
KINDS = ("application/json", "application/json", "text/event-stream", "text/html", "")
ROWS = b'{"messages": []}\n'
FILE = DataFile(path="a.jsonl", sha256=hashlib.sha256(ROWS).hexdigest(), bytes=len(ROWS), rows=1)
REQUEST = {"model": "gpt-4.1-mini-2025-04-14", "training_file": "file-1"}


class NoWait:
    """A clock on which nobody waits."""

    def now(self) -> int:
        return 1_750_000_000

    def sleep(self, seconds: float) -> None:
        """Return at once."""


class Says(httpx2.BaseTransport):
    """A server that says the same to everything."""

    def __init__(self, status: int, kind: str, body: bytes) -> None:
        self._answer = (status, {"content-type": kind, "x-should-retry": "false"}, body)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        status, headers, body = self._answer
        return httpx2.Response(status, headers=headers, content=body)


def answer(content: bytes) -> None:
    """A body; bytes 0 and 1 choose the status and the type that is said of it, byte 2 the dialect."""
    status, kind = STATUSES[_byte(content, 0) % len(STATUSES)], KINDS[_byte(content, 1) % len(KINDS)]
    dialect = profile("nebius" if _byte(content, 2) % 4 == 3 else "openai")
    with httpx2.Client(transport=Says(status, kind, content[3:])) as http:
        client = openai.OpenAI(base_url="http://provider.example/v1", api_key=KEY, http_client=http)
        provider = Provider(client, dialect, repo="team/models", clock=NoWait())
        for call in CALLS:
            told(lambda body, call=call: harmless(call(provider), body), content)


def _byte(content: bytes, position: int) -> int:
    return content[position] if position < len(content) else 0


def _everything(provider: Provider) -> str:
    """Plan, and rebuild the record, of what is there."""
    seen = Observed(jobs=provider.jobs([("elle", "sha256:0")]), models=provider.models())
    empty = Lockfile(target="openai")
    missing = unrecorded(empty, seen.jobs)
    checkpoints = {job.id: provider.checkpoints(job.id) for job in missing}
    lock = rebuilt(empty, (), seen, checkpoints)
    assert lockfile.decode(lockfile.encode(lock), "ftops.lock") == lock
    assert not lockfile.verify(lock, "ftops.lock")
    changes = diff((), lock, seen)
    return render_plan(
        Plan(target="openai", changes=changes, checksum=checksum("openai", changes)),
        colour=False,
        width=100,
        verbose=True,
    )


def _said(provider: Provider) -> str:
    return "\n".join(render_event(event) for event in provider.events("ftjob-1"))


def _chat(provider: Provider) -> str:
    return visible("".join(provider.chat("gpt", [{"role": "user", "content": "Hi"}], tokens_max=9, temperature=0)))


def _upload(provider: Provider) -> str:
    seen = provider.upload(FILE, io.BytesIO(ROWS))
    return visible(provider.processed(seen).id)


def _quiet(call: Callable[[Provider], object]) -> Callable[[Provider], str]:
    """Make a call whose answer goes into no text."""

    def made(provider: Provider) -> str:
        call(provider)
        return ""

    return made


CALLS: tuple[Callable[[Provider], str], ...] = (
    _everything,
    _said,
    _chat,
    _upload,
    _quiet(lambda provider: provider.files()),
    _quiet(lambda provider: provider.create_job(REQUEST)),
    _quiet(lambda provider: provider.job("ftjob-1")),
    _quiet(lambda provider: provider.find_job("ftjob-1")),
    _quiet(lambda provider: provider.cancel("ftjob-1")),
    _quiet(lambda provider: provider.checkpoints("ftjob-1")),
    _quiet(lambda provider: provider.moderate(["a", "b"])),
)

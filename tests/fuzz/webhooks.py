"""What arrives at a worker: a body and three headers of anybody, in which nothing but a job's id may get through."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import TYPE_CHECKING

from ftops.diagnostics import ProblemsError
from ftops.remote.webhook import ended_job, secret_of
from ftops.report.problems import render_problems
from tests.fuzz.promises import KEY, ROW, told

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = 1_763_805_600
SECRET = KEY.encode()
NAMES = ("HTTP_WEBHOOK_ID", "HTTP_WEBHOOK_TIMESTAMP", "HTTP_WEBHOOK_SIGNATURE")


def webhook(content: bytes) -> None:
    """Byte 0 chooses; three lines of headers follow, then the body. Half of them bear the signature that they need."""
    kind = content[0] % 4 if content else 0
    if kind == 0:
        told(lambda text: secret_of({"OPENAI_WEBHOOK_SECRET": text.decode(errors="surrogateescape")}), content[1:])
        return
    lines = content[1:].split(b"\n", 3)
    body = lines.pop() if len(lines) > 3 else b""
    # As a program finds bytes in its environment.
    headers = {name: line.decode(errors="surrogateescape") for name, line in zip(NAMES, lines, strict=False)}
    if kind > 1:
        headers |= signed(body)
    job, said = None, ""
    try:
        job = ended_job(body, headers, secret=SECRET, now=NOW)
    except ProblemsError as error:
        said = render_problems(error.problems, colour=False)
    else:
        assert signed(body, headers)[NAMES[2]] in headers[NAMES[2]], "it is not genuine"
    assert ROW not in said, "the body is shown"
    assert job is None or re.fullmatch(r"ftjob-[A-Za-z0-9_-]{1,100}", job), "what is no job's id gets through"
    told(lambda _: ended_job(body, headers, secret=SECRET, now=NOW), content)


def signed(body: bytes, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The headers with which OpenAI would send *body*, now or as *given* says."""
    headers = {NAMES[0]: "wh_1", NAMES[1]: str(NOW)} | {name: given[name] for name in NAMES[:2] if given}
    text = f"{headers[NAMES[0]]}.{headers[NAMES[1]]}.".encode() + body
    signature = base64.b64encode(hmac.new(SECRET, text, hashlib.sha256).digest()).decode()
    return headers | {NAMES[2]: f"v1,{signature}"}

"""What OpenAI posts when a job ended: whether it is genuine, and which job it is about. Pure.

The client library checks signatures too, by its own clock; but it takes a secret that is cut short, or nothing but its
prefix, for a key that anybody can guess, and stumbles over headers that are not ASCII.

Source: the Standard Webhooks specification 1.0, and OpenAI's guide to webhooks, both read 2026-11.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from typing import TYPE_CHECKING

import msgspec

from ftops.diagnostics import Diagnostic, ProblemsError

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET_VARIABLE = "OPENAI_WEBHOOK_SECRET"  # noqa: S105  # the name of a variable
BODY_BYTES_MAX = 64 * 1024
"""Real ones have some 200."""
TOLERANCE_SECONDS = 300
"""Between the sender's clock and ours, and the life of a delivery that somebody recorded."""
ENDED = frozenset(f"fine_tuning.job.{status}" for status in ("succeeded", "failed", "cancelled"))

_PREFIX = "whsec_"
_SECRET_BYTES_MIN = 16
"""Standard Webhooks asks for 24 to 64."""
_HEADERS = {
    "HTTP_WEBHOOK_ID": re.compile(r"[!-~]{1,256}"),
    "HTTP_WEBHOOK_TIMESTAMP": re.compile(r"[0-9]{1,12}"),
    "HTTP_WEBHOOK_SIGNATURE": re.compile(r"[!-~]+(?: [!-~]+)*"),
}
_SIGNATURE_CHARACTERS_MAX = 4096
_JOB = re.compile(r"ftjob-[A-Za-z0-9_-]{1,100}")


class _Job(msgspec.Struct, frozen=True):
    id: str


class _Event(msgspec.Struct, frozen=True):
    type: str
    data: msgspec.Raw = msgspec.Raw(b"null")


def secret_of(environ: Mapping[str, str]) -> bytes:
    """The key with which deliveries are signed.

    Raises:
        ProblemsError: It is not there, or cannot be one.
    """
    text = environ.get(SECRET_VARIABLE, "").strip()
    if not text:
        raise ProblemsError(_no_secret("is not set"))
    try:
        secret = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not text.startswith(_PREFIX) or len(secret) < _SECRET_BYTES_MIN:
        raise ProblemsError(_no_secret("holds no secret of a webhook"))
    return secret


def ended_job(body: bytes, headers: Mapping[str, str], *, secret: bytes, now: int) -> str | None:
    """The id of the job that ended, says a delivery that is proved to be OpenAI's; None if it is about something else.

    Args:
        body: As it came, to the byte.
        headers: In variables, as CGI names them, such as `HTTP_WEBHOOK_ID`.
        secret: Of the webhook.
        now: Unix time, in seconds.

    Raises:
        ProblemsError: It is not proved, or not what OpenAI sends. Nothing of it is repeated.
    """
    if len(body) > BODY_BYTES_MAX:
        raise ProblemsError(_unreadable(f"it is longer than {BODY_BYTES_MAX >> 10} KiB"))
    if problems := [_no_header(name) for name, form in _HEADERS.items() if not _is_header(headers.get(name), form)]:
        raise ProblemsError(*problems)
    delivery, timestamp, given = (headers[name] for name in _HEADERS)
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise ProblemsError(_late())
    digest = hmac.digest(secret, f"{delivery}.{timestamp}.".encode() + body, "sha256")
    expected = b"v1," + base64.b64encode(digest)
    # Several while a secret is exchanged for another. Each is compared, however the others end.
    if not sum(hmac.compare_digest(expected, each.encode()) for each in given.split(" ")):
        raise ProblemsError(_forged())
    return _job(body)


def _is_header(value: str | None, form: re.Pattern[str]) -> bool:
    return value is not None and len(value) <= _SIGNATURE_CHARACTERS_MAX and form.fullmatch(value) is not None


def _job(body: bytes) -> str | None:
    try:
        event = msgspec.json.decode(body, type=_Event)
        if event.type not in ENDED:
            return None
        job = msgspec.json.decode(event.data, type=_Job).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProblemsError(_unreadable("it is no event in JSON")) from None
    if not _JOB.fullmatch(job):
        raise ProblemsError(_unreadable("it names no fine-tuning job"))
    return job


def _no_secret(why: str) -> Diagnostic:
    return Diagnostic(
        code="webhook-setup",
        summary=f"`{SECRET_VARIABLE}` {why}: without it nobody's deliveries can be told from OpenAI's",
        why=f"OpenAI shows it once, when the webhook is made: `{_PREFIX}` and a key in base64",
        fix=f"set `{SECRET_VARIABLE}` to just that; if it is lost, make the webhook anew",
    )


def _no_header(variable: str) -> Diagnostic:
    header = variable.removeprefix("HTTP_").replace("_", "-").lower()
    return Diagnostic(
        code="webhook-header",
        summary=f"`{variable}` does not hold what the header `{header}` of OpenAI's deliveries holds",
        why="the signature is made of three headers and the body",
        fix=f"let whatever takes the request set `{variable}` to its header `{header}`, as in docs/webhook.md",
    )


def _late() -> Diagnostic:
    return Diagnostic(
        code="webhook-late",
        summary=f"the delivery is from more than {TOLERANCE_SECONDS // 60} minutes ago, or from the future",
        why="who once recorded a delivery could go on sending it",
        fix="see that this machine's clock is right; OpenAI signs anew whatever it sends again",
    )


def _forged() -> Diagnostic:
    return Diagnostic(
        code="webhook-signature",
        summary="the delivery is not signed with the webhook's secret",
        why="somebody else sent it, the secret is another webhook's, or the body was changed on the way",
        fix=f"if OpenAI sent it, see that `{SECRET_VARIABLE}` is this webhook's, and that the body is passed on as it "
        "came, to the byte",
    )


def _unreadable(why: str) -> Diagnostic:
    return Diagnostic(
        code="webhook-body",
        summary=f"the delivery cannot be read: {why}",
        fix="see that the whole body is passed on, and nothing else; if it is, upgrade ftops",
    )

"""What a failed call means: for the user, and for whether its effect happened."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

from ftops.diagnostics import Diagnostic, ProblemsError

if TYPE_CHECKING:
    from collections.abc import Callable

    import openai

P = ParamSpec("P")
R = TypeVar("R")

KEY_LIKE = re.compile(r"\b(?:(sk|pk|key|hf)[-_]|(Bearer) |(eyJ)(?=[\w-]+\.))[^\s'\"]{8,}")
"""What looks like a key: the API repeats a wrong key in its own error text, partly masked."""
KEY_CHARACTERS_MIN = 8
"""A shorter one, as of a test server, protects nothing, and may be part of any word."""


class Effect(StrEnum):
    """Whether a call that failed had its effect all the same."""

    NO = "no"
    UNKNOWN = "unknown"


class RemoteError(ProblemsError):
    """A call to the provider failed."""

    def __init__(self, problem: Diagnostic, *, effect: Effect, status: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.effect = effect
        self.status = status


def call(newest_key: Callable[[], str], function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call the SDK; its exceptions become ours, without the key, which may be another after the call than before it.

    Raises:
        RemoteError: Whatever went wrong, in terms of the user.
    """
    import httpx2  # noqa: PLC0415  # takes 1 s, with openai: only once something is called
    import openai  # noqa: PLC0415

    try:
        return function(*args, **kwargs)
    except openai.APIStatusError as error:
        raise _refused(error, newest_key()) from None
    except openai.APIConnectionError as error:
        raise _unreachable(error.__cause__ or error, newest_key()) from None
    except httpx2.TransportError as error:
        # While an answer is streamed, the SDK lets these through.
        raise _unreachable(error, newest_key()) from None
    except (openai.OpenAIError, ValueError) as error:
        # A body that is not JSON: the call went through, only its answer is lost.
        raise unreadable(redact(str(error), newest_key())) from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError):
        # The SDK does not validate, and stumbles over JSON of another shape, or HTML. Likewise lost.
        raise unreadable("it does not have the shape of the API's") from None


def unreadable(what: str) -> RemoteError:
    """The provider answered with something that is not the dialect."""
    return RemoteError(
        Diagnostic(
            code="remote-answer",
            summary=f"the provider's answer cannot be read: {what[:200]}",
            why="a proxy, a login page or another service may stand where the API is expected",
            fix="check the target's `base_url` in `ftops.yaml`",
        ),
        effect=Effect.UNKNOWN,
    )


def redact(text: str, key: str) -> str:
    """*text*, as a provider wrote it, without *key* and without what looks like one."""
    return KEY_LIKE.sub(lambda match: f"{match[1] or match[2] or match[3]}-…", clean(text, key))


def clean(text: str, key: str) -> str:
    """*text* without *key*, whatever its shape, and without halves of characters, which no file can hold."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace(key, "…") if len(key) >= KEY_CHARACTERS_MIN else whole


class Meaning(NamedTuple):
    """What an answer with an error means."""

    statuses: range
    api_code: str | None
    """The API's own code; None: any."""
    code: str
    """Ours, as in docs/errors.md."""
    effect: Effect
    fix: str


_AGAIN = "run the command again: it looks before it creates"
MEANINGS = (
    Meaning(
        range(401, 402),
        None,
        "remote-unauthorized",
        Effect.NO,
        "check the key in the target's environment variable, or the service account that stands for it",
    ),
    Meaning(
        range(403, 404),
        "training_not_available",
        "remote-training-closed",
        Effect.NO,
        "use another target: OpenAI closes fine-tuning for ever more organizations until 2027-01-06",
    ),
    Meaning(range(403, 404), None, "remote-forbidden", Effect.NO, "ask an owner of the account for the permission"),
    Meaning(range(404, 405), None, "remote-not-found", Effect.NO, "see what is there with `ftops plan --refresh`"),
    Meaning(range(408, 410), None, "remote-failed", Effect.UNKNOWN, _AGAIN),
    Meaning(range(429, 430), "insufficient_quota", "remote-quota", Effect.NO, "check the account's plan and billing"),
    Meaning(
        range(429, 430),
        None,
        "remote-busy",
        Effect.NO,
        "run `ftops apply` later: it goes on where this one stopped",
    ),
    Meaning(range(400, 500), None, "remote-refused", Effect.NO, "mend what the provider names, then run `ftops plan`"),
    Meaning(range(500, 600), None, "remote-failed", Effect.UNKNOWN, _AGAIN),
)
"""The first row that fits holds. Any other status, an answer that cannot be read, and none at all: unknown.

Source: the API's error guide, and transcripts of real errors. 408 and 409 may come from a gateway that gave up waiting
for an API that did not; 429 is decided before anything is done.
"""
NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout", "InvalidURL", "PoolTimeout", "UnsupportedProtocol"})
"""Failures of the transport, by name, that come before a byte is sent; after all others the effect is unknown."""


def _refused(error: openai.APIStatusError, key: str) -> RemoteError:
    status = error.status_code
    api_code = redact(error.code, key)[:100] if isinstance(error.code, str) else None
    meaning = next((row for row in MEANINGS if status in row.statuses and row.api_code in {None, api_code}), None)
    if meaning is None:
        return unreadable(f"HTTP {status}")
    words = error.body.get("message") if isinstance(error.body, dict) else None
    if not isinstance(words, str):
        words = "it gives no explanation"
    problem = Diagnostic(
        code=meaning.code,
        summary=f"the provider answered {status}: {redact(words, key).rstrip('.')[:500]}",
        why=f"its code for this is `{api_code}`" if api_code else None,
        fix=meaning.fix,
    )
    return RemoteError(problem, effect=meaning.effect, status=status)


def _unreachable(cause: BaseException, key: str) -> RemoteError:
    never_sent = type(cause).__name__ in NEVER_SENT
    return RemoteError(
        Diagnostic(
            code="remote-unreachable",
            summary="the provider cannot be reached" if never_sent else "the connection to the provider was lost",
            why=redact(str(cause), key)[:200],
            fix="check the network and the target's `base_url`, then run the command again",
        ),
        effect=Effect.NO if never_sent else Effect.UNKNOWN,
    )

"""Requests to GitHub, with the token, to its own addresses only; patient where it is busy, bounded in every way.

Source: GitHub's "Best practices for using the REST API" and "Rate limits" for REST and GraphQL, read 2026-11.
"""

from __future__ import annotations

import re
import weakref
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from ftops import __version__
from ftops.diagnostics import ProblemsError
from ftops.github import refusals
from ftops.remote.network import bad_settings, is_here

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import httpx2

    from ftops.clock import Clock
    from ftops.diagnostics import Diagnostic
    from ftops.github.event import Run
    from ftops.github.refusals import Asked

API_VERSION = "2022-11-28"
"""Which every GitHub Enterprise Server that is still served knows, too."""
TRIES_MAX = 5
PAUSE_SECONDS = (1, 20)
"""Between two tries: doubled each time from the first to the second, of which a random part is waited."""
LIMITED_SECONDS = 60
"""How long GitHub wants to be left alone where it names no time."""
PATIENCE_SECONDS = 240
"""All that one request may wait: a runner costs by the minute."""
TIMEOUT_SECONDS = 60
"""For one part of an answer; GitHub itself gives up after 10."""

_OK, _REDIRECT, _REFUSED, _FORBIDDEN, _TOO_MANY, _BROKEN = 200, 300, 400, 403, 429, 500
_LIMITED = re.compile("rate limit", re.IGNORECASE)
_DOUBTFUL = re.compile(r"something went wrong|timed? ?-?out|internal error|unavailable", re.IGNORECASE)
"""What GraphQL says where it broke on the way, perhaps after the effect."""
_Answer = TypeVar("_Answer")


class _GraphQLError(msgspec.Struct, frozen=True):
    message: str = ""
    type: str = ""


class _Errors(msgspec.Struct, frozen=True):
    errors: list[_GraphQLError] | None = None


@dataclass(frozen=True, kw_only=True)
class Transport:
    """One run's way to GitHub."""

    run: Run
    environ: Mapping[str, str]
    """Only to tell which settings of the network there are, if they cannot be used."""
    clock: Clock
    chance: Random = field(default_factory=Random)

    def rest(self, method: str, path: str, type_: type[_Answer], asked: Asked, body: object = None) -> _Answer:
        """Ask the REST API; *path* goes on from its address, and is quoted.

        Raises:
            RefusedError: GitHub does not do it.
            LostError: It is not known whether it did.
            ProblemsError: It cannot be reached, or cannot be understood.
        """
        url = f"{self.run.api_url}{path}"
        return self._decode(self._patiently(lambda: self._once(method, url, body, asked), asked), type_, asked)

    def graphql(self, document: str, variables: Mapping[str, object], type_: type[_Answer], asked: Asked) -> _Answer:
        """Ask the GraphQL API; *type_* is of the whole answer, with its `data`. Raises as `rest` does."""
        body = {"query": document, "variables": dict(variables)}

        def once() -> bytes:
            content = self._once("POST", self.run.graphql_url, body, asked)
            if errors := self._decode(content, _Errors, asked).errors:
                raise self._graphql_error(errors, asked)
            return content

        return self._decode(self._patiently(once, asked), type_, asked)

    @cached_property
    def _client(self) -> httpx2.Client:
        import httpx2  # noqa: PLC0415  # takes 300 ms: only once something is to be asked

        from ftops.remote.bounds import NO_COMPRESSION, bound  # noqa: PLC0415  # likewise

        for url in (self.run.api_url, self.run.graphql_url):
            if urlsplit(url).scheme != "https" and not is_here(url):
                raise ProblemsError(refusals.bad_address(url))
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.run.token}",
            "User-Agent": f"ftops/{__version__}",
            "X-GitHub-Api-Version": API_VERSION,
            **NO_COMPRESSION,
        }
        try:
            client = httpx2.Client(
                headers=headers,
                timeout=TIMEOUT_SECONDS,
                trust_env=not is_here(self.run.api_url),
                event_hooks={"response": [bound]},
                follow_redirects=False,
            )
        except (ImportError, OSError, ValueError, httpx2.InvalidURL):
            raise ProblemsError(bad_settings(self.environ)) from None
        weakref.finalize(self, client.close)
        return client

    def _patiently(self, once: Callable[[], bytes], asked: Asked) -> bytes:
        """The body of the answer; asked again if GitHub certainly did nothing, or if it may do it twice."""
        if not self.run.token:
            raise ProblemsError(refusals.no_token(asked))
        until = self.clock.now() + PATIENCE_SECONDS
        for number in range(1, TRIES_MAX + 1):
            try:
                return once()
            except _AgainError as again:
                least, most = PAUSE_SECONDS
                seconds = again.seconds or self.chance.uniform(0, min(least * 2**number, most))
                if number == TRIES_MAX or self.clock.now() + seconds > until:
                    raise ProblemsError(*again.problems) from None
                self.clock.sleep(seconds)
        raise AssertionError  # the last try ends one way or the other

    def _once(self, method: str, url: str, body: object, asked: Asked) -> bytes:
        import httpx2  # noqa: PLC0415  # as above

        content = None if body is None else msgspec.json.encode(body)
        headers = {} if content is None else {"Content-Type": "application/json"}
        try:
            answer = self._client.request(method, url, content=content, headers=headers)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            # Nothing was sent yet.
            raise _AgainError(refusals.unreachable(asked, self._said(error))) from None
        except httpx2.TransportError as error:
            raise self._failed(asked, self._said(error)) from None
        status, words = answer.status_code, ""
        if status >= _REFUSED:
            words = refusals.words_of(answer.content, self.run.token)
        if seconds := self._limited_for(answer):
            raise _AgainError(refusals.limited(asked, words, self.clock.now() + seconds), seconds)
        if status >= _BROKEN:
            raise self._failed(asked, f"it answers with {status}")
        if status >= _REFUSED:
            raise refusals.refused(asked, status, words)
        if status >= _REDIRECT:
            raise ProblemsError(refusals.moved(asked, self.run.repository))
        return answer.content or b"null"

    def _graphql_error(self, errors: Sequence[_GraphQLError], asked: Asked) -> Exception:
        words = refusals.harmless("; ".join(each.message for each in errors[:3]), self.run.token)
        if _LIMITED.search(words):
            # A secondary limit comes like this, too: with neither a status nor a header of its own.
            return _AgainError(refusals.limited(asked, words, self.clock.now() + LIMITED_SECONDS), LIMITED_SECONDS)
        if _DOUBTFUL.search(words):
            return self._failed(asked, f"it says: {words}")
        return refusals.refused(asked, _OK, words, errors[0].type)

    def _limited_for(self, answer: httpx2.Response) -> int:
        """For how many seconds GitHub wants to be left alone; 0 if it is about something else."""
        status, headers = answer.status_code, answer.headers
        after, is_spent = _whole(headers.get("retry-after")), headers.get("x-ratelimit-remaining") == "0"
        is_limited = {
            # GraphQL says it so; the query that used up the last of it was answered all the same.
            _OK: is_spent and b'"RATE_LIMITED"' in answer.content,
            _FORBIDDEN: is_spent or after > 0 or b"rate limit" in answer.content,
            _TOO_MANY: True,
        }
        if not is_limited.get(status):
            return 0
        reset = _whole(headers.get("x-ratelimit-reset")) if is_spent else 0
        return after or (max(reset - self.clock.now() + 1, 1) if reset else LIMITED_SECONDS)

    def _failed(self, asked: Asked, why: str) -> Exception:
        return _AgainError(refusals.unreachable(asked, why)) if asked.may_repeat else refusals.lost(asked, why)

    def _said(self, error: Exception) -> str:
        return refusals.harmless(str(error), self.run.token) or type(error).__name__

    def _decode(self, content: bytes, type_: type[_Answer], asked: Asked) -> _Answer:
        try:
            return msgspec.json.decode(content, type=type_)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            # Whatever answered so has perhaps done what was asked.
            why = refusals.harmless(str(error), self.run.token)
            problem = refusals.unreadable(asked, why)
            raise ProblemsError(problem) if asked.may_repeat else refusals.LostError(problem) from None


class _AgainError(ProblemsError):
    """It may be tried again: after so many seconds, or 0 if GitHub names no time."""

    def __init__(self, problem: Diagnostic, seconds: int = 0) -> None:
        super().__init__(problem)
        self.seconds = seconds


def _whole(text: Any) -> int:
    """A header as a number that is not negative; 0 if it is none."""
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 12 else 0  # noqa: PLR2004

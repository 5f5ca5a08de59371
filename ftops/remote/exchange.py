"""From a job's identity to the token that a request carries: short-lived, and exchanged anew before it expires.

The client library can do this by itself, but then each copy that `with_options` makes of a client keeps tokens of its
own, and what goes wrong is told apart from the API's answers by its words only. So the library's exchange stands here
once, behind the connections that all copies share.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import httpx2
import msgspec
import openai
from openai.auth import WorkloadIdentityAuth

from ftops.diagnostics import Diagnostic
from ftops.remote.bounds import NO_COMPRESSION, bound
from ftops.remote.errors import Effect, RemoteError, clean, redact
from ftops.remote.network import is_here

if TYPE_CHECKING:
    from collections.abc import Generator

    from ftops.clock import Clock
    from ftops.remote.identity import Identity

EXCHANGE_URL = "https://auth.openai.com/oauth/token"
AUDIENCE = "https://api.openai.com/v1"
"""Whom GitHub's token is meant for: the identity provider at OpenAI is set up to expect just this."""
TIMEOUT_SECONDS = 10.0
WAITS_SECONDS = (1, 3, 9)
"""Before GitHub and OpenAI are asked again, where they did not answer."""
CLAIMS = ("repository_id", "environment", "ref", "event_name", "workflow_ref")
"""Of GitHub's token, those that a mapping should match."""
_CLAIM_CHARACTERS_MAX, _WORDS_CHARACTERS_MAX = 200, 300
_TOKEN = re.compile(r"[!-~]+")


class _Answer(msgspec.Struct, frozen=True):
    value: str


class _UnavailableError(Exception):
    """No answer, or none that can be used; another try may do better. Its text is safe to show."""


class Exchange(httpx2.Auth):
    """Authorizes requests for a service account.

    Not one of its failures has an effect at the provider: the request that it is for has not been sent, or was refused.
    """

    def __init__(self, identity: Identity, clock: Clock) -> None:
        self._identity = identity
        self._clock = clock
        self._subject_token = ""
        self.token = ""
        """The newest one, to be recognised in what the provider says."""
        self._is_accepted = False
        self._tokens = WorkloadIdentityAuth(
            workload_identity={
                "identity_provider_id": identity.provider_id,
                "service_account_id": identity.account_id,
                "provider": {"token_type": "jwt", "get_token": self._ask_github},
            },
            token_exchange_url=EXCHANGE_URL,
        )

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Send *request* with a token, and once more with a new one if that is not accepted.

        Raises:
            RemoteError: No token is to be had.
        """
        self._authorize(request)
        response = yield request
        self._is_accepted = response.status_code != httpx2.codes.UNAUTHORIZED
        if not self._is_accepted:
            self._tokens.invalidate_token(self.token)
            self._authorize(request)
            yield request

    def _authorize(self, request: httpx2.Request) -> None:
        self.token = self._usable_token()
        request.headers["Authorization"] = f"Bearer {self.token}"

    def _usable_token(self) -> str:
        for wait in (*WAITS_SECONDS, None):
            try:
                return self._exchanged()
            except _UnavailableError as error:
                if self._is_accepted:
                    # It is renewed long before it ends. If it has ended after all, it is refused, and we come back.
                    return self.token
                if wait is None:
                    raise _failure(_unavailable(str(error))) from None
            self._clock.sleep(wait)
        raise AssertionError

    def _exchanged(self) -> str:
        """A token that holds for a while: as a rule the one of the last request."""
        try:
            token = self._tokens.get_token()
        except openai.OAuthError as error:
            raise _failure(self._refused(error)) from None
        except httpx2.TransportError as error:
            raise _UnavailableError(f"{_host(error)} cannot be reached: {self._told(str(error))}") from None
        except (openai.OpenAIError, RuntimeError) as error:
            raise _UnavailableError(self._told(str(error))) from None
        except (ImportError, OSError, ValueError, httpx2.InvalidURL):
            # What these say may hold a proxy's password.
            raise _UnavailableError("the settings of the network, for proxies or certificates, do not work") from None
        if not _TOKEN.fullmatch(token):
            self._tokens.invalidate_token(token)
            raise _UnavailableError("OpenAI's token cannot be sent as one")
        return token

    def _ask_github(self) -> str:
        """A new token of GitHub, which lives for minutes and never longer than the one that it is exchanged for."""
        address = self._identity.request_url
        url = httpx2.URL(address).copy_merge_params({"audience": AUDIENCE})
        with httpx2.Client(
            trust_env=not is_here(address),
            event_hooks={"response": [bound]},
            headers={**NO_COMPRESSION, "Authorization": f"Bearer {self._identity.request_token}"},
            timeout=TIMEOUT_SECONDS,
        ) as http:
            response = http.get(url)
        if response.status_code in {httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN}:
            raise _failure(_not_vouched(response.status_code))
        if not response.is_success:
            raise _UnavailableError(f"GitHub answered {response.status_code}, where it should give an identity token")
        try:
            self._subject_token = msgspec.json.decode(response.content, type=_Answer).value
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _UnavailableError("GitHub's answer holds no identity token") from None
        return self._subject_token

    def _refused(self, error: openai.OAuthError) -> Diagnostic:
        claims = _claims(self._subject_token)
        code = f", `{self._told(error.error)}`" if isinstance(error.error, str) else ""
        return Diagnostic(
            code="identity-refused",
            summary=f"OpenAI gives this job no token: it answered {error.status_code}{code}: {self._told(str(error))}",
            why="GitHub says of the job " + ", ".join(f"{name} `{value}`" for name, value in claims.items())
            if claims
            else None,
            fix="see that exactly one mapping of the service account fits that, and is enabled: docs/keyless.md",
        )

    def _told(self, text: str) -> str:
        """*text*, which may be anybody's, without tokens and cut short."""
        text = clean(text, self._subject_token) if self._subject_token else text
        return redact(text, self._identity.request_token).rstrip(".")[:_WORDS_CHARACTERS_MAX]


def _claims(token: str) -> dict[str, str]:
    """What GitHub says in *token*, as far as mappings look at it; nothing if it is no such token."""
    try:
        part = token.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError, RecursionError, msgspec.DecodeError):
        return {}
    if not isinstance(claims, dict):
        return {}
    return {name: str(claims.get(name, ""))[:_CLAIM_CHARACTERS_MAX] for name in CLAIMS}


def _host(error: httpx2.TransportError) -> str:
    try:
        return f"`{error.request.url.host}`"
    except RuntimeError:
        return "the network"


def _failure(problem: Diagnostic) -> RemoteError:
    return RemoteError(problem, effect=Effect.NO)


def _not_vouched(status: int) -> Diagnostic:
    return Diagnostic(
        code="identity-refused",
        summary=f"GitHub does not vouch for this job: it answered {status} where it should give an identity token",
        why="only a job that is running, and has the permission `id-token: write`, is given one",
        fix="add `id-token: write` to the `permissions` of the job, and run it again",
    )


def _unavailable(why: str) -> Diagnostic:
    return Diagnostic(
        code="identity-unavailable",
        summary="no token is to be had for this job, after several tries",
        why=why,
        fix="run the job again later, and see GitHub's and OpenAI's status pages",
    )

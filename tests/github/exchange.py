"""Stand-ins, over real HTTP, for what access without a key needs outside: GitHub's issuer, OpenAI's exchange and door.

    job ── asks ──► Issuer ── signs ──► job ── hands over ──► Exchange ── gives ──► job ── knocks ──► Door ──► server

They share no code with ftops, and check what the real ones are documented to check: OpenAI's guide to workload identity
federation, GitHub's "OpenID Connect reference", both read 2026-11. One that is not documented: the statuses and codes
of a refused exchange, of which only the client library's names are known.
"""

from __future__ import annotations

import http.client
import json
import secrets
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

AUDIENCE = "https://api.openai.com/v1"
ACCESS_SECONDS_MAX = 3600
JOB = {
    "sub": "repo:o-1/r-7:environment:ftops-production",
    "repository": "acme/models",
    "repository_id": "7",
    "environment": "ftops-production",
    "ref": "refs/heads/main",
    "event_name": "push",
    "workflow_ref": "acme/models/.github/workflows/ftops-apply.yml@refs/heads/main",
}
"""What GitHub says of the job that applies."""


class Request(NamedTuple):
    method: str
    target: str
    """Path and query, as they came."""
    path: str
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    status: int
    body: bytes
    kind: str = "application/json"


def answer_json(status: int, value: object) -> Answer:
    return Answer(status, json.dumps(value).encode())


@contextmanager
def serving(answer: Callable[[Request], Answer]) -> Iterator[str]:
    """Answer requests on a port of this machine; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def take(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            given = answer(
                Request(self.command, self.path, parts.path, parse_qs(parts.query), dict(self.headers), body)
            )
            self.send_response(given.status)
            self.send_header("Content-Type", given.kind)
            self.send_header("Content-Length", str(len(given.body)))
            self.end_headers()
            self.wfile.write(given.body)

        do_GET = do_POST = do_DELETE = take  # noqa: N815  # names that http.server gives

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.server_port}"
        listener.shutdown()


class Issuer:
    """GitHub: signs what is true of a job for the process that knows the job's request token."""

    def __init__(self, seconds: float = 300) -> None:
        self.url = ""
        """Where it listens, and what it signs as."""
        self.seconds = seconds
        """How long its tokens live."""
        self.claims: dict[str, object] = dict(JOB)
        """What it says of the job, and, if a test says so, of anything else."""
        self.request_token = f"eyJ.{secrets.token_urlsafe(24)}.request"
        self.issued: list[str] = []
        self.failures: list[Answer] = []
        """What it answers before it does its work, each once."""
        self.published = self.key = generate_private_key(public_exponent=65537, key_size=2048)
        """What it signs with, and what it says that it signs with."""

    def __call__(self, request: Request) -> Answer:
        if request.path == "/.well-known/jwks":
            public = jwt.algorithms.RSAAlgorithm.to_jwk(self.published.public_key(), as_dict=True)
            return answer_json(200, {"keys": [{**public, "kid": "1", "alg": "RS256", "use": "sig"}]})
        if self.failures:
            return self.failures.pop(0)
        if request.headers.get("Authorization") != f"Bearer {self.request_token}":
            return answer_json(401, {"message": "this request token is none"})
        assert request.query["api-version"] == ["2.0"], "what the runner's address has in it stays there"
        token = self._signed(request.query["audience"][0])
        self.issued.append(token)
        return answer_json(200, {"count": len(token), "value": token})

    def _signed(self, audience: str) -> str:
        now = time.time()
        usual = {"iss": self.url, "aud": audience, "iat": int(now), "nbf": int(now), "exp": now + self.seconds}
        return jwt.encode({**usual, **self.claims}, self.key, algorithm="RS256", headers={"kid": "1"})

    def environ(self) -> dict[str, str]:
        """What the runner gives to a job with the permission `id-token: write`."""
        return {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self.request_token,
        }


@dataclass(frozen=True, kw_only=True)
class Row:
    """A mapping: jobs of which all *claims* hold may act for *account*. A value ends in `*` or is matched whole."""

    account: str
    claims: Mapping[str, str]
    enabled: bool = True

    def fits(self, told: Mapping[str, Any]) -> bool:
        return all(_fits(value, str(told.get(name, ""))) for name, value in self.claims.items())


APPLY = Row(
    account="svc-apply",
    claims={
        "repository_id": "7",
        "environment": "ftops-production",
        "ref": "refs/heads/main",
        "event_name": "push",
        "workflow_ref": "acme/models/.github/workflows/ftops-apply.yml@*",
    },
)


@dataclass(kw_only=True)
class Exchange:
    """OpenAI: gives a short-lived token for a job's, if exactly one mapping of the account fits it."""

    issuer: str
    """Whom it trusts, by address."""
    provider: str = "idp-github"
    rows: list[Row] = field(default_factory=lambda: [APPLY])
    live: dict[str, float] = field(default_factory=dict)
    """Tokens, with the time at which each ends."""
    given: list[str] = field(default_factory=list)
    failures: list[Answer] = field(default_factory=list)
    is_forgetful: bool = False
    """Whether what it gives is never accepted."""

    def __call__(self, request: Request) -> Answer:
        assert (request.method, request.path) == ("POST", "/oauth/token")
        if self.failures:
            return self.failures.pop(0)
        asked = json.loads(request.body)
        assert asked["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
        assert asked["subject_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
        try:
            told = self._verified(asked["subject_token"])
        except jwt.PyJWTError as error:
            return _refusal(400, "invalid_subject_token", f"The subject token is invalid: {error}.")
        fitting = [row for row in self.rows if row.enabled and row.account == asked["service_account_id"]]
        fitting = [row for row in fitting if asked["identity_provider_id"] == self.provider and row.fits(told)]
        if len(fitting) != 1:
            return _refusal(403, "invalid_grant", f"{len(fitting)} mappings match; exactly one must.")
        seconds = min(ACCESS_SECONDS_MAX, told["exp"] - time.time())
        token = f"at-{secrets.token_urlsafe(24)}"
        self.live[token] = 0 if self.is_forgetful else time.time() + seconds
        self.given.append(token)
        kind = "urn:ietf:params:oauth:token-type:access_token"
        answer = {"access_token": token, "issued_token_type": kind, "token_type": "Bearer", "expires_in": seconds}
        return answer_json(200, answer)

    def _verified(self, token: str) -> dict[str, Any]:
        key = jwt.PyJWKClient(f"{self.issuer}/.well-known/jwks", cache_keys=False).get_signing_key_from_jwt(token)
        needed = ["iss", "aud", "sub", "exp", "iat"]
        options: Any = {"require": needed}
        return jwt.decode(token, key.key, algorithms=["RS256"], audience=AUDIENCE, issuer=self.issuer, options=options)

    def accepts(self, token: str) -> bool:
        return time.time() < self.live.get(token, 0)

    def revoke(self) -> None:
        """End all tokens that were given."""
        self.live.clear()


@dataclass(kw_only=True)
class Door:
    """In front of the server: lets in who brings a token of *exchange* that lives, and is slow if it is told to be."""

    exchange: Exchange
    server: str
    key: str
    """Of the server itself."""
    seconds: float = 0
    """How long each request takes that brings data."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and token of each request."""
    refusals: int = 0

    def __call__(self, request: Request) -> Answer:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.asked.append((request.method, request.path, token))
        if not self.exchange.accepts(token):
            self.refusals += 1
            error = {"message": f"The token {token} is not valid.", "code": "invalid_token", "type": "x", "param": None}
            return answer_json(401, {"error": error})
        if request.body and request.path.startswith(("/v1/uploads/", "/v1/files")):
            time.sleep(self.seconds)
        return self._passed(request)

    def _passed(self, request: Request) -> Answer:
        parts = urlsplit(self.server)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in {"host", "connection"}}
        headers["Authorization"] = f"Bearer {self.key}"
        connection.request(request.method, request.target, request.body, headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return Answer(answer.status, body, answer.headers.get("Content-Type", ""))


@dataclass(frozen=True, kw_only=True)
class Keyless:
    """All of it, listening."""

    issuer: Issuer
    exchange: Exchange
    door: Door
    url: str
    """Of the API, behind the door."""
    exchange_url: str

    def environ(self, *, account: str = APPLY.account) -> dict[str, str]:
        """What the step of a job has in its environment."""
        ids = {"OPENAI_IDENTITY_PROVIDER_ID": self.exchange.provider, "OPENAI_SERVICE_ACCOUNT_ID": account}
        return self.issuer.environ() | ids

    def program(self) -> list[str]:
        """The start of a command: ftops as it is, but that it takes this exchange for OpenAI's."""
        text = (
            f"import ftops.remote.exchange as it, sys; it.EXCHANGE_URL = {self.exchange_url!r}\n"
            "from ftops.__main__ import main; sys.argv[0] = 'ftops'; sys.exit(main())"
        )
        return [sys.executable, "-c", text]


@contextmanager
def keyless(server: str, key: str) -> Iterator[Keyless]:
    """Stand in front of the server at *server*, `http://host:port`, whose key is *key*."""
    issuer = Issuer()
    with serving(issuer) as issuer.url:
        exchange = Exchange(issuer=issuer.url)
        door = Door(exchange=exchange, server=server, key=key)
        with serving(exchange) as exchange_url, serving(door) as door_url:
            yield Keyless(
                issuer=issuer,
                exchange=exchange,
                door=door,
                url=f"{door_url}/v1",
                exchange_url=f"{exchange_url}/oauth/token",
            )


def _fits(wanted: str, told: str) -> bool:
    return told.startswith(wanted[:-1]) if wanted.endswith("*") else told == wanted


def _refusal(status: int, code: str, words: str) -> Answer:
    return answer_json(status, {"error": code, "error_description": words})

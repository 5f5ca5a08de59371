"""The issuer of OIDC tokens: who a job is, signed, for whoever trusts this forge.

A job with `id-token: write` gets an address and a bearer for it (ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN); what it
fetches there is a JWT with the claims that GitHub puts in, which lives for minutes. The keys are at the issuer's
`/.well-known/jwks`.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.github.forge.wire import json_answer

if TYPE_CHECKING:
    from tests.github.forge.wire import Answer, Request

ISSUER = "/_services/token"
JOBS = "/_services/oidc/"
LIFETIME_SECONDS = 300
ALGORITHM = "RS256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Of one job that may prove who it is."""

    claims: dict[str, Any]
    lifetime_seconds: int = LIFETIME_SECONDS
    bearer: str = field(default_factory=lambda: token_hex(18), repr=False)


@dataclass(kw_only=True)
class Issuer:
    """Holds the key, and the jobs that may ask."""

    url: str
    """Of the forge."""
    jobs: dict[str, Identity] = field(default_factory=dict)
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048), repr=False)
    key_id: str = field(default_factory=lambda: token_hex(8))

    @property
    def name(self) -> str:
        """What stands in `iss`."""
        return self.url + ISSUER

    def admit(self, identity: Identity) -> dict[str, str]:
        """Let a job ask; gives the two variables of its environment."""
        job = token_hex(8)
        self.jobs[job] = identity
        address = f"{self.url}{JOBS}{job}?api-version=2.0"
        return {"ACTIONS_ID_TOKEN_REQUEST_URL": address, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": identity.bearer}

    def answer(self, request: Request) -> Answer:
        if request.path == f"{ISSUER}/.well-known/openid-configuration":
            return json_answer(200, self.configuration())
        if request.path == f"{ISSUER}/.well-known/jwks":
            return json_answer(200, self.keys())
        identity = self.jobs.get(request.path.removeprefix(JOBS))
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if identity is None or scheme.lower() != "bearer" or bearer != identity.bearer:
            return json_answer(401, {"message": "Unauthorized"})
        value = self.signed(identity, request.query.get("audience"))
        return json_answer(200, {"count": len(value), "value": value})

    def signed(self, identity: Identity, audience: str | None) -> str:
        now = int(time.time())
        owner = identity.claims["repository_owner"]
        claims = identity.claims | {
            "iss": self.name,
            "aud": audience or f"https://github.com/{owner}",
            "jti": token_hex(16),
            "iat": now,
            "nbf": now,
            "exp": now + identity.lifetime_seconds,
        }
        return jwt.encode(claims, self.key, algorithm=ALGORITHM, headers={"kid": self.key_id})

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.name,
            "jwks_uri": f"{self.name}/.well-known/jwks",
            "subject_types_supported": ["public", "pairwise"],
            "response_types_supported": ["id_token"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "scopes_supported": ["openid"],
        }

    def keys(self) -> dict[str, Any]:
        public = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [public | {"kid": self.key_id, "alg": ALGORITHM, "use": "sig"}]}

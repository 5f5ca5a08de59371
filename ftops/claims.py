"""Who is about to create which job: claims that machines take before they pay, so that two never pay for one. Pure.

A claim is on a spec and a digest. It has an owner; a lease, after which others may take it over; and a fence, a number
that is given once, so that an owner who comes back late sees that it is no longer theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ftops.diagnostics import Diagnostic, ProblemsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

VERSION = 1
LEASE_SECONDS = 600
"""How long a claim is its owner's; an owner who needs longer renews it."""
LEFT_SECONDS = 180
"""What must be left of a lease before a create is sent: its answer takes 120 s at most, and looks for it 16 s."""
SKEW_SECONDS = 60
"""How far two machines' clocks may be apart."""
KEPT_SECONDS = 3600
"""How long a claim is kept after its lease: by then the provider's own list tells whether there is a job."""
CLAIMS_MAX = 100_000
"""No more are read: a target has as many at once as it has jobs created in an hour."""


class Key(NamedTuple):
    """What is claimed: the first attempt at a job, or with a greater number a further one."""

    spec: str
    digest: str
    attempt: int = 1


class Claim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One claim; *until* is unix time in seconds."""

    spec: str
    digest: str
    attempt: int
    owner: str
    fence: int
    until: int
    job: str | None = None
    """The job that its owner created, once it is there."""
    inherited: bool = False
    """It had an owner before this one, who may have created the job without having told."""


class Claims(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All claims of a target, by spec and digest."""

    version: int = VERSION
    fence: int = 0
    """The number that was given last."""
    claims: tuple[Claim, ...] = ()

    def find(self, spec: str, digest: str) -> Claim | None:
        return next((claim for claim in self.claims if (claim.spec, claim.digest) == (spec, digest)), None)


def encode(claims: Claims) -> bytes:
    """Canonical text: equal claims give equal bytes."""
    return msgspec.json.format(msgspec.json.encode(claims, order="deterministic"), indent=2) + b"\n"


def decode(content: bytes | None, name: str) -> Claims:
    """Read what is kept at *name*; none if nothing is.

    Raises:
        ProblemsError: It holds something else.
    """
    if content is None:
        return Claims()
    try:
        claims = msgspec.json.decode(content, type=Claims)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemsError(_malformed(name, str(error))) from None
    if claims.version != VERSION or len(claims.claims) > CLAIMS_MAX:
        raise ProblemsError(_malformed(name, f"its version is {claims.version}, with {len(claims.claims)} claims"))
    return claims


def taken(claims: Claims, keys: Iterable[Key], *, owner: str, now: int) -> Claims:
    """*claims* with those of *keys* that *owner* may have: what is free, or was left by an owner who died."""
    for key in keys:
        old = claims.find(key.spec, key.digest)
        if old and is_held(old, key, owner=owner, now=now):
            continue
        fence = claims.fence + 1
        claim = Claim(
            spec=key.spec,
            digest=key.digest,
            attempt=key.attempt,
            owner=owner,
            fence=fence,
            until=now + LEASE_SECONDS,
            inherited=old is not None and old.job is None,
        )
        others = (each for each in claims.claims if each is not old)
        ordered = sorted((*others, claim), key=lambda each: (each.spec, each.digest))
        claims = Claims(fence=fence, claims=tuple(ordered))
    return claims


def is_held(claim: Claim, key: Key, *, owner: str, now: int) -> bool:
    """Whether *claim* keeps *owner* from creating the job of *key*: another's, or one whose job is there already.

    An owner's own claim is no hindrance, whatever process of theirs took it: only one writes a lockfile at a time.
    """
    if is_over(claim, now):
        return False
    if claim.job is not None:
        return claim.attempt >= key.attempt
    return claim.owner != owner


def is_over(claim: Claim, now: int) -> bool:
    """Whether the lease has ended, by any machine's clock."""
    return claim.until + SKEW_SECONDS < now


def renewed(claims: Claims, mine: Iterable[Claim], *, now: int) -> Claims:
    """*claims* with a new lease for those of *mine* that are mine still."""
    held = {_identity(claim) for claim in mine}
    until = now + LEASE_SECONDS
    return _each(claims, lambda old: msgspec.structs.replace(old, until=until) if _identity(old) in held else old)


def settled(claims: Claims, *, made: Iterable[Claim], released: Iterable[Claim], now: int) -> Claims:
    """*claims* with the jobs of those *made*, without those *released*, and without what is of no use any more.

    One that was inherited is left behind again: nobody knows yet whether the job was made under the claim before.
    """
    jobs = {_identity(claim): claim.job for claim in made}
    free = {_identity(claim): claim.inherited for claim in released}

    def after(old: Claim) -> Claim | None:
        if free.get(_identity(old)):
            return msgspec.structs.replace(old, until=now - SKEW_SECONDS - 1)
        if _identity(old) in free or old.until + KEPT_SECONDS < now:
            return None
        job = jobs.get(_identity(old))
        return msgspec.structs.replace(old, job=job) if job else old

    return _each(claims, after)


def is_of(claims: Claims, mine: Claim) -> bool:
    """Whether *mine* stands there still, renewed or not: nobody took it over."""
    found = claims.find(mine.spec, mine.digest)
    return found is not None and _identity(found) == _identity(mine)


def abandoned(claims: Claims, spec: str, *, now: int) -> Claims:
    """*claims* with those on *spec* free to be taken at once; who takes one looks first for what was made under it.

    A claim whose job is there keeps nobody waiting: it stays, for it tells the job while the provider's list lags.
    """
    ended = now - SKEW_SECONDS - 1

    def after(old: Claim) -> Claim:
        return msgspec.structs.replace(old, until=ended) if is_in_the_way(old, spec, now=now) else old

    return _each(claims, after)


def is_in_the_way(claim: Claim, spec: str, *, now: int) -> bool:
    """Whether *claim* keeps others from creating a job of *spec* that is not there yet."""
    return claim.spec == spec and claim.job is None and not is_over(claim, now)


def _identity(claim: Claim) -> tuple[str, int]:
    # Not the fence alone: it begins anew should somebody delete the whole file.
    return claim.owner, claim.fence


def _each(claims: Claims, change: Callable[[Claim], Claim | None]) -> Claims:
    changed = map(change, claims.claims)
    return msgspec.structs.replace(claims, claims=tuple(claim for claim in changed if claim))


def _malformed(name: str, message: str) -> Diagnostic:
    return Diagnostic(
        code="claims-malformed",
        summary=f"{name} holds no claims of ftops: {message[:1].lower()}{message[1:200]}",
        why="only ftops writes it; another version of ftops may have, or something else altogether",
        fix="upgrade ftops; or, if nobody runs it now, delete what is there: no job or model is recorded in it",
    )

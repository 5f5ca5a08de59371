"""Claims as values: who may take what, and what remains of it."""

from __future__ import annotations

import msgspec
import pytest

from ftops.claims import (
    KEPT_SECONDS,
    LEASE_SECONDS,
    SKEW_SECONDS,
    Claim,
    Claims,
    Key,
    abandoned,
    decode,
    encode,
    is_of,
    renewed,
    settled,
    taken,
)
from ftops.diagnostics import ProblemsError

KEY = Key("elle", "sha256:e")
OTHER = Key("ask", "sha256:a")
NOW = 1_000_000
AFTER = NOW + LEASE_SECONDS + SKEW_SECONDS + 1
"""When a claim of NOW may be taken over."""


def one(claims: Claims, key: Key = KEY) -> Claim:
    found = claims.find(key.spec, key.digest)
    assert found is not None
    return found


def test_what_is_free_is_taken_with_a_lease_and_a_fence_of_its_own() -> None:
    claims = taken(Claims(), [KEY, OTHER], owner="a", now=NOW)
    assert [(claim.spec, claim.owner, claim.fence, claim.until) for claim in claims.claims] == [
        ("ask", "a", 2, NOW + LEASE_SECONDS),
        ("elle", "a", 1, NOW + LEASE_SECONDS),
    ]
    assert not one(claims).inherited


def test_what_another_holds_is_left_until_its_lease_and_the_skew_of_clocks_are_over() -> None:
    claims = taken(Claims(), [KEY], owner="a", now=NOW)
    assert taken(claims, [KEY], owner="b", now=AFTER - 1) == claims
    after = one(taken(claims, [KEY], owner="b", now=AFTER))
    assert (after.owner, after.fence, after.inherited) == ("b", 2, True)


def test_an_owner_goes_on_at_once_with_what_one_before_it_began_here_and_looks_first() -> None:
    claims = taken(Claims(), [KEY], owner="a", now=NOW)
    again = one(taken(claims, [KEY], owner="a", now=NOW + 1))
    assert again.inherited
    assert again.fence > one(claims).fence


def test_a_job_that_was_just_made_is_not_made_again_not_even_by_its_owner() -> None:
    claims = taken(Claims(), [KEY], owner="a", now=NOW)
    made = settled(claims, made=[msgspec.structs.replace(one(claims), job="ftjob-1")], released=[], now=NOW)
    assert one(made).job == "ftjob-1"
    for owner in ("a", "b"):
        assert taken(made, [KEY], owner=owner, now=NOW + 1) == made


def test_a_further_attempt_that_a_person_asked_for_is_free_once_the_one_before_was_made() -> None:
    claims = taken(Claims(), [KEY], owner="a", now=NOW)
    again = Key(KEY.spec, KEY.digest, 2)
    assert taken(claims, [again], owner="b", now=NOW) == claims
    made = settled(claims, made=[msgspec.structs.replace(one(claims), job="ftjob-1")], released=[], now=NOW)
    after = one(taken(made, [again], owner="b", now=NOW))
    assert (after.owner, after.attempt, after.job, after.inherited) == ("b", 2, None, False)


def test_a_late_owner_does_not_hold_renew_or_settle_what_was_taken_over() -> None:
    claims = taken(Claims(), [KEY], owner="a", now=NOW)
    late = one(claims)
    after = taken(claims, [KEY], owner="b", now=AFTER)
    assert not is_of(after, late)
    assert renewed(after, [late], now=AFTER) == after
    made = msgspec.structs.replace(late, job="ftjob-1")
    assert settled(after, made=[made], released=[late], now=AFTER) == after


def test_a_renewed_claim_is_its_owners_still() -> None:
    claims = taken(Claims(), [KEY, OTHER], owner="a", now=NOW)
    after = renewed(claims, [one(claims)], now=NOW + 500)
    assert one(after).until == NOW + 500 + LEASE_SECONDS
    assert one(after, OTHER) == one(claims, OTHER)
    assert is_of(after, one(claims))


def test_what_is_released_is_gone_and_what_is_long_over_goes_with_it() -> None:
    claims = taken(Claims(), [OTHER], owner="b", now=NOW - KEPT_SECONDS - LEASE_SECONDS - 1)
    claims = taken(claims, [KEY], owner="a", now=NOW)
    assert settled(claims, made=[], released=[one(claims)], now=NOW).claims == ()


def test_what_was_taken_over_and_not_looked_for_is_left_behind_again() -> None:
    claims = taken(taken(Claims(), [KEY], owner="a", now=NOW), [KEY], owner="b", now=AFTER)
    left = settled(claims, made=[], released=[one(claims)], now=AFTER)
    after = one(taken(left, [KEY], owner="c", now=AFTER))
    assert (after.owner, after.inherited) == ("c", True)
    looked = msgspec.structs.replace(one(claims), inherited=False)
    assert settled(claims, made=[], released=[looked], now=AFTER).claims == ()


def test_the_fence_rises_for_ever() -> None:
    claims = Claims()
    for number in range(1, 4):
        claims = taken(claims, [KEY], owner="a", now=NOW)
        assert one(claims).fence == number
        claims = settled(claims, made=[], released=[one(claims)], now=NOW)


def test_an_abandoned_claim_is_free_at_once_and_whoever_takes_it_looks_first() -> None:
    claims = abandoned(taken(Claims(), [KEY, OTHER], owner="a", now=NOW), KEY.spec, now=NOW)
    assert abandoned(claims, KEY.spec, now=NOW) == claims
    after = taken(claims, [KEY, OTHER], owner="b", now=NOW)
    assert (one(after).owner, one(after).inherited) == ("b", True)
    assert one(after, OTHER).owner == "a"


def test_claims_are_read_as_they_were_written() -> None:
    claims = taken(Claims(), [KEY, OTHER], owner="a", now=NOW)
    assert decode(encode(claims), "here") == claims
    assert decode(None, "here") == Claims()


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"version": 2}', b"\xff", b"[" * 100_000])
def test_what_is_no_claims_is_said(content: bytes) -> None:
    with pytest.raises(ProblemsError) as error:
        decode(content, "`refs/ftops/claims/x`")
    (problem,) = error.value.problems
    assert problem.code == "claims-malformed"
    assert problem.summary.startswith("`refs/ftops/claims/x` holds no claims of ftops: ")

"""Claims as people read them: who is about to create which job, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftops.claims import is_over
from ftops.digest import short
from ftops.report.figures import moment
from ftops.report.machine import FORMAT_VERSION
from ftops.report.terminal import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftops.claims import Claim

HEADER = ("NAME", "DIGEST", "STATE", "UNTIL", "OWNER")


def render_claims(claims: Sequence[Claim], now: int, *, colour: bool = False) -> str:
    """Render one line a claim, without a final line break; a sentence if there is none."""
    if not claims:
        return "No job is claimed"
    rows = [(each.spec, short(each.digest), _state(each, now), moment(each.until), each.owner) for each in claims]
    return "\n".join(table(HEADER, rows, colour=colour))


def claims_json(claims: Sequence[Claim], now: int) -> dict[str, Any]:
    """Shape claims for a script."""
    found = [{**msgspec.to_builtins(each), "job": each.job, "is_over": is_over(each, now)} for each in claims]
    return {"format_version": FORMAT_VERSION, "claims": found}


def _state(claim: Claim, now: int) -> str:
    if claim.job:
        return f"created {claim.job}"
    return "left behind" if is_over(claim, now) else "about to create"

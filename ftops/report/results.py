"""What a run of a workflow did, as Markdown for its page."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ftops.plan.changes import Kind
from ftops.report.markdown import code
from ftops.report.terminal import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftops.plan.changes import Outcome

SHOWN_MAX = 500
"""Rows of the table; a page that is too long is dropped whole."""
_DONE = {
    Kind.CREATE: "submitted",
    Kind.REPLACE: "submitted",
    Kind.ADOPT: "adopted",
    Kind.COLLECT: "collected",
    Kind.SELECT: "selected",
    Kind.CANCEL: "cancelled",
    Kind.FORGET: "forgotten",
}


def render_results(command: str, outcomes: Sequence[Outcome], *, outstanding: int = 0) -> str:
    """Render as Markdown, the verdict first; texts of specs and of the provider stand in code spans.

    Args:
        command: What ran.
        outcomes: What it did.
        outstanding: How many models are still waited for.
    """
    verdict = f"### {command}: {_verdict(outcomes)}"
    if outstanding:
        verdict += f" · {counted(outstanding, 'model')} still outstanding"
    if not outcomes:
        return verdict
    rows = [f"| {code(each.name)} | {_state(each)} | {code(each.text)} |" for each in outcomes[:SHOWN_MAX]]
    more = [f"\nand {len(outcomes) - SHOWN_MAX:,} more"] if len(outcomes) > SHOWN_MAX else []
    return "\n".join([verdict, "", "| spec | | what was done |", "| --- | --- | --- |", *rows, *more])


def _verdict(outcomes: Sequence[Outcome]) -> str:
    states = Counter(_state(outcome) for outcome in outcomes)
    return ", ".join(f"{number:,} {state}" for state, number in states.items()) or "nothing to do"


def _state(outcome: Outcome) -> str:
    if outcome.waits:
        return "waits"
    return "failed" if outcome.problem else _DONE.get(outcome.kind, str(outcome.kind))

"""What a run of a workflow did, on its page."""

from __future__ import annotations

from ftops.diagnostics import Diagnostic
from ftops.plan.changes import Kind, Outcome
from ftops.report.results import SHOWN_MAX, render_results

PROBLEM = Diagnostic(code="remote-refused", summary="the provider refuses")


def _made(name: str, text: str = "submitted job ftjob-1", kind: Kind = Kind.CREATE) -> Outcome:
    return Outcome(name=name, kind=kind, text=text)


def test_the_verdict_comes_first() -> None:
    outcomes = [
        _made("a"),
        _made("b", kind=Kind.REPLACE),
        Outcome(name="c", kind=Kind.CREATE, text="refused", problem=PROBLEM),
        Outcome(name="d", kind=Kind.CREATE, text="after a", waits=True),
    ]
    text = render_results("ftops apply", outcomes, outstanding=3)
    assert text.splitlines()[0] == "### ftops apply: 2 submitted, 1 failed, 1 waits · 3 models still outstanding"
    assert "| `c` | failed | `refused` |" in text


def test_where_nothing_was_done_it_is_one_line() -> None:
    assert render_results("ftops collect", []) == "### ftops collect: nothing to do"


def test_text_of_others_stays_in_code() -> None:
    text = render_results("ftops collect", [_made("a", "failed: `x` | @mona <!-- -->\n### forged")])
    assert len(text.splitlines()) == 5
    assert "| ``failed: `x` \\| @mona <!-- -->" in text


def test_a_thousand_are_not_all_listed() -> None:
    text = render_results("ftops collect", [_made(f"spec-{number}") for number in range(1000)])
    assert text.endswith("and 500 more")
    assert len(text.splitlines()) == SHOWN_MAX + 6

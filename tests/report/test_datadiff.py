"""A data diff in words, in colours, as Markdown of a bounded size."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.compare import Comparison, Source
from ftops.dataset.diff import DataDiff, Totals
from ftops.dataset.relabel import LabelCount, Relabelling
from ftops.dataset.samples import Change, Sample, Samples
from ftops.dataset.wording import Piece
from ftops.report.datadiff import MINUS, comparison_json, one_line, render_comparison
from ftops.report.datadiff_markdown import CUT, render_markdown

if TYPE_CHECKING:
    from collections.abc import Callable

NASTY = "`````\n@team </details> <img src=x> | \x1b[2J\u202e #1"


def totals(rows: int, tokens: int, trained: int) -> Totals:
    return Totals(rows=rows, tokens=tokens, trained_tokens=trained)


def data_diff(**changes: object) -> DataDiff:
    given: dict[str, object] = {
        "old": totals(1_221, 80_000, 9_000),
        "new": totals(1_338, 83_201, 8_990),
        "unchanged": 1_204,
        "moved": 2,
        "added": 120,
        "removed": 3,
        "edited": 14,
        "edited_system": 1,
        "labels": (),
        "label_rows": (),
        "relabelled": (),
        "added_rows": (),
        "removed_rows": (),
        "edited_rows": (),
    }
    return DataDiff(**(given | changes))


SAME = data_diff(
    old=totals(9, 5, 5), new=totals(9, 5, 5), unchanged=9, moved=0, added=0, removed=0, edited=0, edited_system=0
)


def labelled(*texts: str) -> Comparison:
    """What is in no real diff at once: every kind of change, with *texts* as labels and in an edited row."""
    labels = tuple(LabelCount(old_rows=9 * at, new_rows=5, old_first=0, new_first=1) for at in range(len(texts)))
    ways = (Relabelling(before=1, after=0, rows=3),)
    answer = Change(
        "messages[1].content",
        "assistant",
        (Piece("same", "Go to "), Piece("gone", "Settings"), Piece("come", texts[0]), Piece("same", " now")),
    )
    context = Change("messages[0].content", "user", (Piece("same", "How do I\nreset it?"),))
    hidden = Change("messages[2].content", "", (Piece("same", texts[0]),), is_masked=True)
    gone = Change("messages[1].content", "assistant", (Piece("gone", texts[0]),))
    come = Change("messages[1].content", "assistant", (Piece("come", "Ask us."),))
    samples = Samples(
        labels=texts,
        edited=(Sample(12, 14, "prompt", (context, answer, hidden)),),
        added=(Sample(None, 20, None, (come,)),),
        removed=(Sample(4, None, None, (gone,)),),
    )
    return Comparison(
        old=Source("data/x.jsonl", "main"),
        new=Source("data/x.jsonl"),
        diff=data_diff(labels=labels, relabelled=ways),
        samples=samples,
        warnings=(),
    )


def test_a_diff_reads_as_it_should(golden: Callable[[str, str], None]) -> None:
    golden("datadiff.txt", render_comparison(labelled("a bug", "praise"), colour=False, width=80))
    golden("datadiff.md", render_markdown(labelled("a `bug`", "praise"), bytes_max=60_000))


def test_what_is_the_same_is_said_so() -> None:
    labels = (LabelCount(old_rows=9, new_rows=9, old_first=0, new_first=0),)
    same = Comparison(
        old=Source("x"),
        new=Source("y", ""),
        diff=replace(SAME, labels=labels),
        samples=Samples(("praise",), (), (), ()),
        warnings=(),
    )
    assert render_comparison(same, colour=False, width=80) == "x → :y\nno changes: 9 rows"
    assert render_markdown(same, bytes_max=999) == "`x` → `:y`\n\nNo changes: 9 rows."
    assert comparison_json(same)["differs"] is False


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, f"+120 {MINUS}3 ~14 rows, 2 moved, +3,201 tokens"),
        ({"added": 0, "moved": 0}, f"{MINUS}3 ~14 rows, +3,201 tokens"),
        ({"added": 0, "removed": 0, "edited": 0, "new": totals(1, 80_000, 0)}, "same rows, 2 moved"),
        ({"moved": 0, "new": totals(1, 79_999, 0)}, f"+120 {MINUS}3 ~14 rows, {MINUS}1 tokens"),
    ],
)
def test_one_line_says_what_changed(changes: dict[str, object], line: str) -> None:
    assert one_line(data_diff(**changes)) == line


def test_colours_add_nothing_but_colour() -> None:
    found = labelled("a bug", "praise")
    plain, painted = (render_comparison(found, colour=colour, width=80) for colour in (False, True))
    assert "\x1b[32m{+a bug+}\x1b[0m" in painted
    assert re.sub(r"\x1b\[\d+m", "", painted) == plain


def test_nothing_in_the_data_reaches_the_terminal_as_it_is() -> None:
    shown = render_comparison(labelled(NASTY, "praise"), colour=False, width=200)
    assert not set(shown) & {"\x1b", "\u202e"}
    assert "`````↵@team </details>" in shown


def prose(markdown: str) -> str:
    """What of *markdown* is neither in a fence nor in a code span, as GitHub reads it."""
    without = re.sub(r"^(`{3,})diff\n.*?^\1$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    assert not re.search("^```", without, re.MULTILINE), "a fence is open"
    return re.sub(r"(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)", "", without)


@given(st.text(st.sampled_from("`|@<>\\- a\n\x1b\u202e")), st.integers(200, 3_000))
def test_nothing_in_the_data_can_do_anything_in_markdown(text: str, most: int) -> None:
    shown = render_markdown(labelled(text or "x", "praise"), bytes_max=most)
    assert len(shown.encode()) <= most
    assert not set(shown) & {"\x1b", "\u202e"}
    left = prose(shown)
    assert "@" not in left
    assert left.count("<details>") == left.count("</details>")
    assert set(re.findall("<[^>]*>", left)) <= {"<details>", "<summary>", "</summary>", "</details>"}
    for row in re.findall(r"^\|.*\|$", shown, re.MULTILINE):
        assert len(re.findall(r"(?<!\\)\|", row)) == 5, row


def test_what_does_not_fit_is_left_out_by_whole_blocks() -> None:
    whole = render_markdown(labelled("a bug", "praise"), bytes_max=60_000)
    assert CUT not in whole
    before = ""
    for most in range(300, len(whole.encode()) + 100, 50):
        shown = render_markdown(labelled("a bug", "praise"), bytes_max=most)
        assert whole.startswith(shown.removesuffix(CUT))
        assert len(shown.removesuffix(CUT)) >= len(before)
        before = shown.removesuffix(CUT)
    assert before == whole

"""Text of others in Markdown: it stands in code, is seen as it is, and a text is cut between its blocks."""

from __future__ import annotations

import re

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given
from hypothesis import strategies as st

from ftops.report.markdown import MARKS_MAX, Part, code, fence, fitted, folded, html_code, plain, sentence

NASTY = st.text(
    st.one_of(st.sampled_from("`|\\<>&@#*_~[]()!$:\n\t -+.'\"1a\u202e\u200b\u0301\ufe0f\x1b"), st.characters()),
    max_size=40,
)
INERT = re.compile(r"[A-Za-z0-9 .,;:!?%…–→≥≤·…×+−\-'’\"()$]*")  # noqa: RUF001  # signs of sentences


def html_of(markdown: str) -> str:
    return cmarkgfm.github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("bug", "`bug`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("", "` `"),
        ("a|b", "`a\\|b`"),
        ("a\\|b", "`a\\\\u{7c}b`"),
        (" a ", "`  a  `"),
        ("a\nb\tc\r\n", "`a↵b⇥c↵`"),
        ("a\u202eb\u200bc", "`a\\u{202e}b\\u{200b}c`"),
        ("⚠\ufe0f", "`⚠`"),
        ("##[error", "`\\u{23}#[error`"),
        ("\u3164x\ue000", "`\\u{3164}x\\u{e000}`"),
        ("a\u00a0b\u3000c", "`a b c`"),
    ],
)
def test_a_code_span_is_longer_than_the_backticks_in_it(text: str, span: str) -> None:
    assert code(text) == span


def test_a_pipe_is_escaped_in_tables_alone() -> None:
    assert code("a|b", in_table=False) == "`a|b`"


@given(NASTY)
def test_a_code_span_is_one_wherever_it_stands(text: str) -> None:
    shown = plain(text) or " "
    inside = html_of(f"a {code(text, in_table=False)} b")
    cells = re.findall("<td>(.*?)</td>", html_of(f"| a | b |\n| - | - |\n| {code(text)} | {code(text)} |\n"))
    assert re.fullmatch(r"<p>a <code>[^<]*</code> b</p>\n", inside), inside
    assert len(cells) == 2
    assert all(re.fullmatch("<code>[^<]*</code>", cell) for cell in cells), shown


@given(NASTY)
def test_nothing_of_a_text_is_hidden_or_without_end(text: str) -> None:
    shown = plain(text * 10)
    assert len(shown) <= 100
    assert not re.search("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f]", shown)
    assert not re.search(f"[\u0300-\u036f]{{{MARKS_MAX + 1}}}", shown)


@given(NASTY)
def test_outside_of_code_a_sentence_has_plain_words_alone(text: str) -> None:
    said = html_of(f"Why: {sentence(text, in_table=False)}")
    left = re.sub("<code>[^<]*</code>", "", said).removeprefix("<p>").removesuffix("</p>\n")
    assert INERT.fullmatch(left.replace("&quot;", '"')), left
    assert not re.search("[0-9a-f]{7}|[^ ][$]", left)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("16 of 200 rows (8 %), such as lines 2 and 11", "16 of 200 rows (8 %), such as lines 2 and 11"),
        ("similarity ≥ 0.6, last → best: it's $1.07.", "similarity ≥ 0.6, last → best: it's $1.07."),
        ("shut down on 2027-01-14 at 04:00 UTC", "shut down on 2027-01-14 at 04:00 UTC"),
        ("run `ftops plan` (or `make`), then look", "run `ftops plan` (or `make`), then look"),
        ("ask @team, fix #1 or GH-12", "ask `@team`, fix `#1` or `GH-12`"),
        ("see www.example.com :smile: <b>", "see `www.example.com` `:smile`: `<b>`"),
        ("commit deadbeef and `a``b`", "commit `deadbeef` and `a` `b`"),
        ("($6 a`b", "(`$6` a`` ` ``b"),
    ],
)
def test_a_sentence_reads_as_it_was_written(text: str, said: str) -> None:
    assert sentence(text) == said


@given(st.lists(NASTY, max_size=4))
def test_a_fence_ends_after_its_last_line(texts: list[str]) -> None:
    shown = html_of(f"{fence([f'+ {plain(text)}' for text in texts], 'diff')}\n\nend\n")
    assert re.fullmatch(r'<pre lang="diff"><code>[^<]*</code></pre>\n<p>end</p>\n', shown), shown


def test_a_fence_is_longer_than_any_run_in_it() -> None:
    assert fence(["a", "````"], "diff") == "`````diff\na\n````\n`````"


@given(NASTY)
def test_what_is_folded_stays_folded(text: str) -> None:
    shown = html_of(folded(html_code(text), f"- {code(text, in_table=False)}"))
    assert re.fullmatch(
        r"<details><summary><code>[^<]*</code></summary>\n<ul>\n<li><code>[^<]*</code></li>\n</ul>\n</details>\n", shown
    ), shown


def parts(rows: int) -> list[Part]:
    return [
        Part(blocks=["# Title"], rank=0),
        Part(blocks=[f"| {n} é |" for n in range(rows)], rank=2, noun="row", before="| a |\n| - |\n", between="\n"),
        Part(blocks=["warning one", "warning two"], rank=1, noun="warning"),
        Part(
            blocks=[f"more {n}" for n in range(3)], rank=3, noun="fold", before="<details>\n\n", after="\n\n</details>"
        ),
        Part(blocks=["foot"], rank=0),
    ]


def test_a_text_that_fits_is_whole() -> None:
    whole = fitted(parts(2), 10_000, "Left out: {}.")
    assert whole == (
        "# Title\n\n| a |\n| - |\n| 0 é |\n| 1 é |\n\nwarning one\n\nwarning two\n\n"
        "<details>\n\nmore 0\n\nmore 1\n\nmore 2\n\n</details>\n\nfoot"
    )
    assert fitted(parts(2), len(whole.encode()), "Left out: {}.") == whole


def test_what_is_least_important_is_left_out_first_and_told_of() -> None:
    shown = fitted(parts(100), 400, "Left out: {}.")
    assert "warning two" in shown
    assert "<details>" not in shown
    rows = len(re.findall(r"^\| \d+ é \|$", shown, re.MULTILINE))
    assert 0 < rows < 100
    assert shown.endswith(f"\n\nfoot\n\nLeft out: {100 - rows} rows, 3 folds.")


@given(st.integers(0, 30), st.integers(100, 800))
def test_every_size_is_kept_to_and_more_room_never_shows_less(rows: int, most: int) -> None:
    less, more = (fitted(parts(rows), size, "Left out: {}.") for size in (most, most + 40))
    for shown, size in ((less, most), (more, most + 40)):
        assert len(shown.encode()) <= size
        assert shown.count("<details>") == shown.count("</details>")
    kept = [{line for line in shown.splitlines() if not line.startswith("Left out")} for shown in (less, more)]
    assert kept[0] <= kept[1]

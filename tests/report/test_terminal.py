from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.report.terminal import counted, cut, padded, paint, shortened, table, visible, width_of


@given(st.text())
def test_nothing_visible_moves_the_cursor(text: str) -> None:
    assert all(ord(letter) >= 0x20 and not 0x7F <= ord(letter) <= 0x9F for letter in visible(text))


@given(st.text(), st.integers(min_value=-2, max_value=30))
def test_what_is_cut_fits(text: str, width: int) -> None:
    assert width_of(cut(text, width)) <= max(width, 0)


@given(st.text(), st.integers(min_value=0, max_value=30))
def test_what_is_padded_takes_the_width_exactly(text: str, width: int) -> None:
    assert width_of(padded(text, width)) == width


@pytest.mark.parametrize(
    ("text", "width", "said"),
    [
        ("elle", 4, "elle"),
        ("elle-limericks", 9, "elle…icks"),
        ("elle-limericks", 10, "elle-…icks"),
        ("日本語日本語", 9, "日本…本語"),
        ("elle", 1, "…"),
    ],
)
def test_a_middle_gives_way_first(text: str, width: int, said: str) -> None:
    assert shortened(text, width) == said


@pytest.mark.parametrize(
    ("text", "width"), [("elle", 4), ("ほばぬう", 8), ("\uff46", 2), ("é", 1), ("e\u0301", 1), ("→", 1)]
)
def test_width_is_counted_in_columns(text: str, width: int) -> None:
    assert width_of(text) == width


def test_a_table_aligns_and_leaves_no_blanks_behind() -> None:
    rows = [("ほばぬう", "1"), ("elle\t", "")]
    assert table(("NAME", "N"), rows, colour=False) == ["NAME       N", "ほばぬう   1", r"elle\u{9}"]


def test_a_table_too_narrow_for_its_columns_keeps_eight_of_each() -> None:
    lines = table(("NAME", "MODEL"), [("a" * 20, "b" * 30)], colour=True, width=5)
    assert lines == ["\x1b[1mNAME      MODEL\x1b[0m", "aaaa…aaa  bbbb…bbb"]


def test_a_count_agrees_with_its_noun() -> None:
    assert [counted(number, "row") for number in (0, 1, 1_200)] == ["0 rows", "1 row", "1,200 rows"]


def test_nothing_is_painted_without_colour_and_no_text_stays_no_text() -> None:
    assert [paint("a", "1", colour=False), paint("", "1", colour=True), paint("a", "1", colour=True)] == [
        "a",
        "",
        "\x1b[1ma\x1b[0m",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "::error::x",
        "  ::warning file=a.py,line=1::x",
        "a ##[group]b",
        "::stop-commands::x",
        "::Error::x",
        "a ##[GROUP]b",
        f"::error title={'x' * 1_000}::y",
    ],
)
def test_nothing_visible_commands_the_runner_of_a_workflow(text: str) -> None:
    shown = visible(text)
    assert not shown.strip().startswith("::")
    assert "##[" not in shown


@pytest.mark.parametrize("text", ["std::vector<int>", "f :: Int -> Int", "## [Title](x)", "a::b::c"])
def test_code_with_colons_is_shown_as_it_is(text: str) -> None:
    assert visible(text) == text

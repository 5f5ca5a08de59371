"""Problems as people and machines see them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.diagnostics import Diagnostic, Place, Severity
from ftops.report.problems import WIDEST, count_of, problem_json, render_problem, render_problems

EPOCHS = Diagnostic(
    code="spec-type",
    summary="`n_epochs` must be a whole number",
    place=Place(path="specs/support-bot.yaml", line=6, column=13, end_column=18, source="  n_epochs: three"),
    why="the API counts epochs in whole numbers",
    fix="write a number, such as `n_epochs: 3`, or leave it out and OpenAI chooses",
)


def at(source: str, column: int, end_column: int | None = None, line: int = 6) -> Diagnostic:
    place = Place(path="a.yaml", line=line, column=column, end_column=end_column, source=source)
    return Diagnostic(code="c", summary="s", place=place)


def test_a_problem_looks_as_the_style_guide_shows_it() -> None:
    assert render_problem(EPOCHS, colour=False) == (
        "error[spec-type]: `n_epochs` must be a whole number\n"
        "  --> specs/support-bot.yaml:6:13\n"
        "6 |   n_epochs: three\n"
        "  |             ^^^^^\n"
        "why: the API counts epochs in whole numbers\n"
        "fix: write a number, such as `n_epochs: 3`, or leave it out and OpenAI chooses"
    )


def test_colours_change_nothing_but_colour() -> None:
    coloured = render_problem(EPOCHS, colour=True)
    assert coloured.startswith("\x1b[1;31merror[spec-type]\x1b[0m")
    for code in ("1", "2", "1;31", "1;32", "0"):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    assert coloured == render_problem(EPOCHS, colour=False)


def test_what_a_problem_does_not_have_has_no_line() -> None:
    assert render_problem(Diagnostic(code="c", summary="s"), colour=False) == "error[c]: s"
    without_line = Diagnostic(code="c", summary="s", place=Place(path="a.yaml"), fix="f")
    assert render_problem(without_line, colour=False) == "error[c]: s\n --> a.yaml\nfix: f"
    without_source = Diagnostic(code="c", summary="s", place=Place(path="d.jsonl", line=120, column=3))
    assert render_problem(without_source, colour=False) == "error[c]: s\n    --> d.jsonl:120:3"
    whole_line = Diagnostic(code="c", summary="s", place=Place(path="a.yaml", line=2, source="a: 1"))
    assert render_problem(whole_line, colour=False) == "error[c]: s\n  --> a.yaml:2\n2 | a: 1"


@pytest.mark.parametrize(
    ("problem", "source", "marker"),
    [
        (at("名前: 日本語 # x", 5, 8), "6 | 名前: 日本語 # x", "  |       ^^^^^^"),
        (at("a\tb: c", 6, 7), "6 | a    b: c", "  |         ^"),
        (at("e\u0301te\u0301: c", 8, 9), "6 | e\u0301te\u0301: c", "  |      ^"),
        (at("a: \x1b[31mb", 9, 10), "6 | a: \\u{1b}[31mb", "  |              ^"),
        (at("a: \u202egpj.exe", 4, 5), "6 | a: \\u{202e}gpj.exe", "  |    ^^^^^^^^"),
        (at("a: ", 4), "6 | a:", "  |    ^"),
        (at("a: b", 99, 100), "6 | a: b", "  |     ^"),
        (at("", 1, 2), "6 |", "  | ^"),
        (at("a: b", 4, 4, line=1234), "1234 | a: b", "     |    ^"),
    ],
)
def test_the_caret_is_below_what_it_marks(problem: Diagnostic, source: str, marker: str) -> None:
    assert render_problem(problem, colour=False).splitlines()[2:4] == [source, marker]


def test_a_long_line_is_shown_round_the_caret() -> None:
    long = render_problem(at("x" * 500 + "HERE" + "y" * 500, 501, 505), colour=False).splitlines()
    assert long[2].startswith("6 | …xxx")
    assert long[2].endswith("yyy…")
    assert long[2].index("HERE") == long[3].index("^^^^")
    assert render_problem(at("x" * 500, 1, 501), colour=False).splitlines()[3] == "  | " + "^" * WIDEST


@given(st.text(max_size=300), st.integers(1, 320), st.integers(1, 320))
def test_no_line_is_too_wide_and_none_hides_anything(source: str, column: int, end_column: int) -> None:
    for line in render_problem(at(source, column, end_column), colour=False).splitlines()[2:]:
        assert (
            sum(
                2 if unicodedata.east_asian_width(letter) in "WF" else 1
                for letter in line
                if not unicodedata.combining(letter)
            )
            <= WIDEST + 5
        )
        assert all(unicodedata.category(letter) not in ("Cc", "Cs") for letter in line)
        assert not set(line) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200b\u200f\ufeff")


def test_texts_cannot_act_on_the_terminal_either() -> None:
    problem = Diagnostic(code="c", summary="\x1b[2J", place=Place(path="a\nb.yaml"), why="\r", fix="\u2066")
    assert render_problem(problem, colour=False) == (
        "error[c]: \\u{1b}[2J\n --> a\\u{a}b.yaml\nwhy: \\u{d}\nfix: \\u{2066}"
    )


@pytest.mark.parametrize("column", range(1, 34))
def test_no_caret_puts_a_runner_s_command_together(column: int) -> None:
    """What is marked is made visible apart from what is not, and both come to stand in one line."""
    shown = render_problem(at("model: {a##[set-output name=x]b}", column, column + 3), colour=False)
    assert "##[" not in shown
    assert r"\u{23}" in shown


def test_several_problems_end_in_how_many_there_are() -> None:
    warning = Diagnostic(code="w", summary="s", severity=Severity.WARNING)
    error = Diagnostic(code="e", summary="s")
    note = Diagnostic(code="n", summary="s", severity=Severity.NOTE)
    assert render_problems([error, warning, error], colour=False) == (
        "error[e]: s\n\nwarning[w]: s\n\nerror[e]: s\n\n2 errors, 1 warning\n"
    )
    assert count_of([note, note, error]) == "1 error, 2 notes"
    assert render_problems([], colour=False) == ""


def test_machines_get_the_same_keys_always() -> None:
    assert problem_json(EPOCHS) == {
        "severity": "error",
        "code": "spec-type",
        "summary": "`n_epochs` must be a whole number",
        "path": "specs/support-bot.yaml",
        "line": 6,
        "column": 13,
        "end_column": 18,
        "why": "the API counts epochs in whole numbers",
        "fix": "write a number, such as `n_epochs: 3`, or leave it out and OpenAI chooses",
    }
    assert problem_json(Diagnostic(code="c", summary="s")) == {
        **dict.fromkeys(("path", "line", "column", "end_column", "why", "fix")),
        "severity": "error",
        "code": "c",
        "summary": "s",
    }

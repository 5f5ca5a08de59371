"""Annotations as GitHub's runner reads them."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ftops.diagnostics import Diagnostic, Place, Severity
from ftops.report.annotations import ANNOTATIONS_MAX, annotation_lines
from ftops.report.groups import Group, grouped
from ftops.report.terminal import visible

COMMAND = re.compile(r"::(error|warning|notice)(?: (.*?))?::(.*)", re.DOTALL)


def parsed(line: str) -> tuple[str, dict[str, str], str]:
    """Read a line as `actions/runner` does (ActionCommand.TryParseV2): split, then unescape."""
    found = COMMAND.fullmatch(line)
    assert found, line
    properties = dict(pair.split("=", 1) for pair in (found[2] or "").split(",") if pair)
    return (
        found[1],
        {key: _unescaped(value, is_property=True) for key, value in properties.items()},
        _unescaped(found[3]),
    )


def _unescaped(text: str, *, is_property: bool = False) -> str:
    codes = {"%0D": "\r", "%0A": "\n", **({"%3A": ":", "%2C": ","} if is_property else {}), "%25": "%"}
    for code, letter in codes.items():
        text = text.replace(code, letter)
    return text


def problem(code: str, line: int | None = None, severity: Severity = Severity.ERROR) -> Diagnostic:
    return Diagnostic(code=code, summary="s", place=Place(path="a.jsonl", line=line), severity=severity)


def test_an_annotation_points_at_the_place_and_says_why_and_how() -> None:
    place = Place(path="data/a,b: 100%.jsonl", line=3, column=7, end_column=9)
    full = Diagnostic(code="data-not-json", summary="100% wrong, really: so", place=place, why="w\r", fix="f")
    (line,) = annotation_lines(grouped([full]))
    assert line == (
        "::error file=data/a%2Cb%3A 100%25.jsonl,line=3,col=7,endColumn=9,title=data-not-json"
        "::100%25 wrong, really: so%0Awhy: w\\u{d}%0Afix: f"
    )


def test_severities_are_githubs_levels_and_what_is_unknown_is_left_out() -> None:
    lines = list(
        annotation_lines(
            grouped(
                [
                    problem("n", severity=Severity.NOTE),
                    Diagnostic(code="w", summary="s", severity=Severity.WARNING),
                    problem("e", 3),
                ]
            )
        )
    )
    assert lines == [
        "::error file=a.jsonl,line=3,title=e::s",
        "::warning title=w::s",
        "::notice file=a.jsonl,title=n::s",
    ]


@given(st.text(), st.text(min_size=1))
def test_whatever_is_said_arrives_and_does_nothing(summary: str, path: str) -> None:
    given_ = Diagnostic(code="c", summary=summary, place=Place(path=path, line=1))
    (line,) = annotation_lines(grouped([given_]))
    assert "\n" not in line
    assert "\r" not in line
    file = path if path.isprintable() else visible(path)
    assert parsed(line)[1:] == ({"file": file, "line": "1", "title": "c"}, visible(summary))


def test_ten_of_a_level_are_all_shown() -> None:
    lines = list(annotation_lines(grouped([problem("e", line) for line in range(ANNOTATIONS_MAX)])))
    assert len(lines) == ANNOTATIONS_MAX
    assert all("more" not in line for line in lines)


def test_of_more_than_ten_each_kind_comes_first_and_the_last_says_how_many_are_left() -> None:
    many = [problem("often", line) for line in range(1, 21)]
    groups = [
        *grouped([*many, problem("once", 50)], {"often": 214}),
        *grouped([problem("w", severity=Severity.WARNING)]),
    ]
    lines = [parsed(line) for line in annotation_lines(groups)]
    errors = [line for line in lines if line[0] == "error"]
    assert len(errors) == ANNOTATIONS_MAX
    assert [each["title"] for _, each, _ in errors[:3]] == ["often", "once", "often"]
    assert errors[-1][2] == "and 206 more; in all: often (214), once (1)"
    assert len(lines) == ANNOTATIONS_MAX + 1


def test_a_kind_with_few_places_but_a_great_count_says_the_rest() -> None:
    group = Group(problems=(problem("e", 1),), count=30)
    assert [parsed(line)[2] for line in annotation_lines([group])] == ["s", "and 29 more; in all: e (30)"]


def test_nothing_wrong_needs_no_line() -> None:
    assert list(annotation_lines([])) == []

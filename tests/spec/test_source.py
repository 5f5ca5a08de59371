"""Files that are no spec at all, bytes that are no text, and YAML that would cost memory."""

from __future__ import annotations

import json

import pytest
import yaml

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.spec.document import MOST_PROBLEMS
from ftops.spec.parse import parse_file
from ftops.spec.source import DEEPEST, MOST_VALUES, read_document
from ftops.spec.text import LARGEST_BYTES

HEAD = b"kind: FineTune\nmodel: gpt-4.1\ntraining_file: a.jsonl\n"


def problems(content: bytes) -> tuple[Diagnostic, ...]:
    with pytest.raises(ProblemsError) as caught:
        parse_file(content, "specs/elle.yaml").specs[0]
    return caught.value.problems


def codes(content: bytes) -> list[str]:
    return [problem.code for problem in problems(content)]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "yaml-empty"),
        (b"---\n...\n", "yaml-empty"),
        (b"\n\n# only a comment\n", "yaml-empty"),
        (b"just a text", "yaml-not-a-mapping"),
        (b"- a list", "yaml-not-a-mapping"),
        (b"!!map", "yaml-tag"),
        (b"\xff\xfek\x00i\x00n\x00d\x00", "yaml-encoding"),
        (b"a: \x00", "yaml-control-character"),
        (b"a: \x1b[31m", "yaml-control-character"),
        (b"x" * (LARGEST_BYTES + 1), "yaml-too-large"),
        (b"[" * (LARGEST_BYTES - 1), "yaml-too-deep"),
        (b"- " * 1000, "yaml-too-deep"),
        (b"{a: " * 1000, "yaml-too-deep"),
        (b"a: 1\n" * MOST_VALUES, "yaml-too-large"),
        (b"a: [", "yaml-syntax"),
        (b"a: 1\n b: 2", "yaml-syntax"),
        (b"%YAML 3.0\n---\na: 1", "yaml-syntax"),
        (b'a: "\\ud800"', "yaml-syntax"),
        (b"a: 1\n\tb: 2", "yaml-tab"),
        (b"\ta: 1", "yaml-tab"),
        (b"a:\n  - x\n\t- y", "yaml-tab"),
    ],
)
def test_what_is_no_mapping_is_told_in_one_problem(content: bytes, code: str) -> None:
    assert codes(content) == [code]


def test_bytes_that_are_not_utf_8_are_found_by_their_position() -> None:
    (problem,) = problems(b"\xef\xbb\xbfkind: FineTune\nmodel: caf\xe9\n")
    assert problem.summary == "the file is not UTF-8: byte 0xe9 at position 28"
    assert str(problem.place) == "specs/elle.yaml:2"


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + HEAD,
        HEAD.replace(b"\n", b"\r\n"),
        HEAD.replace(b"\n", b"\r"),
        b"---\n" + HEAD + b"...\n",
        b"%YAML 1.2\n---\n" + HEAD,
        HEAD.rstrip(),
        HEAD + b"# the end",
    ],
)
def test_byte_order_marks_and_line_ends_do_not_matter(content: bytes) -> None:
    spec, plain = parse_file(content, "elle.yaml").specs[0], parse_file(HEAD, "elle.yaml").specs[0]
    assert (spec.model, spec.training_file) == (plain.model, plain.training_file)


def test_columns_count_characters_and_lines_count_every_break() -> None:
    (problem,) = problems(HEAD + 'owner: "a\u2028b"\ndescription: {日本: 語}\r\n'.encode())
    place = problem.place
    assert place is not None
    assert (place.line, place.column, place.end_column) == (6, 14, 21)
    assert place.source == "description: {日本: 語}"


def test_a_yaml_bomb_is_refused_without_being_expanded() -> None:
    bomb = b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (i, i, i - 1, i - 1) for i in range(98, 122))
    found = codes(HEAD + bomb)
    assert found.count("yaml-alias") == 1 + 24 * 3
    assert set(found) == {"yaml-alias", "yaml-ambiguous"}


def test_of_very_many_problems_the_first_are_told() -> None:
    found = codes(HEAD + b"".join(b"key%d: 1\n" % i for i in range(5000)))
    assert found == ["spec-unknown-key"] * MOST_PROBLEMS + ["yaml-more"]


def test_a_very_long_line_is_not_kept_with_each_of_its_problems() -> None:
    found = problems(b"{" + b", ".join(b"key%d: 1" % i for i in range(5000)) + b"}")
    assert all(problem.place is not None and problem.place.source is None for problem in found)


def test_json_is_a_spec_too() -> None:
    value = {"kind": "FineTune", "model": "gpt-4.1", "training_file": "a.jsonl", "seed": 7}
    assert parse_file(json.dumps(value).encode(), "elle.yaml").specs[0].seed == 7


def test_nesting_is_allowed_as_deep_as_the_limit() -> None:
    deep = b"a: " + b"[" * (DEEPEST - 1) + b"]" * (DEEPEST - 1)
    assert read_document(deep, "a.yaml").problems == ()
    with pytest.raises(ProblemsError):
        read_document(b"a: " + b"[" * DEEPEST + b"]" * DEEPEST, "a.yaml")


@pytest.mark.parametrize(
    ("content", "code"), [(b'owner: "\\ud83d"', "yaml-encoding"), (b'owner: "\\U00110000"', "yaml-syntax")]
)
def test_the_parser_in_python_is_as_strict_about_escapes(
    content: bytes, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(yaml, "CLoader")
    assert codes(HEAD + content) == [code]


def test_a_value_that_could_not_be_read_has_one_problem_only() -> None:
    assert codes(HEAD + b"seed: 010\nsuffix: !!str\nlabels: &x {a: 1}\n") == [
        "yaml-ambiguous",
        "yaml-tag",
        "yaml-alias",
    ]


def test_a_value_under_no_usable_key_is_still_looked_into() -> None:
    assert codes(HEAD + b"7: no\nseed: 1\nseed: 0x_1\n") == [
        "yaml-key",
        "yaml-ambiguous",
        "yaml-duplicate-key",
        "yaml-ambiguous",
    ]


def test_problems_before_broken_yaml_are_told_as_well() -> None:
    assert codes(HEAD + b"seed: 010\nsuffix: [") == ["yaml-ambiguous", "yaml-syntax"]

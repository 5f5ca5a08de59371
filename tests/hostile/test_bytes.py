"""Bytes that are made to break readers: in specs, configurations, lockfiles and rows, each told in a short message."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from ftops.claims import decode as decode_claims
from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.digest import digest_of
from ftops.lockfile import decode, encode, verify
from ftops.report.problems import render_problems
from ftops.spec.config import parse_config
from ftops.spec.matrix import LARGEST_WRITTEN, VALUE_CHARACTERS
from ftops.spec.parse import parse_file
from tests.fuzz.promises import harmless
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.timeout(60)
"""What is read without end is a finding."""

DEPTH = 1_000_000
DIGITS = "9" * 100_000
HEAD = b"kind: FineTune\nmodel: gpt-4.1\ntraining_file: data/a.jsonl\n"
MEMORY_BYTES_MAX = 200_000_000


def problems_of(read: Callable[[bytes], object], content: bytes) -> tuple[Diagnostic, ...]:
    """What is wrong with *content*, which must be: in bounded memory, and in words that do no harm."""
    tracemalloc.start()
    with pytest.raises(ProblemsError) as caught:
        read(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MEMORY_BYTES_MAX
    text = render_problems(caught.value.problems, colour=False)
    assert len(text) < 200_000
    harmless(text, b"")
    return caught.value.problems


def spec(content: bytes) -> object:
    return parse_file(content, "specs/elle.yaml")


def lock(content: bytes) -> object:
    read = decode(content, "ftops.lock")
    if problems := verify(read, "ftops.lock"):
        raise ProblemsError(*problems)
    return read


def bomb(levels: int) -> bytes:
    """A few lines that stand for 9^levels values."""
    lines = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, levels)]
    return "\n".join(["a0: &a0 lol", *lines]).encode()


YAML = {
    "a bomb of aliases": (bomb(40), "yaml-alias"),
    "an alias of itself": (b"a: &a [*a]\n", "yaml-alias"),
    "lists in lists": (b"a: " + b"[" * DEPTH, "yaml-too-deep"),
    "lists in lists beyond a mebibyte": (b"a: " + b"[" * (2 * DEPTH), "yaml-too-large"),
    "mappings in mappings": (b"{a: " * (DEPTH // 5), "yaml-too-deep"),
    "items in items": (b"- " * (DEPTH // 2), "yaml-too-deep"),
    "keys of keys": (b"? " * (DEPTH // 2), "yaml-too-deep"),
    "indentation in indentation": ("".join(" " * level + "a:\n" for level in range(1400)).encode(), "yaml-too-deep"),
    "very many keys": ("".join(f"k{number}: 1\n" for number in range(60_000)).encode(), "yaml-too-large"),
    "a whole number without end": (HEAD + f"seed: {DIGITS}\n".encode(), "yaml-number"),
    "an octal number without end": (HEAD + f"seed: 0{'7' * 100_000}\n".encode(), "yaml-ambiguous"),
    "a number to the base of 60 without end": (HEAD + f"seed: {'1:' * 100_000}1\n".encode(), "yaml-ambiguous"),
    "digits behind a point without end": (HEAD + f"seed: 1.{'1' * 500_000}\n".encode(), "spec-type"),
    "a number beyond floats": (HEAD + b"seed: 1e999\n", "yaml-number"),
    "no number": (HEAD + b"seed: .nan\n", "yaml-number"),
    "half of a character": (HEAD + b'suffix: "\\ud800"\n', "yaml-syntax"),
    "half of a character as bytes": (HEAD + b"suffix: \xed\xa0\x80\n", "yaml-encoding"),
    "a null": (HEAD + b"suffix: a\0b\n", "yaml-control-character"),
    "a command to a terminal": (HEAD + b"suffix: \x1b[2J\n", "yaml-control-character"),
    "UTF-16": (HEAD.decode().encode("utf-16"), "yaml-encoding"),
    "UTF-32": (HEAD.decode().encode("utf-32"), "yaml-encoding"),
    "a line without end": (HEAD + b"modle: " + b"x" * 900_000 + b"\n", "spec-unknown-key"),
    "a key without end": (HEAD + b"? " + b"x" * 900_000 + b"\n: 1\n", "spec-unknown-key"),
    "a key without end, twice": (HEAD + (b"? " + b"x" * 400_000 + b"\n: 1\n") * 2, "yaml-duplicate-key"),
    "a tag without end": (HEAD + b"suffix: !" + b"x" * 900_000 + b" a\n", "yaml-tag"),
    "very many wrong keys": (HEAD + b"".join(b"modle%d: 1\n" % number for number in range(9_000)), "yaml-more"),
    "a matrix without end": (
        HEAD + b"matrix: {a: %b, b: %b}\n" % ((b"[" + b"1, 2, 3, 4, 5, " * 20 + b"]",) * 2),
        "spec-matrix",
    ),
}


@pytest.mark.parametrize("name", YAML)
@pytest.mark.parametrize("read", [spec, parse_config])
def test_no_yaml_breaks_its_reader(read: Callable[[bytes], object], name: str) -> None:
    content, code = YAML[name]
    codes = {problem.code for problem in problems_of(read, content)}
    assert codes & {code, code.replace("spec-", "config-"), "config-unknown-key"}


def test_a_byte_order_mark_and_carriage_returns_change_nothing() -> None:
    plain = parse_file(HEAD, "specs/elle.yaml")
    assert parse_file(b"\xef\xbb\xbf" + HEAD.replace(b"\n", b"\r\n"), "specs/elle.yaml") == plain


@pytest.mark.parametrize(
    "more",
    [
        f"description: '{'{matrix.a}' * 90_000}'\nmatrix: {{a: [{', '.join(map(str, range(256)))}]}}\n",
        f"description: '{'{matrix.a}' * 5_000}'\nmatrix: {{a: {{x: '{'y' * 5_000}'}}}}\n",
        f"labels: [{'x, ' * 15_000}]\nmatrix: {{a: [{', '.join(map(str, range(256)))}]}}\nsuffix: '{{matrix.a}}'\n",
        "labels: [" + "'{matrix.a}', " * 5_000 + f"]\nmatrix: {{a: {{x: [{'1, ' * 5_000}]}}}}\n",
    ],
    ids=["references", "long texts", "combinations", "long values"],
)
def test_a_matrix_that_stands_for_gigabytes_is_not_written_out(more: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is on what is written, so that no product of references, values and combinations passes it."""
    monkeypatch.setattr("ftops.spec.matrix.LARGEST_WRITTEN", 1024 * 1024)
    assert [problem.code for problem in problems_of(spec, HEAD + more.encode())] == ["spec-matrix"]


def test_a_large_matrix_is_well_below_the_limit() -> None:
    more = f"matrix: {{a: [{', '.join(map(str, range(256)))}]}}\nseed: '{{matrix.a}}'\n"
    more += "description: '{matrix.a} " + "x" * 2_000 + "'\n"
    assert len(parse_file(HEAD + more.encode(), "specs/elle.yaml").specs) == 256
    assert 256 * 100 * VALUE_CHARACTERS < LARGEST_WRITTEN


def test_a_matrix_none_of_whose_values_has_a_name_is_told() -> None:
    more = b"matrix: {a: [[1]], exclude: [{a: 1}]}\nsuffix: '{matrix.a}'\n"
    assert {problem.code for problem in problems_of(spec, HEAD + more)} == {"spec-matrix"}


def test_what_stands_under_a_key_s_name_is_hidden_also_where_it_is_a_key_itself() -> None:
    content = b"targets: {x: {profile: openai, api_key: {01234567: a, 02345678: b}}}\n"
    codes = [problem.code for problem in problems_of(parse_config, content)]
    assert codes.count("config-secret") == 2


def test_very_many_secrets_are_blanked_in_time() -> None:
    lines = b"\\n".join(b"secret%d" % number for number in range(80_000))
    content = b'api_key: "' + lines + b'"\n' + b"".join(b"secret%d: 1\n" % number for number in range(5_000))
    problems = problems_of(parse_config, content)
    assert "secret" not in "".join(problem.summary for problem in problems[:-1]).replace("secret…", "")


GENERATION = json.loads(TARGETS["lock"].seeds[0])["models"]["elle"]["generation"]


def record(value: str) -> bytes:
    """A lockfile with *value*, JSON, in a request."""
    text = json.dumps({"version": 1, "target": "local", "models": {"elle": {"generation": GENERATION}}})
    return text.replace('"request": {"model": "gpt"}', f'"request": {{"model": {value}}}').encode()


@pytest.mark.parametrize(
    "content",
    [
        b"[" * DEPTH,
        b'{"a":' * DEPTH,
        b'{"version": 1, "target": "local", "models": ' + b'{"a":' * DEPTH,
        record("[" * 300 + "]" * 300),
        record('{"a":' * 900 + "1" + "}" * 900),
        record("[" * DEPTH + "]" * DEPTH),
        record(DIGITS),
        record("9" * 30),
        record("1e999"),
        record("NaN"),
        record('"\\ud800"'),
        record('"a"').replace(b'"rows": 1', b'"rows": 99999999999999999999999'),
        record('"a"').replace(b'"created_at": 1750000000', b'"created_at": 1e400'),
        b'{"version": 99999999999999999999999999, "target": "local", "models": {}}',
        b'{"version": 1, "version": 1, "target": "\0", "models": {"\x1b": 1}}',
        "\ufeff{}".encode("utf-16"),
        b"\0" * 1_000_000,
    ],
    ids=lambda content: repr(content[:24]) + str(len(content)),
)
def test_no_lockfile_breaks_its_reader(content: bytes) -> None:
    codes = {problem.code for problem in problems_of(lock, content)}
    assert codes <= {"lock-malformed", "lock-edited", "lock-version"}


@pytest.mark.parametrize("content", [b"[" * DEPTH, b'{"claims":' * DEPTH, DIGITS.encode(), b"\xff\xfe", b"null"])
def test_no_claims_break_their_reader(content: bytes) -> None:
    assert problems_of(lambda given: decode_claims(given, "the ref"), content)[0].code == "claims-malformed"


def test_a_number_that_only_a_float_holds_has_a_digest() -> None:
    assert digest_of(1e300) != digest_of(1e301)
    assert digest_of(3.0) == digest_of(3)
    assert digest_of(2.0**63) == digest_of(2**63)


def test_a_spec_with_such_a_number_is_recorded_and_read_again() -> None:
    hyperparameters = (
        "method: {type: supervised, supervised: {hyperparameters: {learning_rate_multiplier: 1.0e+300}}}\n"
    )
    TARGETS["spec"].run(HEAD + hyperparameters.encode())
    read = decode(record("1e300"), "ftops.lock")
    assert decode(encode(read), "ftops.lock") == read


ROWS = {
    "lists in lists": b"[" * DEPTH,
    "objects in objects": b'{"a":' * DEPTH,
    "a row of lists in lists": b'{"messages": ' + b"[" * DEPTH + b"]" * DEPTH + b"}",
    "tools of objects in objects": b'{"messages": [], "tools": ' + b'{"a":' * DEPTH + b"1" + b"}" * DEPTH + b"}",
    "a whole number without end": b'{"messages": [{"role": "user", "content": ' + DIGITS.encode() + b"}]}",
    "a weight without end": b'{"messages": [{"role": "assistant", "content": "a", "weight": '
    + DIGITS.encode()
    + b"}]}",
    "a number beyond floats": b'{"messages": [{"role": "user", "content": 1e999}]}',
    "no number": b'{"messages": [{"role": "user", "content": NaN}]}',
    "half of a character": b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
    "half of a character as a key": b'{"\\ud800": 1, "messages": []}',
    "a null": b'{"messages": [{"role": "user", "content": "\\u0000\0"}]}',
    "nulls": b"\0" * 100_000,
    "UTF-16": '{"messages": []}\n'.encode("utf-16"),
    "a key twice": b'{"messages": [], "messages": [{"role": "user", "role": "x"}]}',
    "carriage returns": b'{"messages": []}\r\r\n\r{"messages": []}\r\n',
    "a byte order mark in the middle": b'{"messages": []}\n\xef\xbb\xbf{"messages": []}',
    "very many keys": b"{" + b",".join(b'"k%d": 1' % number for number in range(50_000)) + b"}",
    "very many messages": b'{"messages": [' + b",".join([b'{"role": "x"}'] * 20_000) + b"]}",
    "a role without end": b'{"messages": [{"role": "' + b"x" * 1_000_000 + b'", "content": "a"}]}',
    "a name of a key without end": b'{"' + b"x" * 1_000_000 + b'": 1, "messages": []}',
    "blank lines without end": b"\n" * 100_000,
    "commands to a runner": b'{"messages": [{"role": "\\n::error::x", "content": "a"}], "::set-output name=a::b": 1}',
    "commands to a terminal": b'{"messages": [{"role": "\\u001b[2J\\u202e", "content": "a"}], "\\u001b]0;x\\u0007": 1}',
}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("method", [0, 1, 2])
def test_no_row_breaks_its_reader(name: str, method: int) -> None:
    TARGETS["data"].run(bytes([method]) + ROWS[name] + b"\n")

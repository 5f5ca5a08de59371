"""One reading of a file: what it gives for any bytes, and in how much memory."""

from __future__ import annotations

import io
import json
import tracemalloc
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ftops.dataset import lines
from ftops.dataset.formats import format_breaches
from ftops.dataset.limits import row_count_problems, size_problems
from ftops.dataset.lines import ROW_BYTES_MAX, read_blocks
from ftops.dataset.plain import is_plain_chat, is_plain_preference
from ftops.dataset.rows import PROBLEMS_MAX
from ftops.dataset.scan import Scan, scan
from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.dataset.formats import Format

GOOD = b'{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello!"}]}'
TOOLS = orjson.dumps(
    {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
            {"content": "Weather?", "role": "user"},
            {
                "role": "assistant",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "21"},
            {"role": "assistant", "content": "Warm 😀", "weight": 1},
        ],
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
    }
)
PREFERENCE = (
    b'{"input":{"messages":[{"role":"user","content":"Hi"}]},'
    b'"preferred_output":[{"role":"assistant","content":"Hello!"}],'
    b'"non_preferred_output":[{"role":"assistant","content":"What."}]}'
)
COMPLETION = b'{"prompt":"Hi","completion":" Hello!"}'


def scanned(content: bytes, method: str = "supervised") -> Scan:
    return scan(io.BytesIO(content), "data.jsonl", method)


def codes(content: bytes, method: str = "supervised") -> list[str]:
    return [problem.code for problem in scanned(content, method).problems]


class Trickle(io.RawIOBase):
    """A stream that gives its content in pieces of the sizes it is told, all below the limit."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        super().__init__()
        self._content = io.BytesIO(content)
        self._sizes = iter(sizes)

    def read(self, _size: int = -1, /) -> bytes:
        return self._content.read(next(self._sizes, 40))


class Endless(io.RawIOBase):
    """A stream of *size* bytes made as they are read: a good row, one very long line, and a good row."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._pieces = self._made(size)

    def _made(self, size: int) -> Iterator[bytes]:
        yield GOOD + b"\n"
        for _ in range(size // lines.BLOCK_BYTES):
            yield b"x" * lines.BLOCK_BYTES
        yield b"\n" + GOOD

    def read(self, _size: int = -1, /) -> bytes:
        return next(self._pieces, b"")


def test_a_good_file_gives_its_digest_its_size_and_its_rows() -> None:
    content = GOOD + b"\n" + TOOLS + b"\n"
    found = scanned(content)
    assert found == Scan(sha256=sha256(content).hexdigest(), bytes=len(content), rows=2, format="chat", problems=())


def test_a_missing_final_line_feed_changes_the_digest_and_not_the_rows() -> None:
    assert scanned(GOOD + b"\n" + GOOD).rows == scanned(GOOD + b"\n" + GOOD + b"\n").rows == 2
    assert scanned(GOOD).sha256 != scanned(GOOD + b"\n").sha256


def test_a_scan_survives_being_kept() -> None:
    found = scanned(GOOD + b"\n{}\n")
    assert found.problems
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Scan) == found


def test_problems_name_their_lines_and_columns() -> None:
    content = GOOD + b'\n{"messages":[{"role":"user"}]}\n\n' + GOOD + b'\n{"messages":NaN}\n'
    places = [(problem.code, str(problem.place)) for problem in scanned(content).problems]
    assert places == [
        ("data-content-missing", "data.jsonl:2"),
        ("data-no-assistant", "data.jsonl:2"),
        ("data-not-json", "data.jsonl:5:13"),
        ("data-blank-line", "data.jsonl:3"),
    ]


@pytest.mark.parametrize("content", [b"", b"\n", b" \n\t\r\n"])
def test_a_file_without_rows_is_empty(content: bytes) -> None:
    found = scanned(content)
    assert "data-empty" in {problem.code for problem in found.problems}
    assert (found.rows, found.format) == (0, "unknown")


@pytest.mark.parametrize(
    ("row", "code", "told"),
    [
        (b'{"messages":[],}', "data-not-json", ""),
        (b'{"a":NaN}', "data-not-json", "NaN"),
        (b'{"a":-Infinity}', "data-not-json", "NaN"),
        (b'{"a":True}', "data-not-json", "Python"),
        (b"{'a':1}", "data-not-json", "json.dumps"),
        (b'{"a":"x\0"}', "data-not-json", "NUL"),
        (b'{"a":"x\t"}', "data-not-json", "tab"),
        (GOOD + GOOD, "data-not-json", "line feed"),
        (GOOD[:-9], "data-not-json", "cut"),
        (b'{"a":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", "data-too-deep", ""),
        (b'{"messages":[{"content":' + b"[" * 1_000_000, "data-too-deep", ""),
        (b'{"a":"\\ud83d"}', "data-lone-surrogate", ""),
        (b'{"a":"\\ude00\\ud83d"}', "data-lone-surrogate", ""),
        (b'{"a":"\xe9"}', "data-not-utf8", f"byte {len(GOOD) + 1 + 6} of"),
        (b'{"a":"\xed\xa0\xbd"}', "data-not-utf8", ""),
        (b"null", "data-row-type", "null"),
        (b"[1]", "data-row-type", "a list"),
        (b'"words"', "data-row-type", "a string"),
        (b"true", "data-row-type", "true or false"),
        (b"9" * 400, "data-not-json", ""),
        (b"9" * 40, "data-row-type", "a number"),
    ],
)
def test_a_broken_row_is_explained(row: bytes, code: str, told: str) -> None:
    found = scanned(GOOD + b"\n" + row + b"\n" + GOOD)
    assert found.rows == 3
    (problem,) = found.problems
    assert problem.code == code
    assert problem.place
    assert problem.place.line == 2
    assert told in f"{problem.summary} {problem.fix}"


def test_huge_integers_are_no_weight_and_no_crash() -> None:
    row = GOOD.replace(b'"Hello!"', b'"Hello!","weight":' + b"1" * 300)
    assert codes(row) == ["data-weight-value"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[" + GOOD + b"]", "JSON list"),
        (b"\n".join((b"[", GOOD, b"]")), "JSON list"),
        (b'{\n  "messages": []\n}\n', "several lines"),
        (b'{"messages": [\n', "several lines"),
        (b"\x1f\x8b\x08\0\0", "gzip"),
        (b"PK\x03\x04", "ZIP"),
        (b"PAR1\0", "Parquet"),
        (GOOD.decode().encode("utf-16"), "UTF-16"),
        (b"prompt,completion\nHi,Hello\n", "does not begin"),
        (b"# training data\n" + GOOD, "does not begin"),
    ],
)
def test_a_file_in_another_format_is_one_problem(content: bytes, told: str) -> None:
    found = scanned(content * 200)
    assert [problem.code for problem in found.problems] == ["data-not-jsonl"]
    assert told in found.problems[0].summary
    assert found.sha256 == sha256(content * 200).hexdigest()
    assert found.rows == 0


def test_a_byte_order_mark_is_refused_and_the_rows_behind_it_are_checked() -> None:
    assert codes(b"\xef\xbb\xbf" + GOOD) == ["data-byte-order-mark"]
    assert codes(b"\xef\xbb\xbf" + GOOD + b"\n{}") == ["data-byte-order-mark", "data-messages"]


def test_lines_that_end_in_cr_lf_are_good_rows_and_noted() -> None:
    found = scanned((GOOD + b"\r\n") * 3)
    assert found.rows == 3
    assert [(problem.code, problem.severity) for problem in found.problems] == [("data-crlf", Severity.NOTE)]


def test_blank_lines_are_counted_in_one_warning() -> None:
    (problem,) = scanned(GOOD + b"\n\n \n" + GOOD + b"\n\n").problems
    assert (problem.code, problem.severity) == ("data-blank-line", Severity.WARNING)
    assert "3 blank lines" in problem.summary
    assert str(problem.place) == "data.jsonl:2"


@pytest.mark.parametrize(
    ("content", "method", "format_", "told"),
    [
        (GOOD, "dpo", "chat", "`method.type: supervised`"),
        (PREFERENCE, "supervised", "preference", "`method.type: dpo`"),
        (PREFERENCE, "reinforcement", "preference", "`method.type: dpo`"),
        (COMPLETION, "supervised", "completion", "are gone"),
        (COMPLETION, "dpo", "completion", "preferred_output"),
    ],
)
def test_rows_of_another_method_are_one_problem(content: bytes, method: str, format_: Format, told: str) -> None:
    found = scanned((content + b"\n") * 300, method)
    assert found.format == format_
    assert found.rows == 300
    (problem,) = found.problems
    assert problem.code == "data-wrong-format"
    assert told in (problem.fix or "")


def test_a_stray_row_of_another_format_is_found_among_good_ones() -> None:
    found = scanned(b"\n".join((GOOD, PREFERENCE, GOOD, COMPLETION, PREFERENCE)))
    assert found.format == "chat"
    assert [(problem.code, str(problem.place)) for problem in found.problems] == [
        ("data-wrong-format", "data.jsonl:2"),
        ("data-wrong-format", "data.jsonl:4"),
    ]


def test_of_many_problems_the_first_are_kept_and_the_rest_is_counted() -> None:
    odd = b'{"messages":[{"role":"user","content":"a"},{"role":"system","content":"b"},%s]}'
    odd = odd % b'{"role":"assistant","content":"c"}'
    found = scanned((b"{}\n" * (PROBLEMS_MAX + 7)) + (odd + b"\n") * (PROBLEMS_MAX + 5))
    assert [problem.severity for problem in found.problems].count(Severity.ERROR) == PROBLEMS_MAX
    assert [problem.severity for problem in found.problems].count(Severity.WARNING) == PROBLEMS_MAX
    assert found.problems[-1].code == "data-more-problems"
    assert found.problems[-1].summary == (
        "and 12 more problems in this file: 7 of `data-messages`, 5 of `data-system-not-first`"
    )


@pytest.mark.parametrize("extra", [0, 1])
def test_a_row_may_be_as_long_as_the_limit_and_no_longer(extra: int) -> None:
    row = GOOD.replace(b"Hi", b"x" * (ROW_BYTES_MAX - len(GOOD) + 2 + extra))
    assert len(row) == ROW_BYTES_MAX + extra
    for content in (row, row + b"\n" + GOOD, GOOD + b"\n" + row + b"\n"):
        assert codes(content) == ["data-row-too-long"] * extra


def test_a_line_of_100_mb_is_read_in_bounded_memory_and_the_rows_around_it_are_checked() -> None:
    tracemalloc.start()
    try:
        stream = Endless(100 << 20)
        found = scan(stream, "data.jsonl", "supervised")  # type: ignore[arg-type]  # it reads as BinaryIO does
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * ROW_BYTES_MAX
    assert found.bytes == (100 << 20) + 2 * len(GOOD) + 2
    assert found.rows == 3
    assert [(problem.code, str(problem.place)) for problem in found.problems] == [("data-row-too-long", "data.jsonl:2")]


@given(st.lists(st.sampled_from([b"", b"a", b"bc" * 9, b"x" * 70])), st.lists(st.integers(1, 40)), st.booleans())
def test_lines_do_not_depend_on_how_a_stream_is_cut(rows: list[bytes], sizes: list[int], ends: bool) -> None:
    content = b"\n".join(rows) + b"\n" * ends
    seen: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "ROW_BYTES_MAX", 50)
        blocks = list(read_blocks(Trickle(content, sizes), seen.append))  # type: ignore[arg-type]  # it reads as BinaryIO does
    assert b"".join(seen) == content
    expected = content.split(b"\n")
    if not expected[-1]:
        expected.pop()
    found = [line for block in blocks for line in ([None] if block.is_too_long else block.content.split(b"\n"))]
    assert found == [None if len(line) > 50 else line for line in expected]
    for block in blocks:
        assert content[block.offset :].startswith(block.content)


def mutated() -> st.SearchStrategy[bytes]:
    """Good rows with some bytes replaced, removed or put in."""
    rows = st.sampled_from([GOOD, TOOLS, PREFERENCE])
    pieces = st.sampled_from(
        [b"", b'"', b"{", b"}", b"[", b"\\", b"\\ud83d", b"\xff", b"0", b"null", b"\n", b":", b","]
    )

    @st.composite
    def build(draw: st.DrawFn) -> bytes:
        row = draw(rows)
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, len(row)))
            row = row[:at] + draw(pieces) + row[at + draw(st.integers(0, 12)) :]
        return row

    return build()


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.binary(), st.lists(mutated()).map(b"\n".join)), st.sampled_from(["supervised", "dpo", "reinforcement"])
)
@example(b'{"messages":[{"role":"user","content":"\xed\xb0\x80"}]}', "supervised")
def test_any_bytes_give_a_scan(content: bytes, method: str) -> None:
    found = scanned(content, method)
    assert found.sha256 == sha256(content).hexdigest()
    assert found.bytes == len(content)
    if not found.problems:
        assert found.rows == len([line for line in content.split(b"\n") if line])


KEYS = [
    *("messages", "role", "content", "weight", "name", "tools", "tool_calls", "function", "type", "input"),
    *("preferred_output", "prompt", "id", "arguments", "image_url", "url", "text"),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner | st.sampled_from(["assistant", "user", "tool", "function", "text", "image_url"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(json_values, max_size=4), st.sampled_from(["messages", "input"]), st.sampled_from(["supervised", "dpo"])
)
def test_any_json_gives_a_scan(values: list[object], key: str, method: str) -> None:
    rows = [{key: values}, {"input": {"messages": values}, "preferred_output": values}, *values]
    scanned(b"\n".join(json.dumps(row).encode() for row in rows), method)


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_what_passes_as_plain_breaks_no_rule(row: bytes) -> None:
    if is_plain_chat(row):
        assert list(format_breaches(orjson.loads(row), "chat")) == []
    if is_plain_preference(row):
        assert list(format_breaches(orjson.loads(row), "preference")) == []


@pytest.mark.parametrize(
    ("rows", "method", "use", "expected"),
    [
        (9, "supervised", "training", [("data-too-few-rows", Severity.ERROR)]),
        (10, "supervised", "training", []),
        (1, "supervised", "validation", []),
        (9, "dpo", "training", [("data-too-few-rows", Severity.WARNING)]),
        (9, "reinforcement", "training", [("data-too-few-rows", Severity.WARNING)]),
        (0, "supervised", "training", []),  # said by the scan, as data-empty
        (50_000, "reinforcement", "training", []),
        (50_001, "reinforcement", "training", [("data-too-many-rows", Severity.ERROR)]),
        (1_000, "reinforcement", "validation", []),
        (1_001, "reinforcement", "validation", [("data-too-many-rows", Severity.ERROR)]),
        (60_000, "supervised", "training", []),
    ],
)
def test_row_counts_are_held_against_the_documented_limits(
    rows: int, method: str, use: str, expected: list[tuple[str, Severity]]
) -> None:
    found = row_count_problems(rows, path="data.jsonl", method=method, use=use)  # type: ignore[arg-type]  # a parameter
    assert [(problem.code, problem.severity) for problem in found] == expected


def test_too_few_rows_are_told_in_the_providers_words() -> None:
    (problem,) = row_count_problems(7, path="data.jsonl", method="supervised", use="training")
    assert problem.summary == "training file has 7 example(s), but must have at least 10 examples"
    assert "invalid_n_examples" in (problem.why or "")


def test_a_file_of_prompts_with_completions_has_rules_of_its_own() -> None:
    assert codes(COMPLETION + b"\n" + COMPLETION, "completion") == []
    assert codes(COMPLETION + b'\n{"prompt":"Hi","completion":""}', "completion") == ["data-completion-text"]
    (problem,) = scanned(COMPLETION + b"\n" + GOOD, "completion").problems
    assert (problem.code, str(problem.place)) == ("data-wrong-format", "data.jsonl:2")


def test_more_rows_with_images_than_a_provider_takes_are_told() -> None:
    row = (
        b'{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a.example/b.png"}}]},'
        b'{"role":"assistant","content":"A cat."}]}\n'
    )
    assert codes(row * 100) == []
    assert codes(row * 50_001) == ["data-too-many-images"]


def test_a_file_that_is_larger_than_the_target_takes_is_refused_before_it_is_uploaded() -> None:
    assert size_problems(8_000_000_000, path="data.jsonl", most=8_000_000_000) == ()
    (problem,) = size_problems(8_000_000_001, path="data.jsonl", most=8_000_000_000)
    assert (problem.code, problem.severity) == ("data-file-too-large", Severity.ERROR)

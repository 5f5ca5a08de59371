"""What is mended in a data file: each kind with what it must change and what it must leave, and what always holds."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ftops.dataset.fix import MEANINGS, Mended, mend
from ftops.dataset.lines import ROW_BYTES_MAX
from ftops.dataset.repairs import composed, repaired_text, without_mojibake, without_zero_width
from ftops.dataset.rewrite import UnfaithfulError, rewritten
from ftops.dataset.scan import scan
from ftops.diagnostics import ProblemsError

GOOD = b'{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello!"}]}'
OTHER = b'{"messages":[{"role":"user","content":"Bye"},{"role":"assistant","content":"See you!"}]}'


def fixed(content: bytes, method: str = "supervised") -> tuple[bytes, tuple[Mended, ...]]:
    target = io.BytesIO()
    done = mend(io.BytesIO(content), target, "data.jsonl", method)
    return target.getvalue() if done else content, done


def done_to(content: bytes, method: str = "supervised") -> dict[str, tuple[int, ...]]:
    return {each.code: each.lines for each in fixed(content, method)[1]}


def row(question: str, answer: str = "Hello!", role: str = "user") -> bytes:
    messages = [{"role": role, "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": messages}, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("bad", "good", "done"),
    [
        (b"\xef\xbb\xbf" + GOOD, GOOD + b"\n", {"data-byte-order-mark": (1,)}),
        (GOOD + b"\r\n" + OTHER + b"\r\n", GOOD + b"\n" + OTHER + b"\n", {"data-crlf": (1, 2)}),
        (b"\n" + GOOD + b"\n \t\n\n", GOOD + b"\n", {"data-blank-line": (1, 3, 4)}),
        (GOOD + b"\n" + OTHER + b"\n" + GOOD, GOOD + b"\n" + OTHER + b"\n", {"data-duplicate": (3,)}),
        (row("Hi", role="User"), row("Hi") + b"\n", {"data-role-unknown": (1,)}),
        (row("caf\u00c3\u00a9"), row("café") + b"\n", {"data-mojibake": (1,)}),
        (row("Zu\u0308rich"), row("Zürich") + b"\n", {"data-not-nfc": (1,)}),
        (row("un\u200bseen\ufeff"), row("unseen") + b"\n", {"data-invisible-character": (1,)}),
        ((GOOD + b"\n").decode().encode("utf-16"), GOOD + b"\n", {"data-not-jsonl": (1,)}),
        (("\ufeff" + GOOD.decode()).encode("utf-16-be"), GOOD + b"\n", {"data-not-jsonl": (1,)}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_kind_is_mended(bad: bytes, good: bytes, done: dict[str, tuple[int, ...]]) -> None:
    assert fixed(bad)[0] == good
    assert done_to(bad) == done


def test_misnamed_outputs_keep_their_place() -> None:
    bad = (
        b'{"input": {"messages": [{"role": "USER", "content": "Hi"}]}, '
        b'"preferred_completion": [{"role": "assistant", "content": "Hello!"}], '
        b'"non_preferred_completion": [{"role": "Assistant", "content": "What."}]}'
    )
    good = bad.replace(b"_completion", b"_output").replace(b"USER", b"user").replace(b"Assistant", b"assistant")
    assert fixed(bad, "dpo")[0] == good + b"\n"
    assert done_to(bad, "dpo") == {"data-preference-name": (1,), "data-role-unknown": (1,)}
    assert scan(io.BytesIO(good), "x", "dpo").problems == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        GOOD,
        GOOD + b"\n" + OTHER,
        row("Bonjour, ça va\u202f?") + b"\n" + row("\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        # Joiners spell Persian, and zero width spaces separate words in Thai.
        row("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        row("ภาษา\u200bไทย"),
        # A family name whose letter NFC would replace by one that looks different.
        row("\ufa11"),
        # Two answers to one prompt are for a person to decide.
        row("Hi", "one") + b"\n" + row("Hi", "two"),
        # No role at all, a role of nobody's, and a role in other letters.
        b'{"messages":[{"content":"Hi"}]}',
        row("Hi", role="Bot"),
        row("Hi", role="\uff35ser"),
        # Both names: which one is meant?
        b'{"input":{"messages":[]},"preferred_completion":[],"preferred_output":[],"non_preferred_output":[]}',
        # Not rows, or not JSON Lines at all: nothing is known to be safe.
        b"a,b\n1,2\n",
        b"[1, 2]\n",
        b"{'messages': []}\n",
        GOOD + b",\n" + OTHER + b",\n",
        b'"caf\xc3\x83\xc2\xa9"',
        b'{"messages": "' + b"\xc3\x83\xc2\xa9" + b'"}',
        b"\xff\xfe\x00\x00" + GOOD.decode().encode("utf-32-le"),
        # Deeper than can be written again, so that nothing but the bytes tells them apart.
        b'{"messages":' + b"[" * 300 + b"1" + b"]" * 300 + b'}\n{"messages":' + b"[" * 300 + b"2" + b"]" * 300 + b"}\n",
        # Whole numbers beyond 64 bits: two rows that a parser would take for the same.
        b'{"messages":[],"n":123456789012345678901234567890}\n{"messages":[],"n":123456789012345678901234567891}\n',
    ],
)
def test_what_is_right_or_unclear_is_left(content: bytes) -> None:
    assert fixed(content) == (content, ())


@pytest.mark.parametrize(
    "content",
    [
        # A key that is there twice: which value would be lost?
        b'{"messages":[{"role":"User","role":"user","content":"Hi"}],"messages":[{"role":"User","content":"Ho"}]}',
        # A number that no double holds.
        b'{"messages":[{"role":"User","content":"Hi"}],"n":' + b"9" * 5000 + b"}",
    ],
)
def test_a_row_that_cannot_be_written_again_without_loss_is_left(content: bytes) -> None:
    assert fixed(content) == (content, ())


SEPARATORS = ((", ", ": "), (",", ":"), (",", ": "))


def test_a_row_keeps_the_style_in_which_it_was_written() -> None:
    styles = [
        (ascii_, separators) for ascii_ in (True, False) for separators in ((", ", ": "), (",", ":"), (",", ": "))
    ]
    for is_ascii, separators in styles:
        value = {"messages": [{"role": "User", "content": "Größe ✓"}], "n": 1.50, "big": 2**70}
        line = json.dumps(value, ensure_ascii=is_ascii, separators=separators).encode()
        assert fixed(line)[0] == line.replace(b"User", b"user") + b"\n"


def test_a_row_in_no_known_style_is_still_mended() -> None:
    value = json.loads(fixed(b'{"messages" : [ {"role":"User","content":"\\u00fc"}]}')[0])
    assert value == {"messages": [{"role": "user", "content": "ü"}]}


def test_a_row_that_nests_too_deep_for_the_writer_is_left() -> None:
    with pytest.raises(UnfaithfulError):
        rewritten(b"[" * 100_000 + b"]" * 100_000, lambda _: None)


def test_equal_rows_are_found_whatever_the_order_of_their_keys() -> None:
    again = b'{ "messages": [{"content": "Hi", "role": "user"}, {"role": "assistant", "content": "Hello\\u0021"}] }'
    assert fixed(GOOD + b"\n" + again + b"\n" + OTHER + b"\n" + again)[0] == GOOD + b"\n" + OTHER + b"\n"


def test_many_repetitions_between_large_rows_are_taken_out() -> None:
    rows = [row(f"question {number} " + "x" * 40_000) for number in range(60)]
    content = b"\n".join([rows[0], *rows[:30], *rows, rows[59]]) + b"\n"
    assert fixed(content)[0] == b"\n".join(rows) + b"\n"
    (repeated,) = fixed(content)[1]
    assert (repeated.code, repeated.count, repeated.lines[:3]) == ("data-duplicate", 32, (2, 32, 33))


def test_a_row_that_becomes_equal_by_mending_is_a_repetition() -> None:
    assert done_to(row("Zürich") + b"\n" + row("Zu\u0308rich")) == {"data-not-nfc": (2,), "data-duplicate": (2,)}


def test_what_is_told_names_the_place_and_never_the_text() -> None:
    content = row("secret caf\u00c3\u00a9 \u200b\u200b", "secret\u2060 Zu\u0308rich", role="User")
    told = {each.code: each.examples for each in fixed(content)[1]}
    assert "secret" not in repr(told)
    assert [found.summary for _, found in told["data-role-unknown"]] == ["`messages[0].role` `User` → `user`"]
    assert [found.summary for _, found in told["data-invisible-character"]] == [
        "`messages[0].content` lost U+200B (2 times)",
        "`messages[1].content` lost U+2060",
    ]
    assert [found.summary for _, found in told["data-not-nfc"]] == [
        "`messages[1].content` composed: 14 → 13 characters"
    ]


def test_texts_are_mended_wherever_they_stand() -> None:
    mark = "a\ufeff"
    content = {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": mark}, "stray", {"type": "image_url"}]},
            "stray",
            {"role": "assistant", "content": None, "refusal": mark, "tool_calls": []},
        ],
        "item": mark,
    }
    line = json.dumps(content).encode()
    assert json.loads(fixed(line)[0])["messages"] == json.loads(line.replace(b"\\ufeff", b""))["messages"]
    assert json.loads(fixed(line)[0])["item"] == mark, "what is the grader's is not touched"
    prompts = json.dumps({"prompt": mark, "completion": mark}).encode()
    assert fixed(prompts)[0] == prompts.replace(b"\\ufeff", b"") + b"\n"


@pytest.mark.parametrize(
    "text", ["naïve", "Ã", "l\u2019humanit\u00c3\u00a9", "voil\u00c3 le travail", "sch\u00c3\u00b6n 日本", "Â£ of Â"]
)
def test_text_that_is_only_perhaps_mojibake_is_left(text: str) -> None:
    assert without_mojibake(text) in {text, text.replace("Â£", "£")}


def test_a_text_that_is_never_done_is_left() -> None:
    # Each round of composing and decoding shows more to do: five times decoded wrongly.
    text = "é"
    for _ in range(5):
        text = "".join(f"{letter}\u200b" for letter in text.encode().decode("latin-1"))
    repaired, repairs = repaired_text(text)
    assert (repaired, repairs) == (text, []) or repaired_text(repaired) == (repaired, [])


def test_broken_utf16_is_said_to_be_beyond_repair() -> None:
    for broken in (GOOD.decode().encode("utf-16") + b"\x00", b"\xff\xfe" + b"\x00\xd8" + "x".encode("utf-16-le")):
        with pytest.raises(ProblemsError) as told:
            fixed(broken)
        assert [problem.code for problem in told.value.problems] == ["fix-impossible"]


def test_a_row_of_20_mb_is_said_to_be_beyond_repair() -> None:
    content = GOOD + b"\r\n" + row("x" * (ROW_BYTES_MAX + 1))
    with pytest.raises(ProblemsError) as told:
        fixed(content)
    assert "line 2 is longer than 16 MiB" in told.value.problems[0].summary


LETTERS = st.sampled_from("aéuUÃ©Â日\u0301\u0308\u200b\ufeff\u2060\u200d\ufa11\u0e01\U0001f600")
TEXTS = st.text(LETTERS, max_size=8)
ROLES = st.sampled_from(["user", "User", "SYSTEM", "assistant", "Assistant", "bot"])
MESSAGES = st.lists(st.fixed_dictionaries({"role": ROLES, "content": TEXTS}), min_size=1, max_size=3)
ROWS = st.one_of(
    st.fixed_dictionaries({"messages": MESSAGES}),
    st.fixed_dictionaries({"prompt": TEXTS, "completion": TEXTS}),
    st.fixed_dictionaries(
        {"input": st.fixed_dictionaries({"messages": MESSAGES}), "preferred_completion": MESSAGES},
        optional={"non_preferred_completion": MESSAGES, "preferred_output": MESSAGES},
    ),
)
LINES = st.one_of(
    st.builds(lambda value, ascii_: json.dumps(value, ensure_ascii=ascii_).encode(), ROWS, st.booleans()),
    st.sampled_from([b"", b" ", b"not json", b"[1]", GOOD, OTHER]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=6), st.sampled_from([b"\n", b"\r\n"]), st.sampled_from([b"", b"\xef\xbb\xbf"]))
@example([b'{"messages":[{"role":"user","content":"A\\u0303\\u200b\\u00a9"}]}'], b"\n", b"")
def test_mending_twice_changes_nothing_more(lines: list[bytes], end: bytes, mark: bytes) -> None:
    once, _ = fixed(mark + end.join(lines))
    assert fixed(once) == (once, ())


@settings(max_examples=100, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=6), st.sampled_from([b"\n", b"\r\n"]))
def test_what_was_mended_passes_the_check_for_just_that(lines: list[bytes], end: bytes) -> None:
    content = b"\xef\xbb\xbf" + GOOD + end + end.join(lines)
    found = {problem.code for problem in scan(io.BytesIO(fixed(content)[0]), "x", "supervised").problems}
    assert not found & (MEANINGS.keys() - {"data-role-unknown", "data-preference-name"})


@given(TEXTS)
def test_no_repair_of_a_text_adds_anything_to_do_for_itself(text: str) -> None:
    for repair in (without_zero_width, composed):
        assert repair(repair(text)) == repair(text)


def test_the_lines_of_every_kind_are_bounded() -> None:
    done = fixed(b"\r\n".join(row(f"Hi {number}", role="User") for number in range(50)))[1]
    assert {each.code: (each.count, len(each.lines), len(each.examples)) for each in done} == {
        "data-crlf": (49, 10, 0),
        "data-role-unknown": (50, 10, 10),
    }

"""What is shown of changed rows."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from ftops.dataset.columns import Columns, ColumnWriter
from ftops.dataset.diff import diff
from ftops.dataset.guess import guess_format
from ftops.dataset.masking import masked
from ftops.dataset.samples import CHANGES_MAX, SHOWN_BYTES_MAX, Samples, Version, read_samples
from ftops.dataset.scan import scan

PROMPT = {"role": "user", "content": "Where do I find the invoice of last month?"}
TAILS = ("Y1zA2bC4dE6fH8jK0mN2pQ4rS6t", "t6Sr4Qp2Nm0Kj8Hf6Ed4Cb2Az1Y")
ANSWER = {"role": "assistant", "content": "Under Billing, below the plan."}


def shown(old: str | dict[str, Any], new: str | dict[str, Any]) -> Samples:
    """Compare files of one row each, given as a line or as a value."""
    sides = []
    for row in (old, new):
        stream = io.BytesIO((row if isinstance(row, str) else json.dumps(row)).encode())
        format_, method = guess_format(stream)
        stream.seek(0)
        kept = io.BytesIO()
        writer = ColumnWriter(kept)
        scan(stream, "x.jsonl", method, writer)
        writer.finish()
        sides.append((Columns(kept), Version(stream, format_)))
    (columns, version), (new_columns, new_version) = sides
    return read_samples(diff(columns, new_columns), version, new_version)


def told(samples: Samples) -> list[tuple[str, str, str]]:
    """Path, role and words of what changed in the one edited row; what is there for context is left out."""
    marks = {"same": "{}", "gone": "[-{}-]", "come": "{{+{}+}}"}
    return [
        (change.where, change.role, "".join(marks[piece.kind].format(piece.text) for piece in change.pieces))
        for change in samples.edited[0].changes
        if change.is_masked or any(piece.kind != "same" for piece in change.pieces)
    ]


def chat(*messages: dict[str, Any], **others: object) -> dict[str, Any]:
    return {"messages": list(messages), **others}


def test_of_an_edited_answer_the_prompt_is_shown_as_well() -> None:
    changes = shown(chat(PROMPT, ANSWER), chat(PROMPT, {**ANSWER, "content": "Under Plan."})).edited[0].changes
    assert [(change.where, change.role) for change in changes] == [
        ("messages[0].content", "user"),
        ("messages[1].content", "assistant"),
    ]
    assert [piece.text for piece in changes[0].pieces] == [PROMPT["content"]]


def test_every_difference_is_found_wherever_it_is() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"month": 3}'}}
    other = {**call, "function": {"name": "search", "arguments": '{"month": 4}'}}
    old = chat(PROMPT, {"role": "assistant", "tool_calls": [call]})
    new = chat(PROMPT, {"role": "assistant", "tool_calls": [other], "weight": 0})
    assert told(shown(old, new)) == [
        ("messages[1].tool_calls[0].function.name", "assistant", "[-find-]{+search+}"),
        ("messages[1].tool_calls[0].function.arguments", "assistant", '{"month": [-3-]{+4+}}'),
        ("messages[1].weight", "assistant", "{+0+}"),
    ]


def test_a_message_that_was_taken_out_moves_nothing_else() -> None:
    long = {"role": "assistant", "content": "Under Billing, below the plan, on the right; it is a file in PDF."}
    system = {"role": "system", "content": "Be kind."}
    assert told(shown(chat(system, PROMPT, long), chat(PROMPT, long))) == [("messages[0]", "system", "[-Be kind.-]")]


def test_the_grader_s_items_and_both_outputs_of_a_preference_are_compared() -> None:
    asked = {"messages": [PROMPT], "expected": ["Billing"]}
    assert told(shown(asked, {**asked, "expected": ["Plan"]})) == [("expected[0]", "", "[-Billing-]{+Plan+}")]
    preference = {"input": chat(PROMPT), "preferred_output": [ANSWER], "non_preferred_output": [ANSWER]}
    worse = {**preference, "non_preferred_output": [{**ANSWER, "content": "Below the plan."}]}
    assert [change[0] for change in told(shown(preference, worse))] == ["non_preferred_output[0].content"]


def test_a_change_inside_a_secret_is_told_without_it() -> None:
    keys = ["sk-proj-" + "aB3dE5gH7jK9mN1pQ3rS5tU7vW9x" + "T3BlbkFJ" + tail for tail in TAILS]
    old, new = (chat(PROMPT, {**ANSWER, "content": f"Use {key}"}) for key in keys)
    samples = shown(old, new)
    assert told(samples) == [("messages[1].content", "assistant", f"Use {masked(keys[0])}")]
    assert samples.edited[0].changes[-1].is_masked


def test_of_a_new_row_the_last_texts_are_shown_and_the_system_prompt_is_not() -> None:
    more = [
        {"role": role, "content": text} for role, text in (("system", "Be kind."), ("user", "Hi"), ("assistant", "?"))
    ]
    samples = shown(
        chat({"role": "user", "content": "Ho"}, {"role": "assistant", "content": "!"}), chat(*more, PROMPT, ANSWER)
    )
    assert [change.where for change in samples.added[0].changes] == [
        f"messages[{index}].content" for index in (2, 3, 4)
    ]
    assert [[piece.kind for piece in change.pieces] for change in samples.removed[0].changes] == [["gone"], ["gone"]]
    assert (samples.added[0].old_line, samples.added[0].new_line, samples.removed[0].old_line) == (None, 1, 1)


@pytest.mark.parametrize(
    "extra", ['"' + "x" * SHOWN_BYTES_MAX + '"', '{"a":' * 300 + "1" + "}" * 300], ids=["too long", "too deep"]
)
def test_a_row_that_cannot_be_shown_is_told_all_the_same(extra: str) -> None:
    rows = [f'{{"messages": {json.dumps([PROMPT, {**ANSWER, "content": text}])}, "x": {extra}}}' for text in ("a", "b")]
    samples = shown(*rows)
    assert [sample.changes for sample in (*samples.edited, *samples.added)] == [()]
    assert [sample.changes for sample in shown(rows[0], "").removed] == [()]


def test_a_row_with_very_many_changes_shows_some() -> None:
    old = {"messages": [PROMPT], **{f"item{number}": "a" for number in range(50)}}
    assert len(shown(old, dict.fromkeys(old, "b") | {"messages": [PROMPT]}).edited[0].changes) == CHANGES_MAX


def test_labels_are_read_from_a_row_that_has_them() -> None:
    rows = [
        chat({"role": "user", "content": f"review {number}"}, {**ANSWER, "content": ("bug", "praise")[number % 2]})
        for number in range(20)
    ]
    lines = "\n".join(map(json.dumps, rows))
    assert set(shown(lines, lines.replace("bug", "flaw")).labels) == {"bug", "praise", "flaw"}
    assert set(shown(lines, "").labels) == {"bug", "praise"}


def test_a_file_that_changed_since_it_was_compared_does_no_harm() -> None:
    stream = io.BytesIO(json.dumps(chat(PROMPT, ANSWER)).encode())
    kept = io.BytesIO()
    writer = ColumnWriter(kept)
    scan(stream, "x.jsonl", "supervised", writer)
    writer.finish()
    empty = io.BytesIO()
    none = ColumnWriter(empty)
    none.finish()
    found = diff(Columns(empty), Columns(kept))
    for content in (b"", b"[1]" + b" " * 999):
        assert read_samples(found, Version(empty, "chat"), Version(io.BytesIO(content), "chat")).added[0].changes == ()

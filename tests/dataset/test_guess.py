"""What files are taken for: by their rows, and by their names."""

from __future__ import annotations

import io
import json

import pytest

from ftops.dataset.guess import family_of, guess_format, guess_role

ASKED = {"role": "user", "content": "Hi"}
ANSWERED = {"role": "assistant", "content": "Hello!"}
CHAT = {"messages": [ASKED, ANSWERED]}
GRADED = {"messages": [ASKED], "expected": "yes"}
PREFERENCE = {"input": {"messages": [ASKED]}, "preferred_output": [ANSWERED], "non_preferred_output": [ANSWERED]}
COMPLETION = {"prompt": "Hi", "completion": "Hello!"}


@pytest.mark.parametrize(
    ("rows", "format_", "method"),
    [
        ([CHAT], "chat", "supervised"),
        ([PREFERENCE], "preference", "dpo"),
        ([{"preferred_completion": []}], "preference", "dpo"),
        ([GRADED], "reinforcement", "reinforcement"),
        ([{"messages": [{"role": "developer", "content": "Go"}], "expected": 1}], "reinforcement", "reinforcement"),
        # An answer that is missing, and a note that nobody reads, are mistakes in a chat.
        ([{"messages": [ASKED]}], "chat", "supervised"),
        ([{"messages": [ASKED], "tools": []}], "chat", "supervised"),
        ([{**CHAT, "note": 1}], "chat", "supervised"),
        ([COMPLETION], "completion", "supervised"),
        ([], "unknown", "supervised"),
        ([1, "x", None, {"a": 1}], "unknown", "supervised"),
        # Most rows decide, and those that tell nothing do not count.
        ([GRADED, CHAT, CHAT], "chat", "supervised"),
        ([{"a": 1}, {"a": 1}, PREFERENCE], "preference", "dpo"),
        # Only the beginning is looked at.
        ([CHAT] * 60 + [PREFERENCE] * 60, "chat", "supervised"),
    ],
)
def test_the_first_rows_tell_format_and_method(rows: list[object], format_: str, method: str) -> None:
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    assert guess_format(io.BytesIO(content)) == (format_, method)
    assert guess_format(io.BytesIO(b"\xef\xbb\xbf" + content)) == (format_, method)


def test_what_is_no_json_tells_nothing() -> None:
    assert guess_format(io.BytesIO(b"a,b\n\x00\xff\n")).format == "unknown"


@pytest.mark.parametrize(
    ("path", "role", "family"),
    [
        ("elle.train.jsonl", "training", "elle"),
        ("specs/data/elle-valid.jsonl", "validation", "elle"),
        ("data/ELLE_VAL.jsonl", "validation", "elle"),
        ("elle.test.jsonl", "evaluation", "elle"),
        ("test/elle.jsonl", "evaluation", "elle"),
        ("jokes/train.jsonl", "training", "jokes"),
        ("dev.jsonl", "validation", "data"),
        ("jokes/train.fixed.jsonl", "training", "jokes"),
        # Not every `train` is a use: these words are parts of others.
        ("trains/departures.jsonl", None, "departures"),
        ("contest.jsonl", None, "contest"),
        ("validated.jsonl", None, "validated"),
        ("part-1.csv", None, "part-1"),
    ],
)
def test_the_name_tells_use_and_family(path: str, role: str | None, family: str) -> None:
    assert guess_role(path) == role
    assert family_of(path) == family

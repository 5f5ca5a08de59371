"""Each refusal that a provider is known to give after the upload is found before it, with the row named.

Beside our diagnostics stand the provider's own words, as published transcripts have them and as the local server says
them; the lines that the provider's moderation flags are asked for before an upload by `ftops check --moderate`.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from ftops.dataset.limits import row_count_problems
from ftops.dataset.scan import scan
from ftops.diagnostics import Severity
from ftops.server.training_data import check_file

if TYPE_CHECKING:
    from pathlib import Path

CHAT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]}
PAIR = {
    "input": {"messages": [{"role": "user", "content": "Hi"}]},
    "preferred_output": [{"role": "assistant", "content": "Hello!"}],
    "non_preferred_output": [{"role": "assistant", "content": "What."}],
}
NO_ROLE = {"messages": [{"role": "user", "content": "Hi"}, {"content": "Hello!"}]}
INVALID = "The job failed due to an invalid training file. "

REFUSALS: dict[str, tuple[list[Any], Any, str, list[tuple[str, str]]]] = {
    "role missing": (
        [CHAT] * 99 + [NO_ROLE],
        "supervised",
        f"{INVALID}Invalid file format. Example 100, message 2 Discriminator 'role' is missing in value",
        [("data.jsonl:100", "data-role-missing: `messages[1].role` is missing")],
    ),
    "chats for direct preference optimization": (
        [CHAT] * 10,
        "dpo",
        (
            f"{INVALID}Invalid file format. Input file file-1 is in the fine-tune-chat format, but the specified "
            "fine-tuning job is not using 'supervised' as the training method (provided method=dpo). "
        ),
        [("data.jsonl:1", "data-wrong-format: row is in the chat format, and method `dpo` does not take it")],
    ),
    "preferences for supervised training": (
        [PAIR] * 10,
        "supervised",
        (
            f"{INVALID}Invalid file format. Input file file-1 is in the fine-tune-preference format, but the specified "
            "fine-tuning job is not using 'dpo' as the training method (provided method=supervised). "
        ),
        [
            (
                "data.jsonl:1",
                "data-wrong-format: row is in the preference format, and method `supervised` does not take it",
            )
        ],
    ),
    "neither prompts nor chats": (
        [{"question": "Hi", "answer": "Hello!"}] * 10,
        "supervised",
        f"{INVALID}Unexpected file format, expected either prompt/completion pairs or chat messages.",
        [("data.jsonl:1", "data-messages: `messages` is missing")],
    ),
    "too few examples": (
        [CHAT] * 7,
        "supervised",
        "Training file has 7 example(s), but must have at least 10 examples",
        [("data.jsonl", "data-too-few-rows: training file has 7 example(s), but must have at least 10 examples")],
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_told_before_the_upload_in_the_same_place(name: str, tmp_path: Path) -> None:
    rows, method, theirs, ours = REFUSALS[name]
    file = tmp_path / "data.jsonl"
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    refused = check_file(file, file_id="file-1", method=method, param="training_file")
    assert refused
    assert refused.message == theirs

    found = scan(io.BytesIO(file.read_bytes()), "data.jsonl", method)
    problems = (*found.problems, *row_count_problems(found.rows, path="data.jsonl", method=method, use="training"))
    errors = [(str(it.place), f"{it.code}: {it.summary}") for it in problems if it.severity is Severity.ERROR]
    assert errors[: len(ours)] == ours


def test_a_good_file_is_taken_by_both(tmp_path: Path) -> None:
    for method, row in (("supervised", CHAT), ("dpo", PAIR)):
        file = tmp_path / "data.jsonl"
        file.write_bytes((orjson.dumps(row) + b"\n") * 10)
        found = scan(io.BytesIO(file.read_bytes()), "data.jsonl", method)
        problems = (*found.problems, *row_count_problems(found.rows, path="data.jsonl", method=method, use="training"))
        assert problems == ()
        taken: Any = method
        assert check_file(file, file_id="file-1", method=taken, param="training_file") is None

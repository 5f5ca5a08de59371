"""Hashes of rows: equal for rows that mean the same, however written; different for rows that do not."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.dataset.columns import Columns, ColumnWriter
from ftops.dataset.scan import scan

if TYPE_CHECKING:
    from ftops.dataset.columns import Column

CHAT: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Wie geht's, 元気? 😀"},
        {"role": "assistant", "content": "Gut / fine."},
    ]
}
TOOLS: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "21"},
        {"role": "assistant", "content": "Warm."},
    ],
    "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}],
}
PREFERENCE: dict[str, Any] = {
    "input": {"messages": [{"role": "user", "content": "Hi"}]},
    "preferred_output": [{"role": "assistant", "content": "Hello!"}],
    "non_preferred_output": [{"role": "assistant", "content": "What."}],
}
GRADED: dict[str, Any] = {"messages": [{"role": "user", "content": "2 + 2?"}], "answer": {"value": 4, "unit": None}}
ROWS = [(CHAT, "supervised"), (TOOLS, "supervised"), (PREFERENCE, "dpo"), (GRADED, "reinforcement")]


def columns_of(*lines: str, method: str = "supervised") -> Columns:
    stream = io.BytesIO()
    writer = ColumnWriter(stream)
    scan(io.BytesIO("\n".join(lines).encode()), "data.jsonl", method, writer)
    writer.finish()
    return Columns(stream)


def hashes(columns: Columns) -> list[tuple[int, ...]]:
    read: list[Column] = [columns.read(name) for name in ("row", "prompt", "answer", "system")]
    return [tuple(int(column[row]) for column in read) for row in range(columns.rows)]


def other_order(value: Any) -> Any:
    match value:
        case dict():
            return {key: other_order(value[key]) for key in reversed(value)}
        case list():
            return [other_order(each) for each in value]
        case _:
            return value


@pytest.mark.parametrize(("row", "method"), ROWS)
def test_order_of_keys_blanks_and_escapes_do_not_matter(row: dict[str, Any], method: str) -> None:
    lines = (
        json.dumps(row),
        json.dumps(row, ensure_ascii=False, separators=(",", ":")),
        json.dumps(other_order(row), ensure_ascii=False, separators=("  ,", " :\t")),
        json.dumps(row).replace("/", "\\/"),
    )
    assert len(set(hashes(columns_of(*lines, method=method)))) == 1


def test_a_default_that_is_written_out_does_not_matter() -> None:
    written_out = json.loads(json.dumps(CHAT))
    written_out["messages"][-1]["weight"] = 1
    written_out["tools"] = []
    assert len(set(hashes(columns_of(json.dumps(CHAT), json.dumps(written_out))))) == 1


def test_a_row_among_faulty_ones_means_what_it_means_among_good_ones() -> None:
    alone = hashes(columns_of(json.dumps(CHAT)))
    among = hashes(columns_of('{"messages": 3}', json.dumps(CHAT), "{", json.dumps(TOOLS)))
    assert among[1:2] == alone
    assert len(among) == 3


def test_another_answer_changes_row_and_answer_but_not_the_prompt() -> None:
    other = json.loads(json.dumps(CHAT))
    other["messages"][-1]["content"] = "Schlecht."
    (row, prompt, answer, system), (row_2, prompt_2, answer_2, system_2) = hashes(
        columns_of(json.dumps(CHAT), json.dumps(other))
    )
    assert (prompt, system) == (prompt_2, system_2)
    assert row != row_2
    assert answer != answer_2
    assert system != 0


@pytest.mark.parametrize("message", [0, 1])
def test_another_system_prompt_or_question_is_another_prompt(message: int) -> None:
    other = json.loads(json.dumps(CHAT))
    other["messages"][message]["content"] += "!"
    first, second = hashes(columns_of(json.dumps(CHAT), json.dumps(other)))
    assert first[1] != second[1]
    assert first[2] == second[2]
    assert (first[3] == second[3]) == (message == 1)


def test_who_says_something_matters() -> None:
    other = json.dumps(CHAT).replace('"system"', '"developer"')
    first, second = hashes(columns_of(json.dumps(CHAT), other))
    assert first[1] != second[1]


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=1, max_size=6, unique=True))
def test_different_rows_have_different_hashes(pairs: list[tuple[str, str]]) -> None:
    lines = [
        json.dumps({"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]})
        for asked, said in pairs
        if asked.isprintable() and said.isprintable()
    ]
    columns = columns_of(*lines)
    assert len(set(columns.read("row").tolist())) == len(lines)


def test_columns_lead_back_to_the_row_in_the_file() -> None:
    lines = ["", json.dumps(CHAT), "  ", "{broken", json.dumps(TOOLS), json.dumps(CHAT, ensure_ascii=False)]
    content = "\ufeff".encode() + "\r\n".join(lines).encode()
    stream = io.BytesIO()
    writer = ColumnWriter(stream)
    scan(io.BytesIO(content), "data.jsonl", "supervised", writer)
    writer.finish()
    columns = Columns(stream)
    assert columns.read("line").tolist() == [2, 5, 6]
    for number, offset, size in zip(
        columns.read("line"), columns.read("offset").tolist(), columns.read("size").tolist(), strict=True
    ):
        assert content[offset : offset + size].decode().rstrip("\r") == lines[number - 1]


def test_a_row_that_nests_deep_is_taken_as_it_is() -> None:
    deep = '{"messages": [{"role": "user", "content": "a"}], "x": ' + "[" * 400 + "]" * 400 + "}"
    assert columns_of(deep, method="reinforcement").rows == 1


def test_a_system_prompt_is_the_same_whatever_else_its_row_holds() -> None:
    with_tools = {**TOOLS, "messages": [CHAT["messages"][0], *TOOLS["messages"]]}
    faulty = {"messages": [CHAT["messages"][0], {"content": "Hi"}]}
    rows = columns_of(*map(json.dumps, (CHAT, with_tools, faulty)))
    assert len(set(rows.read("system").tolist())) == 1

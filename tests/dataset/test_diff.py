"""The data diff against its definition, written without any thought of speed, and on edits whose outcome is known."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from ftops.dataset.columns import COLUMNS, Columns, ColumnWriter
from ftops.dataset.diff import DataDiff, diff
from ftops.dataset.edits import ANSWER_CHARS_MIN
from ftops.dataset.moves import COPIES_PAIRS_MAX
from ftops.dataset.sketch import sketches

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Row: TypeAlias = tuple[str, str, str]
    """System prompt, prompt, answer; without system prompt if that is empty."""

SMALL_GROUP = 7
"""Rows that are written together: few, so that every file of a test has several groups."""


def columns_of(rows: Sequence[Row]) -> Columns:
    """The columns of a chat file; what the diff does not look at is 0."""
    stream = io.BytesIO()
    writer = ColumnWriter(stream)
    offset = 0
    for begin in range(0, len(rows), SMALL_GROUP):
        group = {name: np.zeros((SMALL_GROUP, width), kind) for name, (kind, width) in COLUMNS.items()}
        some = rows[begin : begin + SMALL_GROUP]
        for index, (system, prompt, answer) in enumerate(some):
            size = len(line_of((system, prompt, answer)))
            values = {
                "line": begin + index + 1,
                "offset": offset,
                "size": size,
                "row": hashed(system, prompt, answer),
                "prompt": hashed(system, prompt),
                "answer": hashed(answer),
                "system": hashed(system) if system else 0,
                "answer_chars": len(answer),
                "tokens": len(system.split()) + len(prompt.split()) + len(answer.split()),
                "trained": len(answer.split()),
                "sketch": sketches([f"{prompt}\n{answer}"])[0],
            }
            offset += size + 1
            for name, value in values.items():
                group[name][index] = value
        writer.add({name: values[: len(some)] for name, values in group.items()})
    writer.finish()
    return Columns(stream)


def line_of(row: Row) -> bytes:
    system, prompt, answer = row
    messages = [{"role": "system", "content": system}] if system else []
    messages += [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": messages}).encode()


def hashed(*parts: str) -> int:
    return xxhash.xxh3_64_intdigest(json.dumps(parts).encode())


def pings(*numbers: int) -> list[Row]:
    return [("", f"ping {number}", f"pong {number}") for number in numbers]


def counts(found: DataDiff) -> tuple[int, int, int, int, int]:
    return found.added, found.removed, found.edited, found.moved, found.unchanged


# What it means, slowly.


def defined(old: Sequence[Row], new: Sequence[Row]) -> tuple[int, int, int, int, int]:
    """The counts for rows that are too short to be told by their answer or their sketch."""
    unchanged = Counter(old) & Counter(new)
    gone = Counter(row[:2] for row in (Counter(old) - unchanged).elements())
    come = Counter(row[:2] for row in (Counter(new) - unchanged).elements())
    edited = (gone & come).total()
    moved = unchanged.total() - longest_common_subsequence(old, new)
    return come.total() - edited, gone.total() - edited, edited, moved, unchanged.total()


def longest_common_subsequence(old: Sequence[Row], new: Sequence[Row]) -> int:
    best = [0] * (len(new) + 1)
    for row in old:
        before = best[:]
        for index, other in enumerate(new):
            best[index + 1] = before[index] + 1 if row == other else max(best[index], before[index + 1])
    return best[-1]


few_rows = st.lists(st.sampled_from([("", f"p{prompt}", f"a{answer}") for prompt in range(6) for answer in range(3)]))


@given(few_rows, few_rows)
def test_counts_are_those_of_the_definition(old: list[Row], new: list[Row]) -> None:
    told, wanted = counts(diff(columns_of(old), columns_of(new))), defined(old, new)
    if all(old.count(row) * new.count(row) <= COPIES_PAIRS_MAX for row in old):
        assert told == wanted
    else:
        # Copies count in order where they are many, so that more may seem to move than must.
        assert (*told[:3], told[4]) == (*wanted[:3], wanted[4])
        assert told[3] >= wanted[3]


@given(st.lists(st.sampled_from(pings(*range(12))), max_size=40), st.randoms(use_true_random=False))
def test_rows_with_up_to_four_copies_move_as_little_as_they_can(rows: list[Row], random: object) -> None:
    rows = [row for index, row in enumerate(rows) if rows[:index].count(row) < 4]
    new = rows[:]
    random.shuffle(new)
    assert counts(diff(columns_of(rows), columns_of(new))) == defined(rows, new)


@given(st.data())
def test_an_edit_script_is_told_exactly(data: st.DataObject) -> None:
    old = pings(*range(data.draw(st.integers(0, 60), label="rows")))
    fates = data.draw(st.lists(st.sampled_from("kkkkkkred"), min_size=len(old), max_size=len(old)), label="fates")
    new: list[Row] = []
    for row, fate in zip(old, fates, strict=True):
        new += {"k": [row], "r": [], "e": [(*row[:2], f"{row[2]}!")], "d": [row, row]}[fate]
    inserted = data.draw(st.integers(0, 9), label="inserted")
    for number in range(inserted):
        new.insert(data.draw(st.integers(0, len(new)), label="where"), *pings(1000 + number))
    told = diff(columns_of(old), columns_of(new))
    kept = fates.count("k") + fates.count("d")
    assert counts(told) == (inserted + fates.count("d"), fates.count("r"), fates.count("e"), 0, kept)
    assert told.old.rows - told.removed == told.new.rows - told.added


@given(few_rows, few_rows)
def test_the_way_back_adds_what_the_way_there_removed(old: list[Row], new: list[Row]) -> None:
    there, back = diff(columns_of(old), columns_of(new)), diff(columns_of(new), columns_of(old))
    assert (there.added, there.removed, there.edited, there.unchanged) == (
        back.removed,
        back.added,
        back.edited,
        back.unchanged,
    )


@given(few_rows)
def test_a_file_does_not_differ_from_itself(rows: list[Row]) -> None:
    assert diff(columns_of(rows), columns_of(rows)).is_empty


def test_of_two_blocks_that_change_places_the_smaller_one_moves() -> None:
    told = diff(columns_of(pings(*range(100))), columns_of(pings(*range(70, 100), *range(70))))
    assert counts(told) == (0, 0, 0, 30, 100)
    assert not told.is_empty


def test_taking_the_first_of_two_copies_moves_nothing() -> None:
    told = diff(columns_of(pings(1, 2, 1)), columns_of(pings(2, 1)))
    assert counts(told) == (0, 1, 0, 0, 2)


def test_rows_with_many_copies_are_paired_in_order() -> None:
    many = pings(*[1] * 300)
    assert counts(diff(columns_of(many), columns_of(many[:200]))) == (0, 100, 0, 0, 200)


LONG = (
    "the printer on the second floor is out of toner again, and nobody has ordered any since last week",
    "our invoice of March shows two seats too many, while the contract says that there are only twelve",
    "when the train stops in the tunnel the connection is lost, and the form forgets what was typed in",
)
ANSWERS = (
    "I have ordered toner, and it arrives on Monday before noon.",
    "Two seats were refunded today, with our regrets.",
)


def test_an_edited_prompt_is_told_by_a_long_answer_of_its_own() -> None:
    told = diff(columns_of([("", LONG[0], ANSWERS[0])]), columns_of([("", LONG[1], ANSWERS[0])]))
    assert counts(told) == (0, 0, 1, 0, 0)
    assert [row.reason for row in told.edited_rows] == ["answer"]


@pytest.mark.parametrize("copies", [(2, 1), (1, 2)])
def test_an_answer_that_several_changed_rows_have_tells_nothing(copies: tuple[int, int]) -> None:
    old = [("", f"{number} {LONG[0]}", ANSWERS[0]) for number in range(copies[0])]
    new = [("", f"{number} {LONG[1]}", ANSWERS[0]) for number in range(copies[1])]
    assert counts(diff(columns_of(old), columns_of(new))) == (copies[1], copies[0], 0, 0, 0)


def test_a_short_answer_tells_nothing() -> None:
    short = "x" * (ANSWER_CHARS_MIN - 1)
    assert counts(diff(columns_of([("", LONG[0], short)]), columns_of([("", LONG[1], short)]))) == (1, 1, 0, 0, 0)


def test_a_new_system_prompt_edits_every_row() -> None:
    old = [("Be terse.", f"{number}: {LONG[number % 3]}", "ok") for number in range(40)]
    new = [("Be kind.", *row[1:]) for row in old]
    told = diff(columns_of(old), columns_of(new))
    assert counts(told) == (0, 0, 40, 0, 0)
    assert told.edited_system == 40
    assert {row.reason for row in told.edited_rows} == {"text"}


def test_near_rows_are_one_row_that_was_edited_and_the_nearest_wins() -> None:
    old = [("", LONG[0], "soon"), ("", LONG[1], "sorry"), ("", LONG[2], "noted")]
    new = [("", LONG[1].replace("March", "April"), "sorry!"), ("", LONG[1].replace("two seats", "2 users"), "refunded")]
    new.append(("", LONG[2].replace("train", "tram"), "noted!"))
    told = diff(columns_of(old), columns_of(new))
    assert counts(told) == (1, 1, 2, 0, 0)
    assert [(row.old.line, row.new.line, row.reason) for row in told.edited_rows] == [(2, 1, "near"), (3, 3, "near")]
    assert [row.line for row in told.removed_rows] == [1]
    assert [row.line for row in told.added_rows] == [2]


def test_labels_are_counted_before_and_after_and_from_one_to_the_other() -> None:
    old = [("", f"review {number}", "bug" if number < 12 else "praise") for number in range(20)]
    new = [(*row[:2], "praise" if index < 2 else row[2]) for index, row in enumerate(old)]
    new += [("", "review 20", "question")] * 2
    told = diff(columns_of(old), columns_of(new))
    assert [(label.old_rows, label.new_rows) for label in told.labels] == [(12, 10), (8, 10), (0, 2)]
    assert [(way.before, way.after, way.rows) for way in told.relabelled] == [(0, 1, 2)]
    assert (told.labels[2].old_first, told.labels[2].new_first) == (None, 20)
    assert [row.line for row in told.label_rows] == [3, 1, 21]


def test_labels_that_are_gone_or_that_all_are_new_are_counted_too() -> None:
    rows = [("", f"review {number}", ("bug", "praise")[number % 2]) for number in range(20)]
    told = diff(columns_of(rows), columns_of([]))
    assert [(label.old_rows, label.new_rows) for label in told.labels] == [(10, 0), (10, 0)]
    assert [row.line for row in told.label_rows] == [1, 2] or [row.line for row in told.label_rows] == [2, 1]
    assert diff(columns_of([]), columns_of(rows)).labels[0].new_rows == 10


def test_an_answer_that_is_no_label_is_not_counted_as_one() -> None:
    old = [("", f"review {number}", ("bug", "praise")[number % 2]) for number in range(40)]
    new = [(*old[0][:2], "This is neither, but a long-winded answer."), *old[1:]]
    told = diff(columns_of(old), columns_of(new))
    assert sorted((label.old_rows, label.new_rows) for label in told.labels) == [(20, 19), (20, 20)]
    assert told.relabelled == ()
    texts = [(*row[:2], f"{row[2]} {index}") for index, row in enumerate(old)]
    assert diff(columns_of(old), columns_of(texts)).labels == ()


def test_tokens_are_summed_on_both_sides() -> None:
    told = diff(columns_of(pings(1, 2)), columns_of(pings(1, 2, 3)))
    assert (told.old.tokens, told.new.tokens) == (8, 12)
    assert (told.old.trained_tokens, told.new.trained_tokens) == (4, 6)


def test_rows_are_listed_evenly_from_the_whole_file_with_their_place() -> None:
    new = pings(*range(1001))
    told = diff(columns_of([]), columns_of(new), listed=3)
    assert told.added == 1001
    assert [row.line for row in told.added_rows] == [1, 501, 1001]
    content = b"".join(line_of(row) + b"\n" for row in new)
    row = told.added_rows[1]
    assert content[row.offset : row.offset + row.size] == line_of(new[500])


@given(st.lists(st.integers(0, 29), max_size=40))
def test_rows_of_a_column_are_taken_in_the_order_asked_for(wanted: list[int]) -> None:
    columns = columns_of([("", f"{number}: {LONG[number % 3]}", "ok") for number in range(30)])
    rows = np.array(wanted, dtype=np.int64)
    for name in ("row", "sketch"):
        assert np.array_equal(columns.take(name, rows), columns.read(name)[rows])

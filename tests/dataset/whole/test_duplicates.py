from __future__ import annotations

import json
import random
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ftops.dataset.whole.alike import MISSES_MAX, READ_MAX, find_alike, near_duplicates
from ftops.dataset.whole.duplicates import contradictions, duplicates
from ftops.dataset.whole.likeness import SAMPLE_ROWS, template_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import ModuleType
    from typing import Any, TypeAlias

    from ftops.diagnostics import Diagnostic

    Make: TypeAlias = Callable[..., Any]

PLANTED = 300


def codes(problems: Iterable[Diagnostic]) -> list[str]:
    return [problem.code for problem in problems]


def found_pairs(clusters: Sequence[tuple[int, ...]]) -> set[tuple[int, int]]:
    return {pair for cluster in clusters for pair in pairwise(cluster)}


def test_rows_that_repeat_an_earlier_one_are_counted(made: Make) -> None:
    file = made(*[(f"Question {n % 7}", f"Answer {n % 7}") for n in range(10)], ("another", "one"))
    (problem,) = duplicates(file.columns, "a.jsonl")
    assert problem.code == "data-duplicate"
    assert str(problem.place) == "a.jsonl:8"
    assert problem.summary == (
        "rows that repeat an earlier one: 3 of 11 (27.3 %), up to 2 of the same, such as lines 1 and 8"
    )


def test_one_row_that_fills_a_file_is_said_to_do_so(made: Make) -> None:
    (problem,) = duplicates(made(*[("Hello", "World")] * 5).columns, "a.jsonl")
    assert problem.summary == (
        "rows that repeat an earlier one: 4 of 5 (80 %), up to 5 of the same, such as lines 1, 2 and 3"
    )


def test_rows_that_differ_are_no_duplicates(made: Make) -> None:
    assert duplicates(made(("a", "b"), ("a", "c"), ("b", "b"), ("s", "a", "b")).columns, "a.jsonl") == ()


def test_one_prompt_with_two_answers_contradicts_itself(made: Make) -> None:
    rows = [(f"Question {n}", f"Answer {n}") for n in range(30)]
    file = made(*rows, ("Question 3", "Answer 3"), ("Question 3", "No"), ("Question 5", "Never"))
    (problem,) = contradictions(file.columns, "a.jsonl")
    assert str(problem.place) == "a.jsonl:32"
    assert problem.summary == "prompts with different answers: 2, in 5 rows (15.2 %), such as lines 4 and 32"


def test_equal_answers_and_other_system_prompts_are_no_contradiction(made: Make) -> None:
    file = made(("a", "b"), ("a", "b"), ("Be kind.", "a", "c"), *[(f"{n}", "b") for n in range(20)])
    assert contradictions(file.columns, "a.jsonl") == ()


def test_a_prompt_that_many_rows_have_is_an_opening(made: Make) -> None:
    assert contradictions(made(*[("Write a poem.", f"Poem {n}") for n in range(30)]).columns, "a.jsonl") == ()


def test_a_prompt_that_is_repeated_with_its_answer_is_no_contradiction(made: Make) -> None:
    assert contradictions(made(*[("a", "b")] * 3, ("c", "d")).columns, "a.jsonl") == ()
    assert contradictions(made(("a", "b"), ("c", "d")).columns, "a.jsonl") == ()


def test_several_answers_to_most_prompts_are_a_way_to_make_data(made: Make) -> None:
    file = made(*[(f"Question {n // 3}", f"Answer {n}") for n in range(30)])
    assert codes(contradictions(file.columns, "a.jsonl")) == ["data-several-answers"]


@pytest.mark.parametrize(("seed", "templated"), [(1, 0), (2, 0), (3, 100), (4, 2_000)])
def test_planted_edits_are_found_and_nothing_else(bench: ModuleType, written: Make, seed: int, templated: int) -> None:
    """Recall ≥ 95 % and precision ≥ 99 %, with or without rows of one template around."""
    chance = random.Random(seed)
    texts = [bench.make_text(chance) for _ in range(PLANTED * 2)]
    edited = [chance.choice(list(bench.EDITS.values()))(text, chance) for text in texts[:PLANTED]]
    template = bench.make_text(chance, "en")
    others = [bench.make_templated(chance, template) for _ in range(templated)]
    anew = [bench.rewritten(text, chance) for text in texts[PLANTED:]]
    file = written([*texts, *edited, *anew, *others])
    alike = find_alike(file.columns, file.read_row)
    wanted = {(at, len(texts) + at) for at in range(PLANTED)}
    found = found_pairs(alike.clusters)
    assert len(found & wanted) / len(wanted) >= 0.95
    assert len(found & wanted) / len(found) >= 0.99
    assert (alike.templated > 0.2) == (templated > PLANTED)


def test_several_edits_of_one_row_are_one_cluster(bench: ModuleType, written: Make, chance: random.Random) -> None:
    texts = [bench.make_text(chance) for _ in range(100)]
    edits = [bench.mistyped(texts[40], chance) for _ in range(5)]
    file = written([*texts[:70], *edits, *texts[70:]])
    (problem,) = near_duplicates(file.columns, "a.jsonl", file.read_row)
    assert str(problem.place) == "a.jsonl:71"
    assert problem.summary == (
        "near duplicates: 6 of 105 rows (5.71 %), in 1 cluster of up to 6, such as lines 41, 71 and 72"
    )


def test_equal_rows_are_no_near_duplicates(bench: ModuleType, written: Make, chance: random.Random) -> None:
    texts = [bench.make_text(chance) for _ in range(60)]
    file = written(texts * 2)
    assert near_duplicates(file.columns, "a.jsonl", file.read_row) == ()


def test_a_template_is_noted_and_its_rows_are_not_duplicates(
    bench: ModuleType, written: Make, chance: random.Random
) -> None:
    template = bench.make_text(chance, "de")
    file = written([bench.make_templated(chance, template) for _ in range(400)])
    assert codes(near_duplicates(file.columns, "a.jsonl", file.read_row)) == ["data-template"]


def test_a_conversation_that_goes_on_is_no_near_duplicate(bench: ModuleType, chance: random.Random) -> None:
    """One row for each answer of a long conversation is a common way to train on all of them."""
    texts = [bench.make_text(chance, "en") for _ in range(8)]
    messages = [
        {"role": role, "content": content}
        for text in texts
        for role, content in (("user", " ".join(text.asked)), ("assistant", " ".join(text.answered)))
    ]
    lines = [json.dumps({"messages": messages[:length]}).encode() for length in (12, 14, 16)]
    alike = find_alike(bench.columns_of(lines), lines.__getitem__)
    assert alike.pairs_read > 0
    assert alike.clusters == ()


def test_what_is_not_read_is_counted(bench: ModuleType, written: Make, chance: random.Random) -> None:
    """A file full of rows that seem alike: the work is bounded, and said to be."""
    template = bench.make_text(chance, "en")
    texts = [bench.make_templated(chance, template) for _ in range(1_500)]
    file = written([*texts, bench.mistyped(texts[0], chance), bench.make_text(chance)])
    asked = 0

    def read_row(row: int) -> bytes:
        nonlocal asked
        asked += 1
        return file.lines[row]

    alike = find_alike(file.columns, read_row)
    assert alike.clusters == ((0, 1_500),)
    assert alike.pairs_read == MISSES_MAX + 1
    assert alike.pairs_unread > 1_000
    assert asked < SAMPLE_ROWS + 2 * alike.pairs_read


def test_reading_ends_where_there_are_enough_near_duplicates(bench: ModuleType, written: Make) -> None:
    chance = random.Random(8)
    texts = [bench.make_text(chance) for _ in range(READ_MAX + 300)]
    file = written([*texts, *(bench.mistyped(text, chance) for text in texts)])
    (problem,) = near_duplicates(file.columns, "a.jsonl", file.read_row)
    assert problem.summary.startswith(
        "near duplicates: at least 2,000 of 2,600 rows (76.9 %), in 1,000 clusters of up to 2"
    )
    assert "; not read, though they may be alike: " in problem.summary


def test_lines_that_are_no_rows_are_no_text() -> None:
    lines = [b"{", b"[1]", b'{"messages": 3}']
    template = template_of(lines.__getitem__, np.arange(3))
    assert template.shingles.size == 0
    assert template.covered == 0

"""Labels, system prompts and answers that do not fit the rest of their file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ftops.dataset.whole.answers import cut_answers, foreign_answers, image_problems, unfinished_answers
from ftops.dataset.whole.check import whole_problems
from ftops.dataset.whole.labels import label_problems, labels_of
from ftops.dataset.whole.runs import runs_of, share
from ftops.dataset.whole.systems import system_problems
from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import ModuleType
    from typing import Any, TypeAlias

    from ftops.diagnostics import Diagnostic

    Make: TypeAlias = Callable[..., Any]

ENGLISH = (
    "This answer is long enough to be looked at, and it goes on for quite a while, for no other reason than that. "
)
JAPANESE = "この回答は十分に長く、特別な理由もなくしばらくの間ずっと続いています。"
CHINESE = "这个回答足够长，没有特别的原因，一直持续了很长一段时间。"  # noqa: RUF001  # Chinese punctuation


def codes(problems: Iterable[Diagnostic]) -> list[str]:
    return [problem.code for problem in problems]


def reviews(*labels: str, each: int = 20) -> list[tuple[str, str]]:
    return [(f"Review {label} {n}", label) for label in labels for n in range(each)]


def test_a_file_of_which_nothing_is_learnt_spoils_the_run(bench: ModuleType) -> None:
    lines = [
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": f"Question {n}"},
                    {"role": "assistant", "content": "Yes", "weight": 0},
                ]
            }
        )
        for n in range(3)
    ]
    for path_lines, expected in ((lines, [Severity.ERROR]), ([*lines, lines[0].replace(', "weight": 0', "")], [])):
        problems = whole_problems(
            bench.columns_of([line.encode() for line in path_lines]), "a.jsonl", lambda row: lines[row].encode()
        )
        assert [each.severity for each in problems if each.code == "data-nothing-to-train"] == expected


def test_rows_for_a_grader_train_nothing_by_design(bench: ModuleType) -> None:
    line = b'{"messages": [{"role": "user", "content": "Is it compliant?"}], "compliant": "yes"}'
    assert whole_problems(bench.columns_of([line]), "a.jsonl", lambda _: line) == ()


def test_even_labels_are_fine(made: Make) -> None:
    file = made(*reviews("good", "bad", "mixed"))
    assert label_problems(file.columns, "a.jsonl", file.read_row) == ()


def test_a_label_that_most_rows_have_is_told(made: Make) -> None:
    file = made(*reviews("bad"), *reviews("good", each=80))
    (problem,) = label_problems(file.columns, "a.jsonl", file.read_row)
    assert problem.code == "data-label-imbalance"
    assert problem.summary == "one of 2 labels has 80 of 100 rows (80 %), first in line 21"


def test_rare_labels_are_told(made: Make) -> None:
    file = made(*reviews("good", "bad", each=30), *reviews("odd", each=2), *reviews("even", each=9))
    (problem,) = label_problems(file.columns, "a.jsonl", file.read_row)
    assert problem.code == "data-label-rare"
    assert problem.summary == "labels with 9 rows or fewer: 2 of 4, first in lines 61 and 63"


def test_where_every_label_is_rare_the_file_is_small(made: Make) -> None:
    file = made(*reviews("good", "bad", each=8))
    assert label_problems(file.columns, "a.jsonl", file.read_row) == ()


@pytest.mark.parametrize("variant", ["Positive", "positive ", "POSITIVE.", "ｐｏｓｉｔｉｖｅ", "**positive**"])  # noqa: RUF001  # full width is what is tested
def test_one_label_in_two_spellings_is_told_without_showing_it(made: Make, variant: str) -> None:
    file = made(*reviews("positive", "negative"), *reviews(variant, each=12))
    (problem,) = label_problems(file.columns, "a.jsonl", file.read_row)
    assert problem.code == "data-label-spelling"
    assert str(problem.place) == "a.jsonl:41"
    assert problem.summary == "one label seems to be spelt in 2 ways: lines 1 and 41 (20, 12 rows)"


@pytest.mark.parametrize("labels", [("C", "C++"), ("a", "b"), ("-1", "1"), ("?", "!")])
def test_labels_that_are_told_apart_by_a_sign_are_different(made: Make, labels: tuple[str, ...]) -> None:
    file = made(*reviews(*labels))
    assert label_problems(file.columns, "a.jsonl", file.read_row) == ()


@pytest.mark.parametrize(
    "chats",
    [
        [(f"Q {n}", f"answer {n}") for n in range(100)],
        [(f"Q {n}", "the same long answer, far too long to be a label" + "!" * (n % 2)) for n in range(100)],
        reviews("only"),
        [*reviews("good", "bad"), *[(f"Q {n}", f"free text {n}") for n in range(20)]],
    ],
    ids=["distinct", "long", "one", "mixed with text"],
)
def test_answers_that_are_no_labels_are_left_alone(made: Make, chats: Sequence[tuple[str, ...]]) -> None:
    assert labels_of(made(*chats).columns) is None


def test_rows_with_another_system_prompt_than_the_rest_are_told(made: Make) -> None:
    file = made(*[("Be kind.", f"Q {n}", "A") for n in range(95)], *[("Be rude.", f"Q {n}", "A") for n in range(5)])
    (problem,) = system_problems(file.columns, "a.jsonl", file.read_row)
    assert problem.code == "data-system-differs"
    assert problem.summary == "rows with another system prompt than the rest: 5 of 100 (5 %), such as line 96"


def test_rows_without_system_prompt_among_many_with_one_are_told(made: Make) -> None:
    file = made(*[("Be kind.", f"Q {n}", "A") for n in range(95)], *[(f"Q {n}", "A") for n in range(5)])
    (problem,) = system_problems(file.columns, "a.jsonl", file.read_row)
    assert problem.code == "data-system-missing"
    assert problem.summary == "rows without system prompt: 5 of 100 (5 %), such as lines 96, 97 and 98"


def test_system_prompts_that_differ_in_blanks_alone_are_told(made: Make) -> None:
    prompts = ("Be kind.", "Be rude.", "Be  kind.\n")
    file = made(*[(prompts[n % 3], f"Q {n}", "A") for n in range(30)])
    (problem,) = system_problems(file.columns, "a.jsonl", file.read_row)
    assert problem.code == "data-system-variants"
    assert problem.summary == "two system prompts differ only in case and blanks: lines 1 and 3 (10 and 10 rows)"


@pytest.mark.parametrize(
    "chats",
    [
        [("Be kind.", f"Q {n}", "A") for n in range(50)],
        [(f"Q {n}", "A") for n in range(50)],
        [(f"You are person {n}.", "Who are you?", "A") for n in range(50)],
        [(("Be kind.", "Be rude.")[n % 2], f"Q {n}", "A") for n in range(50)],
        [("Be kind.", f"Q {n}", "A") if n % 2 else (f"Q {n}", "A") for n in range(50)],
        [("Be kind.", "Q", "A"), ("Be rude.", "Q", "A")],
    ],
    ids=["one", "none", "each its own", "two", "half without", "few rows"],
)
def test_system_prompts_that_are_meant_so_are_left_alone(made: Make, chats: Sequence[tuple[str, ...]]) -> None:
    file = made(*chats)
    assert system_problems(file.columns, "a.jsonl", file.read_row) == ()


def test_long_answers_that_stop_in_the_middle_are_told(made: Make) -> None:
    file = made(
        *[(f"Q {n}", ENGLISH * 3 + "." * n) for n in range(97)], *[(f"R {n}", ENGLISH * 2 + "and so") for n in range(3)]
    )
    (problem,) = unfinished_answers(file.columns, "a.jsonl")
    assert problem.code == "data-answer-unfinished"
    assert problem.summary == (
        "long answers that end in the middle of a sentence: 3 of 100 (3 %), such as lines 98, 99 and 100"
    )


@pytest.mark.parametrize(
    "chats",
    [
        [(f"Q {n}", ENGLISH * 3) for n in range(100)],
        [*[(f"Q {n}", ENGLISH * 3) for n in range(97)], *[(f"R {n}", "Yes, of course") for n in range(3)]],
        [(f"Q {n}", ENGLISH * 3 + ("x" if n % 5 == 0 else "")) for n in range(100)],
        [(f"Q {n}", ENGLISH * 3 + "x" * (n == 7)) for n in range(40)],
        [*[(f"Q {n}", ENGLISH * 3) for n in range(960)], *[(f"R {n}", "ภาษาไทยไม่มีจุด" * 20) for n in range(60)]],
    ],
    ids=["all finished", "short ones", "a style", "few answers", "Thai has no full stop"],
)
def test_answers_that_end_as_others_do_are_left_alone(made: Make, chats: Sequence[tuple[str, ...]]) -> None:
    assert unfinished_answers(made(*chats).columns, "a.jsonl") == ()


def test_answers_that_were_cut_at_a_length_are_told(made: Make) -> None:
    file = made(*[(f"Q {n}", f"{n:03} {ENGLISH * (n % 9 + 1)}"[:500]) for n in range(90)])
    (problem,) = cut_answers(file.columns, "a.jsonl")
    assert problem.code == "data-answer-cut"
    assert problem.summary == (
        "answers of exactly 500 characters, while none has more: 50 (55.6 %), such as lines 5, 6 and 7"
    )


@pytest.mark.parametrize(
    "chats",
    [
        [(f"Q {n}", f"{ENGLISH} {'x' * n}") for n in range(100)],
        [(f"Q {n}", ENGLISH * 3) for n in range(100)],
        [(f"Q {n}", f"{n:03}") for n in range(100)],
        [],
    ],
    ids=["of all lengths", "the same answer", "short", "no rows"],
)
def test_lengths_that_come_by_themselves_are_left_alone(made: Make, chats: Sequence[tuple[str, ...]]) -> None:
    assert cut_answers(made(*chats).columns, "a.jsonl") == ()


def test_answers_in_another_script_than_the_rest_are_told(made: Make) -> None:
    file = made(
        *[(JAPANESE + str(n), JAPANESE) for n in range(98)],
        *[(ENGLISH + str(n), ENGLISH) for n in range(98)],
        (JAPANESE + "?", ENGLISH),
        (ENGLISH + "?", CHINESE),
    )
    english, japanese = foreign_answers(file.columns, "a.jsonl")
    assert english.code == japanese.code == "data-answer-script"
    assert english.summary == "answers to prompts in Latin that are not in Latin: 1 of 99 (1.01 %), such as line 198"
    assert japanese.summary == (
        "answers to prompts in Japanese that are not in Japanese: 1 of 99 (1.01 %), such as line 197"
    )


@pytest.mark.parametrize(
    "chats",
    [
        [(JAPANESE + str(n), ENGLISH) for n in range(100)],
        [(JAPANESE + str(n), (ENGLISH, JAPANESE)[n % 2]) for n in range(100)],
        [*[(JAPANESE + str(n), JAPANESE) for n in range(99)], (JAPANESE, "OK")],
        [*[(JAPANESE + str(n), JAPANESE) for n in range(99)], (JAPANESE, "1234 5678 9012 3456 7890")],
        [*[(JAPANESE + str(n), JAPANESE) for n in range(30)], (JAPANESE, ENGLISH)],
    ],
    ids=["translations", "mixed", "short", "figures", "few"],
)
def test_scripts_that_are_meant_so_are_left_alone(made: Make, chats: Sequence[tuple[str, ...]]) -> None:
    assert foreign_answers(made(*chats).columns, "a.jsonl") == ()


def test_more_rows_with_images_than_are_taken_are_an_error() -> None:
    (problem,) = image_problems(50_001, "a.jsonl")
    assert problem.severity == "error"
    assert problem.summary == "50,001 rows have images, and at most 50,000 may"
    assert image_problems(50_000, "a.jsonl") == ()


def test_a_file_without_rows_has_no_problems(made: Make) -> None:
    file = made()
    assert whole_problems(file.columns, "a.jsonl", file.read_row) == ()


def test_a_whole_file_is_looked_at_in_every_way(made: Make) -> None:
    file = made(*[("Be kind.", f"Q {n}", "yes") for n in range(95)], *[("Q 94", "no")] * 6, ("Be kind.", "Q 7", "no"))
    assert codes(whole_problems(file.columns, "a.jsonl", file.read_row)) == [
        "data-duplicate",
        "data-contradiction",
        "data-label-imbalance",
        "data-label-rare",
        "data-system-missing",
    ]


def test_pairs_of_a_preference_file_may_share_a_prompt(bench: ModuleType) -> None:
    def answer(text: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": text}]

    lines = [
        json.dumps(
            {
                "input": {"messages": [{"role": "user", "content": f"Q {n // 2}"}]},
                "preferred_output": answer(f"good {n}"),
                "non_preferred_output": answer(f"bad {n}"),
            }
        ).encode()
        for n in range(20)
    ]
    assert whole_problems(bench.columns_of(lines, "dpo"), "a.jsonl", lines.__getitem__) == ()


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [(1, 2, "50 %"), (1, 100_000, "less than 0.1 %"), (99_999, 100_000, "99.9 %"), (3, 3, "100 %"), (0, 3, "0 %")],
)
def test_a_share_is_never_rounded_to_nothing_or_all(part: int, whole: int, told: str) -> None:
    assert share(part, whole) == told


def test_no_problem_shows_content(made: Make) -> None:
    secret = "xylophone"
    rows = [("sys " + secret, f"{secret} {n % 40}", secret if n % 9 else secret.upper()) for n in range(90)]
    file = made(*rows, (f"{secret} q", f"{secret}."))
    problems = whole_problems(file.columns, "a.jsonl", file.read_row)
    assert len(problems) >= 4
    assert not any(secret in repr(problem).lower() for problem in problems)


def test_rows_and_sizes_are_whole_numbers_in_the_order_of_the_file() -> None:
    runs = runs_of(np.array([5, 3, 5, 3, 3], dtype="<u8"))
    assert runs.values.tolist() == [3, 5]
    assert runs.sizes.tolist() == [3, 2]
    assert runs.rows_of(0).tolist() == [1, 3, 4]
    assert runs_of(np.array([], dtype="<u8")).sizes.tolist() == []

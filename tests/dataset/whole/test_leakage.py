from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from ftops.dataset.columns import Columns
from ftops.dataset.whole.check import project_problems
from ftops.dataset.whole.leakage import leakage_problems
from ftops.dataset.whole.leaks import NamedFile, find_leaks
from ftops.dataset.whole.uses import FileUse

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any, TypeAlias

    from ftops.dataset.columns import Column

    Make: TypeAlias = Callable[..., Any]

TRAINING = FileUse(spec="elle", role="training")
VALIDATION = FileUse(spec="elle", role="validation")


def file_of(made_file: Any, path: str, *uses: FileUse, is_gone: bool = False) -> NamedFile:
    read_row = None if is_gone else made_file.read_row
    return NamedFile(path=path, columns=made_file.columns, uses=uses, read_row=read_row)


@pytest.mark.parametrize("is_gone", [False, True])
def test_planted_leaks_are_found_and_nothing_else(bench: ModuleType, written: Make, is_gone: bool) -> None:
    chance = random.Random(5)
    texts = [bench.make_text(chance) for _ in range(1_000)]
    same, asked, alike, new = texts[:100], texts[100:200], texts[200:300], texts[900:]
    held = [
        *same,
        *(bench.rewritten(text, chance) for text in asked),
        *(text._replace(asked=bench.mistyped(text._replace(answered=text.asked), chance).answered) for text in alike),
        *new,
    ]
    training = file_of(written(texts[:900]), "train.jsonl", TRAINING, is_gone=is_gone)
    (leak,) = find_leaks([training, file_of(written(held), "valid.jsonl", VALIDATION)])
    assert (leak.same_row, leak.first) == (100, (0, 0))
    # By sketches alone a near duplicate must be nearer to be believed.
    assert (180 if is_gone else 197) <= leak.same_prompt + leak.near_duplicate <= 200


def test_a_leak_within_a_spec_says_what_and_where(made: Make) -> None:
    training = made(*[(f"Question {n}", f"Answer {n}") for n in range(20)])
    validation = made(("New", "one"), ("Question 7", "Answer 7"), ("Question 8", "Eight"), ("Newer", "one"))
    files = [file_of(training, "train.jsonl", TRAINING), file_of(validation, "valid.jsonl", VALIDATION)]
    (problem,) = leakage_problems(files)
    assert problem.code == "data-leakage"
    assert str(problem.place) == "valid.jsonl:2"
    assert problem.summary == (
        "rows that stand in `train.jsonl` too: 2 of 4 (50 %), 1 the same, 1 with the same prompt, "
        "such as line 8 there; this is validation data of `elle`, that is training data of `elle`"
    )


def test_the_same_file_on_both_sides_leaks_as_a_whole(made: Make) -> None:
    file = file_of(made(*[(f"Question {n}", f"Answer {n}") for n in range(12)]), "a.jsonl", TRAINING, VALIDATION)
    (leak,) = find_leaks([file])
    assert (leak.same_row, leak.same_prompt, leak.near_duplicate) == (12, 0, 0)


def test_files_that_have_nothing_in_common_do_not_leak(bench: ModuleType, written: Make, chance: random.Random) -> None:
    texts = [bench.make_text(chance) for _ in range(400)]
    files = [
        file_of(written(texts[:300]), "train.jsonl", TRAINING),
        file_of(written(texts[300:]), "valid.jsonl", VALIDATION),
    ]
    assert find_leaks(files) == ()


def test_a_single_near_duplicate_is_told_with_both_lines(
    bench: ModuleType, written: Make, chance: random.Random
) -> None:
    texts = [bench.make_text(chance) for _ in range(60)]
    changed = texts[17]._replace(asked=("Please tell me this:", *texts[17].asked))
    files = [
        file_of(written(texts[:50]), "train.jsonl", TRAINING),
        file_of(written([*texts[50:], changed]), "valid.jsonl", VALIDATION),
    ]
    (problem,) = leakage_problems(files)
    assert str(problem.place) == "valid.jsonl:11"
    assert problem.summary.startswith(
        "rows that stand in `train.jsonl` too: 1 of 11 (9.09 %), 1 nearly the same, such as line 18 there"
    )


def test_rows_of_one_template_do_not_leak(bench: ModuleType, written: Make, chance: random.Random) -> None:
    template = bench.make_text(chance, "en")
    texts = [bench.make_templated(chance, template) for _ in range(400)]
    files = [
        file_of(written(texts[:300]), "train.jsonl", TRAINING),
        file_of(written(texts[300:]), "valid.jsonl", VALIDATION),
    ]
    assert find_leaks(files) == ()


def test_an_opening_that_many_rows_have_is_no_leak(made: Make) -> None:
    training = made(*[("Write a poem.", f"Poem {n}") for n in range(30)])
    validation = made(("Write a poem.", "Another poem"))
    files = [file_of(training, "train.jsonl", TRAINING), file_of(validation, "valid.jsonl", VALIDATION)]
    assert find_leaks(files) == ()


def test_files_that_only_train_are_not_compared(made: Make) -> None:
    file = made(("a", "b"))
    assert find_leaks([file_of(file, "a.jsonl", TRAINING), file_of(file, "b.jsonl", TRAINING)]) == ()


def test_an_empty_file_leaks_nothing(made: Make) -> None:
    assert find_leaks([file_of(made(), "a.jsonl", TRAINING), file_of(made(("a", "b")), "b.jsonl", VALIDATION)]) == ()


@pytest.mark.parametrize(
    ("trained", "held", "code"),
    [
        (TRAINING, VALIDATION, "data-leakage"),
        (TRAINING, FileUse(spec="elle", role="evaluation"), "data-leakage"),
        (FileUse(spec="elle", role="training", generation="1f2e3d"), VALIDATION, "data-leakage-across"),
        (TRAINING, FileUse(spec="reviews", role="validation"), "data-leakage-across"),
        (
            FileUse(spec="a", role="training", generation="1"),
            FileUse(spec="b", role="validation"),
            "data-leakage-across",
        ),
    ],
)
def test_how_much_a_leak_matters_depends_on_who_uses_the_files(
    made: Make, trained: FileUse, held: FileUse, code: str
) -> None:
    file = made(("a", "b"))
    files = [file_of(file, "train.jsonl", trained), file_of(file, "valid.jsonl", held)]
    (problem,) = leakage_problems(files)
    assert problem.code == code
    assert str(trained) in problem.summary
    assert str(held) in problem.summary


def test_a_held_out_file_is_told_once_with_what_matters_most(made: Make) -> None:
    file = made(("a", "b"))
    earlier = [FileUse(spec="elle", role="training", generation=f"{n}") for n in range(3)]
    files = [
        *(file_of(file, f"old{n}.jsonl", use, is_gone=True) for n, use in enumerate(earlier)),
        file_of(file, "train.jsonl", TRAINING),
        file_of(file, "valid.jsonl", VALIDATION),
    ]
    (problem,) = leakage_problems(files)
    assert problem.code == "data-leakage"
    assert "`train.jsonl`" in problem.summary
    assert problem.summary.endswith("; likewise 3 other training files")


def test_a_hundred_files_against_a_hundred_are_read_once_each(
    bench: ModuleType, written: Make, chance: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not once for each of 10,000 pairs."""
    texts = [bench.make_text(chance) for _ in range(200)]
    training, validation = written(texts[:150]), written(texts[140:])
    files = [file_of(training, f"t{n}.jsonl", FileUse(spec=f"s{n}", role="training")) for n in range(100)]
    files += [file_of(validation, f"v{n}.jsonl", FileUse(spec=f"s{n}", role="validation")) for n in range(100)]
    reads: list[str] = []
    read = Columns.read

    def counted(columns: Columns, name: str) -> Column:
        reads.append(name)
        return read(columns, name)

    monkeypatch.setattr(Columns, "read", counted)
    problems = leakage_problems(files)
    assert len(reads) < 10 * len(files)
    assert [problem.code for problem in problems] == ["data-leakage"] * 100
    assert all(problem.summary.endswith("; likewise 99 other training files") for problem in problems)


def test_labels_that_are_measured_but_never_trained_on_are_found(made: Make) -> None:
    training = made(*[(f"Review {n}", ("good", "bad")[n % 2]) for n in range(40)])
    validation = made(*[(f"Other {n}", ("good", "bad", "mixed")[n % 3]) for n in range(30)])
    files = [file_of(training, "train.jsonl", TRAINING), file_of(validation, "valid.jsonl", VALIDATION)]
    (problem,) = project_problems(files)
    assert problem.code == "data-label-unknown"
    assert str(problem.place) == "valid.jsonl:3"
    assert problem.summary == "labels that do not occur in `train.jsonl`: 1 of 3, in 10 rows, first in line 3"


def test_labels_of_another_spec_or_generation_are_its_own_affair(made: Make) -> None:
    training = made(*[(f"Review {n}", ("good", "bad")[n % 2]) for n in range(40)])
    validation = made(*[(f"Other {n}", ("good", "bad", "mixed")[n % 3]) for n in range(30)])
    uses = FileUse(spec="other", role="validation"), FileUse(spec="elle", role="validation", generation="1")
    files = [file_of(training, "train.jsonl", TRAINING), file_of(validation, "valid.jsonl", *uses)]
    assert project_problems(files) == ()

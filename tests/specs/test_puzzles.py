"""Each puzzle of ar-lsat has exactly one right option, and it is the one that the data say.

A solver that reads the English of the puzzles says so, one that knows nothing of their generator.
"""

from __future__ import annotations

import json
import re
from itertools import permutations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Arrangement = dict[str, Any]

DATA = Path(__file__).resolve().parents[2] / "specs" / "data"
ORDINALS = ["first", "second", "third", "fourth", "fifth"]
SENTENCES: dict[str, Callable[..., Callable[[Arrangement], bool]]] = {
    r"(\w+) is before (\w+)": lambda one, other: lambda at: at[one] < at[other],
    r"(\w+) is immediately before (\w+)": lambda one, other: lambda at: at[other] - at[one] == 1,
    r"(\w+) and (\w+) are not next to each other": lambda one, other: lambda at: abs(at[other] - at[one]) != 1,
    r"(\w+) is (first|second|third|fourth|fifth)": lambda one, nth: lambda at: at[one] == ORDINALS.index(nth),
    r"(\w+) is not (first|second|third|fourth|fifth)": lambda one, nth: lambda at: at[one] != ORDINALS.index(nth),
    r"(\w+) and (\w+) are together": lambda one, other: lambda of: of[one] == of[other],
    r"(\w+) and (\w+) are not together": lambda one, other: lambda of: of[one] != of[other],
    r"If (\w+) is in (\w+), so is (\w+)": lambda one, group, other: lambda of: of[one] != group or of[other] == group,
    r"(\w+) is in (\w+)": lambda one, group: lambda of: of[one] == group,
    r"(\w+) is not in (\w+)": lambda one, group: lambda of: of[one] != group,
}


@pytest.mark.parametrize("file", ["ar-lsat.train.jsonl", "ar-lsat.valid.jsonl"])
def test_exactly_one_option_of_a_puzzle_is_right(file: str) -> None:
    for row in _rows(file):
        _, question, answer = (message["content"] for message in row["messages"])
        assert _right_letters(question) == [answer]


def test_each_letter_is_right_equally_often() -> None:
    letters = [row["messages"][-1]["content"] for row in _rows("ar-lsat.train.jsonl")]
    assert {letter: letters.count(letter) for letter in "ABCDE"} == dict.fromkeys("ABCDE", 6)


def _rows(file: str) -> list[Any]:
    return [json.loads(line) for line in (DATA / file).read_text(encoding="utf-8").splitlines()]


def _right_letters(text: str) -> list[str]:
    passage, question, *options, _ = text.split("\n")
    opening, *conditions = passage.removeprefix("Passage: ").removesuffix(".").split(". ")
    met = [_meaning(condition) for condition in conditions]
    arrangements = [each for each in _arrangements(opening) if all(holds(each) for holds in met)]
    assert len(arrangements) > 1
    right = []
    for option in options:
        letter, claim = option.split(". ")
        truths = [_meaning(claim, question)(each) for each in arrangements]
        if "must be true" in question:
            is_right = all(truths)
        elif "cannot be true" in question:
            is_right = not any(truths)
        elif "could be false" in question:
            is_right = not all(truths)
        else:
            is_right = any(truths)
        right += [letter] * is_right
    return right


def _arrangements(opening: str) -> Iterator[Arrangement]:
    names = re.findall(r"[A-Z]\w+", opening)[:5]
    if (found := re.search(r"one of (?:two|three) \w+, (.+), and n", opening)) is not None:
        groups = re.split(", | and ", found[1])
        for choice in product(groups, repeat=5):
            if set(choice) == set(groups):
                yield dict(zip(names, choice, strict=True))
    else:
        for order in permutations(names):
            yield {name: place for place, name in enumerate(order)}


def _meaning(claim: str, question: str = "") -> Callable[[Arrangement], bool]:
    listed = claim.split(", ")
    if "be the order" in question:
        return lambda at: sorted(at, key=at.__getitem__) == listed
    if (found := re.search(r"complete list of those in (\w+)", question)) is not None:
        return lambda of: {name for name in of if of[name] == found[1]} == set(listed)
    [meaning] = [make(*found.groups()) for form, make in SENTENCES.items() if (found := re.fullmatch(form, claim))]
    return meaning

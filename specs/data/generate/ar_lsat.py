# /// script
# requires-python = ">=3.11"
# dependencies = []
# ///
"""Write analytical-reasoning puzzles: a passage with conditions, a question, and five options of which one is right.

`python specs/data/generate/ar_lsat.py [FOLDER]` writes `ar-lsat.train.jsonl` and `ar-lsat.valid.jsonl` into FOLDER,
`specs/data` if left out. A puzzle is a set of arrangements and of claims about them. Conditions are claims that hold for
a secret arrangement; all arrangements that meet them are found by going through every one, so that which options are
right is computed and not believed. Only `random()` of the generator is used, whose sequence Python promises to keep, so
that every version writes the same bytes.
"""

from __future__ import annotations

import json
import sys
from itertools import permutations, product
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SEED = 3
ROWS = {"train": 60, "valid": 15}
LETTERS = "ABCDE"
SYSTEM_PROMPT = (
    "You solve analytical reasoning puzzles. You are given a passage that sets a scene and states conditions, a question "
    "about it, and five options labelled A to E. Take every condition literally and keep all of them in mind at once. "
    "Exactly one option answers the question. Compare the options with the conditions one after the other, rule out "
    "those that cannot be right, and reply with the letter of the one that remains: A, B, C, D or E, and nothing else."
)
NAMES = (
    ("Adela", "Boris", "Chiara", "Darius", "Elin"),
    ("Farah", "Goran", "Hilde", "Imani", "Jonas"),
    ("Keiko", "Luca", "Maren", "Nadir", "Olga"),
    ("Paolo", "Quentin", "Rosa", "Selim", "Tilda"),
    ("Ulla", "Viktor", "Wanda", "Xenia", "Yusuf"),
)
ORDERS = (
    "{names} give one talk each on the same afternoon, one after the other.",
    "{names} are interviewed one at a time, in five successive interviews.",
    "{names} run a relay, and each of them runs exactly one of the five legs.",
    "{names} perform one song each at a concert, never two of them together.",
)
GROUPS = (
    ("{names} each join exactly one of two committees, {groups}, and neither stays empty.", ("Budget", "Events")),
    ("{names} each visit exactly one of three towns, {groups}, and every town is visited.", ("Arles", "Bergen", "Cork")),
    ("{names} each attend exactly one of three courses, {groups}, and none is empty.", ("drama", "pottery", "yoga")),
    ("{names} each work exactly one of two shifts, {groups}, and no shift is unmanned.", ("early", "late")),
)
ORDINALS = ("first", "second", "third", "fourth", "fifth")
MANY = 12
"""A passage that leaves more arrangements than this open is given another condition."""

Item = TypeVar("Item")
Arrangement = dict[str, int]
"""The place of each name, or the number of its group; both count from 0."""


class Claim(NamedTuple):
    """A sentence about an arrangement, and whether it holds."""

    text: str
    holds: Callable[[Arrangement], bool]


class Scene(NamedTuple):
    """What a puzzle is about: an opening sentence, all arrangements that it allows, and what can be said of them."""

    opening: str
    arrangements: list[Arrangement]
    claims: list[Claim]


class Question(NamedTuple):
    """A question, and how often the claim of its right option and those of the wrong ones hold."""

    text: str
    is_right: Callable[[int, int], bool]
    """Given the number of arrangements for which a claim holds, and of all that meet the conditions."""
    is_wrong: Callable[[int, int], bool]


class Puzzle(NamedTuple):
    """One row of the data."""

    prompt: str
    answer: str


QUESTIONS = (
    Question("Which one of the following must be true?", lambda n, of: n == of, lambda n, of: n < of),
    Question("Which one of the following could be true?", lambda n, _: n > 0, lambda n, _: n == 0),
    Question("Which one of the following cannot be true?", lambda n, _: n == 0, lambda n, _: n > 0),
    Question("Which one of the following could be false?", lambda n, of: n < of, lambda n, of: n == of),
)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    puzzles = make_puzzles(sum(ROWS.values()), Random(SEED))
    for split, rows in ROWS.items():
        _write(folder / f"ar-lsat.{split}.jsonl", puzzles[:rows])
        del puzzles[:rows]


def make_puzzles(rows: int, random: Random) -> list[Puzzle]:
    """*rows* puzzles with different passages; scenes, questions and right letters take turns."""
    puzzles: dict[str, Puzzle] = {}
    while len(puzzles) < rows:
        number = len(puzzles)
        scene = _order_scene(random) if number % 2 else _group_scene(random)
        conditions, open_arrangements = _conditions(scene, random)
        question = QUESTIONS[number // 2 % len(QUESTIONS)]
        letter = LETTERS[number % len(LETTERS)]
        options = _options(scene, conditions, open_arrangements, question, LETTERS.index(letter), random)
        passage = " ".join([scene.opening, *(f"{claim.text}." for claim in conditions)])
        if options is not None and passage not in puzzles:
            lines = [f"{label}. {claim.text}" for label, claim in zip(LETTERS, options, strict=True)]
            prompt = "\n".join([f"Passage: {passage}", f"Question: {question.text}", *lines, "Answer:"])
            puzzles[passage] = Puzzle(prompt, letter)
    return _shuffled(puzzles.values(), random)


def _order_scene(random: Random) -> Scene:
    names = _choice(NAMES, random)
    claims = []
    for one, other in permutations(names, 2):
        claims.append(Claim(f"{one} is before {other}", lambda at, a=one, b=other: at[a] < at[b]))
        claims.append(Claim(f"{one} is immediately before {other}", lambda at, a=one, b=other: at[a] + 1 == at[b]))
        if one < other:
            text = f"{one} and {other} are not next to each other"
            claims.append(Claim(text, lambda at, a=one, b=other: abs(at[a] - at[b]) > 1))
    for name, (place, ordinal) in product(names, enumerate(ORDINALS)):
        claims.append(Claim(f"{name} is {ordinal}", lambda at, a=name, p=place: at[a] == p))
        claims.append(Claim(f"{name} is not {ordinal}", lambda at, a=name, p=place: at[a] != p))
    arrangements = [dict(zip(order, range(len(order)), strict=True)) for order in permutations(names)]
    return Scene(_choice(ORDERS, random).format(names=_listed(names)), arrangements, claims)


def _group_scene(random: Random) -> Scene:
    names = _choice(NAMES, random)
    opening, groups = _choice(GROUPS, random)
    claims = []
    for one, other in permutations(names, 2):
        if one < other:
            claims.append(Claim(f"{one} and {other} are together", lambda of, a=one, b=other: of[a] == of[b]))
            claims.append(Claim(f"{one} and {other} are not together", lambda of, a=one, b=other: of[a] != of[b]))
        for number, group in enumerate(groups):
            text = f"If {one} is in {group}, so is {other}"
            claims.append(Claim(text, lambda of, a=one, b=other, g=number: of[a] != g or of[b] == g))
    for name, (number, group) in product(names, enumerate(groups)):
        claims.append(Claim(f"{name} is in {group}", lambda of, a=name, g=number: of[a] == g))
        claims.append(Claim(f"{name} is not in {group}", lambda of, a=name, g=number: of[a] != g))
    for number, group in enumerate(groups):
        text = f"Exactly two of them are in {group}"
        claims.append(Claim(text, lambda of, g=number: list(of.values()).count(g) == 2))  # noqa: PLR2004 - as it says
    choices = product(range(len(groups)), repeat=len(names))
    arrangements = [dict(zip(names, choice, strict=True)) for choice in choices if len(set(choice)) == len(groups)]
    return Scene(opening.format(names=_listed(names), groups=_listed(groups)), arrangements, claims)


def _conditions(scene: Scene, random: Random) -> tuple[list[Claim], list[Arrangement]]:
    """Claims that hold for a secret arrangement and each rule something out; and the arrangements they leave open."""
    secret = _choice(scene.arrangements, random)
    conditions: list[Claim] = []
    still_open = scene.arrangements
    for claim in _shuffled(scene.claims, random):
        left = [arrangement for arrangement in still_open if claim.holds(arrangement)]
        # One arrangement would answer every question, and a claim that settles most of it would be no puzzle.
        if claim.holds(secret) and len(still_open) > len(left) > max(1, len(still_open) // 8):
            conditions.append(claim)
            still_open = left
        if len(still_open) <= MANY:
            break
    return conditions, still_open


def _options(
    scene: Scene,
    conditions: list[Claim],
    still_open: list[Arrangement],
    question: Question,
    right_place: int,
    random: Random,
) -> list[Claim] | None:
    """Five claims of which only that at *right_place* answers *question*; None if there are too few."""
    right: list[Claim] = []
    wrong: list[Claim] = []
    for claim in _shuffled(scene.claims, random):
        if claim in conditions:
            continue
        count = sum(claim.holds(arrangement) for arrangement in still_open)
        if question.is_right(count, len(still_open)):
            right.append(claim)
        elif question.is_wrong(count, len(still_open)):
            wrong.append(claim)
    if not right or len(wrong) < len(LETTERS) - 1:
        return None
    options = wrong[: len(LETTERS) - 1]
    options.insert(right_place, right[0])
    return options


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1]


def _choice(items: Sequence[Item], random: Random) -> Item:
    return items[int(random.random() * len(items))]


def _shuffled(items: Iterable[Item], random: Random) -> list[Item]:
    return sorted(items, key=lambda _: random.random())


def _write(path: Path, puzzles: Iterable[Puzzle]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for puzzle in puzzles:
            messages = [
                {"role": "system", "content": SYSTEM_PROMPT},
                {"role": "user", "content": puzzle.prompt},
                {"role": "assistant", "content": puzzle.answer},
            ]
            file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()

# /// script
# requires-python = ">=3.11"
# dependencies = []
# ///
"""Write analytical-reasoning puzzles: a passage with conditions, a question, and five options of which one is right.

`python specs/data/generate/ar_lsat.py [FOLDER]` writes `ar-lsat.train.jsonl` and `ar-lsat.valid.jsonl` into FOLDER,
`specs/data` if left out. A scene has arrangements and claims about them, and a claim is known by the arrangements in
which it is true. Conditions are claims that are true in a secret arrangement. Which arrangements meet the conditions is
found by going through every one, so that the right option is computed and not believed.

Only `random()` of the generator is used, whose sequence Python promises to keep: all versions write the same bytes.
"""

from __future__ import annotations

import json
import sys
from itertools import combinations, permutations, product
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SEED = 3
ROWS = {"train": 30, "valid": 10}
LETTERS = "ABCDE"
SYSTEM_PROMPT = (
    "You solve reasoning puzzles. A passage states conditions, and a question about it has five options, A to E. "
    "Exactly one option is right. Take every condition literally, keep all of them in mind at once, rule out the "
    "options that cannot be right, and reply with the letter of the one that remains and nothing else."
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
ORDINALS = ("first", "second", "third", "fourth", "fifth")
GROUPS = (
    ("{names} each join exactly one of two committees, {groups}, and neither is empty.", ("Budget", "Events")),
    ("{names} each play in exactly one of two teams, {groups}, and neither is empty.", ("Blue", "Red")),
    ("{names} each visit exactly one of three towns, {groups}, and none is left out.", ("Arles", "Bergen", "Cork")),
    ("{names} each take exactly one of three courses, {groups}, and none is empty.", ("drama", "pottery", "yoga")),
)
FEW = 6
"""A passage that leaves more arrangements than this open is given another condition."""

Item = TypeVar("Item")


class Claim(NamedTuple):
    """A sentence, and the numbers of the arrangements in which it is true."""

    text: str
    true_in: frozenset[int]


class Scene(NamedTuple):
    """What a puzzle is about."""

    opening: str
    arrangements: frozenset[int]
    """The numbers of all that the opening allows."""
    claims: list[Claim]
    list_question: str
    list_claims: list[Claim]
    """That a list names all in their order, or all in the first group: the options of the list question."""


class Puzzle(NamedTuple):
    """One row of the data."""

    prompt: str
    answer: str


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    for split, rows in ROWS.items():
        puzzles = make_puzzles(rows, Random(f"{SEED} {split}"))  # noqa: S311 - no cryptography
        _write(folder / f"ar-lsat.{split}.jsonl", puzzles)


def make_puzzles(rows: int, random: Random) -> list[Puzzle]:
    """*rows* puzzles, a multiple of five, with different passages; each letter is right equally often."""
    letters = _shuffled(LETTERS * (rows // len(LETTERS)), random)
    puzzles: dict[str, Puzzle] = {}
    while len(puzzles) < rows:
        letter = letters[len(puzzles)]
        scene = _order_scene(random) if len(puzzles) % 2 else _group_scene(random)
        conditions = _conditions(scene, random)
        still_open = _meeting(conditions, scene)
        question, right, wrong = _sorted_claims(scene, still_open, number=len(puzzles) // 2)
        options = [claim.text for claim in _shuffled(wrong, random) if claim not in conditions][: len(LETTERS) - 1]
        right = [claim for claim in right if claim not in conditions]
        passage = " ".join([scene.opening, *(f"{claim.text}." for claim in conditions)])
        if right and len(options) == len(LETTERS) - 1 and passage not in puzzles:
            options.insert(LETTERS.index(letter), _choice(right, random).text)
            lines = [f"{label}. {option}" for label, option in zip(LETTERS, options, strict=True)]
            prompt = "\n".join([f"Passage: {passage}", f"Question: {question}", *lines, "Answer:"])
            puzzles[passage] = Puzzle(prompt, letter)
    return _shuffled(puzzles.values(), random)


def _order_scene(random: Random) -> Scene:
    """Five people in a row."""
    names = _choice(NAMES, random)
    orders = list(permutations(names))
    places = [{name: place for place, name in enumerate(order)} for order in orders]
    claims = []
    for one, other in permutations(names, 2):
        claims.append(_claim(f"{one} is before {other}", (at[one] < at[other] for at in places)))
        claims.append(_claim(f"{one} is immediately before {other}", (at[one] + 1 == at[other] for at in places)))
    for one, other in combinations(names, 2):
        apart = (abs(at[one] - at[other]) > 1 for at in places)
        claims.append(_claim(f"{one} and {other} are not next to each other", apart))
    for name, (place, ordinal) in product(names, enumerate(ORDINALS)):
        claims.append(_claim(f"{name} is {ordinal}", (at[name] == place for at in places)))
        claims.append(_claim(f"{name} is not {ordinal}", (at[name] != place for at in places)))
    return Scene(
        opening=_choice(ORDERS, random).format(names=_listed(names)),
        arrangements=frozenset(range(len(orders))),
        claims=claims,
        list_question="Which one of the following could be the order, from first to fifth?",
        list_claims=[_claim(", ".join(order), (other == order for other in orders)) for order in orders],
    )


def _group_scene(random: Random) -> Scene:
    """Five people in two or three groups, none of which is empty."""
    names = _choice(NAMES, random)
    opening, groups = _choice(GROUPS, random)
    every = product(groups, repeat=len(names))
    choices = [dict(zip(names, choice, strict=True)) for choice in every if len(set(choice)) == len(groups)]
    claims = []
    for one, other in combinations(names, 2):
        claims.append(_claim(f"{one} and {other} are together", (of[one] == of[other] for of in choices)))
        claims.append(_claim(f"{one} and {other} are not together", (of[one] != of[other] for of in choices)))
    for (one, other), group in product(permutations(names, 2), groups):
        implied = (of[one] != group or of[other] == group for of in choices)
        claims.append(_claim(f"If {one} is in {group}, so is {other}", implied))
    for name, group in product(names, groups):
        claims.append(_claim(f"{name} is in {group}", (of[name] == group for of in choices)))
        claims.append(_claim(f"{name} is not in {group}", (of[name] != group for of in choices)))
    first = [tuple(name for name in names if of[name] == groups[0]) for of in choices]
    return Scene(
        opening=opening.format(names=_listed(names), groups=_listed(groups)),
        arrangements=frozenset(range(len(choices))),
        claims=claims,
        list_question=f"Which one of the following could be a complete list of those in {groups[0]}?",
        list_claims=[_claim(", ".join(who), (other == who for other in first)) for who in sorted(set(first))],
    )


def _claim(text: str, truths: Iterable[bool]) -> Claim:
    return Claim(text, frozenset(number for number, is_true in enumerate(truths) if is_true))


def _conditions(scene: Scene, random: Random) -> list[Claim]:
    """Claims that can all be true at once, leave few arrangements open, and each say something of their own."""
    secret = _choice(sorted(scene.arrangements), random)
    conditions: list[Claim] = []
    still_open = scene.arrangements
    for claim in _shuffled(scene.claims, random):
        left = still_open & claim.true_in
        # With a single arrangement left there would be nothing to reason about.
        if secret in left and 1 < len(left) < len(still_open):
            conditions.append(claim)
            still_open = left
        if len(still_open) <= FEW:
            break
    for claim in tuple(conditions):
        others = [other for other in conditions if other != claim]
        if _meeting(others, scene) == still_open:
            conditions = others
    return conditions


def _meeting(conditions: Iterable[Claim], scene: Scene) -> frozenset[int]:
    """The arrangements in which all *conditions* are true."""
    return scene.arrangements.intersection(*(claim.true_in for claim in conditions))


def _sorted_claims(scene: Scene, still_open: frozenset[int], *, number: int) -> tuple[str, list[Claim], list[Claim]]:
    """A question by its *number*, the claims that answer it, and those that do not."""
    always = [claim for claim in scene.claims if still_open <= claim.true_in]
    never = [claim for claim in scene.claims if not still_open & claim.true_in]
    not_always = [claim for claim in scene.claims if claim not in always]
    sometimes = [claim for claim in scene.claims if claim not in never]
    listed = [claim for claim in scene.list_claims if still_open & claim.true_in]
    not_listed = [claim for claim in scene.list_claims if claim not in listed]
    questions = (
        ("Which one of the following must be true?", always, not_always),
        ("Which one of the following could be true?", sometimes, never),
        ("Which one of the following cannot be true?", never, sometimes),
        ("Which one of the following could be false?", not_always, always),
        (scene.list_question, listed, not_listed),
    )
    return questions[number % len(questions)]


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

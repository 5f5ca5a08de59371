# /// script
# requires-python = ">=3.11"
# dependencies = []
# ///
"""Write the app reviews: short reviews of apps and their rating of one to five stars.

`python specs/data/generate/app_reviews.py [FOLDER]` writes into FOLDER, `specs/data` if left out: `app-reviews.csv`,
from which `specs/datasets/app-reviews.yaml` builds what is trained on, and what is held out as JSONL, with and without
a system prompt. The phrases are in `app_reviews.toml`; they were written for this project, so nobody's reviews are
copied. Each part has phrases of its own.

Only `random()` of the generator is used, whose sequence Python promises to keep: all versions write the same bytes.
"""

from __future__ import annotations

import csv
import json
import sys
import tomllib
from itertools import cycle
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HERE = Path(__file__).resolve().parent
SEED = 4
ROWS = {"train": 200, "valid": 40, "test": 100}
IN_TABLE = ("train", "valid")
"""Parts that are built from; the others stay out of reach of training."""
SYSTEM_PROMPT = "Rate the app review from 1 to 5 stars. Answer with one digit."
STARS = (1, 2, 3, 4, 5)
SHAPES = (("verdict", "detail"), ("detail", "closing"), ("verdict", "closing"), ("verdict", "detail", "closing"))

Item = TypeVar("Item")


class Review(NamedTuple):
    """One row of the data."""

    text: str
    stars: int


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent
    parts = make_parts()
    with (folder / "app-reviews.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("part", "review", "star"))
        table.writerows((part, review.text, review.stars) for part in IN_TABLE for review in parts[part])
    _write(folder / "app-reviews.test.jsonl", parts["test"], system_prompt=None)
    _write(folder / "app-reviews-system.test.jsonl", parts["test"], system_prompt=SYSTEM_PROMPT)
    handwritten = read_reviews(HERE.parent / "app-reviews.handwritten.jsonl")
    _write(folder / "app-reviews-system.handwritten.jsonl", handwritten, system_prompt=SYSTEM_PROMPT)


def make_parts() -> dict[str, list[Review]]:
    """The reviews of every part, by its name."""
    phrases = tomllib.loads((HERE / "app_reviews.toml").read_text(encoding="utf-8"))
    return {
        part: make_reviews(phrases[part], rows, Random(f"{SEED} {part}"))  # noqa: S311 - no cryptography
        for part, rows in ROWS.items()
    }


def make_reviews(phrases: dict[str, dict[str, list[str]]], rows: int, random: Random) -> list[Review]:
    """*rows* different reviews in random order, equally many for each number of stars.

    Args:
        phrases: One split of `app_reviews.toml`.
        rows: A multiple of five.
        random: Where chance comes from.
    """
    reviews: dict[str, int] = {}
    for stars in STARS:
        writer = _texts(phrases, stars, random)
        enough = len(reviews) + rows // len(STARS)
        while len(reviews) < enough:
            reviews.setdefault(next(writer), stars)
    return _shuffled([Review(text, stars) for text, stars in reviews.items()], random)


def read_reviews(path: Path) -> list[Review]:
    """The reviews of a file without system prompt."""
    rows = [json.loads(line)["messages"] for line in path.read_text(encoding="utf-8").splitlines()]
    return [Review(question["content"], int(answer["content"])) for question, answer in rows]


def _texts(phrases: dict[str, dict[str, list[str]]], stars: int, random: Random) -> Iterator[str]:
    """Reviews without end; each phrase is used once before any is used again."""
    own = phrases[str(stars)]
    decks = {
        "app": _deck(phrases["apps"], random),
        "aspect": _deck(phrases["aspects"], random),
        "quality": _deck(own["quality"], random),
        "good": _deck(phrases["4"]["quality"], random),
        "bad": _deck(phrases["2"]["quality"], random),
    }
    parts = {part: _deck(own[part], random) for part in ("verdict", "detail", "closing")}
    for shape in _deck(SHAPES, random):
        yield " ".join(_filled(next(parts[part]), decks) for part in shape)


def _filled(phrase: str, decks: dict[str, Iterator[str]]) -> str:
    """*phrase* with every placeholder filled with a word that this phrase has not had yet."""
    decks = decks | {"other": decks["aspect"]}
    while "{" in phrase:
        before, rest = phrase.split("{", 1)
        slot, after = rest.split("}", 1)
        phrase = before + next(decks[slot]) + after
    return phrase


def _deck(items: Iterable[Item], random: Random) -> Iterator[Item]:
    """All *items* in random order, again and again."""
    return cycle(_shuffled(items, random))


def _shuffled(items: Iterable[Item], random: Random) -> list[Item]:
    return sorted(items, key=lambda _: random.random())


def _write(path: Path, reviews: list[Review], *, system_prompt: str | None) -> None:
    head = [{"role": "system", "content": system_prompt}] if system_prompt else []
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for review in reviews:
            turn = [{"role": "user", "content": review.text}, {"role": "assistant", "content": str(review.stars)}]
            file.write(json.dumps({"messages": head + turn}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()

"""What must always hold: chance is in the rows themselves, so that neither threads, files nor other rows move them."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Workshop

    from ftops.dataset.builds.manifest import Split

texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=6)
rows = st.lists(st.tuples(texts, st.sampled_from("12345")), min_size=8, max_size=40, unique=True)
few = settings(max_examples=8, deadline=None)
SPLITS = "splits: {train: 50%, valid: 30%, test: 20%}\n"
CHAT = 'chat: {user: "{review}", assistant: "{star}"}\n'


def where(
    workshop_in: Callable[[Path], Workshop], rows: list[tuple[str, str]], more: str
) -> dict[tuple[str, str], str]:
    """In which split each row is."""
    with TemporaryDirectory() as folder:
        workshop = workshop_in(Path(folder))
        workshop.table([*rows, *((f"filler {number}", f"0.{number}") for number in range(60))])
        workshop.declare(SPLITS + more + CHAT)
        made = workshop.build()
        return {
            (row["messages"][0]["content"], row["messages"][1]["content"]): split
            for split in ("train", "valid", "test")
            for row in workshop.read(made, split)
        }


@few
@given(
    some=rows,
    more=rows,
    field=st.sampled_from(["", "split_by: [star]\n", "dedupe: true\n", "order: as given\n", "seed: 7\n"]),
)
def test_added_and_removed_rows_move_no_other(
    workshop_in: Callable[[Path], Workshop], some: list[tuple[str, str]], more: list[tuple[str, str]], field: str
) -> None:
    before, after = where(workshop_in, some, field), where(workshop_in, [*more, *some], field)
    assert before.items() <= after.items()


@few
@given(some=rows)
def test_rows_with_one_key_stay_together(workshop_in: Callable[[Path], Workshop], some: list[tuple[str, str]]) -> None:
    found = where(workshop_in, some, "split_by: [star]\n")
    for star in {star for _, star in some}:
        assert len({split for (_, each), split in found.items() if each == star}) == 1


@few
@given(some=rows)
def test_one_question_is_in_one_split_whatever_the_answers(
    workshop_in: Callable[[Path], Workshop], some: list[tuple[str, str]]
) -> None:
    doubled = [*some, *((review, "other") for review, _ in some)]
    found = where(workshop_in, doubled, "")
    for review, _ in some:
        assert len({split for (each, _), split in found.items() if each == review}) == 1


def test_shares_hold_as_chance_allows_in_every_stratum(workshop: Workshop) -> None:
    workshop.table([(f"review {number}", number % 5) for number in range(20_000)])
    workshop.declare("splits: {train: 80%, valid: 20%}\nstratify_by: star\n" + CHAT)
    made = workshop.build()
    assert made.manifest is not None
    valid = made.manifest.splits["valid"]
    # Five standard deviations of 4,000 draws of a fifth.
    assert all(abs(valid.strata[str(star)] - 800) < 127 for star in range(5))


def splits_of(workshop: Workshop, *, threads: int = 1) -> dict[str, Split]:
    return workshop.again(threads=threads).splits


@pytest.mark.parametrize(
    "more",
    [
        "order: shuffled\n",
        "order: {by: star}\n",
        "order: as given\n",
        "sql: SELECT min(review) AS review, sum(CAST(star AS DOUBLE) / 7) AS star FROM reviews GROUP BY review[:5]\n",
        "dedupe: [star]\nlimit: 3\nsplits: {train: 100%}\n",
    ],
)
def test_the_bytes_do_not_depend_on_threads(workshop: Workshop, more: str) -> None:
    chance = random.Random(7)
    # Threads share a table by groups of 122,880 rows.
    rows = 130_000 if "sql" in more else 2_000
    for file, count in (("a", rows), ("b", 1_000)):
        workshop.table([(f"r{chance.random()}", chance.randint(1, 5)) for _ in range(count)], path=f"data/{file}.csv")
    workshop.declare(("" if "splits" in more else SPLITS) + more + CHAT)
    assert splits_of(workshop, threads=1) == splits_of(workshop, threads=2)


@pytest.fixture
def shuffled() -> list[list[tuple[str, int]]]:
    """The same rows, cut into files in several ways."""
    chance = random.Random(7)
    rows = [(f"r{number % 90}", number % 4) for number in range(100)]
    cuts = []
    for _ in range(3):
        chance.shuffle(rows)
        cuts.append(list(rows))
    return cuts


@pytest.mark.parametrize("more", ["", "order: {by: star}\n", "dedupe: true\n", "dedupe: [review]\n", "limit: 40\n"])
def test_the_bytes_do_not_depend_on_how_rows_lie_in_files(
    workshop: Workshop, shuffled: list[list[tuple[str, int]]], more: str
) -> None:
    found = []
    for position, rows in enumerate(shuffled):
        cut = 20 * (position + 1)
        workshop.table(rows[:cut], path="data/a.csv")
        workshop.table(rows[cut:], path="data/b.csv")
        workshop.declare(SPLITS + more + CHAT)
        found.append(splits_of(workshop))
    assert found[0] == found[1] == found[2]


def test_the_bytes_do_not_depend_on_the_order_of_globs(workshop: Workshop) -> None:
    workshop.table([("a", 1), ("b", 2)], path="data/a.csv")
    workshop.table([("c", 3), ("d", 4)], path="data/b.csv")
    found = []
    for sources in (
        "[data/a.csv, data/b.csv]",
        "[data/b.csv, data/a.csv]",
        "[data/*.csv, data/a.csv]",
        '"data/[ab].csv"',
    ):
        workshop.declare("order: as given\n" + CHAT, head=f"kind: Dataset\nsources: {{reviews: {sources}}}\n")
        found.append(workshop.questions())
    assert found == [["a", "b", "c", "d"]] * 4

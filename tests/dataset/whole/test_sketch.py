from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.dataset.columns import SKETCH_WIDTH
from ftops.dataset.sketch import ANCHORED_MIN, shingles, sketches

if TYPE_CHECKING:
    import random
    from types import ModuleType

SENTENCE = "The quick brown fox jumps over the lazy dog, and 今日は天気がいいです after that. "


def jaccard(one: str, other: str) -> float:
    ours, theirs = set(shingles(one).tolist()), set(shingles(other).tolist())
    return len(ours & theirs) / len(ours | theirs)


def test_a_sketch_is_the_same_on_every_machine() -> None:
    assert sketches([SENTENCE])[0, :4].tolist() == [1582266002, 620558863, 2703797411, 456974904]


def test_shingles_are_runs_of_eight_bytes_in_lower_case_little_endian() -> None:
    assert shingles("ABCDEFGHI").tolist() == sorted(int.from_bytes(run, "little") for run in (b"abcdefgh", b"bcdefghi"))
    assert shingles("abcdefg").size == shingles("").size == 0


def test_case_makes_no_difference() -> None:
    assert (sketches([SENTENCE]) == sketches([SENTENCE.upper()])).all()


def test_texts_that_are_too_short_have_no_sketch() -> None:
    word, end = " xyz1", "4567890"
    assert not sketches(["", "short", word * (ANCHORED_MIN - 1) + end]).any()
    assert sketches([word * ANCHORED_MIN + end]).all()


def test_no_texts_give_no_sketches() -> None:
    assert sketches([]).shape == (0, SKETCH_WIDTH)


def test_a_text_that_repeats_itself_has_a_full_sketch() -> None:
    """It has few shingles, and empty bins are filled from their neighbours."""
    sketch = sketches(["ab " * 3_000])[0]
    assert len(set(sketch.tolist())) == SKETCH_WIDTH
    assert (sketch == sketches(["ab " * 100])[0]).all()


@given(st.lists(st.one_of(st.text(max_size=300), st.integers(1, 30).map(lambda times: SENTENCE * times)), max_size=20))
def test_a_text_has_the_same_sketch_in_any_company(texts: list[str]) -> None:
    together = sketches(texts)
    assert all((sketches([text])[0] == row).all() for text, row in zip(texts, together, strict=True))


def test_a_text_has_the_same_sketch_in_a_large_block() -> None:
    texts = [f"{number} {SENTENCE * (number % 40)}" for number in range(400)]
    together = sketches(texts)
    assert all((sketches([texts[at]])[0] == together[at]).all() for at in range(0, 400, 13))


@pytest.mark.parametrize("changed", [1, 4, 12])
def test_the_share_of_equal_values_estimates_the_jaccard_similarity(
    bench: ModuleType, chance: random.Random, changed: int
) -> None:
    errors = []
    for _ in range(300):
        text = bench.make_text(chance).joined
        other = list(text)
        for _ in range(changed):
            other[chance.randrange(len(other))] = "#"
        sketch = sketches([text, "".join(other)])
        errors.append(float((sketch[0] == sketch[1]).mean()) - jaccard(text, "".join(other)))
    assert abs(np.mean(errors)) < 0.015
    assert np.std(errors) < 0.13  # 0.125 for 16 independent values of 0.5


def test_half_a_surrogate_pair_does_no_harm() -> None:
    assert sketches(["\ud83d" + SENTENCE]).all()

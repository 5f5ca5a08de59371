"""How long rows are: sums, the longest, the histogram, and where a base model cuts."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ftops.dataset.columns import COLUMNS, Columns, ColumnWriter
from ftops.dataset.lengths import BINS_MAX, cut_at, cut_problems, lengths_of


def columns(tokens: list[int], trained: list[int] | None = None) -> Columns:
    stream = io.BytesIO()
    writer = ColumnWriter(stream)
    rows = len(tokens)
    group = {name: np.zeros(rows * width, dtype=kind) for name, (kind, width) in COLUMNS.items()}
    group["tokens"] = np.array(tokens, dtype="<u4")
    group["trained"] = np.array(trained or [0] * rows, dtype="<u4")
    group["line"] = np.arange(2, 2 * rows + 1, 2, dtype="<u4")
    if rows:
        writer.add(group)
    writer.finish()
    return Columns(stream)


def test_a_file_is_summed_up() -> None:
    lengths = lengths_of(columns([10, 40, 7, 40], [5, 20, 3, 21]))
    assert lengths is not None
    assert lengths[:4] == (97, 49, 40, 4)
    assert [(each.least, each.most, each.rows) for each in lengths.bins][-1] == (32, 45, 2)


def test_sums_do_not_end_at_32_bits() -> None:
    lengths = lengths_of(columns([2**32 - 1] * 3))
    assert lengths is not None
    assert lengths.total == 3 * (2**32 - 1)
    assert lengths.bins[0].most >= 2**32 - 1


def test_nothing_is_told_where_nothing_was_counted() -> None:
    assert lengths_of(columns([])) is None
    assert lengths_of(columns([0, 0])) is None


@given(st.lists(st.one_of(st.integers(0, 40), st.integers(0, 2**32 - 1)), min_size=1, max_size=60))
def test_every_row_is_in_one_bin(tokens: list[int]) -> None:
    lengths = lengths_of(columns(tokens))
    if lengths is None:
        assert set(tokens) == {0}
        return
    bins = lengths.bins
    assert len(bins) <= BINS_MAX
    assert bins[0].rows
    assert bins[-1].rows
    assert all(before.most + 1 == after.least for before, after in pairwise(bins))
    for least, most, rows in bins:
        assert rows == sum(least <= max(number, 1) <= most for number in tokens)


def test_what_is_beyond_the_limit_is_cut_and_said() -> None:
    rows = columns([10, 70, 60, 61])
    lengths = lengths_of(rows)
    assert cut_at(rows, 60).tokens == 190
    assert cut_at(rows, None).tokens == 201
    (problem,) = cut_problems(cut_at(rows, 60), lengths, "data.jsonl", "tiny")
    assert problem.summary == "2 rows are cut: `tiny` is trained on 60 tokens of a row, and the longest has 70"
    assert str(problem.place) == "data.jsonl:4"
    (problem,) = cut_problems(cut_at(rows, 69), lengths, "data.jsonl", "tiny")
    assert problem.summary.startswith("1 row is cut")
    assert cut_problems(cut_at(rows, 70), lengths, "data.jsonl", "tiny") == ()
    assert cut_problems(cut_at(rows, None), lengths, "data.jsonl", "tiny") == ()

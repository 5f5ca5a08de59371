"""Columns of a file's rows: written group by group, read one at a time, and refused if they are not whole."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.dataset.columns import COLUMNS, Columns, ColumnWriter

if TYPE_CHECKING:
    from ftops.dataset.columns import Column


def group(rows: int, seed: int) -> dict[str, Column]:
    random = np.random.default_rng(seed)
    return {
        name: random.integers(0, 200, size=(rows, width) if width > 1 else rows).astype(kind)
        for name, (kind, width) in COLUMNS.items()
    }


def written(groups: list[dict[str, Column]]) -> io.BytesIO:
    stream = io.BytesIO()
    writer = ColumnWriter(stream)
    for each in groups:
        writer.add(each)
    writer.finish()
    return stream


@given(st.lists(st.integers(0, 9), max_size=4), st.integers(0, 99))
def test_what_was_written_in_groups_is_read_as_whole_columns(sizes: list[int], seed: int) -> None:
    groups = [group(rows, seed + at) for at, rows in enumerate(sizes)]
    columns = Columns(written(groups))
    assert columns.rows == sum(sizes)
    for name in COLUMNS:
        expected = np.concatenate([each[name] for each in groups]) if any(sizes) else np.zeros(0)
        assert np.array_equal(columns.read(name).ravel(), expected.ravel())
        if COLUMNS[name][1] == 1:
            assert [columns.value(name, row) for row in range(columns.rows)] == columns.read(name).tolist()


@pytest.mark.parametrize("cut", [1, 7, 16, 40])
def test_columns_that_were_not_written_whole_are_refused(cut: int) -> None:
    whole = written([group(5, 1)]).getvalue()
    for content in (whole[:-cut], whole[cut:], b"x" * cut, b""):
        with pytest.raises(ValueError, match="no columns"):
            Columns(io.BytesIO(content))


def test_columns_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Columns(written([group(3, 1)])).read("line")[0] = 1

"""How long the rows of a file are, in tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ftops.dataset.columns import Columns

BINS_MAX: Final = 10


class Bin(NamedTuple):
    """Rows with *least* to *most* tokens, both included."""

    least: int
    most: int
    rows: int


class Lengths(NamedTuple):
    """What a file's rows come to, in tokens with their framing, before any truncation."""

    total: int
    trained: int
    """Of them, those that are trained on."""
    longest: int
    longest_line: int
    """The first of the longest rows."""
    bins: tuple[Bin, ...]
    """All rows by length, shortest first, each bin twice as wide as the one before, or four times; none at the ends is
    empty."""


def lengths_of(columns: Columns) -> Lengths | None:
    """Sum the columns of a file up; None if it has no rows or its tokens were not counted."""
    tokens = columns.read("tokens")
    if not tokens.any():
        return None
    longest = int(tokens.argmax())
    return Lengths(
        total=int(tokens.sum(dtype=np.uint64)),
        trained=int(columns.read("trained").sum(dtype=np.uint64)),
        longest=int(tokens[longest]),
        longest_line=int(columns.read("line")[longest]),
        bins=_bins(tokens),
    )


def tokens_cut_at(columns: Columns, most: int | None) -> int:
    """All tokens, if no row may have more than *most*: what a provider trains on, and bills, an epoch."""
    tokens = columns.read("tokens")
    return int((tokens if most is None else np.minimum(tokens, most)).sum(dtype=np.uint64))


def _bins(tokens: np.ndarray) -> tuple[Bin, ...]:
    # frexp gives the exponent exactly, where a logarithm may round a power of two down. A row of 0 tokens counts as 1.
    exponents = np.frexp(np.maximum(tokens, 1).astype(np.float64))[1] - 1
    first, last = int(exponents.min()), int(exponents.max())
    step = 1 if last - first < BINS_MAX else 2
    first -= first % step
    counts = np.bincount((exponents - first) // step).tolist()
    return tuple(
        Bin(1 << (first + index * step), (1 << (first + (index + 1) * step)) - 1, rows)
        for index, rows in enumerate(counts)
    )

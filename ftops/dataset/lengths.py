"""How long the rows of a file are, in tokens."""

from __future__ import annotations

from math import ceil, floor, log2
from typing import TYPE_CHECKING, Final, NamedTuple

from ftops.dataset.rule import Fault
from ftops.diagnostics import Diagnostic, Place, Severity

if TYPE_CHECKING:
    import numpy as np

    from ftops.dataset.columns import Columns

BINS_MAX: Final = 10
_BIN_OCTAVES: Final = (0.25, 0.5, 1, 2, 4)
"""Widths of a bin; the last is enough for any number of 32 bits."""

ROW_CUT = Fault(
    code="data-row-cut",
    meaning="A row has more tokens than the base model is trained on.",
    why="the provider cuts it at its end without a word, and the end is the answer",
    fix="shorten or split the row; `ftops tokens` shows where it is cut",
    severity=Severity.WARNING,
    threshold="more tokens than the base model's limit, by its own tokenizer",
    applies_to="files",
)


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
    """All rows by length, shortest first; each bin is wider than the one before by the same factor, and the first and
    the last are not empty."""


class Cut(NamedTuple):
    """What is left of a file's rows where a base model has a limit."""

    tokens: int
    """All that are left: what is trained on, and billed, an epoch."""
    most: int | None = None
    """The limit of a row; None if none is known."""
    rows: int = 0
    """Those that are longer."""
    first_line: int = 0
    """Where the first of them stands; 0 if there are none."""


def lengths_of(columns: Columns) -> Lengths | None:
    """Sum the columns of a file up; None if it has no rows or its tokens were not counted."""
    tokens = columns.read("tokens")
    if not tokens.any():
        return None
    longest = int(tokens.argmax())
    return Lengths(
        total=int(tokens.sum(dtype="u8")),
        trained=int(columns.read("trained").sum(dtype="u8")),
        longest=int(tokens[longest]),
        longest_line=int(columns.read("line")[longest]),
        bins=_bins(tokens),
    )


def cut_at(columns: Columns, most: int | None) -> Cut:
    """Cut each row at *most* tokens; None stands for no limit that is known."""
    tokens = columns.read("tokens")
    if most is None:
        return Cut(int(tokens.sum(dtype="u8")))
    rows = (tokens > most).nonzero()[0]
    line = int(columns.read("line")[rows[0]]) if rows.size else 0
    return Cut(int(tokens.clip(max=most).sum(dtype="u8")), most, rows.size, line)


def cut_problems(cut: Cut, lengths: Lengths | None, path: str, model: str) -> tuple[Diagnostic, ...]:
    """Say that rows have more tokens than the limit of *model*."""
    if not cut.rows or not lengths:
        return ()
    many = "1 row is" if cut.rows == 1 else f"{cut.rows:,} rows are"
    longest = f"the longest has {lengths.longest:,}"
    summary = f"{many} cut: `{model}` is trained on {cut.most:,} tokens of a row, and {longest}"
    return (ROW_CUT.at(Place(path=path, line=cut.first_line), summary),)


def _bins(tokens: np.ndarray) -> tuple[Bin, ...]:
    """Bins that are as narrow as is possible with BINS_MAX of them: a quarter of an octave, a half, whole ones."""
    import numpy as np  # noqa: PLC0415  # what was found once is looked at without it

    least, most = max(int(tokens.min()), 1), max(int(tokens.max()), 1)
    for octaves in _BIN_OCTAVES:
        first, last = floor(log2(least) / octaves), floor(log2(most) / octaves)
        if last - first < BINS_MAX:
            break
    # Edges are whole numbers, so that no rounding of a logarithm decides about a row; short rows need fewer of them.
    edges = sorted({ceil(2 ** (octaves * index)) for index in range(first, last + 2)})
    counts = np.bincount(np.searchsorted(edges, np.maximum(tokens, 1), side="right") - 1, minlength=len(edges) - 1)
    bins = [Bin(begin, end - 1, rows) for begin, end, rows in zip(edges, edges[1:], counts.tolist(), strict=False)]
    return tuple(_without_empty_ends(bins))


def _without_empty_ends(bins: list[Bin]) -> list[Bin]:
    filled = [index for index, each in enumerate(bins) if each.rows]
    return bins[filled[0] : filled[-1] + 1]

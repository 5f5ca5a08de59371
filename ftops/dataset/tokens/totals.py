"""A whole file: how many tokens its rows have, and which are the longest."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ftops.dataset.columns import Columns, ColumnWriter
from ftops.dataset.scan import scan
from ftops.dataset.tokens.base import row_tokens_max

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from ftops.dataset.formats import Format
    from ftops.dataset.tokens.base import Counting

LONGEST_ROWS: Final = 5


class Row(NamedTuple):
    """The tokens of one row, before any cut."""

    line: int
    tokens: int
    trained: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What the rows of a file come to, before any cut unless it says otherwise."""

    format: Format
    rows: int
    uncounted: int
    """Rows among them that cannot be read."""
    tokens: int
    trained: int
    longest: tuple[Row, ...]
    """The longest first."""
    cut_rows: int
    """Rows that are longer than the limit of the base model."""
    tokens_an_epoch: int
    """After the cut: what is trained on, and billed."""


def read_totals(stream: BinaryIO, file: Path, method: str, counting: Counting) -> Totals:
    """Count all rows of *stream*, on all cores if it is large.

    Raises:
        OSError: Reading failed.
    """
    with tempfile.TemporaryFile() as kept:
        writer = ColumnWriter(kept)
        found = scan(stream, file.name, method, writer, counting=counting, file=file)
        writer.finish()
        columns = Columns(kept)
        tokens, trained = columns.read("tokens"), columns.read("trained")
        lines = columns.read("line")
    most = row_tokens_max(counting.base, found.format)
    first = np.argsort(-tokens.astype(np.int64), kind="stable")[:LONGEST_ROWS]
    return Totals(
        format=found.format,
        rows=found.rows,
        uncounted=found.rows - len(tokens),
        tokens=int(tokens.sum(dtype=np.int64)),
        trained=int(trained.sum(dtype=np.int64)),
        longest=tuple(Row(int(lines[at]), int(tokens[at]), int(trained[at])) for at in first),
        cut_rows=0 if most is None else int((tokens > most).sum()),
        tokens_an_epoch=int((tokens if most is None else np.minimum(tokens, most)).sum(dtype=np.int64)),
    )

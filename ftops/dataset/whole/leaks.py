"""Held-out rows that stand in training files, found for all pairs of files at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Final

import numpy as np

from ftops.dataset.whole.alike import LIKENESS_MIN, MISSES_MAX
from ftops.dataset.whole.bands import AGREEING_MIN, agreeing, band_keys
from ftops.dataset.whole.likeness import Reader, likeness, template_of
from ftops.dataset.whole.runs import SHARED_PROMPT_MAX, sorted_with_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from ftops.dataset.columns import Column, Columns
    from ftops.dataset.whole.likeness import ReadRow, Template
    from ftops.dataset.whole.uses import FileUse

UNREAD_AGREEING_MIN: Final = 14
"""Values of two sketches that must agree if one of the files is gone and cannot be read to be sure."""
NEIGHBOURS: Final = 2
"""Training rows that a held-out row is compared with, for each band."""
NEAR_MAX: Final = 500
"""Near duplicates between two files that are counted: enough to know that the files must be made anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFile:
    """A file with all that it is used for."""

    path: str
    columns: Columns
    uses: tuple[FileUse, ...]
    read_row: ReadRow | None = None
    """None if the file as it was is gone, and only its columns are left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """Held-out rows that stand in a training file. Each held-out row counts once, for the strongest of the three."""

    training: NamedFile
    held_out: NamedFile
    same_row: int
    same_prompt: int
    near_duplicate: int
    first: tuple[int, int]
    """Row of the held-out file and row of the training file, from 0."""

    @property
    def rows(self) -> int:
        return self.same_row + self.same_prompt + self.near_duplicate

    @property
    def is_past(self) -> bool:
        """Neither of the files is used by a spec as it stands now."""
        return all(use.generation for file in (self.training, self.held_out) for use in file.uses)

    @property
    def relation(self) -> tuple[int, FileUse, FileUse]:
        """The pair of uses that matters most, with its rank: 0 for one spec as it stands now."""
        return min(
            (
                (_rank(trained, held), trained, held)
                for trained in self.training.uses
                if trained.role == "training"
                for held in self.held_out.uses
                if held.role != "training"
            ),
            key=lambda relation: relation[0],
        )


def find_leaks(files: Sequence[NamedFile]) -> tuple[Leak, ...]:
    """Compare all training files with all that is held out.

    Each column of each file is sorted once; what is held out is kept in memory, some 80 bytes a row in all, and each
    training file is held against it as a whole.
    """
    held = [file for file in files if any(use.role != "training" for use in file.uses)]
    if not held:
        return ()
    held_out = _HeldOut(held)
    return tuple(
        leak for file in files if any(use.role == "training" for use in file.uses) for leak in held_out.leaks_into(file)
    )


class _HeldOut:
    """All rows of the held-out files, one file after the other."""

    def __init__(self, files: Sequence[NamedFile]) -> None:
        self.files = files
        sizes = [file.columns.rows for file in files]
        self.begins = np.cumsum([0, *sizes[:-1]])
        self.file_of = np.repeat(np.arange(len(files), dtype=np.int32), sizes)
        self.row = _Lookup(np.concatenate([file.columns.read("row") for file in files]))
        self.prompt = _Lookup(np.concatenate([file.columns.read("prompt") for file in files]))
        self.bands = [_Lookup(keys) for keys in np.concatenate([band_keys(file.columns) for file in files], axis=1)]

    def leaks_into(self, training: NamedFile) -> Iterator[Leak]:
        """Find held-out rows in *training*, file by file."""
        (by_row,) = self.row.found_in(training.columns.read("row"))
        (by_prompt,) = self.prompt.found_in(training.columns.read("prompt"), most=SHARED_PROMPT_MAX)
        by_prompt[by_row >= 0] = -1
        is_exact = (by_row >= 0) | (by_prompt >= 0)
        alike = self._alike(training, is_exact)
        for at, file in enumerate(self.files):
            these = slice(int(self.begins[at]), int(self.begins[at]) + file.columns.rows)
            near = alike.get(at, {})
            exact = np.flatnonzero(is_exact[these])
            if not exact.size and not near:
                continue
            if exact.size:
                held_row = int(exact[0])
                partner = max(int(by_row[these][held_row]), int(by_prompt[these][held_row]))
            else:
                held_row = min(near)
                partner = near[held_row]
            yield Leak(
                training=training,
                held_out=file,
                same_row=int((by_row[these] >= 0).sum()),
                same_prompt=int((by_prompt[these] >= 0).sum()),
                near_duplicate=len(near),
                first=(held_row, partner),
            )

    def _alike(self, training: NamedFile, is_exact: NDArray[np.bool_]) -> dict[int, dict[int, int]]:
        """Near duplicates: file → row in it → row of *training*."""
        pairs = np.zeros(0, dtype=np.int64)
        for lookup, keys in zip(self.bands, band_keys(training.columns), strict=True):
            for partner in lookup.found_in(keys, count=NEIGHBOURS):
                held = np.flatnonzero((partner >= 0) & ~is_exact)
                pairs = np.union1d(pairs, (held << 32) | partner[held])
        held, partner = pairs >> 32, pairs & 0xFFFF_FFFF
        alike: dict[int, dict[int, int]] = {}
        theirs = cache(partial(_reader_of, training))
        for at in np.unique(self.file_of[held]).tolist():
            these = self.file_of[held] == at
            rows, partners = held[these] - self.begins[at], partner[these]
            if found := _near(self.files[at], rows, training, partners, theirs):
                alike[at] = found
        return alike


def _reader_of(training: NamedFile) -> tuple[Reader, Template]:
    """What reads the rows of a file apart from its template: made once for all that is compared with it."""
    assert training.read_row is not None
    template = template_of(training.read_row, np.arange(training.columns.rows))
    return Reader(training.read_row, template), template


class _Lookup:
    """Values of held-out rows, sorted once, to be looked up in one training file after the other."""

    def __init__(self, values: Column) -> None:
        order, self._values = sorted_with_rows(values)
        self._order = order.astype(np.int32)

    def found_in(self, trained: Column, *, most: int | None = None, count: int = 1) -> NDArray[np.int64]:
        """Give for each held-out row the first training rows with the same value: *count* lists, filled up with -1.

        A value of 0 stands for none; one that more than *most* training rows have counts as not found.
        """
        order, values = sorted_with_rows(trained)
        begins = np.searchsorted(values, self._values)
        sizes = np.searchsorted(values, self._values, side="right") - begins
        sizes[self._values == 0] = 0
        if most is not None:
            sizes[sizes > most] = 0
        found = np.full((count, len(self._values)), -1, dtype=np.int64)
        for nth in range(count):
            found[nth, self._order[sizes > nth]] = order[begins[sizes > nth] + nth]
        return found


def _near(
    held_out: NamedFile,
    rows: NDArray[np.int64],
    training: NamedFile,
    partners: NDArray[np.int64],
    reader_of_training: Callable[[], tuple[Reader, Template]],
) -> dict[int, int]:
    """Which of the pairs are near duplicates: row of the held-out file → row of the training file."""
    agreement = agreeing(held_out.columns, rows, training.columns, partners)
    if held_out.read_row is None or training.read_row is None:
        sure = agreement >= UNREAD_AGREEING_MIN
        return dict(zip(rows[sure].tolist(), partners[sure].tolist(), strict=True))
    near = np.argsort(-agreement, kind="stable")[: int((agreement >= AGREEING_MIN).sum())]
    if not near.size:
        return {}
    theirs, template = reader_of_training()
    ours = Reader(held_out.read_row, template)
    found: dict[int, int] = {}
    misses = 0
    for row, partner in zip(rows[near].tolist(), partners[near].tolist(), strict=True):
        if row in found:
            continue
        if len(found) == NEAR_MAX or misses == MISSES_MAX:
            break
        misses += 1
        if likeness(ours.read(row), theirs.read(partner)) >= LIKENESS_MIN:
            found[row] = partner
            misses = 0
    return found


def _rank(trained: FileUse, held: FileUse) -> int:
    """How much a pair of uses matters: least first."""
    if trained.spec == held.spec:
        return 0 if trained.generation is held.generation is None else 1
    return 2 if trained.generation is held.generation is None else 3

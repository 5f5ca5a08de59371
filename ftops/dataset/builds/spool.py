"""The lines of a build: written to disk as they come, and what must be known of all of them at once, as numbers.

Some 60 bytes a row stay in memory, whatever the rows hold. Chance is a hash of the content with the seed, never a
generator: whether a row is drawn, where it goes and in which place it stands depends on nothing but itself, so that
rows which are added move no other. The hash is XXH3 with 128 bits, whose values are fixed by its specification, on
every machine and in every version; DuckDB's own may change with its versions.
"""

from __future__ import annotations

import os
from array import array
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import xxhash

if TYPE_CHECKING:
    from typing import BinaryIO

    import numpy as np
    from numpy.typing import NDArray

NOWHERE = -1
"""The split of a row that no condition takes."""
BLOCK_LINES = 4096


class Written(NamedTuple):
    """A split as it was written."""

    sha256: str
    bytes: int
    rows: int


class Dropped(NamedTuple):
    """Rows that came so far and are in no split, by cause."""

    elsewhere: int
    """No condition of `splits` takes them."""
    alike: int
    over_limit: int


class Spool:
    """Lines on disk, and a few numbers of each."""

    def __init__(self, stream: BinaryIO, seed: int) -> None:
        self._stream = stream
        self._seeds = [xxhash.xxh3_64_intdigest(f"{purpose} {seed}".encode()) for purpose in ("shuffle", "sample")]
        self._end = 0
        self._offsets = array("Q")
        self._lengths = array("I")
        self._given = array("Q")
        self._shuffle = array("Q")
        self._sample = array("Q")
        self._alike = array("Q")
        self._split = array("b")
        self._stratum = array("I")

    def add(self, line: bytes, content: bytes, *, given: int, alike: bytes | None, split: int, stratum: int) -> None:
        """Take a row.

        Args:
            line: As it is to be written, without a line feed.
            content: What it was made of, without the words of the template: what decides by hash.
            given: Its number in what was selected, from 0.
            alike: What makes it a duplicate of another; *content* if None.
            split: The position of its split, or NOWHERE.
            stratum: The number of its stratum, from 0.
        """
        self._stream.write(line + b"\n")
        self._offsets.append(self._end)
        self._lengths.append(len(line) + 1)
        self._end += len(line) + 1
        self._given.append(given)
        self._shuffle.append(xxhash.xxh3_64_intdigest(content, self._seeds[0]))
        self._sample.append(xxhash.xxh3_64_intdigest(content, self._seeds[1]))
        same = xxhash.xxh3_128_intdigest(content if alike is None else alike)
        self._alike.extend((same >> 64, same & (2**64 - 1)))
        self._split.append(split)
        self._stratum.append(stratum)

    def arranged(
        self, *, splits: int, dedupe: bool, limit: int | None, as_given: bool, ranks: NDArray[np.int64] | None
    ) -> tuple[list[NDArray[np.int64]], Dropped]:
        """The rows of each split, in the order in which they are written.

        Args:
            splits: How many there are.
            dedupe: Keep one row of those that are alike: the first as given, or else the one with the least hash.
            limit: Keep at most so many, those with the least hash.
            as_given: Keep the order in which rows were added.
            ranks: Of what was selected, by its number, to sort by.
        """
        import numpy as np  # noqa: PLC0415  # as `Spool` itself, only where something is built

        given, split = np.asarray(self._given), np.asarray(self._split)
        shuffle, sample, stratum = np.asarray(self._shuffle), np.asarray(self._sample), np.asarray(self._stratum)
        rank = np.zeros(len(given), np.int64) if ranks is None else ranks[given.astype(np.int64)]
        # What follows from the rows alone decides: the last key that lexsort takes is the first that counts.
        by_hash = (stratum, split, rank, sample, shuffle)
        kept = np.flatnonzero(split != NOWHERE)
        elsewhere = len(given) - len(kept)
        before = len(kept)
        if dedupe:
            alike = np.asarray(self._alike).reshape(-1, 2)[kept]
            keys = (given[kept],) if as_given else tuple(key[kept] for key in by_hash)
            order = np.lexsort((*keys, alike[:, 1], alike[:, 0]))
            is_first = np.ones(len(order), bool)
            is_first[1:] = (alike[order][1:] != alike[order][:-1]).any(axis=1)
            kept = kept[order[is_first]]
        unlike = len(kept)
        if limit is not None and limit < unlike:
            kept = kept[np.lexsort((*(key[kept] for key in by_hash[:3]), shuffle[kept], sample[kept]))[:limit]]
        order = np.argsort(given[kept]) if as_given else np.lexsort((sample[kept], shuffle[kept], rank[kept]))
        kept = kept[order]
        found = [kept[split[kept] == position] for position in range(splits)]
        return found, Dropped(elsewhere=elsewhere, alike=before - unlike, over_limit=unlike - len(kept))

    def strata(self, rows: NDArray[np.int64]) -> dict[int, int]:
        """How many of *rows* each stratum has."""
        import numpy as np  # noqa: PLC0415  # as above

        numbers, counts = np.unique(np.asarray(self._stratum)[rows], return_counts=True)
        return dict(zip(numbers.tolist(), counts.tolist(), strict=True))

    def write(self, rows: NDArray[np.int64], out: BinaryIO) -> Written:
        """Write the lines of *rows* to *out*."""
        self._stream.flush()
        source = self._stream.fileno()
        digest, size = sha256(), 0
        for start in range(0, len(rows), BLOCK_LINES):
            numbers = rows[start : start + BLOCK_LINES].tolist()
            block = b"".join([os.pread(source, self._lengths[each], self._offsets[each]) for each in numbers])
            out.write(block)
            digest.update(block)
            size += len(block)
        return Written(sha256=digest.hexdigest(), bytes=size, rows=len(rows))

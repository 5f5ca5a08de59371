"""Small fingerprints of texts: how many values of two are equal estimates how alike the texts are.

A text is taken as the set of its shingles, runs of 8 bytes of its UTF-8 with ASCII letters in lower case, so that no
language needs to be known. How alike two texts are is the share of the shingles of both that they have in common
(Jaccard). A sketch looks at those shingles only that follow an anchor, one of the bytes in ANCHORS: blanks and some
letters of ASCII, and some of the bytes that continue a character in other scripts. So the same shingles are chosen
wherever they stand, at a fifth of the cost. Each is hashed once and falls into one of SKETCH_WIDTH bins; the least hash
of each bin is the sketch. That is one permutation hashing, by P. Li, A. Owen and C.-H. Zhang (2012); docs/duplicates.md
measures it.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from ftops.dataset.columns import SKETCH_WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


SHINGLE_BYTES: Final = 8
ANCHORED_MIN: Final = 6
"""A text with fewer anchored shingles has no sketch: one changed word would make it another text."""
ANCHORS: Final = frozenset(b" \ne") | frozenset(range(0x80, 0xC0, 4))
"""Bytes before a shingle that is looked at: about every fourth of English, every sixth of Chinese or Korean."""

_PART_BYTES: Final = 128 << 10
_IS_ANCHOR: Final = bytes(byte in ANCHORS for byte in range(256))
_EMPTY: Final = np.uint32(0xFFFF_FFFF)
_HASH: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
_BIN: Final = np.uint64(0xBF58_476D_1CE4_E5B9)
_STEP: Final = 0x85EB_CA6B
_BIN_SHIFT: Final = np.uint64(64 - (SKETCH_WIDTH - 1).bit_length())
assert SKETCH_WIDTH & (SKETCH_WIDTH - 1) == 0, "bins are told by whole bits"


def sketches(texts: Sequence[str]) -> NDArray[np.uint32]:
    """Make the sketches of *texts*: one row each, SKETCH_WIDTH values wide, all 0 where a text is too short for one.

    A text's sketch depends on nothing but the text, and is the same on every machine.
    """
    encoded = [text.encode(errors="surrogatepass") for text in texts]
    ends = np.fromiter(accumulate(map(len, encoded)), np.int64, len(encoded))
    begins = ends - np.fromiter(map(len, encoded), np.int64, len(encoded))
    return sketches_within(b"".join(encoded), begins, ends)


def sketches_within(content: bytes, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Make the sketches of texts that stand in *content*, in UTF-8, one after the other, perhaps with others between.

    Args:
        content: With all texts.
        begins: Where each text begins.
        ends: One past its last byte.
    """
    made = []
    for first, last in pairwise(_cuts(ends)):
        begin = begins[first]
        part = content[begin : ends[last - 1]]
        made.append(_sketches_of(part, begins[first:last] - begin, ends[first:last] - begin))
    return np.concatenate(made) if made else np.zeros((0, SKETCH_WIDTH), dtype=np.uint32)


def _cuts(ends: NDArray[np.int64]) -> list[int]:
    """Where to cut texts into parts, so that the arrays of one stay in the processor's cache: half the time of 1 MB."""
    if not len(ends):
        return []
    cuts = np.flatnonzero(np.diff(ends // _PART_BYTES)) + 1
    return [0, *cuts.tolist(), len(ends)]


def _sketches_of(content: bytes, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint32]:
    content = content.lower()
    anchors = np.flatnonzero(np.frombuffer(content.translate(_IS_ANCHOR), np.bool_))
    first = np.searchsorted(anchors, begins)
    last = np.maximum(np.searchsorted(anchors, ends - SHINGLE_BYTES), first)  # whose shingle is still within the text
    counts = last - first
    rows = np.repeat(np.arange(len(ends)), counts)
    chosen = np.arange(len(rows)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    hashes = _windows(content, len(content))[anchors[chosen] + 1] * _HASH

    found = np.full(len(ends) * SKETCH_WIDTH, _EMPTY)
    bins = rows * SKETCH_WIDTH + (hashes * _BIN >> _BIN_SHIFT).astype(np.int64)
    np.minimum.at(found, bins, (hashes >> np.uint64(32)).astype(np.uint32))
    sketch = found.reshape(-1, SKETCH_WIDTH)
    sketch[counts < ANCHORED_MIN] = 0
    poor = np.flatnonzero((sketch == _EMPTY).any(axis=1))
    sketch[poor] = _filled(sketch[poor])
    return sketch


def shingles(text: str) -> NDArray[np.uint64]:
    """Give all shingles of *text*, each once, in order: for who wants to know exactly what sketches estimate."""
    normal = text.encode(errors="surrogatepass").lower()
    return np.unique(_windows(normal, max(len(normal) - SHINGLE_BYTES + 1, 0)))


def _windows(data: bytes, count: int) -> NDArray[np.uint64]:
    """The 8 bytes from each of the first *count* bytes on, as whole numbers; *data* may be too short for the last."""
    return np.ndarray((count,), dtype="<u8", buffer=data + bytes(SHINGLE_BYTES), strides=(1,))


def _filled(sketch: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Give empty bins the value of the next one that is not, changed by how far away that is.

    By A. Shrivastava and P. Li, *Densifying One Permutation Hashing via Rotation* (2014).
    """
    filled = sketch.copy()
    for distance in range(1, SKETCH_WIDTH):
        is_empty = filled == _EMPTY
        if not is_empty.any():
            break
        neighbours = np.roll(sketch, -distance, axis=1)
        changed = neighbours + np.uint32(distance * _STEP & 0xFFFF_FFFF)
        filled = np.where(is_empty & (neighbours != _EMPTY), changed, filled)
    return filled

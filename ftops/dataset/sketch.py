"""Small fingerprints of texts: how many values of two are equal estimates how alike the texts are.

A text is taken as the set of its shingles, runs of 8 bytes of its UTF-8 with ASCII letters in lower case, so that no
language needs to be known. How alike two texts are is the share of the shingles of both that they have in common
(Jaccard). A sketch looks at those shingles only that follow an anchor, one of the bytes in ANCHORS: what stands between
words and between values of JSON, and some of the bytes that continue a character in other scripts. So the same shingles
are chosen wherever they stand, at a small part of the cost. Each is hashed once and falls into one of SKETCH_WIDTH
bins; the least hash of each bin is the sketch. That is one permutation hashing, by P. Li, A. Owen and C.-H. Zhang
(2012); docs/duplicates.md measures it.
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
ANCHORS: Final = frozenset(b' \n,"') | frozenset(range(0x80, 0xC0, 8))
"""Bytes before a shingle that is looked at: about every sixth of English, every twelfth of Chinese or Korean."""

_PART_BYTES: Final = 128 << 10
_IS_ANCHOR: Final = bytes(byte in ANCHORS for byte in range(256))
_EMPTY: Final = np.uint32(0xFFFF_FFFF)
_HASH: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
_BIN: Final = np.uint64(0xBF58_476D_1CE4_E5B9)
_STEP: Final = np.uint32(0x85EB_CA6B)
_VALUE_SHIFT: Final = np.uint64(32)
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
    texts = [content[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
    sizes = ends - begins
    sketch = np.full((len(texts), SKETCH_WIDTH), _EMPTY)
    counts = np.zeros(len(texts), np.int64)
    for first, last in pairwise(_cuts(sizes)):
        counts[first:last] = _take(texts[first:last], sizes[first:last], sketch[first:last])
    sketch[counts < ANCHORED_MIN] = 0
    poor = np.flatnonzero((sketch == _EMPTY).any(axis=1))
    sketch[poor] = _filled(sketch[poor])
    return sketch


def _cuts(sizes: NDArray[np.int64]) -> list[int]:
    """Where to cut texts into parts, so that the arrays of one stay in the processor's cache: half the time of 1 MB."""
    if not len(sizes):
        return []
    cuts = np.flatnonzero(np.diff(np.cumsum(sizes) // _PART_BYTES)) + 1
    return [0, *cuts.tolist(), len(sizes)]


def _take(texts: Sequence[bytes], sizes: NDArray[np.int64], sketch: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Put the least hash of each bin of *texts* into *sketch*; gives how many shingles each text has there."""
    data = bytearray().join(texts).lower()
    ends = np.cumsum(sizes)
    is_anchor = np.frombuffer(data.translate(_IS_ANCHOR), np.bool_)
    # A shingle ends within its own text: so none begins after the last bytes of it, nor before a text that is shorter.
    for place in range(1, SHINGLE_BYTES + 1):
        is_anchor[np.maximum(ends - place, ends - sizes)[sizes > 0]] = False
    anchors = np.flatnonzero(is_anchor)
    counts = np.diff(np.searchsorted(anchors, ends), prepend=0)
    anchors += 1
    hashes = _windows(data, len(data))[anchors]
    hashes *= _HASH
    bins = hashes * _BIN
    bins >>= _BIN_SHIFT
    places = bins.view(np.int64)
    places += np.repeat(np.arange(0, sketch.size, SKETCH_WIDTH), counts)
    hashes >>= _VALUE_SHIFT
    np.minimum.at(sketch.reshape(-1), places, hashes.astype(np.uint32))
    return counts


def shingles(text: str) -> NDArray[np.uint64]:
    """Give all shingles of *text*, each once, in order: for who wants to know exactly what sketches estimate."""
    normal = text.encode(errors="surrogatepass").lower()
    found = np.sort(_windows(normal, max(len(normal) - SHINGLE_BYTES + 1, 0)))  # in a fifth of the time of np.unique
    is_first = np.ones(len(found), np.bool_)
    is_first[1:] = found[1:] != found[:-1]
    return found[is_first]


def _windows(data: bytes | bytearray, count: int) -> NDArray[np.uint64]:
    """The 8 bytes from each of the first *count* bytes on, as whole numbers; *data* may be too short for the last."""
    return np.ndarray((count,), dtype="<u8", buffer=data + bytes(SHINGLE_BYTES), strides=(1,))


def _filled(sketch: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Give empty bins the value of the next one that is not, changed by how far away that is.

    By A. Shrivastava and P. Li, *Densifying One Permutation Hashing via Rotation* (2014).
    """
    places = np.arange(2 * SKETCH_WIDTH)
    # The least place from each one on that holds a value; after the last bin comes the first.
    held = np.where(np.tile(sketch != _EMPTY, 2), places, 2 * SKETCH_WIDTH)
    nearest = np.minimum.accumulate(held[:, ::-1], axis=1)[:, : SKETCH_WIDTH - 1 : -1]
    distances = (nearest - places[:SKETCH_WIDTH]).astype(np.uint32)
    return np.take_along_axis(sketch, nearest % SKETCH_WIDTH, axis=1) + distances * _STEP

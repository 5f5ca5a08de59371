"""Small fingerprints of texts: how many values of two are equal estimates how alike the texts are.

A text is taken as the set of its shingles, all runs of 8 bytes of its UTF-8 with ASCII letters in lower case, so that
no language needs to be known. How alike two texts are is the share of the shingles of both that they have in common
(Jaccard). Each shingle is hashed once and falls into one of SKETCH_WIDTH bins; the least hash of each bin is the
sketch. That is one permutation hashing, by P. Li, A. Owen and C.-H. Zhang (2012); docs/duplicates.md measures it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ftops.dataset.columns import SKETCH_WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

SHINGLE_BYTES: Final = 8
SHINGLES_MIN: Final = 32
"""A text with fewer has no sketch: one changed word would make it another text."""

_PART_BYTES: Final = 192 << 10
"""Texts that are hashed together, so that the arrays stay in the processor's cache: half the time of 1 MB."""
_KEPT: Final = 8 * SKETCH_WIDTH
"""Shingles of a text that are expected to be kept. Only the least of each bin counts, so small hashes are enough."""
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
    made = [_sketches_of(part, _KEPT) for part in _parts([_normal(text) for text in texts])]
    return np.concatenate(made) if made else np.zeros((0, SKETCH_WIDTH), dtype=np.uint32)


def shingles(text: str) -> NDArray[np.uint64]:
    """Give the shingles of *text*, each once, in order: for who wants to know exactly what sketches estimate."""
    normal = _normal(text)
    ordered = np.sort(_windows(normal, max(len(normal) - SHINGLE_BYTES + 1, 0)))
    is_new = np.ones(len(ordered), dtype=np.bool_)
    is_new[1:] = ordered[1:] != ordered[:-1]
    return np.compress(is_new, ordered)


def _normal(text: str) -> bytes:
    return text.encode(errors="surrogatepass").lower()


def _windows(data: bytes, count: int) -> NDArray[np.uint64]:
    """The 8 bytes from each of the first *count* bytes on, as whole numbers; *data* may be too short for the last."""
    return np.ndarray((count,), dtype="<u8", buffer=data + bytes(SHINGLE_BYTES), strides=(1,))


def _parts(texts: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    begin = size = 0
    for index, text in enumerate(texts):
        size += len(text)
        if size >= _PART_BYTES:
            yield texts[begin : index + 1]
            begin, size = index + 1, 0
    if begin < len(texts):
        yield texts[begin:]


def _sketches_of(texts: Sequence[bytes], kept: float) -> NDArray[np.uint32]:
    """Make sketches from those hashes only that are small enough for about *kept* of a text to be so."""
    sizes = np.array([len(text) for text in texts], dtype=np.int64)
    counts = np.maximum(sizes - SHINGLE_BYTES + 1, 0)
    hashes = _windows(b"".join(texts), int(sizes.sum())) * _HASH
    limits = np.where(counts > kept, kept / np.maximum(counts, 1) * 2.0**64, 2.0**64 - 2.0**11).astype(np.uint64)
    # What begins in the last 7 bytes of a text runs into the next one: nothing is below 0.
    spans = np.stack((counts, sizes - counts), axis=1).ravel()
    is_kept = hashes < np.repeat(np.stack((limits, np.zeros_like(limits)), axis=1).ravel(), spans)
    places = np.flatnonzero(is_kept)
    hashes = hashes[places]
    rows = np.repeat(np.arange(len(texts), dtype=np.int32), sizes)[places]
    found = np.full(len(texts) * SKETCH_WIDTH, _EMPTY)
    bins = rows * SKETCH_WIDTH + (hashes * _BIN >> _BIN_SHIFT).astype(np.int32)
    np.minimum.at(found, bins, (hashes >> np.uint64(32)).astype(np.uint32))
    sketch = found.reshape(-1, SKETCH_WIDTH)

    sketch[counts < SHINGLES_MIN] = 0
    poor = np.flatnonzero((sketch == _EMPTY).any(axis=1))
    again = poor[counts[poor] > kept]
    if again.size:  # few: repetitive texts, and one of 200 by chance
        sketch[again] = _sketches_of([texts[row] for row in again], np.inf)
    sketch[poor] = _filled(sketch[poor])
    return sketch


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

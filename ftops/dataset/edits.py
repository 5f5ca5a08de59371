"""Which of the rows that are gone, and of those that have come, are one row that was edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from ftops.dataset.pairing import Pairs, common, in_order, nearest, only_ones, sketch_hash

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ftops.dataset.columns import Columns
    from ftops.dataset.pairing import Positions

Reason: TypeAlias = Literal["prompt", "text", "answer", "near"]
"""What is the same. `prompt`: all before the answer. `text`: answer and sketch, so that most often nothing but the
system prompt or the tools changed. `answer`: a long answer, which no other changed row has. `near`: about half of the
text."""

ANSWER_CHARS_MIN: Final = 40
"""Length from which on an answer tells which row it belongs to: shorter ones may be labels or phrases."""
NEAR_ROWS_MAX: Final = 100_000
"""Rows a side that are compared with each other after all else; of more, none are."""


def find_edits(old: Columns, new: Columns, gone: Positions, come: Positions) -> dict[Reason, Pairs]:
    """Pair rows of *gone* and *come*, each once, for the safest reason first.

    Args:
        old: Columns of the file as it was.
        new: Columns of the file as it is.
        gone: Positions of old rows without an equal in the new file, rising.
        come: Positions of new rows without an equal in the old file, rising.
    """
    edits: dict[Reason, Pairs] = {}
    for reason, find in _WAYS.items():
        edits[reason] = find(old, new, gone, come)
        gone = np.setdiff1d(gone, edits[reason].old, assume_unique=True)
        come = np.setdiff1d(come, edits[reason].new, assume_unique=True)
    return edits


def _same_prompt(old: Columns, new: Columns, gone: Positions, come: Positions) -> Pairs:
    return _of(in_order(common(old.take("prompt", gone), new.take("prompt", come))), gone, come)


def _same_text(old: Columns, new: Columns, gone: Positions, come: Positions) -> Pairs:
    sketches, new_sketches = sketch_hash(old, gone), sketch_hash(new, come)
    gone, come = gone[sketches != 0], come[new_sketches != 0]
    keys = sketches[sketches != 0] ^ old.take("answer", gone)
    new_keys = new_sketches[new_sketches != 0] ^ new.take("answer", come)
    return _of(in_order(common(keys, new_keys)), gone, come)


def _same_answer(old: Columns, new: Columns, gone: Positions, come: Positions) -> Pairs:
    gone = gone[old.take("answer_chars", gone) >= ANSWER_CHARS_MIN]
    come = come[new.take("answer_chars", come) >= ANSWER_CHARS_MIN]
    return _of(only_ones(common(old.take("answer", gone), new.take("answer", come))), gone, come)


def _near(old: Columns, new: Columns, gone: Positions, come: Positions) -> Pairs:
    if max(len(gone), len(come)) > NEAR_ROWS_MAX:
        gone, come = gone[:0], come[:0]
    return _of(nearest(old.take("sketch", gone), new.take("sketch", come)), gone, come)


def _of(pairs: Pairs, gone: Positions, come: Positions) -> Pairs:
    """Positions in the files instead of those among the rows that were compared."""
    return Pairs(gone[pairs.old], come[pairs.new])


_WAYS: Final[dict[Reason, Callable[[Columns, Columns, Positions, Positions], Pairs]]] = {
    "prompt": _same_prompt,
    "text": _same_text,
    "answer": _same_answer,
    "near": _near,
}

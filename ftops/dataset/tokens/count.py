"""Tokens of many rows at once: one call of the tokenizer for a block, and arithmetic on whole columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ftops.dataset.tokens.stretches import SYSTEM_ROLES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from ftops.dataset.tokens.template import Template
    from ftops.dataset.tokens.tokenizer import Tokenizer

    StretchLike: TypeAlias = tuple[str, str, str, bool]
    """As Stretch and Said: where, role or kind, text, whether it is learnt."""


class Counts(NamedTuple):
    """Of each sequence, in order."""

    tokens: NDArray[np.uint32]
    """All of them, before any cut."""
    trained: NDArray[np.uint32]
    """Those that are learnt, of all of these."""


def count_sequences(
    sequences: Sequence[Sequence[StretchLike]], *, tokenizer: Tokenizer, template: Template, threads: int = 1
) -> Counts:
    """Count the tokens of *sequences*, such as the rows of a block of a file.

    Texts that repeat in the block, as system prompts do, are encoded once.
    """
    stretches = [stretch for sequence in sequences for stretch in sequence]
    texts = [stretch[2] for stretch in stretches]
    distinct = list(dict.fromkeys(texts))
    counted = dict(zip(distinct, tokenizer.count(distinct, threads), strict=True))
    around = {kind: template.around(kind) for kind in {stretch[1] for stretch in stretches}}
    size = len(stretches)
    of_texts = np.fromiter(map(counted.__getitem__, texts), np.int64, size)
    wrapped = np.fromiter((around[stretch[1]] for stretch in stretches), np.int64, size)
    is_trained = np.fromiter((stretch[3] for stretch in stretches), np.bool_, size)
    tokens = template.sequence + _sums(of_texts + wrapped, sequences)
    if template.default_system:
        starts_with_system = [bool(sequence) and sequence[0][1] in SYSTEM_ROLES for sequence in sequences]
        tokens += template.default_system * ~np.array(starts_with_system, np.bool_)
    trained = _sums((of_texts + template.learnt_tail) * is_trained, sequences)
    return Counts(tokens.astype(np.uint32), trained.astype(np.uint32))


def _sums(values: NDArray[np.int64], sequences: Sequence[Sequence[StretchLike]]) -> NDArray[np.int64]:
    """The sum over each sequence, also of those without a stretch."""
    running = np.concatenate([np.zeros(1, np.int64), np.cumsum(values)])
    ends = np.cumsum([0, *map(len, sequences)])
    sums: NDArray[np.int64] = np.diff(running[ends])
    return sums

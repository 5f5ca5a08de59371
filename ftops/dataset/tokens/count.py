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
    """Count the tokens of *sequences*, such as the rows of a block of a file."""
    stretches = [stretch for sequence in sequences for stretch in sequence]
    around = {kind: template.around(kind) for kind in {stretch[1] for stretch in stretches}}
    size = len(stretches)
    return count_stretches(
        count_texts([stretch[2] for stretch in stretches], tokenizer, threads),
        np.fromiter((around[stretch[1]] for stretch in stretches), np.int64, size),
        np.fromiter((stretch[3] for stretch in stretches), np.bool_, size),
        ends=np.cumsum(np.fromiter(map(len, sequences), np.int64, len(sequences))),
        has_system=np.array([bool(sequence) and sequence[0][1] in SYSTEM_ROLES for sequence in sequences], np.bool_),
        template=template,
    )


def count_texts(texts: Sequence[str], tokenizer: Tokenizer, threads: int = 1) -> NDArray[np.int64]:
    """Count the tokens of each text; one that repeats, as system prompts do, is encoded once."""
    distinct = list(dict.fromkeys(texts))
    counted = tokenizer.count(distinct, threads)
    if len(distinct) == len(texts):
        return np.array(counted, np.int64)
    by_text = dict(zip(distinct, counted, strict=True))
    return np.fromiter(map(by_text.__getitem__, texts), np.int64, len(texts))


def count_stretches(
    of_texts: NDArray[np.int64],
    around: NDArray[np.int64],
    is_trained: NDArray[np.bool_],
    *,
    ends: NDArray[np.int64],
    has_system: NDArray[np.bool_],
    template: Template,
) -> Counts:
    """Sum up the tokens of sequences whose stretches stand one after the other.

    Args:
        of_texts: Tokens of the text of each stretch.
        around: Tokens of what is wrapped round it.
        is_trained: Whether it is learnt.
        ends: One past the last stretch of each sequence.
        has_system: Whether each sequence begins with a system message.
        template: Of the base model whose tokenizer counted.
    """
    tokens = template.sequence + _sums(of_texts + around, ends) + template.default_system * ~has_system
    trained = _sums((of_texts + template.learnt_tail) * is_trained, ends)
    return Counts(tokens.astype(np.uint32), trained.astype(np.uint32))


def _sums(values: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sum over each sequence, also of those without a stretch."""
    running = np.concatenate((np.zeros(1, np.int64), np.cumsum(values)))
    begins = np.concatenate((np.zeros(min(len(ends), 1), np.int64), ends[:-1]))
    return running[ends] - running[begins]

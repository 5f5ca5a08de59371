"""One row in detail: what each stretch of it costs, what is learnt, and where it is cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftops.dataset.tokens.stretches import Stretch
    from ftops.dataset.tokens.template import Template
    from ftops.dataset.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of a row with its tokens."""

    stretch: Stretch
    tokens: int
    """With what the template wraps round it."""
    trained: int
    kept: int
    """How many characters of its text are read before the limit; all of them if it lies before it."""

    @property
    def is_cut(self) -> bool:
        return self.kept < len(self.stretch.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """One sequence."""

    spans: tuple[Span, ...]
    tokens: int
    """Before any cut."""

    @property
    def trained(self) -> int:
        return sum(span.trained for span in self.spans)


def spans_of(sequence: Sequence[Stretch], *, tokenizer: Tokenizer, template: Template, tokens_max: int | None) -> Spans:
    """Count *sequence* stretch by stretch.

    Args:
        sequence: As `sequences_in` gives it.
        tokenizer: Of the base model.
        template: Likewise.
        tokens_max: Where the sequence is cut, if it is.
    """
    spans: list[Span] = []
    used = 0
    for stretch, of_text in zip(sequence, tokenizer.count([each.text for each in sequence]), strict=True):
        left = None if tokens_max is None else tokens_max - used - template.head_of(stretch.kind)
        text = stretch.text
        kept = text if left is None or of_text <= left else _cut(text, left, tokenizer)
        tokens = of_text + template.around(stretch.kind)
        trained = of_text + template.learnt_tail if stretch.is_trained else 0
        spans.append(Span(stretch=stretch, tokens=tokens, trained=trained, kept=len(kept)))
        used += tokens
    return Spans(spans=tuple(spans), tokens=used + template.sequence)


def _cut(text: str, left: int, tokenizer: Tokenizer) -> str:
    """What is read of *text*; past the limit, a call for each of thousands of messages would take longer than all."""
    return tokenizer.cut(text, left) if left >= 0 else ""

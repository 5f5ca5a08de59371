"""What a base model's template wraps round texts, in tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ftops.dataset.tokens.declared import DECLARED_COSTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftops.dataset.formats import Format
    from ftops.dataset.tokens.base import Base
    from ftops.dataset.tokens.tokenizer import Tokenizer

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
KINDS: Final = {"name": 1, "call": 0, "image-low": 85, "image": 765, "prompt": 0, "completion": 0} | DECLARED_COSTS
"""Tokens of stretches that are no message, besides those of their text.

Source: openai-cookbook, Chat_finetuning_data_prep.ipynb, for names; OpenAI's vision guide for images: 85 at low detail,
and else 85 + 170 for each of four tiles, as many as an image of 1024 x 1024 has: the real size is not known here.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The tokens of everything but the texts."""

    sequence: int
    """Of each sequence, besides its stretches."""
    head: Mapping[str, int]
    """Before the text of a stretch, by its kind: the role with what is wrapped round it, such as `<|im_start|>user`."""
    tail: int
    """After the text of a message."""
    learnt_tail: int
    """How many of these are learnt, if the text is: the model must learn to stop."""
    default_system: int
    """Of the system message that stands in each sequence that has none; 0 if there is no such message."""

    def head_of(self, kind: str) -> int:
        """Tokens before the text of a stretch; an unknown role, which the rules refuse, costs what a user's does."""
        return self.head.get(kind, self.head["user"])

    def around(self, kind: str) -> int:
        """Tokens round the text of a stretch."""
        return self.head_of(kind) + (0 if kind in KINDS else self.tail)


def template_of(base: Base, tokenizer: Tokenizer, format_: Format) -> Template:
    """The template that *base* puts on rows of a format; *tokenizer* must be that of the base model."""
    if base.template == "openai":
        # Three tokens a message and three a row; OpenAI's tokenizers have one token for each role.
        # Source: openai-cookbook, Chat_finetuning_data_prep.ipynb.
        heads = dict.fromkeys(ROLES, 3) | KINDS
        sequence = 0 if format_ == "completion" else 3
        return Template(sequence=sequence, head=heads, tail=1, learnt_tail=0, default_system=0)
    # <|im_start|>role\n ... <|im_end|>\n: as docs of ChatML and the template in SmolLM2's own file have it.
    spoken = {"developer": "system", "function": "tool"}
    of_roles = tokenizer.count([f"{spoken.get(role, role)}\n" for role in ROLES])
    heads = {role: 1 + tokens for role, tokens in zip(ROLES, of_roles, strict=True)} | KINDS
    (newline, default) = tokenizer.count(["\n", base.default_system or ""])
    tail = 1 + newline
    system = heads["system"] + default + tail if base.default_system and format_ != "completion" else 0
    return Template(sequence=0, head=heads, tail=tail, learnt_tail=1, default_system=system)

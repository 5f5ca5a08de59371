"""Tokenizers by name: those of OpenAI's models, and those of the local ones."""

from __future__ import annotations

import ctypes
import sys
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftops.dataset.tokens.base import SMOLLM2, SMOLLM2_FILE
from ftops.dataset.tokens.bpe import Bpe, read_bpe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TOKENIZERS = ("o200k_base", "cl100k_base", "tiny-byte-90k", SMOLLM2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenizer(ABC):
    """Counts tokens of texts; what looks like a special token in a text, such as `<|endoftext|>`, is only text."""

    name: str
    caveat: str | None = None
    """Why counts are only an estimate; None if they are exact."""

    @property
    def is_exact(self) -> bool:
        return self.caveat is None

    @abstractmethod
    def count(self, texts: Sequence[str], threads: int = 1) -> list[int]:
        """Tokens of each text. One call for many texts: a call for each costs 40 times as much."""

    @abstractmethod
    def cut(self, text: str, tokens: int) -> str:
        """The beginning of *text* within that many tokens, without the part of a character at its end."""


def tokenizer(name: str, models: Path) -> Tokenizer:
    """The tokenizer called *name*, one of TOKENIZERS.

    Args:
        name: Of the tokenizer, as `Base.tokenizer` has it.
        models: The folder of the local models' files. If the one that is needed is not there, or cannot be read,
            `caveat` says so, and counts are those of `o200k_base`.
    """
    match name:
        case "tiny-byte-90k":
            return _Bytes(name=name)
        case "smollm2-135m-instruct":
            match read_bpe(models / SMOLLM2_FILE):
                case Bpe() as bpe:
                    return _Pairs(name=name, bpe=bpe)
                case why:
                    return _OpenAi(name="o200k_base", caveat=f"counted with `o200k_base`: {why}")
        case _:
            assert name in TOKENIZERS, name
            return _OpenAi(name=name)


def forget_vocabularies() -> None:
    """Give the memory of OpenAI's vocabularies back, 45 MB each; the next count loads them anew, in 0.6 s."""
    if toktok := sys.modules.get("toktok"):
        toktok._CACHE.clear()  # noqa: SLF001  # it holds them for good, and has no other way to let go
    if sys.platform == "linux":
        with suppress(AttributeError):  # other C libraries than GNU's have none, and need none
            ctypes.CDLL(None).malloc_trim(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenAi(Tokenizer):
    """By toktok, which gives tiktoken's counts at many times its speed, and holds the vocabularies itself."""

    def count(self, texts: Sequence[str], threads: int = 1) -> list[int]:
        import toktok  # type: ignore[import-untyped]  # noqa: PLC0415  # has no types; 0.3 s with its vocabulary

        try:
            counts: list[int] = toktok.batch_count(texts, self.name, threads=threads)
        except UnicodeEncodeError:
            counts = toktok.batch_count(map(_encodable, texts), self.name, threads=threads)
        return counts

    def cut(self, text: str, tokens: int) -> str:
        import toktok  # noqa: PLC0415  # as above

        kept: str = toktok.truncate(_encodable(text), tokens, self.name)[0]
        return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bytes(Tokenizer):
    """One token a byte."""

    def count(self, texts: Sequence[str], threads: int = 1) -> list[int]:  # noqa: ARG002  # nothing to share out
        return [len(text) if text.isascii() else len(_encodable(text).encode()) for text in texts]

    def cut(self, text: str, tokens: int) -> str:
        return _encodable(text).encode()[:tokens].decode(errors="ignore")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairs(Tokenizer):
    """Byte pairs as a model's file lists them."""

    bpe: Bpe

    def count(self, texts: Sequence[str], threads: int = 1) -> list[int]:  # noqa: ARG002  # Python's lock is held
        return [self.bpe.count(_encodable(text)) for text in texts]

    def cut(self, text: str, tokens: int) -> str:
        return self.bpe.cut(_encodable(text), tokens)


def _encodable(text: str) -> str:
    """*text* with halves of surrogate pairs joined or replaced, as tiktoken does it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text

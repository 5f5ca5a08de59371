"""Byte pair encoding as SmolLM2 does it, from the merges that its model file lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ftops.dataset.tokens.gguf import read_gguf_strings

if TYPE_CHECKING:
    from pathlib import Path

    from tiktoken import Encoding

_WORD: Final = r"\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?![^\s\p{N}])|\s+"
"""GPT-2's pattern on what lies between digits, which are cut off first, each by itself."""
_WORDS_REMEMBERED: Final = 100_000


class Bpe:
    """Counts words, and remembers the counts of many: texts repeat them."""

    def __init__(self, encoding: Encoding, unspoken: frozenset[int]) -> None:
        """Take an encoding of single words, and those of its tokens for which the model has none."""
        import regex  # type: ignore[import-untyped]  # noqa: PLC0415  # typeshed's stubs would be one more dependency

        self._encoding = encoding
        self._unspoken = unspoken
        self._words = regex.compile(_WORD).findall
        self._counts: dict[str, int] = {}

    def count(self, text: str) -> int:
        return sum(map(self._count_word, self._words(text)))

    def cut(self, text: str, tokens: int) -> str:
        kept: list[bytes] = []
        for token in (token for word in self._words(text) for token in self._encoding.encode_ordinary(word)):
            tokens -= token not in self._unspoken
            if tokens < 0:
                break
            kept.append(self._encoding.decode_single_token_bytes(token))
        return b"".join(kept).decode(errors="ignore")

    def _count_word(self, word: str) -> int:
        known = self._counts.get(word)
        if known is None:
            if len(self._counts) >= _WORDS_REMEMBERED:
                self._counts.clear()
            tokens = self._encoding.encode_ordinary(word)
            known = self._counts[word] = sum(token not in self._unspoken for token in tokens)
        return known


def read_bpe(path: Path) -> Bpe | str:
    """The encoding of the model file at *path*; a half-sentence on why there is none, if it cannot be had."""
    from tiktoken import Encoding  # noqa: PLC0415  # only for the local model

    try:
        lists = read_gguf_strings(path)
        tokens, merges = lists["tokenizer.ggml.tokens"], lists["tokenizer.ggml.merges"]
    except FileNotFoundError:
        return f"the model's file `{path.name}` is not on this machine until it has been trained here once"
    except (OSError, ValueError, KeyError):
        return f"the model's file `{path.name}` cannot be read"
    byte_of = {character: bytes([byte]) for byte, character in enumerate(_byte_characters())}
    ranks = {byte: rank for rank, byte in enumerate(byte_of.values())}
    for rank, merge in enumerate(merges, len(ranks)):
        ranks[b"".join(byte_of[character] for character in merge if character != " ")] = rank
    known = set(tokens)
    unspoken = frozenset(ranks[byte] for character, byte in byte_of.items() if character not in known)
    # Words are cut out before, so that its pattern takes all that it is given: tiktoken's own engine for patterns gives
    # up on a million blanks.
    return Bpe(Encoding(path.stem, pat_str=r"(?s:.+)", mergeable_ranks=ranks, special_tokens={}), unspoken)


def _byte_characters() -> str:
    """GPT-2's letter for each byte: itself if it can be seen, else one from U+0100 on."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    unseen = iter(range(0x100, 0x200))
    return "".join(chr(byte if byte in seen else next(unseen)) for byte in range(0x100))

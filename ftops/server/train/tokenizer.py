"""Text to token ids and back: byte-level BPE as GPT-2's, and plain bytes."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import regex  # type: ignore[import-untyped]  # typeshed's stubs would be one more dependency for two calls

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NO_RANK = 1 << 62
_CONTROL = 3
"""GGUF's type of a token that text never stands for, such as `<|im_start|>`."""

_WORDS = regex.compile(r"\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
"""GPT-2's pattern; SmolLM2 cuts each digit off before it, see `_pieces`."""
_DIGIT = regex.compile(r"(\p{N})")


class Tokenizer(Protocol):
    """What rendering and sampling need of a tokenizer."""

    start: int
    """`<|im_start|>`: a message begins."""
    end: int
    """`<|im_end|>`: a message ends."""
    end_of_text: int

    def encode(self, text: str) -> list[int]:
        """Ids of *text*; what looks like a control token in it is only text."""
        ...

    def spell(self, token: int) -> bytes:
        """The bytes that *token* stands for: perhaps a part of a character, and nothing for a control token."""
        ...


def decode(tokenizer: Tokenizer, tokens: Iterable[int]) -> str:
    return b"".join(map(tokenizer.spell, tokens)).decode("utf-8", "replace")


class ByteTokenizer:
    """One token a byte, and three control tokens after them."""

    end_of_text, start, end = 256, 257, 258

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def spell(self, token: int) -> bytes:
        return bytes([token]) if token < self.end_of_text else b""


class BpeTokenizer:
    """Byte pair encoding with SmolLM2's way of cutting text into words; agrees with Hugging Face's tokenizers."""

    def __init__(self, *, tokens: Sequence[str], merges: Sequence[str], types: Sequence[int]) -> None:
        self._id_of = {token: number for number, token in enumerate(tokens)}
        self._rank_of = {(left, right): rank for rank, (left, right) in enumerate(merge.split(" ") for merge in merges)}
        self.start = self._id_of["<|im_start|>"]
        self.end = self._id_of["<|im_end|>"]
        self.end_of_text = self._id_of["<|endoftext|>"]
        byte_of = {character: byte for byte, character in enumerate(_BYTE_CHARACTERS)}
        self._spellings = [
            b"" if kind == _CONTROL else bytes(byte_of[character] for character in token)
            for token, kind in zip(tokens, types, strict=True)
        ]
        self._words: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        return [token for piece in _pieces(text) for token in self._word(piece)]

    def spell(self, token: int) -> bytes:
        return self._spellings[token]

    def _word(self, word: str) -> list[int]:
        if word not in self._words:
            parts = [_BYTE_CHARACTERS[byte] for byte in word.encode()]
            self._words[word] = [self._id_of[part] for part in self._merged(parts) if part in self._id_of]
        return self._words[word]

    def _merged(self, parts: list[str]) -> list[str]:
        """Join the pair of lowest rank, wherever it stands, until no pair can be joined."""
        while len(parts) > 1:
            pair = min(pairwise(parts), key=lambda pair: self._rank_of.get(pair, _NO_RANK))
            if pair not in self._rank_of:
                break
            joined: list[str] = []
            at = 0
            while at < len(parts):
                is_pair = tuple(parts[at : at + 2]) == pair
                joined.append("".join(pair) if is_pair else parts[at])
                at += 2 if is_pair else 1
            parts = joined
        return parts


def _pieces(text: str) -> list[str]:
    return [word for part in _DIGIT.split(text) if part for word in _WORDS.findall(part)]


def _byte_characters() -> str:
    """GPT-2's printable stand-in for each byte: itself where it can be seen, else a character from U+0100 on."""
    visible = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    hidden = [byte for byte in range(256) if byte not in visible]
    return "".join(chr(byte if byte in visible else 256 + hidden.index(byte)) for byte in range(256))


_BYTE_CHARACTERS = _byte_characters()

"""Counts equal tiktoken's, on real texts in many languages, on random ones, and on those made to break tokenizers.

The only exception are characters that came with Unicode 17: tiktoken's tables are older, and do not know them yet.
"""

from __future__ import annotations

import json
import random
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftops.dataset.tokens.tokenizer import tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tiktoken import Encoding

NOWHERE = Path("no-models")
ROOT = Path(__file__).parents[3]
ENCODINGS = ("o200k_base", "cl100k_base")

UNICODE_17 = (
    "\u088f\u0c5c\u0cdc\u1acf-\u1add\u1ae0-\u1aeb\ua7ce-\ua7cf\ua7d2\ua7d4\ua7f1"
    "\U00010940-\U00010959\U00010ec5-\U00010ec7\U00010efa-\U00010efb\U00011b60-\U00011b67\U00011db0-\U00011ddb"
    "\U00011de0-\U00011de9\U00016ea0-\U00016eb8\U00016ebb-\U00016ed3\U00016ff2-\U00016ff6\U000187f8-\U000187ff"
    "\U00018d09-\U00018d1e\U00018d80-\U00018df2\U0001e6c0-\U0001e6de\U0001e6e0-\U0001e6f5\U0001e6fe-\U0001e6ff"
    "\U0002b73a-\U0002b73f\U0002cea2-\U0002cead\U000323b0-\U00033479"
)
NEWER_THAN_TIKTOKEN = re.compile(f"[{UNICODE_17}]")
"""Every character on which the two differ in some surrounding; docs/tokens.md names them."""

TEXTS: dict[str, str] = json.loads(Path(__file__).with_name("texts.json").read_text(encoding="utf-8"))
"""Real texts, such as the first article of the Universal Declaration of Human Rights, and odd characters, by kind."""


def words_of(texts: Sequence[str]) -> list[str]:
    return [word for text in texts for word in re.findall(r"\w+|\s+|[^\w\s]+", text)]


def code_lines() -> list[str]:
    """Lines of this repository and of Python's own library: code, prose, JSON and YAML that people wrote."""
    standard_library = Path(sys.prefix if sys.prefix == sys.base_prefix else sys.base_prefix)
    library = sorted(standard_library.glob("lib/python3.*/json/*.py"))
    ours = [
        path
        for pattern in ("ftops/**/*.py", "docs/**/*.md", "*.toml", "specs/**/*.yaml", "specs/**/*.jsonl")
        for path in sorted(ROOT.glob(pattern))
    ]
    return [line for path in [*ours, *library] for line in path.read_text(encoding="utf-8").splitlines(keepends=True)]


def strings(count: int, seed: int) -> Iterator[str]:
    """*count* texts, always the same for a seed: cut from real ones, mixed from their words, and of any characters."""
    chance = random.Random(seed)
    texts = list(TEXTS.values())
    words, lines, everything = words_of(texts), code_lines(), "".join(texts)
    for _ in range(count):
        match chance.randrange(8):
            case 0:
                text = chance.choice(texts)
                start = chance.randrange(len(text))
                yield text[start : start + chance.randrange(1, 60)]
            case 1:
                yield "".join(chance.choices(words, k=chance.randrange(1, 20)))
            case 2:
                yield "".join(chance.choices(words_of([chance.choice(texts)]), k=chance.randrange(1, 20)))
            case 3:
                start = chance.randrange(len(lines))
                yield "".join(lines[start : start + chance.randrange(1, 4)])
            case 4:
                yield "".join(chance.choices(everything, k=chance.randrange(1, 25)))
            case 5:
                yield chance.choice(everything) * chance.randrange(1, 70) + chance.choice(words)
            case 6:
                yield "".join(chance.choices("aA1 '\n\r\t.é日한\u0301's", k=chance.randrange(1, 30)))
            case _:
                plane = chance.choice((0x250, 0x3000, 0xD800, 0x1_0000, 0x2_0000, 0x11_0000))
                yield "".join(character(chance, plane) for _ in range(chance.randrange(1, 12)))


def character(chance: random.Random, end: int) -> str:
    found = chance.randrange(end)
    return chr(found) if not 0xD800 <= found < 0xE000 else " "


def differing(name: str, texts: Sequence[str], oracle: Encoding) -> list[str]:
    """Those of *texts* whose counts differ, but for the characters that are newer than tiktoken's tables."""
    ours = tokenizer(name, NOWHERE).count(texts, threads=2)
    theirs = [len(oracle.encode_ordinary(text)) for text in texts]
    pairs = zip(texts, ours, theirs, strict=True)
    return [text for text, our, their in pairs if our != their and not NEWER_THAN_TIKTOKEN.search(text)]


@pytest.mark.parametrize("name", ENCODINGS)
def test_real_and_random_texts_count_as_tiktoken_counts_them(name: str, oracle: Callable[[str], Encoding]) -> None:
    texts = [*TEXTS.values(), *strings(100_000, seed=3)]
    assert differing(name, texts, oracle(name)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODINGS)
def test_many_more_texts_count_as_tiktoken_counts_them(name: str, oracle: Callable[[str], Encoding]) -> None:
    for seed in range(20):
        assert differing(name, list(strings(100_000, seed=1000 + seed)), oracle(name)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODINGS)
def test_every_character_counts_as_tiktoken_counts_it(name: str, oracle: Callable[[str], Encoding]) -> None:
    every = [chr(point) for point in range(0x11_0000) if not 0xD800 <= point < 0xE000]
    for surrounded in ("a{}b", "{0}{0} 1{0}", "A{0}a.{0}'s"):
        assert differing(name, [surrounded.format(letter) for letter in every], oracle(name)) == []


LONG = {
    "one letter": "a" * 100_000,
    "a word without end": "".join(random.Random(5).choices("abcdefghijklmnopqrstuvwxyz", k=100_000)),
    "blanks": " " * 50_000 + "x",
    "digits": "7" * 100_000,
    "line feeds": "\n" * 50_000 + " x",
    "mixed line ends": "\r\n\n\r \r\n" * 8_000,
    "combining marks": "e" + "\u0301" * 30_000,
    "Hangul Jamo": "\u1112\u1161\u11ab" * 20_000,
    "joined emoji": "👩‍👩‍👧‍👦" * 5_000,
    "apostrophes": "'s" * 30_000,
    "signs": "!" * 100_000 + "/" * 1000,
    "Chinese without end": "人" * 50_000,
    "special tokens": "<|endoftext|>" * 5_000,
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_long_runs_count_as_tiktoken_counts_them(name: str, oracle: Callable[[str], Encoding]) -> None:
    assert differing(name, list(LONG.values()), oracle(name)) == []


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("kind", LONG)
def test_no_text_takes_quadratic_time(name: str, kind: str) -> None:
    """A text of millions of characters takes seconds at most; it would take hours if time grew with its square."""
    counter = tokenizer(name, NOWHERE)
    text = LONG[kind] * (2_000_000 // len(LONG[kind]))
    counter.count(["a"])
    begun = time.perf_counter()
    assert counter.count([text])[0] > 0
    assert len(counter.cut(text, 1000)) < len(text)
    assert time.perf_counter() - begun < 5


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_cut_keeps_what_the_first_tokens_spell(name: str, oracle: Callable[[str], Encoding]) -> None:
    counter, encoding = tokenizer(name, NOWHERE), oracle(name)
    for text in strings(500, seed=11):
        tokens = encoding.encode_ordinary(text)
        for most in {0, 1, len(tokens) // 2, len(tokens)}:
            spelt = encoding.decode_bytes(tokens[:most]).decode(errors="ignore")
            if not NEWER_THAN_TIKTOKEN.search(text):
                assert counter.cut(text, most) == spelt

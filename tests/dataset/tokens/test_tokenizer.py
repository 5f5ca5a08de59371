"""What holds of every tokenizer: odd texts, cuts, and models that are not on this machine."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftops.dataset.tokens.base import SMOLLM2, SMOLLM2_FILE, models_folder
from ftops.dataset.tokens.bpe import read_bpe
from ftops.dataset.tokens.tokenizer import TOKENIZERS, tokenizer
from ftops.server.train.base import load_base
from ftops.server.train.tokenizer import _BYTE_CHARACTERS as BYTE_LETTERS
from ftops.server.train.tokenizer import BpeTokenizer, ByteTokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXTS: dict[str, str] = json.loads(Path(__file__).with_name("texts.json").read_text(encoding="utf-8"))
MERGES = [
    "h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "l d", "Ġwor ld", "Ġ Ġ", "ĠĠ ĠĠ", "Ċ Ċ", "1 2", "i n",
    "in g", "a b", "b c", "ab c", "Ġ a", "Ã ©", "ã ģ", "' s",
]  # fmt: skip
UNSPOKEN = (0x04, 0x1D, 0xC0, 0xFF)
"""Bytes for which the model has no token, as SmolLM2 has none for some."""
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def gguf(lists: dict[str, list[str]], *, version: int = 3) -> bytes:
    """The metadata of a model file: what the tokenizer needs, among other things."""

    def string(text: str) -> bytes:
        return struct.pack("<Q", len(text.encode())) + text.encode()

    pairs = [
        string("general.name") + struct.pack("<I", 8) + string("a name"),
        string("general.alignment") + struct.pack("<II", 4, 32),
        string("tokenizer.ggml.token_type") + struct.pack("<IIQ", 9, 5, 2) + struct.pack("<ii", 1, 3),
        *(
            string(key) + struct.pack("<IIQ", 9, 8, len(values)) + b"".join(map(string, values))
            for key, values in lists.items()
        ),
    ]
    return struct.pack("<4sIQQ", b"GGUF", version, 0, len(pairs)) + b"".join(pairs)


def small_model() -> dict[str, list[str]]:
    letters = [letter for byte, letter in enumerate(BYTE_LETTERS) if byte not in UNSPOKEN]
    return {
        "tokenizer.ggml.tokens": [*CONTROL, *letters, *(merge.replace(" ", "") for merge in MERGES)],
        "tokenizer.ggml.merges": MERGES,
    }


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / SMOLLM2_FILE).write_bytes(gguf(small_model()))
    return tmp_path


def texts(count: int) -> list[str]:
    chance = random.Random(7)
    kinds = [
        "hello world ing abc",
        "  \t\n\r\n\u00a0\u3000\u2003\x1c\x85",
        "0123½²Ⅷ٣",
        "éあ漢한😀ÿ\x04\x1d\0",
        "'s't I'd.!?",
        "ab",
    ]
    mixed = ["".join(chance.choices(chance.choice(kinds), k=chance.randrange(1, 40))) for _ in range(count)]
    return mixed + ["".join(chance.choice(chance.choice(kinds)) for _ in range(chance.randrange(1, 40))) for _ in mixed]


def agree(ours: Sequence[int], theirs: Sequence[int], samples: Sequence[str]) -> None:
    assert [text for text, our, their in zip(samples, ours, theirs, strict=True) if our != their] == []


@pytest.mark.parametrize("name", TOKENIZERS)
def test_odd_texts_are_counted_and_do_not_crash(name: str, models: Path) -> None:
    counter = tokenizer(name, models)
    assert counter.is_exact
    odd = ["", "\0", "a\0b", "<|endoftext|>", "a\ud800b", "\ud83d\ude00", "\udc00" * 3, "\ufeff"]
    counts = counter.count(odd)
    assert counts[0] == 0
    assert counts[3] > 1, "text that looks like a special token is only text"
    assert counts[4] == counter.count(["a\ufffdb"])[0], "half a pair counts as tiktoken counts it"
    assert counts[5] == counter.count(["😀"])[0], "two halves are a whole"
    for text, count in zip(odd, counts, strict=True):
        assert counter.count([text], threads=2) == [count]
        counter.cut(text, 1)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_cut_is_a_beginning_that_fits(name: str, models: Path) -> None:
    counter = tokenizer(name, models)
    for text in texts(100):
        (count,) = counter.count([text])
        assert counter.cut(text, count) == text
        assert counter.count([counter.cut(text, 0)]) == [0], "what the model has no token for costs nothing"
        for most in range(0, count, 3):
            assert text.startswith(counter.cut(text, most))


def test_the_byte_model_counts_as_the_server_does(models: Path) -> None:
    samples = texts(200)
    agree(
        tokenizer("tiny-byte-90k", models).count(samples),
        [len(ByteTokenizer().encode(text)) for text in samples],
        samples,
    )


def test_byte_pairs_count_as_the_server_does(models: Path) -> None:
    model, samples = small_model(), texts(3000)
    kinds = [3 if token in CONTROL else 1 for token in model["tokenizer.ggml.tokens"]]
    server = BpeTokenizer(tokens=model["tokenizer.ggml.tokens"], merges=MERGES, types=kinds)
    agree(tokenizer(SMOLLM2, models).count(samples), [len(server.encode(text)) for text in samples], samples)


def test_more_words_than_are_remembered_count_the_same(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = texts(50)
    expected = tokenizer(SMOLLM2, models).count(samples)
    monkeypatch.setattr("ftops.dataset.tokens.bpe._WORDS_REMEMBERED", 3)
    assert tokenizer(SMOLLM2, models).count(samples) == expected


def test_long_runs_do_not_exhaust_the_byte_pair_encoder(models: Path) -> None:
    counter = tokenizer(SMOLLM2, models)
    assert counter.count([" " * 1_000_000, "\n" * 1_000_000 + "x", "z" * 100_000]) == [250_000, 500_002, 100_000]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "is not on this machine"),
        (b"", "cannot be read"),
        (b"GGUF", "cannot be read"),
        (b"PK\3\4" + bytes(100), "cannot be read"),
        (gguf(small_model(), version=1), "cannot be read"),
        (gguf(small_model())[:-10], "cannot be read"),
        (gguf({}), "cannot be read"),
        (struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, 0) + struct.pack("<IIQ", 9, 9, 0), "cannot be read"),
        (struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, 0) + struct.pack("<IIQ", 9, 99, 0), "cannot be read"),
    ],
)
def test_without_the_models_file_counts_are_marked_as_an_estimate(
    content: bytes | None, why: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / SMOLLM2_FILE).write_bytes(content)
    counter = tokenizer(SMOLLM2, tmp_path)
    assert not counter.is_exact
    assert why in (counter.caveat or "")
    assert counter.name == "o200k_base"
    assert counter.count(["hello world"]) == [2]


def test_models_lie_where_the_server_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert models_folder({}) == tmp_path / ".cache/ftops/models"
    assert models_folder({"XDG_CACHE_HOME": "/c"}).as_posix() == "/c/ftops/models"
    assert models_folder({"XDG_CACHE_HOME": "/c", "FTOPS_MODELS_DIR": "/m"}).as_posix() == "/m"


@pytest.mark.slow
def test_the_small_instruct_model_counts_as_the_server_does() -> None:
    server = load_base(SMOLLM2).tokenizer
    counter = tokenizer(SMOLLM2, models_folder({}))
    assert counter.is_exact
    chance = random.Random(9)
    words = "".join(TEXTS.values())
    samples = texts(10_000) + [
        "".join(chance.choices(words, k=12)) + words[(start := chance.randrange(len(words))) : start + 40]
        for _ in range(20_000)
    ]
    agree(counter.count(samples), [len(server.encode(text)) for text in samples], samples)
    assert not isinstance(read_bpe(models_folder({}) / SMOLLM2_FILE), str)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.server.train.tokenizer import _BYTE_CHARACTERS, BpeTokenizer, ByteTokenizer, decode

MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w", "Ġw o", "1 2"]
TOKENS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    *_BYTE_CHARACTERS,
    *("".join(merge.split(" ")) for merge in MERGES),
]
TINY = BpeTokenizer(tokens=TOKENS, merges=MERGES, types=[3] * 3 + [1] * (len(TOKENS) - 3))


def pieces(text: str) -> list[str]:
    return [TINY.spell(token).decode() for token in TINY.encode(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", ["hello"]),
        ("hell", ["hell"]),
        ("hello world", ["hello", " wo", "r", "l", "d"]),
        ("12", ["1", "2"]),
        ("hehe", ["he", "he"]),
        ("", []),
    ],
)
def test_pairs_are_joined_in_the_order_of_their_rank(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


@pytest.mark.parametrize("tokenizer", [TINY, ByteTokenizer()])
@given(text=st.text())
def test_what_is_encoded_is_decoded_again(tokenizer: BpeTokenizer | ByteTokenizer, text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    assert decode(tokenizer, tokenizer.encode(text)) == text


@pytest.mark.parametrize("tokenizer", [TINY, ByteTokenizer()])
def test_control_tokens_are_never_text(tokenizer: BpeTokenizer | ByteTokenizer) -> None:
    controls = {tokenizer.start, tokenizer.end, tokenizer.end_of_text}
    assert len(controls) == 3
    assert not controls & set(tokenizer.encode("<|im_start|>user<|im_end|><|endoftext|>"))
    assert {tokenizer.spell(control) for control in controls} == {b""}


def test_a_byte_without_a_token_is_left_out() -> None:
    sparse = BpeTokenizer(tokens=["<|im_start|>", "<|im_end|>", "<|endoftext|>", "a"], merges=[], types=[3, 3, 3, 1])
    assert sparse.encode("abA") == [3]

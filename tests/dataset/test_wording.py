"""What is shown of an edited text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.dataset.wording import (
    NEIGHBOURS_CHARS,
    PIECES_MAX,
    STRETCH_CHARS_MAX,
    WORDS_MAX,
    Piece,
    shortened,
    word_diff,
)

texts = st.text(st.sampled_from("ab  ,.\n東京都のé\u0301👍🏽")) | st.text()


def spelt(pieces: tuple[Piece, ...]) -> str:
    """As `git diff --word-diff` spells it."""
    marks = {"same": "{}", "gone": "[-{}-]", "come": "{{+{}+}}"}
    return "".join(marks[piece.kind].format(piece.text) for piece in pieces)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("Click Reset now", "Tap Reset now", "[-Click-]{+Tap+} Reset now"),
        ("to the shop", "to the old shop", "to the {+old +}shop"),
        ("one two", "three four", "[-one two-]{+three four+}"),
        ("wait, then go", "stay, and go", "[-wait, then-]{+stay, and+} go"),
        ("東京へ行きます", "京都へ行きます", "[-東-]京{+都+}へ行きます"),
        ("สวัสดี", "สวัสดิ", "สวัส[-ดี-]{+ดิ+}"),
        ("cafe\u0301 noir", "cafe noir", "[-cafe\u0301-]{+cafe+} noir"),
        ("👍🏽 ok", "👍 ok", "[-👍🏽-]{+👍+} ok"),
        ("", "all", "{+all+}"),
        ("all", "", "[-all-]"),
        ("same", "same", "same"),
        ("", "", ""),
    ],
)
def test_words_change_as_a_whole(old: str, new: str, told: str) -> None:
    assert spelt(word_diff(old, new)) == told


@given(texts, texts)
def test_both_versions_can_be_read_from_the_pieces(old: str, new: str) -> None:
    pieces = word_diff(old, new)
    assert "".join(piece.text for piece in pieces if piece.kind != "come") == old
    assert "".join(piece.text for piece in pieces if piece.kind != "gone") == new
    assert all(piece.text for piece in pieces)


def test_a_very_long_change_is_one() -> None:
    old, new = "a b " * WORDS_MAX, "c b " * WORDS_MAX
    assert [piece.kind for piece in word_diff(f"first {old}last", f"first {new}last")] == [
        "same",
        "gone",
        "come",
        "same",
    ]


def test_what_did_not_change_is_left_out_but_for_its_neighbourhood() -> None:
    long = "word " * 100
    short = shortened(word_diff(f"{long}one {long}two {long}", f"{long}eins {long}zwei {long}"))
    kinds = [piece.kind for piece in short]
    assert kinds == ["same", "gone", "come", "same", "gone", "come", "same"]
    assert short[0].text.startswith("…")
    assert short[3].text[NEIGHBOURS_CHARS] == "…"
    assert short[6].text.endswith("…")
    assert max(len(piece.text) for piece in short) == 2 * NEIGHBOURS_CHARS + 1


def test_long_changes_and_many_changes_are_cut() -> None:
    alone = shortened((Piece("come", "x" * 9_999),))
    assert alone == (Piece("come", "x" * STRETCH_CHARS_MAX + "…"),)
    old = " ".join(f"x{number} same" for number in range(99))
    many = shortened(word_diff(old, old.replace("x", "y")))
    assert len(many) == PIECES_MAX + 1
    assert many[-1] == Piece("same", "…")

# ruff: noqa: RUF001  # scripts and punctuation that look like others are what is tested
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.dataset.traits import Ending, Script, endings, scripts

ENDINGS = {
    "": Ending.NOTHING,
    " \n": Ending.NOTHING,
    "Done.": Ending.STOP,
    "Done. \n": Ending.STOP,
    "できました。": Ending.STOP,
    "क्या यह ठीक है।": Ending.STOP,
    "هل هذا صحيح؟": Ending.STOP,
    "and so on…": Ending.STOP,
    "(as above)": Ending.CLOSING,
    "“quoted”": Ending.CLOSING,
    "```": Ending.CLOSING,
    "because the": Ending.WORD,
    "42": Ending.WORD,
    "because,": Ending.OPEN,
    "そして、": Ending.OPEN,
    "f(": Ending.OPEN,
    "Great 🎉": Ending.OTHER,
    "**bold**": Ending.OTHER,
}
SCRIPTS = {
    "": Script.NONE,
    "12345 !?": Script.NONE,
    "Die Größe der Übung": Script.LATIN,
    "Καλημέρα κόσμε": Script.GREEK,
    "Привет, как дела?": Script.CYRILLIC,
    "שלום עולם": Script.HEBREW,
    "مرحبا بالعالم": Script.ARABIC,
    "नमस्ते दुनिया": Script.DEVANAGARI,
    "สวัสดีชาวโลก": Script.THAI,
    "안녕하세요": Script.HANGUL,
    "今天天气很好，我们去公园": Script.HAN,
    "今日は天気がいいので公園に行きます": Script.JAPANESE,
    "numpyを使って配列を作ります": Script.JAPANESE,
    "He said привет to us all, and then he left again": Script.LATIN,
    "ภาษา" * 1_000: Script.THAI,
    "𠮷野家 is what it is called for short": Script.LATIN,
}


@pytest.mark.parametrize(("text", "ending"), ENDINGS.items())
def test_the_last_character_tells_how_a_text_ends(text: str, ending: Ending) -> None:
    assert endings([text]).tolist() == [ending]


@pytest.mark.parametrize(("text", "script"), SCRIPTS.items(), ids=[text[:12] for text in SCRIPTS])
def test_a_script_is_that_of_the_letters(text: str, script: Script) -> None:
    assert scripts([text]).tolist() == [script]


@given(st.lists(st.text(max_size=80), max_size=10))
def test_any_texts_have_an_ending_and_a_script_of_their_own(texts: list[str]) -> None:
    assert endings(texts).tolist() == [endings([text])[0] for text in texts]
    assert scripts(texts).tolist() == [scripts([text])[0] for text in texts]
    assert all(code in list(Ending) for code in endings(texts).tolist())

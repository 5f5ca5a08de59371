"""What the end and the script of a text tell, as one byte each: the columns `ending`, `prompt_script`, `answer_script`.

Both are taken of whole blocks of texts, for a fraction of a microsecond a text. They are for statistics over a file,
which find the few texts that differ from the many; of one text alone they prove nothing.
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum
from functools import cache
from itertools import compress
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Ending(IntEnum):
    """What the last character of a text is that is not blank."""

    NOTHING = 0
    """There is no text."""
    STOP = 1
    """The end of a sentence, in any script."""
    CLOSING = 2
    """A closing bracket, a quotation mark, a backtick: a sentence or code may end so."""
    WORD = 3
    """A letter or a digit: a title, an item of a list, or a sentence that was cut."""
    OPEN = 4
    """What something must follow: a comma, a colon, a dash, an opening bracket."""
    OTHER = 5
    """An emoji, a sign, markup."""


class Script(IntEnum):
    """In which script a text is written."""

    NONE = 0
    """It has no letters, or none of a script that is known here."""
    LATIN = 1
    GREEK = 2
    CYRILLIC = 3
    HEBREW = 4
    ARABIC = 5
    DEVANAGARI = 6
    THAI = 7
    HANGUL = 8
    HAN = 9
    """Chinese characters without kana."""
    JAPANESE = 10
    """Kana, with Chinese characters or without."""


SAMPLED: Final = 32
"""Characters of a text that are looked at for its script, evenly spread; all of a shorter text."""
FOREIGN_SHARE: Final = 0.25
"""From this share of its letters on a script other than Latin is the text's: names and code are Latin everywhere."""
KANA_SHARE: Final = 0.1
"""From this share of kana among Chinese characters and kana on a text is Japanese."""

_OPEN: Final = frozenset(",;:、，；：،؛-–—/\\&+=|")  # noqa: RUF001  # full-width punctuation is what is meant
_STOPS: Final = frozenset(".!?…。！？｡؟۔।॥։။៕‼⁇⁈⁉．")  # noqa: RUF001  # likewise
_RANGES: Final = (
    (Script.LATIN, 0x41, 0x5B),
    (Script.LATIN, 0x61, 0x7B),
    (Script.LATIN, 0xC0, 0x250),
    (Script.LATIN, 0x1E00, 0x1F00),
    (Script.GREEK, 0x370, 0x400),
    (Script.GREEK, 0x1F00, 0x2000),
    (Script.CYRILLIC, 0x400, 0x530),
    (Script.HEBREW, 0x590, 0x600),
    (Script.ARABIC, 0x600, 0x780),
    (Script.ARABIC, 0xFB50, 0xFE00),
    (Script.ARABIC, 0xFE70, 0xFEFF),
    (Script.DEVANAGARI, 0x900, 0x980),
    (Script.THAI, 0xE00, 0xE80),
    (Script.HANGUL, 0x1100, 0x1200),
    (Script.HANGUL, 0x3130, 0x3190),
    (Script.HANGUL, 0xAC00, 0xD7B0),
    (Script.HAN, 0x3400, 0x4DC0),
    (Script.HAN, 0x4E00, 0xA000),
    (Script.HAN, 0xF900, 0xFB00),
    (Script.HAN, 0x20000, 0x32000),
    (Script.JAPANESE, 0x3041, 0x30FB),
    (Script.JAPANESE, 0x31F0, 0x3200),
    (Script.JAPANESE, 0xFF66, 0xFFA0),
)
"""Code points from the first to before the last, by the blocks of Unicode 15."""


def endings(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Tell what each text ends in, as a value of Ending."""
    codes = [_ENDINGS[text[-1:]] for text in texts]
    return np.frombuffer(
        bytes(_ENDINGS[texts[at].rstrip()[-1:]] if code == _BLANK else code for at, code in enumerate(codes)),
        dtype=np.uint8,
    )


def scripts(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Tell in which script each text is written, as a value of Script."""
    if not texts:
        return np.zeros(0, dtype=np.uint8)
    is_ascii = np.fromiter(map(str.isascii, texts), np.bool_, len(texts))
    # Most texts begin with a letter, which is seen sooner than the first one is found.
    has_letter = [text[:1].isalpha() or bool(_LETTER(text)) for text in compress(texts, is_ascii.tolist())]
    found = np.full(len(texts), Script.NONE, dtype=np.uint8)
    found[is_ascii] = np.where(has_letter, Script.LATIN, Script.NONE)
    if not is_ascii.all():
        found[~is_ascii] = _scripts_by_sample(list(compress(texts, (~is_ascii).tolist())))
    return found


def _scripts_by_sample(texts: Sequence[str]) -> NDArray[np.uint8]:
    samples = [text[:: len(text) // SAMPLED + 1] for text in texts]
    points = np.frombuffer("".join(samples).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    rows = np.repeat(np.arange(len(texts)), [len(sample) for sample in samples])
    cells = np.bincount(rows * len(Script) + _script_of_points()[points], minlength=len(texts) * len(Script))
    letters = cells.reshape(len(texts), len(Script))
    letters[:, Script.NONE] = 0

    kana, han = letters[:, Script.JAPANESE].copy(), letters[:, Script.HAN].copy()
    is_japanese = kana > KANA_SHARE * (kana + han)
    letters[:, Script.JAPANESE] = np.where(is_japanese, kana + han, 0)
    letters[:, Script.HAN] = np.where(is_japanese, 0, kana + han)

    total = letters.sum(axis=1)
    foreign = letters[:, Script.LATIN + 1 :]
    is_foreign = foreign.sum(axis=1) > FOREIGN_SHARE * total
    script = np.where(is_foreign, foreign.argmax(axis=1) + Script.LATIN + 1, Script.LATIN)
    return np.where(total > 0, script, Script.NONE).astype(np.uint8)


class _Endings(dict[str, int]):
    """The ending of each character that was met: there are a few thousand at most."""

    def __missing__(self, character: str) -> int:
        self[character] = code = int(_ending_of(character))
        return code


def _ending_of(character: str) -> int:
    if not character:
        return Ending.NOTHING
    if character.isspace():
        return _BLANK
    if character in _STOPS:
        return Ending.STOP
    category = unicodedata.category(character)
    if category in {"Pe", "Pf"} or character in "\"'`>":
        return Ending.CLOSING
    if category in {"Ps", "Pi"} or character in _OPEN:
        return Ending.OPEN
    return Ending.WORD if category[0] in "LMN" else Ending.OTHER


_LETTER: Final = re.compile("[A-Za-z]").search
_ENDINGS: Final = _Endings()
_BLANK: Final = 255
"""Of a blank, which is never the answer: what stands before it is."""


@cache
def _script_of_points() -> NDArray[np.uint8]:
    table = np.zeros(0x110000, dtype=np.uint8)
    for script, begin, end in _RANGES:
        table[begin:end] = script
    return table

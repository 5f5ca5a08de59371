"""What changed in a text, word by word; in scripts without blanks, character by character."""

from __future__ import annotations

from difflib import SequenceMatcher
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

Kind: TypeAlias = Literal["same", "gone", "come"]

WORDS_MAX: Final = 1_000
"""Words between the first and the last change up to which they are compared; of more, all count as replaced."""
NEIGHBOURS_CHARS: Final = 60
"""Characters that are shown of an unchanged stretch, before and after a change."""
STRETCH_CHARS_MAX: Final = 400
"""Characters that are shown of one changed stretch."""
PIECES_MAX: Final = 25
"""Stretches of a text that are shown, changed or not."""
FILLER_CHARS_MAX: Final = 2

_WORDS = r"""(?V1)
    [\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]\p{M}*  # scripts without blanks
    | [[\p{L}\p{N}_]--[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]]
      [[\p{L}\p{N}\p{M}_]--[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]]*
    | \s+
    | \X
"""


class Piece(NamedTuple):
    """A stretch of text that is in both versions, or in one."""

    kind: Kind
    text: str


class _Stretch(NamedTuple):
    """What stands in either version between two points where they meet; the same if nothing changed there."""

    old: str
    new: str


def word_diff(old: str, new: str) -> tuple[Piece, ...]:
    """Tell what must go from *old*, and what must come, to make it *new*; nothing is left out."""
    stretches = [each for each in _stretches(_words(old), _words(new)) if each != ("", "")]
    pieces: list[Piece] = []
    for is_change, some in groupby(range(len(stretches)), lambda index: _is_change(stretches, index)):
        before, after = map("".join, zip(*(stretches[index] for index in some), strict=True))
        found = (Piece("gone", before), Piece("come", after)) if is_change else (Piece("same", before),)
        pieces += [piece for piece in found if piece.text]
    return tuple(pieces)


def shortened(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Keep the changes, and a little of what stands round each; `…` stands for what is left out."""
    last = len(pieces) - 1
    kept = []
    for index, (kind, text) in enumerate(pieces[:PIECES_MAX]):
        if kind != "same" or not last:
            kept.append(Piece(kind, _cut(text, STRETCH_CHARS_MAX, 0)))
        else:
            kept.append(Piece(kind, _cut(text, NEIGHBOURS_CHARS if index else 0, NEIGHBOURS_CHARS * (index < last))))
    return (*kept, Piece("same", "…")) if last >= PIECES_MAX else tuple(kept)


def _cut(text: str, head: int, tail: int) -> str:
    """The first and the last characters of *text*, unless these are all."""
    return text if len(text) <= head + tail + 1 else f"{text[:head]}…{text[len(text) - tail :]}"


def _words(text: str) -> list[str]:
    found: list[str] = _pattern().findall(text)
    return found


@cache
def _pattern() -> Any:
    import regex  # type: ignore[import-untyped] # noqa: PLC0415  # it has no types; only where words are shown

    return regex.compile(_WORDS, regex.VERBOSE)


def _stretches(old: Sequence[str], new: Sequence[str]) -> Iterator[_Stretch]:
    """Pairs of stretches that are equal, or have no word in common."""
    both = min(len(old), len(new))
    head = next((index for index in range(both) if old[index] != new[index]), both)
    tail = next((index for index in range(both - head) if old[-1 - index] != new[-1 - index]), both - head)
    yield _Stretch("".join(old[:head]), "".join(new[:head]))
    ends = len(old) - tail, len(new) - tail
    middle, new_middle = old[head : ends[0]], new[head : ends[1]]
    if max(len(middle), len(new_middle)) > WORDS_MAX:
        yield _Stretch("".join(middle), "".join(new_middle))
    else:
        # Blanks are everywhere: where nothing else is the same, they are no reason to tear a stretch apart.
        matcher = SequenceMatcher(str.isspace, middle, new_middle, autojunk=False)
        for _, begin, end, new_begin, new_end in matcher.get_opcodes():
            yield _Stretch("".join(middle[begin:end]), "".join(new_middle[new_begin:new_end]))
    yield _Stretch("".join(old[ends[0] :]), "".join(new[ends[1] :]))


def _is_change(stretches: Sequence[_Stretch], index: int) -> bool:
    """Whether a stretch changed, or stands between two that did and is no more than a blank or a comma."""
    old, new = stretches[index]
    if old != new:
        return True
    if not 0 < index < len(stretches) - 1 or len(old) > FILLER_CHARS_MAX or any(map(str.isalnum, old)):
        return False
    before, after = stretches[index - 1], stretches[index + 1]
    return before.old != before.new and after.old != after.new

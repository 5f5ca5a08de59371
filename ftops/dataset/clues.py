"""Which rows of a block are worth the heuristics: those that hold a clue. It runs nearly at the speed of memory.

A clue is a few bytes that stand in a row if a heuristic has anything to find there. They are sought by automata of
Aho and Corasick, which are fast because they first compare the beginnings of all patterns at once. Their library does
that for the leftmost match only, and the better the fewer patterns there are (12 ran through 7 to 20 GB/s, 60 through
0.8 GB/s; asked for all matches, any number through 0.3 GB/s). So the patterns are spread over several, and those that
a block cannot hold are left out. What has no bytes of its own is known by its form: see below.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from ftops.dataset.heuristics import HEURISTICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import ahocorasick_rs
    import numpy as np
    from numpy.typing import NDArray

CLUES: Final = tuple(dict.fromkeys(clue for rule in HEURISTICS for clue in rule.clues))

_PATTERNS_MAX: Final = 12
"""Measured: 16 take almost twice as long, for one such group of them does; 8 and 10 are not better everywhere."""
_FENCE: Final = b"```"
_DOMAIN: Final = re.compile(rb"@[A-Za-z0-9-]+\.[A-Za-z0-9.-]*[A-Za-z]")

_PHONE: Final = re.compile(rb"\+[1-9][0-9]{0,2}[ .-]\(?[0-9]")

_LINE_FEED: Final = 10
_WINDOW: Final = 11
_DIGITS_MIN: Final = 9
_CHUNK: Final = 1 << 17
"""Bytes in which digits are counted at once: their intermediate values stay in the cache of a core."""


def suspects(texts: bytes, ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the rows that hold a clue, by their position, in order.

    In a row without any, no heuristic would find anything, save code fences that are open in two texts at once.

    Args:
        texts: All that is said in the rows, in UTF-8.
        ends: One past the last byte of each row.
    """
    import numpy as np  # noqa: PLC0415  # only who reads data needs it

    automata = _automata()
    found = [*_begins(automata.plain, texts)]
    if not texts.isascii():
        found += _begins(automata.utf8, texts)
    found += _addresses(automata.at, texts)
    found += (start for start in _begins([automata.plus], texts) if _PHONE.match(texts, start))
    found += _numbers(texts)
    found += _controls(texts)
    fences = np.searchsorted(ends, list(_begins([automata.fence], texts)), side="right")
    is_odd = np.bincount(fences, minlength=len(ends)) % 2 == 1  # so that one of them is not closed
    is_suspect = is_odd[: len(ends)]
    is_suspect[np.searchsorted(ends, found, side="right")] = True
    return np.flatnonzero(is_suspect)


def _begins(automata: Iterable[ahocorasick_rs.BytesAhoCorasick], texts: bytes) -> Iterator[int]:
    for automaton in automata:
        for _, start, _ in automaton.find_matches_as_indexes(texts):
            yield start


def _addresses(at: ahocorasick_rs.BytesAhoCorasick, texts: bytes) -> Iterator[int]:
    """The form `address`: something at a domain, as in an e-mail address and in a login of a URL."""
    for start in _begins([at], texts):
        if texts[start - 1 : start].isalnum() and _DOMAIN.match(texts, start):
            yield start


def _numbers(texts: bytes) -> Iterator[int]:
    """The form `number`: 9 digits in 11 characters, as cards and accounts have, and times of day have not."""
    import numpy as np  # noqa: PLC0415  # as above

    content = np.frombuffer(texts, dtype=np.uint8)
    for begin in range(0, len(content) - _WINDOW + 1, _CHUNK):
        digit = ((content[begin : begin + _CHUNK + _WINDOW - 1] - ord("0")) < 10).view(np.uint8)  # noqa: PLR2004  # wraps
        two = digit[:-1] + digit[1:]
        four = two[:-2] + two[2:]
        eleven = four[:-7] + four[4:-3] + two[8:-1] + digit[10:]
        if eleven.max() >= _DIGITS_MIN:
            hits = np.flatnonzero(eleven >= _DIGITS_MIN)
            # One of a run is enough, as a run is within a row.
            yield from (begin + hits[np.diff(hits, prepend=-_WINDOW) > 1]).tolist()


def _controls(texts: bytes) -> Sequence[int]:
    """The form `control`: a control character of ASCII that ends no line and is no tab."""
    import numpy as np  # noqa: PLC0415  # as above

    content = np.frombuffer(texts, dtype=np.uint8)
    is_low = content < ord(" ")
    if np.count_nonzero(is_low) == np.count_nonzero(content == _LINE_FEED):
        return []
    places = np.flatnonzero(is_low)
    found: list[int] = places[~np.isin(content[places], list(b"\n\t\r"))].tolist()
    return found


class _Automata(NamedTuple):
    plain: Sequence[ahocorasick_rs.BytesAhoCorasick]
    utf8: Sequence[ahocorasick_rs.BytesAhoCorasick]
    at: ahocorasick_rs.BytesAhoCorasick
    plus: ahocorasick_rs.BytesAhoCorasick
    """The form `phone`: a plus sign and a digit, and then the rest of a country's code."""
    fence: ahocorasick_rs.BytesAhoCorasick


@cache
def _automata() -> _Automata:
    import ahocorasick_rs  # noqa: PLC0415  # only who reads data needs it

    def made(patterns: Sequence[bytes]) -> ahocorasick_rs.BytesAhoCorasick:
        return ahocorasick_rs.BytesAhoCorasick(patterns, matchkind=ahocorasick_rs.MATCHKIND_LEFTMOST_FIRST)

    def spread(patterns: Iterable[bytes]) -> Sequence[ahocorasick_rs.BytesAhoCorasick]:
        ordered = sorted(patterns)  # those that begin alike together
        single = [each for each in ordered if len(each) == 1]  # which alone are sought faster than any others
        longer = [each for each in ordered if len(each) > 1]
        groups = [longer[begin : begin + _PATTERNS_MAX] for begin in range(0, len(longer), _PATTERNS_MAX)]
        return [made(group) for group in (*groups, single) if group]

    return _Automata(
        plain=spread(clue for clue in CLUES if clue.isascii()),
        utf8=spread(clue for clue in CLUES if not clue.isascii()),
        at=made([b"@"]),
        plus=made([b"+%d" % digit for digit in range(1, 10)]),
        fence=made([_FENCE]),
    )

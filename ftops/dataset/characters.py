"""Heuristics about characters that nobody typed: decoded wrongly, invisible, or written in an unusual way."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from ftops.dataset.rule import Finding, content_rule
from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.dataset.said import Said


_MOJIBAKE = re.compile(
    r"[\xc2\xc3\xd0][\x80-\xbf]|\xe2\u20ac|\xf0\u0178|\xe3[\u201a\u0192]|\xd1[\u201a\u20ac]|[\xeb\xec][\u2000-\u203f]|[\x80-\x83]"
)
_MOJIBAKE_CHARS_MAX = 100_000
_ZERO_WIDTH = "\u200b\u2060\ufeff"
_DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_INVISIBLE = re.compile(f"[{_ZERO_WIDTH}{_DIRECTIONS}\U000e0000-\U000e007f]")
# Where these are part of writing: breaks between words of South-East Asia, directions beside Hebrew and Arabic, and the
# flags of England, Scotland and Wales.
_VISIBLY_USED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]\u200b"
    # At the beginning of a run, and without giving any of it back: else a million marks would take as many looks each.
    f"|(?<![{_DIRECTIONS}])[{_DIRECTIONS}]++(?=[\u0590-\u08ff])|(?<=[\u0590-\u08ff])[{_DIRECTIONS}]+"
    "|\U0001f3f4[\U000e0020-\U000e007f]+"
)
# Of those beyond ASCII only what Windows' code page has as punctuation: the others come with mojibake, if at all.
_CONTROL = re.compile(r"[\x00-\x07\x0b\x0e-\x1f\x7f\x80\x91-\x94\x96\x97\x99]")
_COMBINING = re.compile(r"[\u0300-\u036f\u3099\u309a\u1100-\u1112]")


@content_rule(
    "data-replacement-character",
    clues=(b"\xef\xbf\xbd",),
    threshold="one U+FFFD in a text",
    why="it stands where a decoder met bytes that it could not read: the characters are lost, and the mark is learnt",
    fix="read the source again in its own encoding, or remove the row",
)
def nothing_was_lost_in_decoding(said: tuple[Said, ...]) -> Iterator[Finding]:
    """No text holds the replacement character."""
    for each in _beyond_ascii(said):
        if count := each.text.count("\ufffd"):
            yield Finding(each.where, f"holds {count} of U+FFFD, the replacement character")


@content_rule(
    "data-mojibake",
    clues=(
        # Capital A with tilde or circumflex, then what Latin-1 has for the second half of two UTF-8 bytes.
        *(b"\xc3\x83\xc2", b"\xc3\x82\xc2"),
        # The same of Windows' code page: quotes and dashes, emoji, Japanese, Cyrillic, Korean.
        *(b"\xc3\xa2\xe2\x82\xac", b"\xc3\xb0\xc5\xb8", b"\xc3\xa3\xe2\x80\x9a", b"\xc3\xa3\xc6\x92"),
        *(b"\xc3\x91\xe2\x80\x9a", b"\xc3\x91\xe2\x82\xac", b"\xc3\x90\xc2", b"\xc3\xac\xe2\x80", b"\xc3\xab\xe2\x80"),
        # Latin-1 again: the second and third of three bytes are mostly control characters.
        *(b"\xc2\x80", b"\xc2\x81", b"\xc2\x82", b"\xc2\x83"),
    ),
    threshold="ftfy would decode a text anew, which it does if that makes it much likelier",
    why="the text was written in UTF-8 and read as Windows-1252 or Latin-1, and is learnt as it looks now",
    fix="read the source again as UTF-8, or run `ftfy.fix_encoding` on the text",
)
def text_was_decoded_once(said: tuple[Said, ...]) -> Iterator[Finding]:
    """No text is UTF-8 that was read in another encoding."""
    for each in _beyond_ascii(said):
        if _MOJIBAKE.search(each.text):
            import ftfy  # noqa: PLC0415  # only rows that look like it are worth the import

            text = each.text[:_MOJIBAKE_CHARS_MAX]
            if ftfy.fix_encoding(text) != text:
                yield Finding(each.where, "looks like UTF-8 that was read in another encoding")


@content_rule(
    "data-invisible-character",
    clues=(
        *(character.encode() for character in _ZERO_WIDTH + _DIRECTIONS),
        *(b"\xf3\xa0\x80", b"\xf3\xa0\x81"),
    ),
    threshold="one such character, save in scripts and flags that are written with them",
    why="nobody sees them, tokenizers do: they come from web pages, and can hide instructions or turn code around",
    fix="remove them, unless the model shall read them",
)
def every_character_is_visible(said: tuple[Said, ...]) -> Iterator[Finding]:
    """No text holds characters of no width, tags, or marks that turn the direction of writing."""
    for each in _beyond_ascii(said):
        if _INVISIBLE.search(each.text) and (found := _INVISIBLE.findall(_VISIBLY_USED.sub("", each.text))):
            yield Finding(each.where, f"holds {_some(len(found), 'invisible')}, such as U+{ord(found[0]):04X}")


@content_rule(
    "data-control-character",
    forms=("control",),
    clues=(
        *(
            b"\x7f",
            b"\xc2\x80",
            b"\xc2\x91",
            b"\xc2\x92",
            b"\xc2\x93",
            b"\xc2\x94",
            b"\xc2\x96",
            b"\xc2\x97",
            b"\xc2\x99",
        ),
    ),
    threshold="one control character of ASCII without a short escape in JSON, or one of Windows",
    why="it comes from a terminal, a broken file or a wrong encoding, and means nothing to a reader",
    fix="remove it; of a terminal's output, take away the escape sequences",
)
def nothing_controls_a_terminal(said: tuple[Said, ...]) -> Iterator[Finding]:
    """No text holds control characters."""
    for each in said:
        if found := _CONTROL.findall(each.text):
            yield Finding(each.where, f"holds {_some(len(found), 'control')}, such as U+{ord(found[0]):04X}")


@content_rule(
    "data-not-nfc",
    clues=(
        b"\xcc",
        b"\xcd",
        b"\xe3\x82\x99",
        b"\xe3\x82\x9a",
        b"\xe1\x84",
    ),
    threshold="a letter and its mark as two characters where Unicode has one for both",
    why="the same word has other tokens than elsewhere, and searches miss it; file names from macOS look like this",
    fix='normalize the text: `unicodedata.normalize("NFC", text)`',
    severity=Severity.NOTE,
)
def letters_are_composed(said: tuple[Said, ...]) -> Iterator[Finding]:
    """Texts are in Unicode's composed form, NFC."""
    for each in _beyond_ascii(said):
        if _COMBINING.search(each.text) and not unicodedata.is_normalized("NFC", each.text):
            yield Finding(each.where, "is not in Unicode's composed form")


def _some(count: int, kind: str) -> str:
    return f"{count:,} {kind} character{'' if count == 1 else 's'}"


def _beyond_ascii(said: tuple[Said, ...]) -> Iterator[Said]:
    return (each for each in said if not each.text.isascii())


CHARACTER_RULES = (
    nothing_was_lost_in_decoding,
    text_was_decoded_once,
    every_character_is_visible,
    nothing_controls_a_terminal,
    letters_are_composed,
)

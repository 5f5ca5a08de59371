"""Markdown in which no text of others can do anything, and texts of whole parts that fit a limit.

What GitHub acts upon (markup, names, links, issues, commits, emoji, formulas) it finds in text, never in code. So what
comes from specs, data, a provider or a pull request stands in code spans and fences longer than any run of backticks
inside. Of a sentence only its plain words stand outside.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ftops.report.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CODE_CHARACTERS: Final = 100
"""Of a name, an id, a value."""
SENTENCE_CHARACTERS: Final = 400
MARKS_MAX: Final = 4
"""Accents on one letter: no script needs more, and a heap of them covers the lines above and below."""

_LINE_ENDS: Final = str.maketrans({"\n": "↵", "\t": "⇥", "\r": ""})
_GLYPHS: Final = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""They choose how the letter before them looks; many in a row carry hidden text."""
_FILLERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters, by their category, that show nothing."""
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_BACKTICKS: Final = re.compile("`+")
_PIECE: Final = re.compile(r"`(?P<value>[^`]+)`|(?P<word>[^`\s]+)|(?P<blank>\s+)|`+")
_OPENING, _CLOSING = "\"'(", "\"'),.;:!?%…"
_WORD: Final = re.compile(
    r"[A-Za-z]+(?:['’-][a-z]+)*|[+−-]?[0-9]{1,6}(?:[.,][0-9]{1,6})*|[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}:[0-9]{2}|[–→≥≤·…×]|"  # noqa: RUF001  # signs of sentences
)
"""Words, numbers and signs that mean nothing to GitHub wherever they stand but at the beginning of a line."""
_AMOUNT: Final = re.compile(r"\$[0-9]{1,6}(?:[.,][0-9]{1,6})*")
"""After a blank, where no formula can end."""
_COMMIT: Final = re.compile("[0-9a-f]{7,}")


def plain(text: str, most: int = CODE_CHARACTERS) -> str:
    """*text* on one line, what could not be seen shown as its code, and its end cut off.

    However it is taken apart after this, no part becomes a command to the runner of a workflow.
    """
    shown = text.translate(_LINE_ENDS)
    if not shown.isascii():
        shown = "".join(_seen(letter, marks) for letter, marks in _with_marks(_GLYPHS.sub("", shown)))
    shown = visible(shown).replace("##[", r"\u{23}#[")
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def code(text: str, *, most: int = CODE_CHARACTERS, in_table: bool = True) -> str:
    """A code span of *text*, safe everywhere; outside of a table, where no pipe needs to be escaped, it can say so."""
    shown = plain(text, most) or " "
    if in_table:
        # Whether a backslash before `\|` escapes the backslash or the pipe, readers of tables do not agree.
        shown = re.sub(r"(?<!\\)\|", r"\\|", shown.replace("\\|", r"\\u{7c}"))
    mark = "`" * (_longest_run(shown) + 1)
    # One blank at either end is taken off again, unless there is nothing else.
    edge = " " if shown.strip() and (shown[0] in "` " or shown[-1] in "` ") else ""
    return f"{mark}{edge}{shown}{edge}{mark}"


def html_code(text: str, *, most: int = CODE_CHARACTERS) -> str:
    """*text* as code within HTML, such as a summary, where GitHub reads no Markdown."""
    return f"<code>{html.escape(plain(text, most))}</code>"


def sentence(text: str, *, most: int = SENTENCE_CHARACTERS, in_table: bool = True) -> str:
    """A sentence whose values stand between backticks: these, and each word that could mean something, as code.

    What it begins with may be a number or a dash, so it does not begin a line.
    """
    said = ""
    for piece in _PIECE.finditer(plain(text, most)):
        if piece["blank"]:
            said += " "
        elif piece["word"]:
            said = _with_word(said, piece["word"], in_table=in_table)
        else:
            said = _beside(said, code(piece["value"] or piece[0], most=most, in_table=in_table))
    return said.strip()


def fence(lines: Iterable[str], language: str) -> str:
    """A fenced block of *lines*, each begun by a sign of ours, with foreign text in them as `plain` gives it."""
    body = list(lines)
    mark = "`" * max(3, 1 + max(map(_longest_run, body), default=0))
    return "\n".join([f"{mark}{language}", *body, mark])


def folded(summary: str, body: str) -> str:
    """*body*, to be unfolded by a click on *summary*, which is HTML."""
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a text, of blocks that are there whole or not at all; without any of them the part is not there."""

    blocks: Sequence[str]
    """The most important first."""
    rank: int
    """The smaller, the more important; what has 0 is always there."""
    noun: str = ""
    """What a block is, to say how many are missing."""
    before: str = ""
    between: str = "\n\n"
    after: str = ""


def fitted(parts: Sequence[Part], bytes_max: int, missing: str) -> str:
    """The text of *parts* in their order: what does not fit is left out by whole blocks, the least important first.

    Args:
        parts: Those with rank 0 fit.
        bytes_max: Of the text as UTF-8.
        missing: What to say at the end if something is left out, with `{}` for what.
    """
    every = [len(part.blocks) for part in parts]
    if len((whole := _joined(parts, every)).encode()) <= bytes_max:
        return whole
    room = bytes_max - len(f"\n\n{_missing(parts, [0] * len(parts), missing)}".encode())
    kept = [len(part.blocks) if part.rank == 0 else 0 for part in parts]
    used = len(_joined(parts, kept).encode())
    assert used <= room, "what is always there is short"
    for index in sorted(range(len(parts)), key=lambda each: parts[each].rank):
        part = parts[index]
        frame = len(f"\n\n{part.before}{part.after}".encode())
        for block in part.blocks[kept[index] :]:
            cost = len(block.encode()) + (frame if kept[index] == 0 else len(part.between.encode()))
            if used + cost > room:
                # What is less important is not preferred for being shorter.
                return f"{_joined(parts, kept)}\n\n{_missing(parts, kept, missing)}"
            used += cost
            kept[index] += 1
    raise AssertionError("it did not fit as a whole")


def _joined(parts: Iterable[Part], kept: Iterable[int]) -> str:
    return "\n\n".join(
        f"{part.before}{part.between.join(part.blocks[:number])}{part.after}"
        for part, number in zip(parts, kept, strict=True)
        if number
    )


def _missing(parts: Iterable[Part], kept: Iterable[int], text: str) -> str:
    numbers: dict[str, int] = {}
    for part, number in zip(parts, kept, strict=True):
        if len(part.blocks) > number:
            numbers[part.noun] = numbers.get(part.noun, 0) + len(part.blocks) - number
    named = [f"{number:,} {noun}{'' if number == 1 else 's'}" for noun, number in numbers.items()]
    return text.format(", ".join(named))


def _with_marks(text: str) -> Iterable[tuple[str, int]]:
    """Each letter, and how many accents in a row it makes."""
    marks = 0
    for letter in text:
        marks = marks + 1 if unicodedata.category(letter) in {"Mn", "Me"} else 0
        yield letter, marks


def _seen(letter: str, marks: int) -> str:
    category = unicodedata.category(letter)
    if category in _UNSEEN or letter in _FILLERS:
        return f"\\u{{{ord(letter):x}}}"
    if marks > MARKS_MAX:
        return ""
    return " " if category == "Zs" else letter


def _with_word(said: str, word: str, *, in_table: bool) -> str:
    """*said* and *word*: as it is, or as code but for the signs round it."""
    rest = word.lstrip(_OPENING)
    core = rest.rstrip(_CLOSING)
    is_amount = core == word.rstrip(_CLOSING) and said.endswith(" ") and _AMOUNT.fullmatch(core)
    if is_amount or (_WORD.fullmatch(core) and not _COMMIT.search(core)):
        return said + word
    opening, closing = word[: len(word) - len(rest)], rest[len(core) :]
    return _beside(said + opening, code(core, most=len(core), in_table=in_table)) + closing


def _beside(said: str, span: str) -> str:
    """Two code spans that touch would be read as one."""
    return f"{said} {span}" if said.endswith("`") else said + span


def _longest_run(text: str) -> int:
    return max(map(len, _BACKTICKS.findall(text)), default=0)

"""Repairs of a row that leave no room for judgement: roles, names of keys, and what went wrong with its letters.

Each takes the code of the rule that finds the same, so that a repaired row passes it. What a row says is never shown,
only what happened to it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ftops.dataset.conversation import KEYS_BY_ROLE
from ftops.dataset.preference import MISNAMED, OUTPUTS
from ftops.dataset.rule import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = dict[str, object]

ROUNDS_MAX = 4
"""One repair of a text may show what another repairs; a text that is not done after so many is left as it was."""

ZERO_WIDTH = "\u200b\u2060\ufeff"
"""Zero width space, word joiner, byte order mark. Joiners are left: they make emoji, and spell Persian and Hindi."""

# Thai, Lao, Myanmar, Khmer and their neighbours write no blanks: there a zero width space says where a word ends.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf"
_NEEDLESS = re.compile(f"(?<![{_UNSPACED}])\u200b|[\u2060\ufeff]")
# The first two characters that UTF-8 gives where it is read as Latin-1 or as Windows-1252; as the rule looks for them.
_MOJIBAKE = re.compile(r"[\xc2-\xf4][\x80-\xbf\u0152-\u0192\u02c6-\u02dc\u2013-\u2122]")
# Unicode would replace these by letters that look different, and people's names are written with them.
_COMPATIBILITY_IDEOGRAPHS = re.compile("([\uf900-\ufaff\U0002f800-\U0002fa1f]+)")


class _Slot(NamedTuple):
    """A text that may be replaced."""

    holder: Row
    key: str
    where: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRepair:
    """A repair of one text."""

    code: str
    meaning: str
    mend: Callable[[str], str]
    what: Callable[[str, str], str]
    """Of the text before and after: what happened, without showing either."""


def repair_row(row: Row) -> Iterator[tuple[str, Finding]]:
    """Repair *row* in place; yields what was done, as the code of the rule and the place in the row."""
    for finding in _renamed(row):
        yield "data-preference-name", finding
    for path, messages in _message_lists(row):
        for finding in _roles_in_lower_case(path, messages):
            yield "data-role-unknown", finding
    for slot in list(_texts(row)):
        text, repairs = repaired_text(slot.text)
        slot.holder[slot.key] = text
        for repair, what in repairs:
            yield repair.code, Finding(slot.where, what)


def repaired_text(text: str) -> tuple[str, list[tuple[TextRepair, str]]]:
    """Repair one text; gives it, and what was done to it, which is nothing for almost all."""
    found: list[tuple[TextRepair, str]] = []
    current = text
    if text.isascii():
        return text, found
    for _ in range(ROUNDS_MAX):
        before = current
        for repair in TEXT_REPAIRS:
            after = repair.mend(current)
            if after != current:
                found.append((repair, repair.what(current, after)))
                current = after
        if current == before:
            return current, found
    return text, []


def without_zero_width(text: str) -> str:
    """Remove characters that nobody sees and that change how the model reads a word."""
    return _NEEDLESS.sub("", text)


def composed(text: str) -> str:
    """Write each letter as one character where there is one: Unicode's form NFC, but for Chinese names."""
    if unicodedata.is_normalized("NFC", text):
        return text
    parts = _COMPATIBILITY_IDEOGRAPHS.split(text)
    return "".join(part if index % 2 else unicodedata.normalize("NFC", part) for index, part in enumerate(parts))


def without_mojibake(text: str) -> str:
    """Undo a wrong decoding of UTF-8, if encoding and decoding alone do it, and lead back to every character."""
    if not _MOJIBAKE.search(text):
        return text
    from ftfy import fix_encoding_and_explain  # noqa: PLC0415  # only for a text that looks like it
    from ftfy.badness import is_bad  # noqa: PLC0415

    mended = fix_encoding_and_explain(text)
    steps = mended.explanation or []
    if not steps or any(step.action not in {"encode", "decode"} for step in steps) or is_bad(mended.text):
        return text  # ftfy guessed: a lost byte, or a text in two encodings
    back: str | bytes = mended.text
    try:
        for step in reversed(steps):
            back = back.encode(step.parameter) if isinstance(back, str) else back.decode(step.parameter)
    except UnicodeError:
        return text
    return mended.text if back == text else text


def _zero_width_counts(before: str, after: str) -> str:
    gone = [(letter, before.count(letter) - after.count(letter)) for letter in ZERO_WIDTH]
    return "lost " + ", ".join(
        f"U+{ord(letter):04X} ({count} times)" if count > 1 else f"U+{ord(letter):04X}"
        for letter, count in gone
        if count
    )


TEXT_REPAIRS = (
    TextRepair(
        code="data-invisible-character",
        meaning="characters without width removed",
        mend=without_zero_width,
        what=_zero_width_counts,
    ),
    TextRepair(
        code="data-mojibake",
        meaning="text decoded again, as UTF-8",
        mend=without_mojibake,
        what=lambda before, after: f"decoded as UTF-8: {len(before):,} → {len(after):,} characters",
    ),
    TextRepair(
        code="data-not-nfc",
        meaning="letters composed (Unicode NFC)",
        mend=composed,
        what=lambda before, after: f"composed: {len(before):,} → {len(after):,} characters",
    ),
)


def _renamed(row: Row) -> Iterator[Finding]:
    """Give the outputs the names that the service reads, in the place that they had."""
    renamed = {wrong: right for wrong, right in MISNAMED.items() if wrong in row and right not in row}
    if not renamed:
        return
    content = [(renamed.get(key, key), value) for key, value in row.items()]
    row.clear()
    row.update(content)
    for wrong, right in renamed.items():
        yield Finding(wrong, f"→ `{right}`")


def _roles_in_lower_case(path: str, messages: list[object]) -> Iterator[Finding]:
    for index, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if isinstance(message, dict) and isinstance(role, str) and role != (known := _known_role(role)):
            message["role"] = known
            yield Finding(f"{path}[{index}].role", f"`{role}` → `{known}`")


def _known_role(role: str) -> str:
    """The role that is spelt as *role*, but for the case of its ASCII letters; *role* itself if there is none."""
    lower = role.lower() if role.isascii() else role
    return lower if lower in KEYS_BY_ROLE else role


def _message_lists(row: Row) -> Iterator[tuple[str, list[object]]]:
    conversation = row.get("input")
    lists = [("messages", row.get("messages"))]
    if isinstance(conversation, dict):
        lists.append(("input.messages", conversation.get("messages")))
    lists += [(output, row.get(output)) for output in OUTPUTS]
    yield from ((path, messages) for path, messages in lists if isinstance(messages, list))


def _texts(row: Row) -> Iterator[_Slot]:
    """What people or the model say, in every format; never names, tools, arguments, or what is the grader's."""
    if "messages" not in row:
        yield from _strings(row, ("prompt", "completion"), "")
    for path, messages in _message_lists(row):
        for index, message in enumerate(messages):
            if not isinstance(message, dict):
                continue
            at = f"{path}[{index}]."
            yield from _strings(message, ("content", "refusal"), at)
            content = message.get("content")
            for place, part in enumerate(content if isinstance(content, list) else ()):
                if isinstance(part, dict):
                    yield from _strings(part, ("text", "refusal"), f"{at}content[{place}].")


def _strings(holder: Row, keys: tuple[str, ...], at: str) -> Iterator[_Slot]:
    yield from (_Slot(holder, key, at + key, text) for key in keys if isinstance(text := holder.get(key), str))

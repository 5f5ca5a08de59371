"""Changed rows as people read them: what is said in a row that is new, and which words changed in one that is not.

It is the only place of the data diff that reads rows. Secrets and personal data are masked here, before anything is
compared or cut; what a terminal would act upon is left to the reports.
"""

from __future__ import annotations

from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from ftops.dataset.masking import masked
from ftops.dataset.meaning import meaning_of
from ftops.dataset.said import said_in
from ftops.dataset.wording import Piece, shortened, word_diff

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ftops.dataset.diff import DataDiff, EditedRow, RowAt
    from ftops.dataset.edits import Reason
    from ftops.dataset.formats import Format
    from ftops.dataset.said import Said
    from ftops.dataset.wording import Kind

SHOWN_BYTES_MAX: Final = 1 << 20
"""Longest row that is shown; in a longer one there are images."""
TEXTS_MAX: Final = 3
"""Texts that are shown of an added or a removed row: the last ones, with the answer and its prompt among them."""
CHANGES_MAX: Final = 10
"""Places that are shown of an edited row."""
DEPTH_MAX: Final = 50
"""Lists and objects inside one another that are looked into."""

Row = dict[str, object]


class Version(NamedTuple):
    """One of the files: its bytes, seekable, and how its rows are to be read."""

    stream: BinaryIO
    format: Format


class Change(NamedTuple):
    """A place in a row, and what is said there; everything in it comes from the data, and is not to be trusted."""

    where: str
    """Path in the row, such as `messages[2].content`."""
    role: str
    """Of the message that it is in; empty if it is in none."""
    pieces: tuple[Piece, ...]
    is_masked: bool = False
    """What changed is masked in both versions."""


class Sample(NamedTuple):
    """A changed row: edited if it has two lines, else added or removed."""

    old_line: int | None
    new_line: int | None
    reason: Reason | None
    """What is the same in both versions of an edited row."""
    changes: tuple[Change, ...]
    """None if the row is too long or too deep to be shown, or has changed since it was compared."""


class Samples(NamedTuple):
    """All that is shown of two files."""

    labels: tuple[str, ...]
    """In the order of `DataDiff.labels`."""
    edited: tuple[Sample, ...]
    added: tuple[Sample, ...]
    removed: tuple[Sample, ...]


def read_samples(found: DataDiff, old: Version, new: Version) -> Samples:
    """Read the rows that *found* lists.

    Raises:
        OSError: Reading failed.
    """
    return Samples(
        labels=tuple(
            _label(place, new if label.new_rows else old)
            for label, place in zip(found.labels, found.label_rows, strict=True)
        ),
        edited=tuple(_edited(row, old, new) for row in found.edited_rows),
        added=tuple(Sample(None, row.line, None, _texts(row, new, "come")) for row in found.added_rows),
        removed=tuple(Sample(row.line, None, None, _texts(row, old, "gone")) for row in found.removed_rows),
    )


def _label(place: RowAt, version: Version) -> str:
    row = _read(place, version)
    if row is None:
        return "…"
    return masked(meaning_of(row, version.format, said_in(row, version.format)).answer_text)


def _texts(place: RowAt, version: Version, kind: Kind) -> tuple[Change, ...]:
    row = _read(place, version)
    if row is None:
        return ()
    said = [text for text in said_in(row, version.format) if text.role not in {"system", "developer"}]
    return tuple(_whole(text, kind) for text in said[-TEXTS_MAX:])


def _whole(text: Said, kind: Kind) -> Change:
    return Change(masked(text.where), masked(text.role), shortened([Piece(kind, masked(text.text))]))


def _edited(edit: EditedRow, old: Version, new: Version) -> Sample:
    row, new_row = _read(edit.old, old), _read(edit.new, new)
    found = iter(()) if row is None or new_row is None else _changes(row, new_row, "", "", DEPTH_MAX)
    changes = list(islice(found, CHANGES_MAX))
    if edit.reason == "prompt" and new_row is not None:
        asked = [text for text in said_in(new_row, new.format) if not text.is_trained and text.role != "item"]
        changes = [*(_whole(text, "same") for text in asked[-1:]), *changes]
    return Sample(edit.old.line, edit.new.line, edit.reason, tuple(changes[:CHANGES_MAX]))


def _read(place: RowAt, version: Version) -> Row | None:
    """The row at *place*; None if it is too long or nests too deep to be shown, or is no longer there."""
    if place.size > SHOWN_BYTES_MAX:
        return None
    version.stream.seek(place.offset)
    try:
        row = orjson.loads(version.stream.read(place.size))
        _canonical(row)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    return row if isinstance(row, dict) else None


def _changes(old: object, new: object, where: str, role: str, depth: int) -> Iterator[Change]:
    """What differs between two values at the same place."""
    if _canonical(old) == _canonical(new):
        return
    if isinstance(old, dict) and isinstance(new, dict) and depth:
        speaker = name if isinstance(name := new.get("role"), str) else role
        for key in {**old, **new}:
            yield from _changes(old.get(key), new.get(key), f"{where}.{key}" if where else key, speaker, depth - 1)
    elif isinstance(old, list) and isinstance(new, list) and depth:
        # What is the same at the end stays what it is, though something was taken out, or put in, before it.
        tail = 0
        while tail < min(len(old), len(new)) and _canonical(old[-1 - tail]) == _canonical(new[-1 - tail]):
            tail += 1
        pairs = zip_longest(old[: len(old) - tail], new[: len(new) - tail])
        for index, (before, after) in enumerate(pairs):
            yield from _changes(before, after, f"{where}[{index}]", role, depth - 1)
    else:
        yield _change(old, new, where, role)


def _change(old: object, new: object, where: str, role: str) -> Change:
    speaker = next((name for value in (new, old) if isinstance(value, dict) and (name := value.get("role"))), role)
    text, new_text = masked(_spelt(old)), masked(_spelt(new))
    said_by = masked(speaker if isinstance(speaker, str) else role)
    return Change(masked(where), said_by, shortened(word_diff(text, new_text)), is_masked=text == new_text)


def _spelt(value: object) -> str:
    """A value as text: what it says, if it is a message or a string; nothing, if it is not there."""
    match value:
        case None:
            return ""
        case str():
            return value
        case {"role": _, "content": str(text), **others} if not others:
            return text
        case _:
            return _canonical(value).decode()


def _canonical(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)

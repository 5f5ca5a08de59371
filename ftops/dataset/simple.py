"""Simple rows: chats of nothing but texts, with nothing wrong in them. Most rows of most files are.

They are parsed all at once and taken apart as arrays, without a step of Python for each row, so that a file of them is
read not much slower than it is parsed. What is not simple is looked at row by row: see dataset/rows.py.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

import msgspec
import numpy as np
import xxhash
from msgspec import Meta

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from ftops.dataset.columns import Column

    Numbers: TypeAlias = NDArray[np.int64]

ROLES: Final = ("system", "developer", "user", "assistant")
INSTRUCTIONS: Final = 2
"""Roles below this one give instructions."""
_ASSISTANT: Final = 3
_CODES: Final = {role: code for code, role in enumerate(ROLES)}
_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Turn(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, Meta(min_length=1)]
    weight: Literal[0, 1] | msgspec.UnsetType = msgspec.UNSET


class _Row(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    messages: Annotated[list[_Turn], Meta(min_length=1)]
    tools: Annotated[list[int], Meta(max_length=0)] | msgspec.UnsetType = msgspec.UNSET
    parallel_tool_calls: bool = True


_decode = msgspec.json.Decoder(_Row).decode
_decode_lines = msgspec.json.Decoder(_Row).decode_lines


class Simple(NamedTuple):
    """The simple rows of a block, and their messages one after the other."""

    lines: Numbers
    """Of each row: its line in the block, from 0."""
    begins: Numbers
    """Of each row: its first message."""
    ends: Numbers
    """One past its last."""
    texts: list[str]
    """Of each message."""
    roles: NDArray[np.uint8]
    """Likewise, as positions in ROLES."""
    is_trained: NDArray[np.bool_]
    """Likewise."""


class Encoded(NamedTuple):
    """The texts of rows in UTF-8, for all that looks at bytes."""

    texts: list[bytes]
    content: bytes
    """All texts, with a line feed between each two."""
    begins: Numbers
    """Of each text in *content*."""
    ends: Numbers
    """One past its last byte."""


class Hashes(NamedTuple):
    """Of each row, as `columns.py` has them."""

    prompt: Column
    answer: Column
    system: Column


def simple_rows(content: bytes, spans: Sequence[int]) -> Simple:
    """Find the simple rows of a block.

    Args:
        content: The block.
        spans: Where each line ends in it, before its line feed.
    """
    rows = _parsed(content, spans)
    at = [line for line, row in enumerate(rows) if row]
    simple = [row.messages for row in rows if row]
    messages = [message for each in simple for message in each]
    texts = [message.content for message in messages]
    roles = np.fromiter([_CODES[message.role] for message in messages], np.uint8, len(messages))
    ends = np.cumsum(np.fromiter(map(len, simple), np.int64, len(simple)))
    begins = np.concatenate((np.zeros(min(len(ends), 1), np.int64), ends[:-1]))
    is_trained = roles == _ASSISTANT
    is_wrong = np.zeros(len(messages), np.bool_)
    weights = [message.weight for message in messages]
    if set(weights) - {msgspec.UNSET}:
        is_wrong = ~is_trained & np.array([weight is not msgspec.UNSET for weight in weights], np.bool_)
        is_trained &= np.array([weight != 0 for weight in weights], np.bool_)
    # Instructions come first, and the last message is an answer that is learnt.
    is_late = np.zeros(len(messages), np.bool_)
    is_late[1:] = (roles[1:] < INSTRUCTIONS) & (roles[:-1] >= INSTRUCTIONS)
    is_late[begins] = False  # what came before was another row's
    is_wrong |= is_late
    is_wrong[ends - 1] |= ~is_trained[ends - 1]
    if any(map(str.isspace, texts)):
        is_wrong |= np.fromiter(map(str.isspace, texts), np.bool_, len(texts))
    found = Simple(np.array(at, np.int64), begins, ends, texts, roles, is_trained)
    return _without(found, is_wrong) if is_wrong.any() else found


def _parsed(content: bytes, spans: Sequence[int]) -> Sequence[_Row | None]:
    try:
        rows = _decode_lines(content)
    except _REFUSED:
        rows = []
    if len(rows) == len(spans):
        return rows
    return [_one(content[begin + 1 : end]) for begin, end in pairwise((-1, *spans))]


def _one(line: bytes) -> _Row | None:
    try:
        return _decode(line)
    except _REFUSED:
        return None


def _without(found: Simple, is_wrong: NDArray[np.bool_]) -> Simple:
    """Leave out the rows with a message that is wrong."""
    sizes = found.ends - found.begins
    is_good = np.add.reduceat(is_wrong, found.begins) == 0
    kept = np.repeat(is_good, sizes)
    ends = np.cumsum(sizes[is_good])
    texts = [text for text, is_kept in zip(found.texts, kept.tolist(), strict=True) if is_kept]
    return Simple(found.lines[is_good], ends - sizes[is_good], ends, texts, found.roles[kept], found.is_trained[kept])


def encoded(rows: Simple) -> Encoded:
    texts = [text.encode() for text in rows.texts]
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    ends = np.cumsum(sizes + 1) - 1
    return Encoded(texts, b"\n".join(texts), ends - sizes, ends)


def has_other_keys(content: bytes, rows: Simple, texts: Encoded) -> bool:
    """Whether a block of simple rows alone holds other keys than each row needs: a weight, or one key twice.

    It counts quotation marks, four pairs a message and one a row, and those within texts, which are escaped. Where they
    are escaped by number, they are fewer, and it says yes to be sure.
    """
    needed = 8 * len(rows.texts) + 2 * len(rows.lines) + _quotes(texts.content)
    return _quotes(content) != needed


def _quotes(content: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(content, np.uint8) == _QUOTE))


_QUOTE: Final = 34


def hashes_of(rows: Simple, texts: Encoded) -> Hashes:
    """Hash what the rows mean: each text by itself, mixed with who says it and where."""
    hashed = np.fromiter(map(_hash, texts.texts), np.uint64, len(texts.texts))
    sizes = rows.ends - rows.begins
    places = np.arange(len(rows.texts)) - np.repeat(rows.begins, sizes)
    mixed = (hashed ^ _ROLE_KEYS[rows.roles * 2 + rows.is_trained]) * _place_keys(int(sizes.max(initial=0)))[places]
    before = np.concatenate((np.zeros(1, np.uint64), np.cumsum(mixed)))
    instructions = np.concatenate((np.zeros(1, np.uint64), np.cumsum(np.where(rows.roles < INSTRUCTIONS, mixed, 0))))
    return Hashes(
        before[rows.ends - 1] - before[rows.begins],
        hashed[rows.ends - 1],
        instructions[rows.ends] - instructions[rows.begins],
    )


def hash_of_instructions(texts: Sequence[tuple[str, str]]) -> int:
    """Hash the roles and texts that a row begins with as `hashes_of` does, for rows that are not simple otherwise."""
    if not texts:
        return 0
    hashed = np.array([_hash(text.encode()) for _, text in texts], np.uint64)
    keys = _ROLE_KEYS[np.array([_CODES[role] * 2 for role, _ in texts], np.int64)]
    return int(((hashed ^ keys) * _place_keys(len(texts))).sum(dtype=np.uint64))


_hash = xxhash.xxh3_64_intdigest
_ODD: Final = 0x9E37_79B9_7F4A_7C15
_ROLE_KEYS: Final = np.array([_hash(b"%d" % code) for code in range(2 * len(ROLES))], np.uint64)


def _place_keys(count: int) -> NDArray[np.uint64]:
    """Odd numbers, one for each place in a row, so that the order of messages counts."""
    return np.cumprod(np.full(count, _ODD, np.uint64), dtype=np.uint64)

"""The lines of a byte stream in blocks, so that a file of any size is read once and never held."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

BLOCK_BYTES = 1 << 20
ROW_BYTES_MAX = 16 << 20
"""Longest row that is checked. Text is cut at 65,536 tokens anyway, and images may be given by address."""


class Block(NamedTuple):
    """Whole lines."""

    offset: int
    """Where the first line begins in the stream, in bytes."""
    content: bytes
    """With line feeds between the lines, and none after the last."""
    is_too_long: bool = False
    """The block is one line of more than ROW_BYTES_MAX, and *content* is empty: it was let go."""


def read_blocks(stream: BinaryIO, see: Callable[[bytes], object]) -> Iterator[Block]:
    """Read *stream* to its end, handing every byte to *see* in passing."""
    offset = 0
    kept: list[bytes] = []  # of the line whose end has not come yet
    kept_bytes = 0  # also of what was let go
    while chunk := stream.read(BLOCK_BYTES):
        see(chunk)
        first_end = chunk.find(b"\n")
        if first_end < 0:
            kept_bytes += len(chunk)
            if kept_bytes <= ROW_BYTES_MAX:
                kept.append(chunk)
            else:
                kept.clear()
            continue
        if kept_bytes + first_end > ROW_BYTES_MAX:  # later lines of the chunk cannot be: it is shorter than that
            yield Block(offset, b"", is_too_long=True)
            offset += kept_bytes + first_end + 1
            chunk = chunk[first_end + 1 :]
            kept.clear()
            kept_bytes = 0
        last_end = chunk.rfind(b"\n") + 1
        if last_end:
            content = b"".join((*kept, memoryview(chunk)[: last_end - 1]))
            yield Block(offset, content)
            offset += len(content) + 1
            kept.clear()
        kept_bytes = len(chunk) - last_end
        kept[:] = [chunk[last_end:]] if kept_bytes else []
    if kept_bytes > ROW_BYTES_MAX:
        yield Block(offset, b"", is_too_long=True)
    elif kept_bytes:
        yield Block(offset, b"".join(kept))

"""Tell on a terminal how far a long reading is."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Final, TextIO

from ftops.report.terminal import shortened, visible

if TYPE_CHECKING:
    from typing import BinaryIO

LONG_BYTES: Final = 40_000_000
"""A smaller file is read before anybody wonders."""
NAME_WIDTH: Final = 40


class _Watched(io.BufferedReader):
    """A file that tells how much of it was read, in whole per cent."""

    def __init__(self, descriptor: int, name: str, screen: TextIO) -> None:
        super().__init__(io.FileIO(descriptor, closefd=False))
        self._size = os.fstat(descriptor).st_size
        self._name = shortened(visible(name), NAME_WIDTH)
        self._screen = screen
        self._told = -1

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        done = 100 * self.tell() // self._size
        if not block or done != self._told:
            self._told = done
            line = f"\rchecking {self._name}  {done:3} %" if block else "\r\x1b[K"
            self._screen.write(line)
            self._screen.flush()
        return block


def watched(stream: BinaryIO, name: str, screen: TextIO | None = None, *, least: int = LONG_BYTES) -> BinaryIO:
    """Give *stream*, an open file; if it is long and *screen*, stderr if None, a terminal, one that tells its progress.

    *stream* must be at its first byte, and not be read itself.
    """
    screen = screen or sys.stderr
    if not screen.isatty() or os.fstat(stream.fileno()).st_size < least:
        return stream
    return _Watched(stream.fileno(), name, screen)

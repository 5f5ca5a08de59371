"""Reads what a GGUF file says of itself, and none of its weights. Source: docs/gguf.md of the ggml project."""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_HEADER = struct.Struct("<4sIQQ")
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def read_gguf_strings(path: Path) -> dict[str, list[str]]:
    """All lists of strings among the metadata of the file, by key.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no GGUF file, or not a whole one.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            return _Reader(content).string_lists()
        except (struct.error, KeyError, IndexError) as error:
            raise ValueError("the file is damaged") from error


class _Reader:
    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._at = _HEADER.size

    def string_lists(self) -> dict[str, list[str]]:
        magic, version, _, pairs = _HEADER.unpack_from(self._content)
        if magic != b"GGUF" or version not in _VERSIONS:
            raise ValueError("the file is not a GGUF file of version 2 or 3")
        found = {}
        for _ in range(pairs):
            key, kind = self._string(), self._number("I")
            if kind != _ARRAY:
                self._skip(kind)
                continue
            item, length = self._number("I"), self._number("Q")
            if item == _STRING:
                found[key] = [self._string() for _ in range(length)]
            elif item == _ARRAY:
                raise ValueError("lists of lists are not read")
            else:
                self._at += length * struct.calcsize(_SCALARS[item])
        return found

    def _skip(self, kind: int) -> None:
        if kind == _STRING:
            self._string()
        else:
            self._at += struct.calcsize(_SCALARS[kind])

    def _number(self, code: str) -> int:
        (value,) = struct.unpack_from(f"<{code}", self._content, self._at)
        self._at += struct.calcsize(code)
        assert isinstance(value, int)
        return value

    def _string(self) -> str:
        length = self._number("Q")
        self._at += length
        return self._content[self._at - length : self._at].decode()

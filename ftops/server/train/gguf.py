"""Reads GGUF files, version 2 and 3: metadata, and tensors of the types F32, F16, Q4_0, Q4_1 and Q8_0 as float32.

Source: docs/gguf.md and ggml-quants of the ggml project.
"""

from __future__ import annotations

import math
import mmap
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from ftops.server.train.llama import Array

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)

_BLOCK = 32
"""Values that share one scale."""
_Q4_0 = np.dtype([("scale", "<f2"), ("packed", "u1", _BLOCK // 2)])
_Q4_1 = np.dtype([("scale", "<f2"), ("least", "<f2"), ("packed", "u1", _BLOCK // 2)])
_Q8_0 = np.dtype([("scale", "<f2"), ("values", "i1", _BLOCK)])


class GgufError(Exception):
    """The file is not a GGUF file that can be read here."""


class _Entry(NamedTuple):
    shape: tuple[int, ...]
    type: int
    offset: int


class Gguf:
    """One open file, mapped into memory: a tensor costs nothing until it is read."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, version, tensors, pairs = struct.unpack_from("<4sIQQ", self._bytes)
        if magic != b"GGUF" or version not in _VERSIONS:
            raise GgufError(f"`{path}` is not a GGUF file of version 2 or 3")
        self._at = struct.calcsize("<4sIQQ")
        self.metadata: dict[str, Any] = {}
        for _ in range(pairs):
            key = self._string()
            self.metadata[key] = self._value(self._unpack("I"))
        self._entries: dict[str, _Entry] = {}
        for _ in range(tensors):
            name = self._string()
            sizes = [self._unpack("Q") for _ in range(self._unpack("I"))]
            self._entries[name] = _Entry(tuple(reversed(sizes)), self._unpack("I"), self._unpack("Q"))
        alignment = self.metadata.get("general.alignment", 32)
        self._data = -(-self._at // alignment) * alignment

    def tensor(self, name: str) -> Array:
        """The values of tensor *name*, rows outermost."""
        entry = self._entries[name]
        size, start = math.prod(entry.shape), self._data + entry.offset
        return self._values(entry.type, size, start).reshape(entry.shape)

    def _values(self, kind: int, size: int, start: int) -> Array:
        match kind:
            case 0:
                return np.frombuffer(self._bytes, "<f4", size, start).copy()
            case 1:
                return np.frombuffer(self._bytes, "<f2", size, start).astype(np.float32)
            case 2:
                blocks = np.frombuffer(self._bytes, _Q4_0, size // _BLOCK, start)
                return (_nibbles(blocks["packed"]) - 8) * _column(blocks["scale"])
            case 3:
                blocks = np.frombuffer(self._bytes, _Q4_1, size // _BLOCK, start)
                return _nibbles(blocks["packed"]) * _column(blocks["scale"]) + _column(blocks["least"])
            case 8:
                blocks = np.frombuffer(self._bytes, _Q8_0, size // _BLOCK, start)
                return blocks["values"] * _column(blocks["scale"])
            case _:
                raise GgufError(f"tensor type {kind} is none of F32, F16, Q4_0, Q4_1 and Q8_0")

    def _unpack(self, code: str) -> Any:
        (value,) = struct.unpack_from("<" + code, self._bytes, self._at)
        self._at += struct.calcsize("<" + code)
        return value

    def _string(self) -> str:
        length = self._unpack("Q")
        self._at += length
        return self._bytes[self._at - length : self._at].decode("utf-8")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            item, length = self._unpack("I"), self._unpack("Q")
            return [self._value(item) for _ in range(length)]
        return self._unpack(_SCALARS[kind])


def _nibbles(packed: Any) -> Array:
    """The low halves of a block's bytes are its first sixteen values, the high halves the others."""
    return np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32)


def _column(values: Any) -> Array:
    return np.asarray(values, np.float32)[:, None]

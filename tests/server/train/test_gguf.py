from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ftops.server.train.gguf import Gguf, GgufError

if TYPE_CHECKING:
    from pathlib import Path


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf(metadata: list[bytes], tensors: list[tuple[str, tuple[int, ...], int, bytes]], version: int = 3) -> bytes:
    """A GGUF file, by the letter of its description."""
    head = struct.pack("<4sIQQ", b"GGUF", version, len(tensors), len(metadata)) + b"".join(metadata)
    offset = 0
    for name, shape, kind, content in tensors:
        head += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *reversed(shape))
        head += struct.pack("<IQ", kind, offset)
        offset += -(-len(content) // 32) * 32
    body = b"".join(content + bytes(-len(content) % 32) for *_, content in tensors)
    return head + bytes(-len(head) % 32) + body


def read(path: Path, content: bytes) -> Gguf:
    path.write_bytes(content)
    return Gguf(path)


def half(value: float) -> bytes:
    return np.float16(value).tobytes()


PACKED = bytes(low | (15 - low) << 4 for low in range(16))
"""The low halves count up from 0, the high halves down from 15."""
NIBBLES = np.array([*range(16), *range(15, -1, -1)], np.float32)

TENSORS = {
    "F32": (0, np.arange(32, dtype="<f4").tobytes(), np.arange(32)),
    "F16": (1, np.arange(32, dtype="<f2").tobytes(), np.arange(32)),
    "Q4_0": (2, half(0.5) + PACKED, (NIBBLES - 8) * 0.5),
    "Q4_1": (3, half(0.5) + half(-2) + PACKED, NIBBLES * 0.5 - 2),
    "Q8_0": (8, half(0.25) + np.arange(-16, 16, dtype="i1").tobytes(), np.arange(-16, 16) * 0.25),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_are_read_as_float32(tmp_path: Path, name: str) -> None:
    kind, content, expected = TENSORS[name]
    file = read(tmp_path / "model.gguf", gguf([], [("before", (1,), 0, bytes(4)), (name, (2, 16), kind, content)]))
    found = file.tensor(name)
    assert found.dtype == np.float32
    assert found.tolist() == expected.reshape(2, 16).tolist()


def test_metadata_is_read(tmp_path: Path) -> None:
    pairs = [
        text("name") + struct.pack("<I", 8) + text("é"),
        text("layers") + struct.pack("<II", 4, 30),
        text("words") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b"),
        text("types") + struct.pack("<IIQ3i", 9, 5, 3, 1, 2, 3),
        text("general.alignment") + struct.pack("<II", 4, 32),
    ]
    file = read(tmp_path / "model.gguf", gguf(pairs, []))
    assert file.metadata == {
        "name": "é",
        "layers": 30,
        "words": ["a", "b"],
        "types": [1, 2, 3],
        "general.alignment": 32,
    }


@pytest.mark.parametrize("content", [b"GGML" + bytes(20), gguf([], [], version=1)])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(GgufError, match="not a GGUF file"):
        read(tmp_path / "model.gguf", content)


def test_a_tensor_type_that_is_not_known_is_refused(tmp_path: Path) -> None:
    file = read(tmp_path / "model.gguf", gguf([], [("w", (256,), 12, bytes(144))]))
    with pytest.raises(GgufError, match="type 12"):
        file.tensor("w")

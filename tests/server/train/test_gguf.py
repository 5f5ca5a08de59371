from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ftops.server.train.gguf import Gguf, GgufError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeGguf = Callable[..., bytes]


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
def test_tensors_are_read_as_float32(tmp_path: Path, make_gguf: MakeGguf, name: str) -> None:
    kind, content, expected = TENSORS[name]
    file = read(tmp_path / "model.gguf", make_gguf({}, [("before", (1,), 0, bytes(4)), (name, (2, 16), kind, content)]))
    found = file.tensor(name)
    assert found.dtype == np.float32
    assert found.tolist() == expected.reshape(2, 16).tolist()


def test_metadata_is_read(tmp_path: Path, make_gguf: MakeGguf) -> None:
    metadata = {"name": "é", "layers": 30, "epsilon": 0.5, "words": ["a", "b"], "types": [1, 2, 3]}
    assert read(tmp_path / "model.gguf", make_gguf(metadata, [])).metadata == metadata


def test_tensors_lie_where_the_alignment_says(tmp_path: Path, make_gguf: MakeGguf) -> None:
    content = np.arange(3, dtype="<f4").tobytes()
    file = read(tmp_path / "model.gguf", make_gguf({"general.alignment": 64}, [("w", (3,), 0, content)], alignment=64))
    assert file.tensor("w").tolist() == [0, 1, 2]


def test_another_file_is_refused(tmp_path: Path, make_gguf: MakeGguf) -> None:
    for content in (b"GGML" + bytes(20), make_gguf({}, [], version=1)):
        with pytest.raises(GgufError, match="not a GGUF file"):
            read(tmp_path / "model.gguf", content)


def test_a_tensor_type_that_is_not_known_is_refused(tmp_path: Path, make_gguf: MakeGguf) -> None:
    file = read(tmp_path / "model.gguf", make_gguf({}, [("w", (256,), 12, bytes(144))]))
    with pytest.raises(GgufError, match="type 12"):
        file.tensor("w")

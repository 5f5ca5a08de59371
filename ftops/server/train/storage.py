"""Tensors in safetensors files, and files and folders that are on disk whole or not at all.

Source of the format: https://huggingface.co/docs/safetensors, read 2026-11-22.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ftops.server.train.llama import Weights

_LENGTH = struct.Struct("<Q")


def write_tensors(path: Path, tensors: Weights, metadata: Mapping[str, str]) -> None:
    """Write *tensors* as float32, and wait until they are on the disk."""
    header: dict[str, object] = {"__metadata__": {"format": "pt", **metadata}}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + 4 * tensor.size
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(_LENGTH.pack(len(text)) + text)
        for tensor in tensors.values():
            file.write(np.ascontiguousarray(tensor, "<f4").data)
        file.flush()
        os.fsync(file.fileno())


def read_tensors(path: Path) -> tuple[Weights, dict[str, str]]:
    """The tensors of a file that `write_tensors` wrote, which may be changed, and the metadata."""
    content = path.read_bytes()
    (length,) = _LENGTH.unpack_from(content)
    data = _LENGTH.size + length
    header = json.loads(content[_LENGTH.size : data])
    metadata = header.pop("__metadata__")
    tensors: Weights = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        tensor = np.frombuffer(content, "<f4", (end - start) // 4, data + start)
        tensors[name] = tensor.reshape(entry["shape"]).astype(np.float32)
    return tensors, metadata


def write_json(path: Path, value: object) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def put_file(path: Path, write: Callable[[Path], None]) -> None:
    """Have *write* make a file, and move it to *path* once it is whole; what stood there is replaced."""
    temporary = path.with_name(f".{path.name}.new")
    write(temporary)
    temporary.replace(path)
    _sync(path.parent)


def put_folder(path: Path, write: Callable[[Path], None]) -> None:
    """Have *write* fill a folder, and move it to *path* once it is whole; what stood there is replaced."""
    temporary = path.with_name(f".{path.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    write(temporary)
    _sync(temporary)
    if path.exists():
        shutil.rmtree(path)
    temporary.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """A rename is on the disk once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import pytest

from ftops.server.train.run import CheckpointSaved, Hyperparameters, ModelSource, TrainingRun
from ftops.server.train.sampler import Sampler
from ftops.server.train.trainer import train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ANSWERS = {"ping": "pong", "hello": "world", "red": "stop", "green": "go"}


def say(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


@pytest.fixture
def ask() -> Callable[[str], list[dict[str, str]]]:
    return lambda question: [say("user", question)]


@pytest.fixture(scope="session")
def answers() -> dict[str, str]:
    return ANSWERS


@pytest.fixture(scope="session")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four questions, each with its answer."""
    lines = [{"messages": [say("user", asked), say("assistant", answer)]} for asked, answer in ANSWERS.items()]
    return write_lines(tmp_path_factory.mktemp("data") / "chats.jsonl", lines)


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same questions, with their answer preferred to another."""
    lines = [
        {
            "input": {"messages": [say("user", asked)]},
            "preferred_output": [say("assistant", answer)],
            "non_preferred_output": [say("assistant", "no idea")],
        }
        for asked, answer in ANSWERS.items()
    ]
    return write_lines(tmp_path_factory.mktemp("data") / "pairs.jsonl", lines)


@pytest.fixture
def make_run(tmp_path: Path, chats: Path) -> Callable[..., TrainingRun]:
    def make(name: str = "run", **changes: object) -> TrainingRun:
        asked = {
            "method": "supervised",
            "source": ModelSource(base="tiny-byte-90k"),
            "training_file": chats,
            "validation_file": None,
            "hyperparameters": Hyperparameters(n_epochs=4, batch_size=2),
            "seed": 0,
            "folder": tmp_path / name,
        }
        return TrainingRun(**(asked | changes))

    return make


@pytest.fixture(scope="session")
def tuned_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a tiny model that has learnt the answers by heart, one of them with many bytes a character."""
    folder = tmp_path_factory.mktemp("tuned")
    known = ANSWERS | {"unicode": "é€😀!"}
    lines = [{"messages": [say("user", asked), say("assistant", answer)]} for asked, answer in known.items()]
    run = TrainingRun(
        method="supervised",
        source=ModelSource(base="tiny-byte-90k"),
        training_file=write_lines(folder / "train.jsonl", lines),
        validation_file=None,
        hyperparameters=Hyperparameters(n_epochs=40, batch_size=5),
        seed=0,
        folder=folder / "run",
    )
    *_, last = (report for report in train(run) if isinstance(report, CheckpointSaved))
    return last.folder


@pytest.fixture(scope="session")
def tuned(tuned_weights: Path) -> Sampler:
    return Sampler(ModelSource(base="tiny-byte-90k", weights=tuned_weights))


def write_lines(path: Path, lines: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def make_gguf() -> Callable[..., bytes]:
    """A GGUF file, by the letter of its description: metadata, and tensors by name, shape, type and content."""
    return gguf_bytes


def gguf_bytes(
    metadata: dict[str, object],
    tensors: list[tuple[str, tuple[int, ...], int, bytes]],
    *,
    version: int = 3,
    alignment: int = 32,
) -> bytes:
    head = struct.pack("<4sIQQ", b"GGUF", version, len(tensors), len(metadata))
    for key, value in metadata.items():
        head += gguf_string(key) + gguf_value(value)
    offset = 0
    for name, shape, kind, content in tensors:
        head += gguf_string(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *reversed(shape))
        head += struct.pack("<IQ", kind, offset)
        offset += -(-len(content) // alignment) * alignment
    body = b"".join(content + bytes(-len(content) % alignment) for *_, content in tensors)
    return head + bytes(-len(head) % alignment) + body


def gguf_string(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf_value(value: object) -> bytes:
    match value:
        case str():
            return struct.pack("<I", 8) + gguf_string(value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case [str(), *_]:
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(gguf_string, value))
        case [int(), *_]:
            return struct.pack(f"<IIQ{len(value)}I", 9, 4, len(value), *value)
        case _:
            raise TypeError(value)

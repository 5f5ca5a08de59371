"""Rows of the bench's own making, so that what is asserted here is what docs/duplicates.md quotes."""

from __future__ import annotations

import importlib.util
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from ftops.dataset.columns import Columns

BENCH = Path(__file__).parents[3] / "bench/near_duplicates.py"


class Made:
    """A file of rows: its lines, and its columns."""

    def __init__(self, lines: list[bytes], bench: ModuleType) -> None:
        self.lines = lines
        self.columns: Columns = bench.columns_of(lines)

    def read_row(self, row: int) -> bytes:
        return self.lines[row]


@pytest.fixture(scope="session")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("near_duplicates", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def chance() -> random.Random:
    return random.Random(3)


@pytest.fixture
def made(bench: ModuleType) -> Callable[..., Made]:
    """Make a file of chats: each a tuple of question and answer, and perhaps a system prompt in front."""

    def make(*chats: tuple[str, ...]) -> Made:
        lines = []
        for chat in chats:
            roles = ("system", "user", "assistant")[-len(chat) :]
            messages = [{"role": role, "content": text} for role, text in zip(roles, chat, strict=True)]
            lines.append(json.dumps({"messages": messages}, ensure_ascii=False).encode())
        return Made(lines, bench)

    return make


@pytest.fixture
def written(bench: ModuleType) -> Callable[..., Made]:
    """Make a file of the bench's conversations."""
    return lambda texts: Made([text.line for text in texts], bench)

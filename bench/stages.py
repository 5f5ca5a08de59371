"""The stages that no check can do without, each alone: `orjson FILE`, `tokens FILE` of texts with NUL between them."""

from __future__ import annotations

import sys
from pathlib import Path

CHUNK_CHARACTERS = 1 << 20
"""Counted in one call: 4 million take half as long again, for they do not stay in the cache."""


def parse(path: Path) -> None:
    import orjson  # noqa: PLC0415  # a stage pays for its own library only

    with path.open("rb") as lines:
        for line in lines:
            orjson.loads(line)


def count_tokens(path: Path) -> None:
    from toktok import batch_count  # type: ignore[import-untyped]  # noqa: PLC0415  # it has no types

    rest = ""
    with path.open(encoding="utf-8", newline="") as stream:
        while chunk := stream.read(CHUNK_CHARACTERS):
            *texts, rest = (rest + chunk).split("\0")
            batch_count(texts, "o200k_base", threads=2)


if __name__ == "__main__":
    {"orjson": parse, "tokens": count_tokens}[sys.argv[1]](Path(sys.argv[2]))

"""The project that machines work on: a few specs, edited each round so that their digests are new."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from tests.machines.places import KEY, PROJECT, TARGET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from random import Random

LASTING = ("alone", "base", "other")
"""Specs that are there from the first round to the last; `child` goes on from `base`."""
ROUNDS_KEPT = 2
"""After so many rounds a spec of one round is removed."""


@dataclass(kw_only=True)
class Project:
    """Which specs there are, and the seed of each."""

    chance: Random
    seeds: dict[str, int] = field(default_factory=dict)
    _fresh: Iterator[int] = field(default_factory=lambda: count(1))
    _used: dict[str, list[int]] = field(default_factory=dict)

    def advance(self, number: int) -> None:
        """Edit most of the specs for round *number*, add one and remove one; now and then go back to what was."""
        for name in LASTING:
            if name not in self.seeds or self.chance.random() < 0.8:
                self.edit(name)
        self.seeds[f"of-round-{number}"] = next(self._fresh)
        self.seeds.pop(f"of-round-{number - ROUNDS_KEPT}", None)

    def edit(self, name: str) -> None:
        """Give *name* another seed: a new one, or one of before."""
        used = self._used.setdefault(name, [])
        if used and self.chance.random() < 0.15:
            self.seeds[name] = self.chance.choice(used)
        else:
            self.seeds[name] = next(self._fresh)
            used.append(self.seeds[name])

    def write(self, root: Path, server: str) -> None:
        """Write all of it into the working tree *root*."""
        folder = root / "specs"
        (folder / "data").mkdir(parents=True, exist_ok=True)
        (root / "ftops.yaml").write_text(
            f"project: {PROJECT}\ndefault_target: {TARGET}\ntargets:\n  {TARGET}:\n    profile: local\n"
            f"    base_url: {server}\n    api_key: {{env: {KEY}}}\n",
            encoding="utf-8",
        )
        rows = (f"ping {number}" for number in range(12))
        chats = (
            {"messages": [{"role": "user", "content": row}, {"role": "assistant", "content": "pong"}]} for row in rows
        )
        lines = "".join(json.dumps(chat) + "\n" for chat in chats)
        (folder / "data" / "pings.jsonl").write_text(lines, encoding="utf-8")
        for path in folder.glob("*.yaml"):
            path.unlink()
        for name, seed in self.seeds.items():
            (folder / f"{name}.yaml").write_text(_spec("tiny-byte-90k", seed), encoding="utf-8")
        (folder / "child.yaml").write_text(_spec("{spec: base}", 1), encoding="utf-8")


def _spec(model: str, seed: int) -> str:
    return (
        f"kind: FineTune\nmodel: {model}\ntraining_file: data/pings.jsonl\nseed: {seed}\n"
        "method:\n  type: supervised\n  supervised:\n    hyperparameters:\n      n_epochs: 1\n      batch_size: 4\n"
    )

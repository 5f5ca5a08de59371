"""What data files are for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUse:
    """What a file is for."""

    spec: str
    role: Literal["training", "validation", "evaluation"]
    generation: str | None = None
    """Short digest of a generation in the lockfile; None for the spec as it stands now."""

    def __str__(self) -> str:
        whose = f"`{self.spec}`" if self.generation is None else f"generation `{self.generation}` of `{self.spec}`"
        return f"{self.role} data of {whose}"

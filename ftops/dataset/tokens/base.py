"""What one has to know of a base model to count, cut and price its rows."""

from __future__ import annotations

from datetime import date  # noqa: TC003  # msgspec reads the annotations
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftops.dataset.formats import Format

SMOLLM2: Final = "smollm2-135m-instruct"
SMOLLM2_FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
"""The model's file, which holds its tokenizer, as the local server keeps it."""


class Base(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One base model, as a table of profiles.toml tells it."""

    tokenizer: str
    """`o200k_base`, `cl100k_base`, or the local model whose own it is."""
    template: Literal["openai", "chatml"] = "openai"
    """How conversations are wrapped before they are encoded."""
    default_system: str | None = None
    """What the template says first where a conversation has no system message."""
    row_tokens_max: int | None = None
    """Where longer examples are cut, at their end; None if no limit is documented."""
    training_usd_per_million: float | None = None
    """For a million tokens of one epoch, before tax; None if unknown, or if training is not priced by the token."""
    training_usd_per_hour: float | None = None
    price_read: str | None = None
    """When the price was read, such as `late 2025`, and where: prices change."""
    price_source: str | None = None
    shut_down: date | None = None
    """From when on neither the base model nor a model made from it can be called."""


def row_tokens_max(base: Base, format_: Format) -> int | None:
    """How many tokens of a row are read, and billed; None if no limit is documented.

    A preference row is two sequences, each cut by itself. Of their sum this is exact unless one is longer than the
    limit and the other is not.
    """
    if base.row_tokens_max is None:
        return None
    return base.row_tokens_max * (2 if format_ == "preference" else 1)


class Counting(NamedTuple):
    """How tokens are counted."""

    base: Base
    """The base model whose tokens they are."""
    models: Path
    """The folder of the local models' files."""

    @property
    def is_complete(self) -> bool:
        """Whether the tokenizer's file is here, if it is in one; otherwise counts are an estimate."""
        return self.base.tokenizer != SMOLLM2 or (self.models / SMOLLM2_FILE).exists()


def models_folder(environ: Mapping[str, str]) -> Path:
    """Where the local server keeps model files: `FTOPS_MODELS_DIR`, or `ftops/models` in the user's cache."""
    if chosen := environ.get("FTOPS_MODELS_DIR"):
        return Path(chosen)
    cache = environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "ftops" / "models"

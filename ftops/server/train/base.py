"""Models in memory: a base loaded once in a process, and what fine-tuning made of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from ftops.server.train.chat import ChatTemplate
from ftops.server.train.checkpoint import read_checkpoint
from ftops.server.train.fetch import gguf_file, models_folder
from ftops.server.train.gguf import Gguf
from ftops.server.train.llama import EMBEDDING, FINAL_NORM, BlockNames, Model, block_names
from ftops.server.train.models import CATALOGUE, Architecture, BaseModel, GgufInWheel, RandomBytes
from ftops.server.train.tokenizer import BpeTokenizer, ByteTokenizer

if TYPE_CHECKING:
    from ftops.server.train.llama import Array, Weights
    from ftops.server.train.run import ModelSource
    from ftops.server.train.tokenizer import Tokenizer


_GGUF_NAMES = BlockNames(
    attention_norm="attn_norm",
    query="attn_q",
    key="attn_k",
    value="attn_v",
    output="attn_output",
    feed_norm="ffn_norm",
    gate="ffn_gate",
    up="ffn_up",
    down="ffn_down",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A base model, ready to be used; its weights cannot be written to, because all models made of it share them."""

    description: BaseModel
    model: Model
    tokenizer: Tokenizer

    @property
    def template(self) -> ChatTemplate:
        return ChatTemplate(
            tokenizer=self.tokenizer,
            context_tokens=self.description.context_tokens,
            default_system=self.description.default_system,
        )


_loading = Lock()


def load_base(name: str) -> Base:
    """The base model *name* of the catalogue, fetched if need be, loaded once in a process: about 1 s and 0.6 GB.

    Raises:
        ModelUnavailableError: Its file cannot be had.
    """
    with _loading:
        return _load_base(name)


def load_model(source: ModelSource) -> Model:
    """What *source* names; base weights are shared, an adapter or full weights of a checkpoint are this model's own."""
    base = load_base(source.base)
    if source.weights is None:
        return base.model
    weights = read_checkpoint(source.weights)
    lora = base.description.lora
    return replace(base.model, adapter=weights, scale=lora.scale) if lora else replace(base.model, weights=weights)


@cache
def _load_base(name: str) -> Base:
    description = CATALOGUE[name]
    match description.origin:
        case GgufInWheel() as origin:
            model, tokenizer = _from_gguf(Gguf(gguf_file(origin, models_folder(os.environ))))
        case RandomBytes() as origin:
            weights = random_weights(origin)
            model, tokenizer = Model(architecture=origin.architecture, weights=weights), ByteTokenizer()
    for weight in model.weights.values():
        weight.setflags(write=False)
    return Base(description=description, model=model, tokenizer=tokenizer)


def _from_gguf(file: Gguf) -> tuple[Model, Tokenizer]:
    known = file.metadata
    architecture = Architecture(
        vocabulary=known["llama.vocab_size"],
        width=known["llama.embedding_length"],
        layers=known["llama.block_count"],
        heads=known["llama.attention.head_count"],
        key_value_heads=known["llama.attention.head_count_kv"],
        feed_forward=known["llama.feed_forward_length"],
        norm_epsilon=known["llama.attention.layer_norm_rms_epsilon"],
        rope_base=known["llama.rope.freq_base"],
    )
    weights = {f"{EMBEDDING}.weight": file.tensor("token_embd.weight")}
    for layer in range(architecture.layers):
        names = block_names(layer)
        for name, part in zip(names, _GGUF_NAMES, strict=True):
            weights[f"{name}.weight"] = file.tensor(f"blk.{layer}.{part}.weight")
        for name, heads in ((names.query, architecture.heads), (names.key, architecture.key_value_heads)):
            weights[f"{name}.weight"] = _halves_apart(weights[f"{name}.weight"], heads)
    weights[f"{FINAL_NORM}.weight"] = file.tensor("output_norm.weight")
    tokenizer = BpeTokenizer(
        tokens=known["tokenizer.ggml.tokens"],
        merges=known["tokenizer.ggml.merges"],
        types=known["tokenizer.ggml.token_type"],
    )
    return Model(architecture=architecture, weights=weights), tokenizer


def _halves_apart(weight: Array, heads: int) -> Array:
    """GGUF interleaves the two halves that a rotary embedding turns; Hugging Face has them one after the other."""
    rows, columns = weight.shape
    parted = weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2)
    return np.ascontiguousarray(parted.reshape(rows, columns))


def random_weights(origin: RandomBytes) -> Weights:
    shape, random = origin.architecture, np.random.default_rng(origin.seed)
    key_rows = shape.key_value_heads * shape.head_width

    def drawn(rows: int, columns: int, deviation: float) -> Array:
        return random.standard_normal((rows, columns), np.float32) * deviation

    weights: Weights = {f"{EMBEDDING}.weight": drawn(shape.vocabulary, shape.width, 0.05)}
    for layer in range(shape.layers):
        names = block_names(layer)
        sizes = {
            names.query: (shape.width, shape.width),
            names.key: (key_rows, shape.width),
            names.value: (key_rows, shape.width),
            names.output: (shape.width, shape.width),
            names.gate: (shape.feed_forward, shape.width),
            names.up: (shape.feed_forward, shape.width),
            names.down: (shape.width, shape.feed_forward),
        }
        for name, (rows, columns) in sizes.items():
            weights[f"{name}.weight"] = drawn(rows, columns, columns**-0.5)
        for name in (names.attention_norm, names.feed_norm):
            weights[f"{name}.weight"] = np.ones(shape.width, np.float32)
    weights[f"{FINAL_NORM}.weight"] = np.ones(shape.width, np.float32)
    return weights

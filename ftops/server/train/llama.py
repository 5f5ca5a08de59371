"""The Llama architecture on one sequence: forward, and backward by hand.

One sequence at a time, never a padded batch: a batch is a sum over examples, and the same in any number of threads.
Shapes are written with T tokens, P positions attended to, D the width, H heads, K key and value heads, G = H / K, and
C the width of a head. A gradient of the loss with respect to `x` is called `d_x`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ftops.server.train.models import Architecture

Array: TypeAlias = NDArray[np.floating[Any]]
"""Of float32; of float64 where a test checks gradients by finite differences."""

TokenIds: TypeAlias = NDArray[np.integer[Any]]

Weights: TypeAlias = dict[str, Array]
"""Tensors, or their gradients, by the names that Hugging Face gives them in a Llama checkpoint."""

EMBEDDING = "model.embed_tokens"
FINAL_NORM = "model.norm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Weights, and what fine-tuning adds to them."""

    architecture: Architecture
    weights: Weights
    adapter: Weights = field(default_factory=dict)
    """LoRA's matrices, `….lora_A.weight` [rank, in] and `….lora_B.weight` [out, rank]; empty if there are none."""
    scale: float = 0.0
    """LoRA's alpha / rank."""

    @property
    def trained(self) -> Weights:
        """What has gradients: the adapter if there is one, else all weights."""
        return self.adapter or self.weights

    @property
    def embedding(self) -> Array:
        return self.weights[f"{EMBEDDING}.weight"]


class Cache:
    """Keys and values of the tokens so far, so that the next ones need only be compared with them."""

    def __init__(self, architecture: Architecture, capacity: int) -> None:
        shape = architecture.layers, architecture.key_value_heads, capacity, architecture.head_width
        self.keys = np.empty(shape, np.float32)
        self.values = np.empty(shape, np.float32)
        self.length = 0


class _Kept(NamedTuple):
    """What backward needs of one block; the rest is cheaper to compute again than to keep."""

    x: Array
    """[T, D], what came in."""
    query: Array
    """[K, G·T, C]"""
    key: Array
    """[K, T, C]"""
    value: Array
    """[K, T, C]"""
    attended: Array
    """[T, H·C], before the output projection."""
    middle: Array
    """[T, D], between attention and feed-forward."""
    gate: Array
    """[T, F]"""
    up: Array
    """[T, F]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A forward pass that can be gone back."""

    tokens: TokenIds
    blocks: list[_Kept]
    last: Array
    """[T, D], what the final norm was given."""
    hidden: Array
    """[T, D]"""


def forward(model: Model, tokens: TokenIds) -> Passed:
    """The final hidden states of *tokens*, with all that `backward` needs."""
    x = model.embedding[tokens]
    rotation = _rotation(model.architecture, 0, len(tokens), x.dtype)
    blocks: list[_Kept] = []
    for layer in range(model.architecture.layers):
        x, kept = _block(model, layer, x, rotation, None)
        blocks.append(kept)
    return Passed(tokens=tokens, blocks=blocks, last=x, hidden=_norm(model, FINAL_NORM, x))


def hidden_states(model: Model, tokens: TokenIds, cache: Cache | None = None) -> Array:
    """The final hidden states of *tokens*, [T, D], nothing kept; they go on from what is in *cache*, and are added."""
    x = model.embedding[tokens]
    rotation = _rotation(model.architecture, cache.length if cache else 0, len(tokens), x.dtype)
    for layer in range(model.architecture.layers):
        x, _ = _block(model, layer, x, rotation, cache)
    if cache:
        cache.length += len(tokens)
    return _norm(model, FINAL_NORM, x)


def backward(model: Model, passed: Passed, d_hidden: Array) -> Weights:
    """The gradients of `model.trained`, without the part that reaches the embedding as output head."""
    gradients: Weights = {}
    d_x = _norm_back(model, FINAL_NORM, passed.last, d_hidden, gradients)
    for layer in reversed(range(model.architecture.layers)):
        d_x = _block_back(model, layer, passed.blocks[layer], d_x, gradients)
    if not model.adapter:
        d_embedding = np.zeros_like(model.embedding)
        np.add.at(d_embedding, passed.tokens, d_x)
        gradients[f"{EMBEDDING}.weight"] = d_embedding
    return gradients


class BlockNames(NamedTuple):
    """The linear layers and norms of one block, in the order of Hugging Face."""

    attention_norm: str
    query: str
    key: str
    value: str
    output: str
    feed_norm: str
    gate: str
    up: str
    down: str


def block_names(layer: int) -> BlockNames:
    block = f"model.layers.{layer}."
    return BlockNames(
        attention_norm=f"{block}input_layernorm",
        query=f"{block}self_attn.q_proj",
        key=f"{block}self_attn.k_proj",
        value=f"{block}self_attn.v_proj",
        output=f"{block}self_attn.o_proj",
        feed_norm=f"{block}post_attention_layernorm",
        gate=f"{block}mlp.gate_proj",
        up=f"{block}mlp.up_proj",
        down=f"{block}mlp.down_proj",
    )


def _block(
    model: Model, layer: int, x: Array, rotation: tuple[Array, Array], cache: Cache | None
) -> tuple[Array, _Kept]:
    shape, names = model.architecture, block_names(layer)
    normed = _norm(model, names.attention_norm, x)
    query = _grouped(_rotate(_heads(_linear(model, names.query, normed), shape.heads), *rotation), shape)
    key = _rotate(_heads(_linear(model, names.key, normed), shape.key_value_heads), *rotation).transpose(1, 0, 2)
    value = _heads(_linear(model, names.value, normed), shape.key_value_heads).transpose(1, 0, 2)
    if cache:
        start, stop = cache.length, cache.length + len(x)
        cache.keys[layer, :, start:stop], cache.values[layer, :, start:stop] = key, value
        key, value = cache.keys[layer, :, :stop], cache.values[layer, :, :stop]
    else:
        key, value = np.ascontiguousarray(key), np.ascontiguousarray(value)
    attended = _ungrouped(_attention(query, key, len(x)) @ value, shape).reshape(len(x), -1)
    middle = x + _linear(model, names.output, attended)
    normed = _norm(model, names.feed_norm, middle)
    gate, up = _linear(model, names.gate, normed), _linear(model, names.up, normed)
    out = middle + _linear(model, names.down, gate * _sigmoid(gate) * up)
    return out, _Kept(x, query, key, value, attended, middle, gate, up)


def _block_back(model: Model, layer: int, kept: _Kept, d_out: Array, gradients: Weights) -> Array:
    shape, names = model.architecture, block_names(layer)
    cosine, sine = _rotation(shape, 0, len(d_out), d_out.dtype)

    def back(name: str, x: Array, d_y: Array) -> Array:
        return _linear_back(model, name, x, d_y, gradients)

    sigmoid = _sigmoid(kept.gate)
    silu = kept.gate * sigmoid
    d_fed = back(names.down, silu * kept.up, d_out)
    d_gate = d_fed * kept.up * (sigmoid + silu * (1 - sigmoid))
    normed = _norm(model, names.feed_norm, kept.middle)
    d_normed = back(names.up, normed, d_fed * silu) + back(names.gate, normed, d_gate)
    d_middle = d_out + _norm_back(model, names.feed_norm, kept.middle, d_normed, gradients)

    d_attended = _grouped(_heads(back(names.output, kept.attended, d_middle), shape.heads), shape)
    weights = _attention(kept.query, kept.key, len(d_out))
    d_value = weights.swapaxes(1, 2) @ d_attended
    d_scores = d_attended @ kept.value.swapaxes(1, 2)
    d_scores -= np.einsum("kqp,kqp->kq", d_scores, weights)[..., None]
    d_scores *= weights
    d_scores *= shape.head_width**-0.5
    d_query = _rotate(_ungrouped(d_scores @ kept.key, shape), cosine, -sine)
    d_key = _rotate((d_scores.swapaxes(1, 2) @ kept.query).transpose(1, 0, 2), cosine, -sine)
    normed = _norm(model, names.attention_norm, kept.x)
    d_normed = (
        back(names.query, normed, d_query.reshape(len(d_out), -1))
        + back(names.key, normed, d_key.reshape(len(d_out), -1))
        + back(names.value, normed, d_value.transpose(1, 0, 2).reshape(len(d_out), -1))
    )
    return d_middle + _norm_back(model, names.attention_norm, kept.x, d_normed, gradients)


def _linear(model: Model, name: str, x: Array) -> Array:
    y = x @ model.weights[f"{name}.weight"].T
    if model.adapter:
        low = x @ model.adapter[f"{name}.lora_A.weight"].T
        y += (low * model.scale) @ model.adapter[f"{name}.lora_B.weight"].T
    return y


def _linear_back(model: Model, name: str, x: Array, d_y: Array, gradients: Weights) -> Array:
    d_x = d_y @ model.weights[f"{name}.weight"]
    if not model.adapter:
        gradients[f"{name}.weight"] = d_y.T @ x
        return d_x
    down, up = model.adapter[f"{name}.lora_A.weight"], model.adapter[f"{name}.lora_B.weight"]
    d_low = (d_y @ up) * model.scale
    gradients[f"{name}.lora_B.weight"] = (d_y.T @ (x @ down.T)) * model.scale
    gradients[f"{name}.lora_A.weight"] = d_low.T @ x
    d_x += d_low @ down
    return d_x


def _norm(model: Model, name: str, x: Array) -> Array:
    return x * _inverse_length(x, model.architecture.norm_epsilon) * model.weights[f"{name}.weight"]


def _norm_back(model: Model, name: str, x: Array, d_y: Array, gradients: Weights) -> Array:
    inverse = _inverse_length(x, model.architecture.norm_epsilon)
    if not model.adapter:
        gradients[f"{name}.weight"] = (d_y * x * inverse).sum(0)
    d_x = d_y * model.weights[f"{name}.weight"]
    along = np.einsum("td,td->t", d_x, x)[:, None] * (inverse**3 / x.shape[1])
    d_x *= inverse
    d_x -= x * along
    return d_x


def _inverse_length(x: Array, epsilon: float) -> Array:
    """One over the root mean square of each row, [T, 1]."""
    inverse: Array = 1 / np.sqrt(np.einsum("td,td->t", x, x) / x.shape[1] + epsilon)
    return inverse[:, None]


def _attention(query: Array, key: Array, tokens: int) -> Array:
    """Weights [K, G·T, P] of what each token looks at: itself and all before it."""
    weights: Array = (query * query.shape[-1] ** -0.5) @ key.swapaxes(1, 2)
    if tokens > 1:
        positions = key.shape[1]
        later = np.triu(np.full((tokens, positions), -np.inf, weights.dtype), positions - tokens + 1)
        weights.reshape(len(key), -1, tokens, positions)[...] += later
    weights -= weights.max(-1, keepdims=True)
    np.exp(weights, out=weights)
    weights /= weights.sum(-1, keepdims=True)
    return weights


def _heads(x: Array, heads: int) -> Array:
    return x.reshape(len(x), heads, -1)


def _grouped(x: Array, shape: Architecture) -> Array:
    """[T, H, C] -> [K, G·T, C]: the heads that share a key stand together, as the rows of one matrix."""
    parted = x.reshape(len(x), shape.key_value_heads, -1, shape.head_width).transpose(1, 2, 0, 3)
    return parted.reshape(shape.key_value_heads, -1, shape.head_width)


def _ungrouped(x: Array, shape: Architecture) -> Array:
    """[K, G·T, C] -> [T, H, C]: each head a part of its token again."""
    parted = x.reshape(shape.heads, -1, shape.head_width)
    return np.ascontiguousarray(parted.transpose(1, 0, 2))


def _rotation(shape: Architecture, start: int, tokens: int, dtype: np.dtype[np.floating]) -> tuple[Array, Array]:
    """Cosines and sines of the rotary positions, [T, 1, C/2] each."""
    frequencies = shape.rope_base ** (-np.arange(0, shape.head_width, 2) / shape.head_width)
    angles = np.outer(np.arange(start, start + tokens), frequencies)[:, None, :]
    return np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)


def _rotate(x: Array, cosine: Array, sine: Array) -> Array:
    """Turn the two halves of each head against each other by the angle of its position; [T, heads, C]."""
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    return np.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)


def _sigmoid(x: Array) -> Array:
    """By tanh, which cannot overflow."""
    doubled: Array = 1 + np.tanh(x * 0.5)
    return doubled * 0.5

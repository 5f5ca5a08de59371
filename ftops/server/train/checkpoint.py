"""Checkpoints in the formats of the ecosystem: PEFT for an adapter, Hugging Face's for all weights."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ftops.server.train.storage import put_folder, read_tensors, write_json, write_tensors

if TYPE_CHECKING:
    from pathlib import Path

    from ftops.server.train.llama import Model, Weights
    from ftops.server.train.models import BaseModel, Lora

_ADAPTER, _FULL = "adapter_model.safetensors", "model.safetensors"
_PEFT_PREFIX = "base_model.model."


def write_checkpoint(folder: Path, description: BaseModel, model: Model) -> None:
    """Save what *model* adds to its base into *folder*, whole or not at all, and wait until it is on the disk."""
    lora = description.lora
    write = partial(_write_adapter, description, lora, model) if lora else partial(_write_full, model)
    put_folder(folder, write)


def read_checkpoint(folder: Path) -> Weights:
    """The adapter or all weights of a folder that `write_checkpoint` wrote, by the names that `Model` has for them."""
    if (folder / _FULL).exists():
        return read_tensors(folder / _FULL)[0]
    tensors, _ = read_tensors(folder / _ADAPTER)
    return {name.removeprefix(_PEFT_PREFIX): tensor for name, tensor in tensors.items()}


def _write_adapter(description: BaseModel, lora: Lora, model: Model, folder: Path) -> None:
    tensors = {_PEFT_PREFIX + name: tensor for name, tensor in sorted(model.adapter.items())}
    write_tensors(folder / _ADAPTER, tensors, {})
    write_json(
        folder / "adapter_config.json",
        {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": description.upstream,
            "r": lora.rank,
            "lora_alpha": lora.alpha,
            "lora_dropout": 0.0,
            "bias": "none",
            "target_modules": sorted({name.split(".")[-3] for name in model.adapter}),
            "inference_mode": True,
        },
    )


def _write_full(model: Model, folder: Path) -> None:
    shape = model.architecture
    write_tensors(folder / _FULL, model.weights, {})
    write_json(
        folder / "config.json",
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": shape.vocabulary,
            "hidden_size": shape.width,
            "intermediate_size": shape.feed_forward,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.key_value_heads,
            "rms_norm_eps": shape.norm_epsilon,
            "rope_theta": shape.rope_base,
            "hidden_act": "silu",
            "tie_word_embeddings": True,
            "torch_dtype": "float32",
        },
    )

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import numpy as np

from ftops.server.train.base import load_base, load_model, random_weights
from ftops.server.train.checkpoint import read_checkpoint, write_checkpoint
from ftops.server.train.llama import Model
from ftops.server.train.models import CATALOGUE, Architecture, RandomBytes
from ftops.server.train.run import ModelSource
from ftops.server.train.session import adapted

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = Architecture(vocabulary=20, width=8, layers=2, heads=2, key_value_heads=1, feed_forward=12)
SMOLLM2 = CATALOGUE["smollm2-135m-instruct"]


def header(path: Path) -> dict[str, dict[str, object]]:
    """The header of a safetensors file, read by the letter of the format."""
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    assert length % 8 == 0
    entries = json.loads(content[8 : 8 + length])
    assert max(entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__") == (
        len(content) - 8 - length
    )
    return entries


def adapted_model() -> Model:
    base = Model(architecture=SHAPE, weights=random_weights(RandomBytes(seed=0, architecture=SHAPE)))
    return adapted(base, SMOLLM2.lora, seed=0)


def test_an_adapter_is_what_peft_reads(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "step-1", SMOLLM2, adapted_model())
    assert json.loads((tmp_path / "step-1" / "adapter_config.json").read_text()) == {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "r": 8,
        "lora_alpha": 16,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"],
        "inference_mode": True,
    }
    entries = header(tmp_path / "step-1" / "adapter_model.safetensors")
    assert entries.pop("__metadata__") == {"format": "pt"}
    assert len(entries) == 2 * 7 * 2
    first = entries["base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight"]
    assert (first["dtype"], first["shape"]) == ("F32", [8, 8])
    assert entries["base_model.model.model.layers.1.mlp.down_proj.lora_B.weight"]["shape"] == [8, 8]
    assert entries["base_model.model.model.layers.1.mlp.down_proj.lora_A.weight"]["shape"] == [8, 12]


def test_an_adapter_is_read_as_it_was_written(tmp_path: Path) -> None:
    model = adapted_model()
    write_checkpoint(tmp_path / "step-1", SMOLLM2, model)
    found = read_checkpoint(tmp_path / "step-1")
    assert found.keys() == model.adapter.keys()
    assert all(np.array_equal(found[name], tensor) for name, tensor in model.adapter.items())


def test_a_new_adapter_leaves_the_model_as_it_is() -> None:
    adapter = adapted_model().adapter
    assert all(not tensor.any() for name, tensor in adapter.items() if "lora_B" in name)
    assert all(tensor.any() for name, tensor in adapter.items() if "lora_A" in name)


def test_full_weights_are_what_hugging_face_reads(tmp_path: Path) -> None:
    base = load_base("tiny-byte-90k")
    write_checkpoint(tmp_path / "step-1", base.description, base.model)
    config = json.loads((tmp_path / "step-1" / "config.json").read_text())
    assert (config["architectures"], config["model_type"]) == (["LlamaForCausalLM"], "llama")
    assert (config["vocab_size"], config["hidden_size"], config["tie_word_embeddings"]) == (259, 64, True)
    entries = header(tmp_path / "step-1" / "model.safetensors")
    assert entries["model.embed_tokens.weight"]["shape"] == [259, 64]
    model = load_model(ModelSource(base="tiny-byte-90k", weights=tmp_path / "step-1"))
    assert all(np.array_equal(model.weights[name], tensor) for name, tensor in base.model.weights.items())


def test_the_tiny_model_has_90_624_weights_that_nobody_can_change() -> None:
    weights = load_base("tiny-byte-90k").model.weights
    assert sum(weight.size for weight in weights.values()) == 90_624
    assert not any(weight.flags.writeable for weight in weights.values())


def test_a_checkpoint_replaces_the_one_before(tmp_path: Path) -> None:
    for _ in range(2):
        write_checkpoint(tmp_path / "step-1", SMOLLM2, adapted_model())
    assert [path.name for path in tmp_path.iterdir()] == ["step-1"]

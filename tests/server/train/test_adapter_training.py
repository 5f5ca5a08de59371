"""The path of the instruct model (GGUF, BPE, LoRA, PEFT) from end to end, with a model of a few thousand weights."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ftops.server.train.base import load_base, load_model, random_weights
from ftops.server.train.models import CATALOGUE, Architecture, GgufInWheel, RandomBytes
from ftops.server.train.run import CheckpointSaved, Hyperparameters, ModelSource, Stepped
from ftops.server.train.sampler import Sampler, Token
from ftops.server.train.tokenizer import _BYTE_CHARACTERS
from ftops.server.train.trainer import train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ftops.server.train.run import TrainingRun

    MakeRun = Callable[..., TrainingRun]

MERGES = ["p o", "n g", "i ng"]
TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *_BYTE_CHARACTERS, "po", "ng", "ing"]
SHAPE = Architecture(
    vocabulary=len(TOKENS), width=32, layers=2, heads=4, key_value_heads=2, feed_forward=48, rope_base=1e5
)
PARTS = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
WEIGHTS = random_weights(RandomBytes(seed=0, architecture=SHAPE))


def gguf_name(name: str) -> str:
    named = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    if name in named:
        return named[name]
    layer, part = name.removeprefix("model.layers.").removesuffix(".weight").split(".", 1)
    return f"blk.{layer}.{PARTS[part]}.weight"


def interleaved(name: str, weight: np.ndarray) -> np.ndarray:
    """As llama.cpp stores what rotary embeddings turn: the halves of each head in turn, row by row."""
    if "q_proj" not in name and "k_proj" not in name:
        return weight
    half = SHAPE.head_width // 2
    heads = weight.reshape(-1, SHAPE.head_width, SHAPE.width)
    rows = [head[row + part * half] for head in heads for row in range(half) for part in (0, 1)]
    return np.stack(rows)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_gguf: Callable[..., bytes]) -> str:
    """The name of a small model, whose file lies in the models folder already."""
    metadata = {
        "llama.vocab_size": SHAPE.vocabulary,
        "llama.embedding_length": SHAPE.width,
        "llama.block_count": SHAPE.layers,
        "llama.attention.head_count": SHAPE.heads,
        "llama.attention.head_count_kv": SHAPE.key_value_heads,
        "llama.feed_forward_length": SHAPE.feed_forward,
        "llama.attention.layer_norm_rms_epsilon": SHAPE.norm_epsilon,
        "llama.rope.freq_base": SHAPE.rope_base,
        "tokenizer.ggml.tokens": TOKENS,
        "tokenizer.ggml.merges": MERGES,
        "tokenizer.ggml.token_type": [3] * 3 + [1] * (len(TOKENS) - 3),
    }
    tensors = [
        (gguf_name(name), weight.shape, 0, interleaved(name, weight).astype("<f4").tobytes())
        for name, weight in WEIGHTS.items()
    ]
    content = make_gguf(metadata, tensors)
    (tmp_path / "small.gguf").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    origin = GgufInWheel(requirement="small==1", member="small/small.gguf", sha256=digest)
    name = f"small-{tmp_path.name}"
    model = replace(CATALOGUE["smollm2-135m-instruct"], name=name, origin=origin)
    monkeypatch.setattr("ftops.server.train.base.CATALOGUE", MappingProxyType({name: model}))
    monkeypatch.setenv("FTOPS_MODELS_DIR", str(tmp_path))
    return name


def checkpoint(run: TrainingRun) -> Path:
    *_, last = (report for report in train(run) if isinstance(report, CheckpointSaved))
    return last.folder


def losses(run: TrainingRun) -> list[float]:
    return [report.metrics.train_loss for report in train(run) if isinstance(report, Stepped)]


def test_a_gguf_model_has_the_weights_that_were_put_into_it(small: str) -> None:
    base = load_base(small)
    assert base.model.architecture == replace(SHAPE, norm_epsilon=base.model.architecture.norm_epsilon)
    assert base.model.architecture.norm_epsilon == pytest.approx(1e-5)
    assert base.model.weights.keys() == WEIGHTS.keys()
    assert all(np.array_equal(base.model.weights[name], weight) for name, weight in WEIGHTS.items())
    assert base.tokenizer.encode("pong") == [TOKENS.index("po"), TOKENS.index("ng")]


def test_an_adapter_learns_while_the_base_stays_as_it_is(small: str, make_run: MakeRun, chats: Path) -> None:
    asked = Hyperparameters(n_epochs=12, batch_size=2, learning_rate_multiplier=20.0)
    run = make_run(source=ModelSource(base=small), validation_file=chats, hyperparameters=asked)
    fallen = losses(run)
    assert fallen[-1] < fallen[0] - 1
    assert all(np.array_equal(load_base(small).model.weights[name], weight) for name, weight in WEIGHTS.items())
    assert {path.name for path in (run.folder / "checkpoints" / "step-24").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }


def test_an_adapter_broken_off_ends_the_same(small: str, make_run: MakeRun) -> None:
    whole, broken = (make_run(name, source=ModelSource(base=small)) for name in ("whole", "broken"))
    expected = checkpoint(whole)
    reports = train(broken)
    for _ in range(5):
        next(reports)
    reports.close()
    found = checkpoint(broken)
    file = "adapter_model.safetensors"
    assert (found / file).read_bytes() == (expected / file).read_bytes()


def test_an_adapter_goes_on_from_an_earlier_one(small: str, make_run: MakeRun, pairs: Path) -> None:
    asked = Hyperparameters(n_epochs=6, batch_size=4, learning_rate_multiplier=20.0)
    parent = ModelSource(
        base=small, weights=checkpoint(make_run("parent", source=ModelSource(base=small), hyperparameters=asked))
    )
    before = {name: weight.copy() for name, weight in load_model(parent).adapter.items()}
    child = make_run("child", source=parent, hyperparameters=asked)
    assert losses(child)[0] < losses(make_run("fresh", source=ModelSource(base=small), hyperparameters=asked))[0]
    preference = make_run("dpo", method="dpo", source=parent, training_file=pairs, hyperparameters=asked)
    fallen = losses(preference)
    assert fallen[0] == pytest.approx(math.log(2), abs=1e-6)
    assert fallen[-1] < fallen[0]
    assert all(np.array_equal(load_model(parent).adapter[name], weight) for name, weight in before.items())


def test_base_and_tuned_answer_with_one_base(small: str, make_run: MakeRun) -> None:
    tuned = Sampler(ModelSource(base=small, weights=checkpoint(make_run(source=ModelSource(base=small)))))
    base = Sampler(ModelSource(base=small))
    assert tuned._model.embedding is base._model.embedding
    pieces = list(tuned.complete([{"role": "user", "content": "ping"}], temperature=0, max_tokens=3))
    assert sum(isinstance(piece, Token) for piece in pieces) <= 3

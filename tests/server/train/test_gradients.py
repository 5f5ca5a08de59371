"""The backward pass against finite differences, and against an independent autodiff."""

from __future__ import annotations

from typing import TYPE_CHECKING

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from ftops.server.train.base import load_base, random_weights
from ftops.server.train.chat import Example
from ftops.server.train.llama import Cache, Model, block_names, forward, hidden_states
from ftops.server.train.models import Architecture, RandomBytes
from ftops.server.train.objective import Preference, Supervised

if TYPE_CHECKING:
    from ftops.server.train.objective import Objective

SHAPE = Architecture(vocabulary=50, width=16, layers=2, heads=4, key_value_heads=2, feed_forward=24)


def double_model(*, with_adapter: bool, seed: int = 0) -> Model:
    """A small model in float64, whose every weight matters."""
    random = np.random.default_rng(seed)
    weights = {
        name: weight + random.normal(size=weight.shape) * 0.1
        for name, weight in random_weights(RandomBytes(seed=seed, architecture=SHAPE)).items()
    }
    if not with_adapter:
        return Model(architecture=SHAPE, weights=weights)
    adapter = {}
    for name, weight in weights.items():
        if name.endswith("_proj.weight"):
            rows, columns = weight.shape
            adapter[name.replace(".weight", ".lora_A.weight")] = random.normal(size=(3, columns)) * 0.3
            adapter[name.replace(".weight", ".lora_B.weight")] = random.normal(size=(rows, 3)) * 0.3
    return Model(architecture=SHAPE, weights=weights, adapter=adapter, scale=2.0)


def random_item(number: int, seed: int = 0) -> tuple[Example, ...]:
    random = np.random.default_rng(seed)
    return tuple(Example(tokens=random.integers(0, 50, 9), learnt=random.random(9) < 0.6) for _ in range(number))


def worst_error(model: Model, objective: Objective, item: tuple[Example, ...]) -> float:
    """The greatest relative error of three entries of every tensor, against central differences."""
    random = np.random.default_rng(1)
    units = objective.units(item)
    score, gradients = objective.learn(model, item, 1 / units)
    assert score == objective.score(model, item)
    assert gradients.keys() == model.trained.keys()
    errors = []
    for name, weight in model.trained.items():
        for _ in range(3):
            at = tuple(random.integers(0, size) for size in weight.shape)
            kept = weight[at]
            weight[at] = kept + 1e-5
            above = objective.score(model, item).mean_loss
            weight[at] = kept - 1e-5
            below = objective.score(model, item).mean_loss
            weight[at] = kept
            expected, found = (above - below) / 2e-5, gradients[name][at]
            errors.append(abs(expected - found) / (abs(expected) + abs(found) + 1e-6))
    return max(errors)


@pytest.mark.parametrize("with_adapter", [False, True])
def test_supervised_gradients_are_those_of_finite_differences(with_adapter: bool) -> None:
    assert worst_error(double_model(with_adapter=with_adapter), Supervised(), random_item(1)) < 1e-5


@pytest.mark.parametrize("with_adapter", [False, True])
def test_preference_gradients_are_those_of_finite_differences(with_adapter: bool) -> None:
    objective = Preference(reference=double_model(with_adapter=False, seed=5), beta=0.7)
    assert worst_error(double_model(with_adapter=with_adapter), objective, random_item(2)) < 1e-5


def oracle_loss(weights: dict[str, anp.ndarray], shape: Architecture, example: Example) -> float:
    """The mean cross entropy of a Llama model, written anew, as plainly as can be, for autograd to differentiate."""
    tokens, targets = example.tokens[:-1], example.tokens[1:]

    def norm(name: str, x: anp.ndarray) -> anp.ndarray:
        return x / anp.sqrt(anp.mean(x**2, axis=1, keepdims=True) + shape.norm_epsilon) * weights[f"{name}.weight"]

    def linear(name: str, x: anp.ndarray) -> anp.ndarray:
        return anp.dot(x, weights[f"{name}.weight"].T)

    def rotated(x: anp.ndarray) -> anp.ndarray:
        half = shape.head_width // 2
        angle = np.outer(np.arange(len(x)), shape.rope_base ** (-np.arange(half) / half))
        first, second = x[:, :half], x[:, half:]
        turned = first * np.cos(angle) - second * np.sin(angle), second * np.cos(angle) + first * np.sin(angle)
        return anp.concatenate(turned, axis=1)

    x = weights["model.embed_tokens.weight"][tokens]
    future = np.triu(np.full((len(tokens), len(tokens)), -1e30), 1)
    for layer in range(shape.layers):
        names = block_names(layer)
        normed = norm(names.attention_norm, x)
        query, key, value = (linear(name, normed) for name in (names.query, names.key, names.value))
        heads = []
        for head in range(shape.heads):
            own = slice(head * shape.head_width, (head + 1) * shape.head_width)
            group = head // (shape.heads // shape.key_value_heads)
            shared = slice(group * shape.head_width, (group + 1) * shape.head_width)
            scores = anp.dot(rotated(query[:, own]), rotated(key[:, shared]).T) / shape.head_width**0.5 + future
            attention = anp.exp(scores - anp.max(scores, axis=1, keepdims=True))
            heads.append(anp.dot(attention / anp.sum(attention, axis=1, keepdims=True), value[:, shared]))
        x = x + linear(names.output, anp.concatenate(heads, axis=1))
        normed = norm(names.feed_norm, x)
        gate = linear(names.gate, normed)
        x = x + linear(names.down, gate / (1 + anp.exp(-gate)) * linear(names.up, normed))
    logits = anp.dot(norm("model.norm", x), weights["model.embed_tokens.weight"].T)
    log_total = anp.log(anp.sum(anp.exp(logits), axis=1))
    losses = log_total - logits[np.arange(len(targets)), targets]
    return anp.mean(losses[example.learnt[1:]])


def test_the_tiny_model_agrees_with_autograd_on_loss_and_every_gradient() -> None:
    model = load_base("tiny-byte-90k").model
    random = np.random.default_rng(3)
    example = Example(tokens=random.integers(0, 259, 24), learnt=random.random(24) < 0.5)
    units = Supervised().units((example,))
    score, gradients = Supervised().learn(model, (example,), 1 / units)

    doubles = {name: weight.astype(np.float64) for name, weight in model.weights.items()}
    loss, expected = autograd.value_and_grad(oracle_loss)(doubles, model.architecture, example)

    assert score.mean_loss == pytest.approx(loss, rel=1e-6)
    for name, gradient in expected.items():
        assert np.abs(gradients[name] - gradient).max() < 1e-5 * max(1.0, np.abs(gradient).max()), name


def test_the_cache_changes_nothing_but_the_work() -> None:
    model = load_base("tiny-byte-90k").model
    tokens = np.random.default_rng(4).integers(0, 259, 20)
    cache = Cache(model.architecture, 20)
    parts = [hidden_states(model, tokens[part], cache) for part in (slice(7), slice(7, 8), slice(8, 20))]
    assert np.allclose(np.concatenate(parts), forward(model, tokens).hidden, atol=1e-5)


def test_an_example_with_nothing_to_learn_has_no_loss_and_no_gradient() -> None:
    model = double_model(with_adapter=True)
    example = Example(tokens=np.array([1, 2, 3]), learnt=np.zeros(3, dtype=np.bool_))
    score, gradients = Supervised().learn(model, (example,), 1.0)
    assert (score.mean_loss, score.accuracy, score.units) == (0.0, 0.0, 0)
    assert all(not gradient.any() for gradient in gradients.values())

"""How probable a model finds an example, and the gradient of that: all that any loss here is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ftops.server.train.llama import EMBEDDING, Passed, backward, forward, hidden_states

if TYPE_CHECKING:
    from ftops.server.train.chat import Example
    from ftops.server.train.llama import Array, Model, TokenIds, Weights

_ROWS = 256
"""Positions whose logits are held at once: 50 MB with a vocabulary of 49,152."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihood:
    """Of the learnt tokens of one example."""

    log_probability: float
    """Their sum, in nats."""
    correct: int
    """Tokens that the model found the most probable."""
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """From where the gradient of a log probability can be computed, times any factor."""

    passed: Passed
    d_hidden: Array
    d_head: Array | None
    """The gradient of the embedding as output head, if it is trained."""

    def gradients(self, model: Model, factor: float) -> Weights:
        gradients = backward(model, self.passed, self.d_hidden * factor)
        if self.d_head is not None:
            gradients[f"{EMBEDDING}.weight"] += self.d_head * factor
        return gradients


def likelihood(model: Model, example: Example) -> Likelihood:
    inputs, at, targets = _shifted(example)
    return _measured(model.embedding, hidden_states(model, inputs)[at], targets, None, None)


def likelihood_and_slope(model: Model, example: Example) -> tuple[Likelihood, Slope]:
    inputs, at, targets = _shifted(example)
    passed = forward(model, inputs)
    d_rows = np.empty((len(at), passed.hidden.shape[1]), passed.hidden.dtype)
    d_head = None if model.adapter else np.zeros_like(model.embedding)
    measured = _measured(model.embedding, passed.hidden[at], targets, d_rows, d_head)
    d_hidden = np.zeros_like(passed.hidden)
    d_hidden[at] = d_rows
    return measured, Slope(passed=passed, d_hidden=d_hidden, d_head=d_head)


def _shifted(example: Example) -> tuple[TokenIds, TokenIds, TokenIds]:
    """What goes in, the positions that predict a learnt token, and those tokens."""
    return example.tokens[:-1], np.flatnonzero(example.learnt[1:]), example.tokens[1:][example.learnt[1:]]


def _measured(head: Array, rows: Array, targets: TokenIds, d_rows: Array | None, d_head: Array | None) -> Likelihood:
    """Score *rows* [N, D] against *targets* [N]; the gradients are put into *d_rows* and *d_head*, where given."""
    log_probability, correct = 0.0, 0
    for start in range(0, len(rows), _ROWS):
        part = slice(start, start + _ROWS)
        expected, number = targets[part], np.arange(len(targets[part]))
        logits = rows[part] @ head.T
        correct += int((logits.argmax(1) == expected).sum())
        logits -= logits.max(1, keepdims=True)
        chosen = logits[number, expected]
        probabilities = np.exp(logits, out=logits)
        total = probabilities.sum(1)
        log_probability += float((chosen - np.log(total)).sum(dtype=np.float64))
        if d_rows is not None:
            probabilities /= -total[:, None]
            probabilities[number, expected] += 1
            d_rows[part] = probabilities @ head
            if d_head is not None:
                d_head += probabilities.T @ rows[part]
    return Likelihood(log_probability=log_probability, correct=correct, tokens=len(rows))

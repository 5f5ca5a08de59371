"""What training makes smaller: the loss of supervised examples, or of preferences."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ftops.server.train.likelihood import likelihood, likelihood_and_slope

if TYPE_CHECKING:
    from ftops.server.train.chat import Example
    from ftops.server.train.likelihood import Likelihood
    from ftops.server.train.llama import Model, Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How a model did on one or more examples; scores of several add up."""

    loss: float = 0.0
    """Summed over the units."""
    units: int = 0
    """What the loss is a mean over: learnt tokens, or pairs."""
    correct: int = 0
    tokens: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(
            loss=self.loss + other.loss,
            units=self.units + other.units,
            correct=self.correct + other.correct,
            tokens=self.tokens + other.tokens,
        )

    @property
    def mean_loss(self) -> float:
        return self.loss / max(1, self.units)

    @property
    def accuracy(self) -> float:
        return self.correct / max(1, self.tokens)


Sequences: TypeAlias = "tuple[Example, ...]"
"""One example, or a pair: the preferred answer and the other."""


class Objective(Protocol):
    """A loss that is a mean over units."""

    def units(self, item: Sequences) -> int: ...

    def score(self, model: Model, item: Sequences) -> Score: ...

    def learn(self, model: Model, item: Sequences, share: float) -> tuple[Score, Weights]:
        """The score of *item*, and the gradients of its loss times *share*."""
        ...


class Supervised:
    """Cross entropy of what the assistant says, in nats a learnt token."""

    def units(self, item: Sequences) -> int:
        (example,) = item
        return int(example.learnt[1:].sum())

    def score(self, model: Model, item: Sequences) -> Score:
        (example,) = item
        return self._score(likelihood(model, example))

    def learn(self, model: Model, item: Sequences, share: float) -> tuple[Score, Weights]:
        (example,) = item
        found, slope = likelihood_and_slope(model, example)
        return self._score(found), slope.gradients(model, -share)

    def _score(self, found: Likelihood) -> Score:
        return Score(loss=-found.log_probability, units=found.tokens, correct=found.correct, tokens=found.tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Direct preference optimisation, in nats a pair; the accuracy is that of the preferred answer's tokens.

    Source: Rafailov et al., "Direct Preference Optimization", 2023, equation 7.
    """

    reference: Model
    """The model that training began with; it is never changed."""
    beta: float
    _reference_margins: dict[Sequences, float] = field(default_factory=dict)
    """Of each pair seen so far: computed once, because the reference stays as it is."""

    def units(self, item: Sequences) -> int:
        del item
        return 1

    def score(self, model: Model, item: Sequences) -> Score:
        preferred, other = (likelihood(model, example) for example in item)
        return self._score(preferred, self._advantage(item, preferred, other))

    def learn(self, model: Model, item: Sequences, share: float) -> tuple[Score, Weights]:
        (preferred, up), (other, down) = (likelihood_and_slope(model, example) for example in item)
        advantage = self._advantage(item, preferred, other)
        pull = share * self.beta * 0.5 * (1 - math.tanh(advantage / 2))
        gradients = up.gradients(model, -pull)
        for name, gradient in down.gradients(model, pull).items():
            gradients[name] += gradient
        return self._score(preferred, advantage), gradients

    def _advantage(self, item: Sequences, preferred: Likelihood, other: Likelihood) -> float:
        """How much more than the reference the model prefers the preferred answer, times beta."""
        if item not in self._reference_margins:
            self._reference_margins[item] = _margin(*(likelihood(self.reference, example) for example in item))
        return self.beta * (_margin(preferred, other) - self._reference_margins[item])

    def _score(self, preferred: Likelihood, advantage: float) -> Score:
        return Score(loss=_softplus(-advantage), units=1, correct=preferred.correct, tokens=preferred.tokens)


def _margin(preferred: Likelihood, other: Likelihood) -> float:
    return preferred.log_probability - other.log_probability


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))

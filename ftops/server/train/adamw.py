"""The optimiser: Adam, as Kingma and Ba describe it, without weight decay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ftops.server.train.llama import Weights

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Running means of each gradient, and of its square."""

    first: Weights
    second: Weights

    @classmethod
    def of(cls, weights: Weights) -> Moments:
        zeros = [{name: np.zeros_like(weight) for name, weight in weights.items()} for _ in range(2)]
        return cls(first=zeros[0], second=zeros[1])


def update(weights: Weights, gradients: Weights, moments: Moments, *, step: int, rate: float) -> None:
    """Move *weights*, in place, by one step; *step* counts from 1."""
    correction = math.sqrt(1 - _BETA_2**step)
    pace = rate * correction / (1 - _BETA_1**step)
    for name, gradient in gradients.items():
        weight, first, second = weights[name], moments.first[name], moments.second[name]
        first *= _BETA_1
        first += (1 - _BETA_1) * gradient
        second *= _BETA_2
        second += (1 - _BETA_2) * gradient * gradient
        weight -= pace * first / (np.sqrt(second) + _EPSILON * correction)

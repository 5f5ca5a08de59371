"""How a run goes: what `auto` stands for, how many steps there are, and what each of them is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ftops.server.train.models import BaseModel
    from ftops.server.train.run import TrainingRun

AUTO_BATCH_SIZE = 2
"""Two examples keep two cores busy; larger batches gain little here, and learn less in an epoch."""
AUTO_MULTIPLIER = 1.8
"""What the real API has been seen to choose."""
AUTO_BETA = 0.1

_VALIDATE_EVERY = 10
"""Steps between two looks at a small batch of the validation data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """All numbers of a run; steps and epochs count from 1."""

    examples: int
    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    beta: float | None
    learning_rate: float
    """Of the first step; it falls in a straight line, to nought after the last."""
    seed: int

    @property
    def steps_an_epoch(self) -> int:
        return -(-self.examples // self.batch_size)

    @property
    def total_steps(self) -> int:
        return self.n_epochs * self.steps_an_epoch

    def epoch(self, step: int) -> int:
        return -(-step // self.steps_an_epoch)

    def ends_epoch(self, step: int) -> bool:
        return step % self.steps_an_epoch == 0

    def validates(self, step: int) -> bool:
        return step % _VALIDATE_EVERY == 0 or self.ends_epoch(step)

    def rate(self, step: int) -> float:
        return self.learning_rate * (1 - (step - 1) / self.total_steps)

    def batch(self, step: int) -> list[int]:
        """The examples of *step*: each epoch goes through all of them in an order of its own."""
        order = np.random.default_rng([self.seed, self.epoch(step)]).permutation(self.examples)
        start = (step - 1) % self.steps_an_epoch * self.batch_size
        return [int(number) for number in order[start : start + self.batch_size]]

    def validation_batch(self, step: int, examples: int) -> list[int]:
        """The validation examples that *step* looks at, of *examples*: one batch after the other, round and round."""
        start = (step // _VALIDATE_EVERY) * self.batch_size
        return [(start + offset) % examples for offset in range(min(self.batch_size, examples))]


def make_schedule(run: TrainingRun, description: BaseModel, examples: int) -> Schedule:
    asked = run.hyperparameters
    multiplier = asked.learning_rate_multiplier or AUTO_MULTIPLIER
    return Schedule(
        examples=examples,
        n_epochs=asked.n_epochs or auto_epochs(examples),
        batch_size=asked.batch_size or AUTO_BATCH_SIZE,
        learning_rate_multiplier=multiplier,
        beta=(asked.beta or AUTO_BETA) if run.method == "dpo" else None,
        learning_rate=multiplier * description.learning_rate[run.method],
        seed=run.seed,
    )


def auto_epochs(examples: int) -> int:
    """Three, but at least 100 and at most 25,000 examples seen in all, and never more than 25 epochs.

    Source: openai-cookbook, Chat_finetuning_data_prep.ipynb; 100 examples gave 3 and 10 gave 10 at the real API.
    """
    if examples * 3 < 100:  # noqa: PLR2004 -- the rule's own figures
        return min(25, 100 // examples)
    if examples * 3 > 25_000:  # noqa: PLR2004 -- likewise
        return max(1, 25_000 // examples)
    return 3

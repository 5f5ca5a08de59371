"""Training in memory, step by step: no files but the data, no reports. `trainer` adds both."""

from __future__ import annotations

import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ftops.server.train.adamw import Moments, update
from ftops.server.train.base import load_base, load_model
from ftops.server.train.objective import Objective, Preference, Score, Supervised
from ftops.server.train.schedule import make_schedule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftops.server.train.chat import ChatTemplate
    from ftops.server.train.llama import Model, Weights
    from ftops.server.train.models import BaseModel, Lora
    from ftops.server.train.objective import Sequences
    from ftops.server.train.run import TrainingRun


_WIDE = 256


class Session:
    """A model that learns. What it is after a step depends on the run and the step only, not on the threads.

    Raises:
        ModelUnavailableError: The base model's file cannot be had.
    """

    def __init__(self, run: TrainingRun, *, threads: int | None = None) -> None:
        base = load_base(run.source.base)
        self.description: BaseModel = base.description
        self.training = _read(run.training_file, base.template, run.method)
        self.validation = _read(run.validation_file, base.template, run.method) if run.validation_file else ()
        self.schedule = make_schedule(run, base.description, len(self.training))
        start = load_model(run.source)
        self.model = _trainable(start, base.description.lora, run.seed)
        self.moments = Moments.of(self.model.trained)
        self.objective: Objective = Supervised()
        if self.schedule.beta is not None:
            self.objective = Preference(reference=start, beta=self.schedule.beta)
        self._pool = ThreadPoolExecutor(threads or _threads_for(start))

    @property
    def trained_tokens(self) -> int:
        """Of one whole run: all tokens of all examples, times epochs."""
        return self.schedule.n_epochs * sum(len(example.tokens) for item in self.training for example in item)

    def step(self, number: int) -> Score:
        """Make step *number*: one batch forward and back, and one update of the weights."""
        batch = [self.training[index] for index in self.schedule.batch(number)]
        units = sum(map(self.objective.units, batch))
        score, gradients = self._learn(batch, 1 / max(1, units))
        update(self.model.trained, gradients, self.moments, step=number, rate=self.schedule.rate(number))
        return score

    def validate(self, number: int) -> Score:
        """The score on the small validation batch of step *number*."""
        chosen = self.schedule.validation_batch(number, len(self.validation))
        return self._score([self.validation[index] for index in chosen])

    def validate_all(self) -> Score:
        return self._score(self.validation)

    def close(self) -> None:
        self._pool.shutdown()

    def _learn(self, batch: list[Sequences], share: float) -> tuple[Score, Weights]:
        """Sums in the order of the batch, so that the number of threads changes nothing."""
        results = self._pool.map(lambda item: self.objective.learn(self.model, item, share), batch)
        score, gradients = next(results)
        for further_score, further in results:
            score += further_score
            for name, gradient in further.items():
                gradients[name] += gradient
        return score, gradients

    def _score(self, items: list[Sequences] | tuple[Sequences, ...]) -> Score:
        return sum(self._pool.map(lambda item: self.objective.score(self.model, item), items), Score())


def _threads_for(model: Model) -> int:
    """In small matrices the interpreter's lock costs more than another core brings."""
    return 1 if model.architecture.width < _WIDE else os.cpu_count() or 1


def _read(path: Path, template: ChatTemplate, method: str) -> tuple[Sequences, ...]:
    """The lines of a data file, which is valid."""
    render = template.pair if method == "dpo" else lambda line: (template.example(line),)
    return tuple(render(line) for line in _lines(path))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def _trainable(start: Model, lora: Lora | None, seed: int) -> Model:
    """A model equal to *start*, with weights of its own to be trained."""
    if lora is None:
        return replace(start, weights={name: weight.copy() for name, weight in start.weights.items()})
    if start.adapter:
        return replace(start, adapter={name: weight.copy() for name, weight in start.adapter.items()})
    return adapted(start, lora, seed=seed)


def adapted(model: Model, lora: Lora, *, seed: int) -> Model:
    """*model* with a new adapter, drawn as peft draws it: B is nought, so that it says at first what it said before."""
    random = np.random.default_rng(seed)
    adapter: Weights = {}
    for name, weight in model.weights.items():
        if name.endswith("_proj.weight"):
            rows, columns = weight.shape
            bound = 1 / math.sqrt(columns)
            stem = name.removesuffix(".weight")
            down = random.uniform(-bound, bound, (lora.rank, columns))
            adapter[f"{stem}.lora_A.weight"] = down.astype(np.float32)
            adapter[f"{stem}.lora_B.weight"] = np.zeros((rows, lora.rank), np.float32)
    return replace(model, adapter=adapter, scale=lora.scale)

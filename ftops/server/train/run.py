"""What a training run is given, and what it tells while it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """A base model by name, and the weights that earlier fine-tuning left, if any."""

    base: str
    """A name of `models.CATALOGUE`, such as `smollm2-135m-instruct`."""
    weights: Path | None = None
    """Folder of a checkpoint (PEFT adapter, or full weights for the tiny model); None for the base itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """As requested: None stands for `"auto"`."""

    n_epochs: int | None = None
    batch_size: int | None = None
    learning_rate_multiplier: float | None = None
    beta: float | None = None
    """Of dpo only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """All that a run depends on: the same run gives the same weights."""

    method: Literal["supervised", "dpo"]
    source: ModelSource
    training_file: Path
    validation_file: Path | None
    hyperparameters: Hyperparameters
    seed: int
    folder: Path
    """Private to this run: its resumable state and `checkpoints/step-<n>/`. A run that finds state goes on from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The run is set up; every `auto` is a number now."""

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    beta: float | None
    total_steps: int
    first_step: int
    """1, or the step after the one that the run was resumed from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Of one step; losses in nats a trained token. None where not measured at this step."""

    step: int
    train_loss: float
    train_mean_token_accuracy: float
    valid_loss: float | None = None
    """On one small batch of the validation data."""
    valid_mean_token_accuracy: float | None = None
    full_valid_loss: float | None = None
    """On all validation data: at the end of each epoch."""
    full_valid_mean_token_accuracy: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """One optimiser step was made."""

    metrics: Metrics
    total_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved:
    """A usable model lies in *folder*, whole and synced to disk."""

    folder: Path
    metrics: Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The last step was made; the last checkpoint is the model."""

    trained_tokens: int
    """Tokens of all examples, times epochs: what the real API bills."""


Report = Started | Stepped | CheckpointSaved | Finished

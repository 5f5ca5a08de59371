"""A training run from start to end: reports, checkpoints, and a state to go on from after a crash or a pause."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from ftops.server.train.checkpoint import write_checkpoint
from ftops.server.train.run import CheckpointSaved, Finished, Metrics, Report, Started, Stepped
from ftops.server.train.session import Session
from ftops.server.train.storage import put_file, read_tensors, write_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ftops.server.train.run import TrainingRun

KEPT_EPOCHS = 3
"""Epochs whose checkpoints are kept, as the real API does."""
_SAVE_EVERY_SECONDS = 30.0
_STATE = "state.safetensors"


def _never() -> bool:
    return False


def train(
    run: TrainingRun,
    *,
    should_pause: Callable[[], bool] = _never,
    threads: int | None = None,
    seconds: Callable[[], float] = time.monotonic,
) -> Iterator[Report]:
    """Carry out *run*, or go on with it where its folder holds a state, and tell what happens.

    The weights are the same to the last bit however often a run was broken off, and in whatever number of threads.
    The state is saved only after the report of its step was taken: after a crash some reports come once more, and none
    is ever missing. Closing the generator leaves a folder to go on from.

    Args:
        run: Its data files are valid.
        should_pause: Asked after each step. Once true, a checkpoint and the state are saved, and the reports end
            without `Finished`.
        threads: As many as there are processors, if None.
        seconds: A clock to save the state by, every 30 s and at the end of each epoch.

    Raises:
        ModelUnavailableError: The base model's file cannot be had.
        OSError: The folder cannot be written, on a full disk for instance; what it holds is still whole.
    """
    with closing(Session(run, threads=threads)) as session:
        schedule, done = session.schedule, _load_state(run.folder, session)
        yield Started(
            n_epochs=schedule.n_epochs,
            batch_size=schedule.batch_size,
            learning_rate_multiplier=schedule.learning_rate_multiplier,
            beta=schedule.beta,
            total_steps=schedule.total_steps,
            first_step=done + 1,
        )
        saved_at = seconds()
        for step in range(done + 1, schedule.total_steps + 1):
            metrics = _make_step(session, step)
            yield Stepped(metrics=metrics, total_steps=schedule.total_steps)
            is_paused = step < schedule.total_steps and should_pause()
            if has_checkpoint := is_paused or schedule.ends_epoch(step):
                folder = run.folder / "checkpoints" / f"step-{step}"
                write_checkpoint(folder, session.description, session.model)
                yield CheckpointSaved(folder=folder, metrics=metrics)
                _forget_before(run.folder, step - KEPT_EPOCHS * schedule.steps_an_epoch)
            if has_checkpoint or seconds() - saved_at >= _SAVE_EVERY_SECONDS:
                _save_state(run.folder, session, step)
                saved_at = seconds()
            if is_paused:
                return
        yield Finished(trained_tokens=session.trained_tokens)


def _make_step(session: Session, step: int) -> Metrics:
    trained = session.step(step)
    is_valid = bool(session.validation) and session.schedule.validates(step)
    valid = session.validate(step) if is_valid else None
    full = session.validate_all() if is_valid and session.schedule.ends_epoch(step) else None
    return Metrics(
        step=step,
        train_loss=trained.mean_loss,
        train_mean_token_accuracy=trained.accuracy,
        valid_loss=valid.mean_loss if valid else None,
        valid_mean_token_accuracy=valid.accuracy if valid else None,
        full_valid_loss=full.mean_loss if full else None,
        full_valid_mean_token_accuracy=full.accuracy if full else None,
    )


def _save_state(folder: Path, session: Session, step: int) -> None:
    """All that the next step depends on; order, rate and references follow from the run."""
    parts = {"weights": session.model.trained, "first": session.moments.first, "second": session.moments.second}
    tensors = {f"{part}:{name}": tensor for part, named in parts.items() for name, tensor in named.items()}
    folder.mkdir(parents=True, exist_ok=True)
    put_file(folder / _STATE, partial(write_tensors, tensors=tensors, metadata={"step": str(step)}))


def _load_state(folder: Path, session: Session) -> int:
    """Put the saved state into *session*; the last step that was made, 0 if there is no state."""
    if not (folder / _STATE).exists():
        return 0
    tensors, metadata = read_tensors(folder / _STATE)
    parts = {"weights": session.model.trained, "first": session.moments.first, "second": session.moments.second}
    for name, tensor in tensors.items():
        part, _, own_name = name.partition(":")
        parts[part][own_name][...] = tensor
    return int(metadata["step"])


def _forget_before(folder: Path, step: int) -> None:
    """Delete the checkpoints up to *step*."""
    for checkpoint in (folder / "checkpoints").glob("step-*"):
        if int(checkpoint.name.removeprefix("step-")) <= step:
            shutil.rmtree(checkpoint)

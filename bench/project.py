"""Write a project of any size in which everything is trained already: `python -m bench.project COUNT FOLDER [DATA]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ftops.datafiles import read_data
from ftops.lockfile import CheckpointRecord, Chosen, Generation, JobRecord, Lockfile, encode, with_generation
from ftops.plan.desired import resolve
from ftops.project import open_project, read_declared

if TYPE_CHECKING:
    from ftops.plan.desired import Desired

EXAMPLES = 10
SPEC = """\
kind: FineTune
model: tiny-byte-90k
training_file: data/{name}.jsonl
method:
  type: supervised
  supervised: {{hyperparameters: {{n_epochs: 3}}}}
suffix: {name}
seed: 7
"""
REPEATS = """\
checks:
  ignore:
    - {code: data-duplicate, reason: made to measure}
    - {code: data-template, reason: made to measure}
"""


def write_project(folder: Path, count: int, shared: Path | None = None) -> None:
    """Write *count* specs, each with its data file, and the lockfile that records a succeeded job for each.

    Args:
        folder: Where the project will be.
        count: Number of specs.
        shared: Stands under the name of each data file, by a hard link, so that it takes its room once; each name is
            read and remembered by itself. A few rows are written for each spec if there is none.
    """
    data = folder / "specs/data"
    data.mkdir(parents=True)
    for number in range(count):
        name = f"model-{number:05}"
        spec = SPEC.format(name=name) + (REPEATS if shared else "")
        (folder / f"specs/{name}.yaml").write_text(spec, encoding="utf-8")
        if shared:
            (data / f"{name}.jsonl").hardlink_to(shared)
        else:
            (data / f"{name}.jsonl").write_text("".join(_row(number, row) for row in range(EXAMPLES)), encoding="utf-8")
    project = open_project(folder)
    specs = read_declared(project).specs
    lock = Lockfile(target=project.target.name)
    files = read_data(project, specs, {}, folder, lock).files
    for each in resolve(specs, files, config=project.config, target=project.target, recorded=lock):
        lock = with_generation(lock, each.name, _trained(each))
    (folder / project.lock_name).write_bytes(encode(lock))


def _row(number: int, row: int) -> str:
    messages = [
        {"role": "user", "content": f"What is {number} plus {row}?"},
        {"role": "assistant", "content": f"{number + row}"},
    ]
    return json.dumps({"messages": messages}) + "\n"


def _trained(desired: Desired) -> Generation:
    """What is recorded of a job of 3 epochs: a model, and a checkpoint after each epoch."""
    model = f"ft:tiny-byte-90k:bench:{desired.name}:trained"
    checkpoints = tuple(
        CheckpointRecord(model=f"{model}:ckpt-step-{step}", step=step, metrics={"full_valid_loss": 1 / step})
        for step in (10, 20, 30)
    )
    return Generation(
        digest=desired.digest,
        inputs=desired.inputs,
        request={"model": "tiny-byte-90k", "training_file": f"file-{desired.name}", "seed": 7},
        job=JobRecord(id=f"ftjob-{desired.name}", status="succeeded", created_at=1_750_000_000),
        hyperparameters={"n_epochs": 3, "batch_size": 1, "learning_rate_multiplier": 1.8},
        trained_tokens=900,
        model=model,
        checkpoint=Chosen(policy=desired.spec.checkpoint, step=30),
        checkpoints=checkpoints,
        metrics=checkpoints[-1].metrics,
    )


if __name__ == "__main__":
    write_project(Path(sys.argv[2]), int(sys.argv[1]), *map(Path, sys.argv[3:]))

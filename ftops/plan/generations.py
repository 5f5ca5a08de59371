"""A generation's life: begun when its job is known, ended with what came of it, its checkpoint chosen. Pure."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import msgspec

from ftops.diagnostics import Diagnostic
from ftops.lockfile import CheckpointRecord, Chosen, Generation, Inputs, Intent, JobRecord
from ftops.plan.observed import UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftops.digest import Digest
    from ftops.plan.observed import JobSeen

UNCOLLECTED = "running"
"""Recorded of a job that has ended, as long as what came of it is not recorded."""

LOSSES = ("full_valid_loss", "valid_loss")
"""What `best` goes by: loss on all validation data, else on the last batch of it; without either, the last is best."""


def begun(digest: Digest, inputs: Inputs, job: JobSeen, *, intent: Intent | None, commit: str | None) -> Generation:
    """The generation of a job that was created or found, to be collected yet, even if the job has ended meanwhile.

    Its end is recorded by `ended`, together with what came of it. Recorded without that, an ended job would count as
    collected, and its model would be lost.

    Args:
        digest: Of what the job was made for.
        inputs: Likewise.
        job: As the provider shows it.
        intent: What was recorded before it was created; None if an earlier record was lost.
        commit: The git commit that asks for it now, used if no intent holds one.
    """
    return Generation(
        digest=digest,
        inputs=with_ids(inputs, job),
        request=intent.request if intent and intent.request else as_asked(inputs, job),
        job=JobRecord(
            id=job.id, status=job.status if job.state in UNFINISHED else UNCOLLECTED, created_at=job.created_at
        ),
        attempt=job.labels.attempt if job.labels else intent.attempt if intent else 1,
        commit=intent.commit if intent else commit,
    )


def ended(generation: Generation, job: JobSeen, checkpoints: tuple[CheckpointRecord, ...]) -> Generation:
    """*generation* with what the provider resolved, measured and kept of its *job*."""
    record = JobRecord(
        id=job.id, status=job.status, created_at=job.created_at, finished_at=job.finished_at, error=job.error
    )
    return msgspec.structs.replace(
        generation,
        job=record,
        hyperparameters=dict(job.hyperparameters),
        trained_tokens=job.trained_tokens,
        checkpoints=checkpoints,
    )


def with_choice(
    generation: Generation, policy: str, name: str, fine_tuned_model: str | None
) -> tuple[Generation, Diagnostic | None]:
    """Choose the checkpoint that *policy* asks for; a provider without checkpoints has one model."""
    chosen = choose(generation.checkpoints, policy)
    if chosen:
        return (
            msgspec.structs.replace(
                generation,
                model=chosen.model,
                checkpoint=Chosen(policy=policy, step=chosen.step),
                metrics=chosen.metrics,
            ),
            None,
        )
    if not generation.checkpoints and fine_tuned_model and not policy.startswith("step:"):
        return msgspec.structs.replace(
            generation, model=fine_tuned_model, checkpoint=Chosen(policy=policy, step=0)
        ), None
    steps = ", ".join(str(checkpoint.step) for checkpoint in generation.checkpoints) or "none"
    problem = Diagnostic(
        code="checkpoint-missing",
        summary=f"`{name}` has no checkpoint for `{policy}`",
        why=f"the provider kept checkpoints at these steps: {steps}",
        fix="choose one of them, or `best` or `last`, in the spec's `checkpoint`; nothing is trained again for it",
    )
    return generation, problem


def choose(checkpoints: Sequence[CheckpointRecord], policy: str) -> CheckpointRecord | None:
    """The checkpoint that *policy* asks for: `best`, `last`, or `step:<n>`; of equally good ones the later."""
    ordered = sorted(checkpoints, key=lambda checkpoint: checkpoint.step, reverse=True)
    if policy.startswith("step:"):
        step = int(policy.removeprefix("step:"))
        return next((checkpoint for checkpoint in ordered if checkpoint.step == step), None)
    if policy == "best":
        for loss in LOSSES:
            measured = [each for each in ordered if isfinite(each.metrics.get(loss, float("nan")))]
            if measured:
                return min(measured, key=lambda checkpoint: checkpoint.metrics[loss])
    return ordered[0] if ordered else None


def with_ids(inputs: Inputs, job: JobSeen) -> Inputs:
    training = msgspec.structs.replace(inputs.training_file, file_id=job.training_file or None)
    validation = inputs.validation_file
    if validation:
        validation = msgspec.structs.replace(validation, file_id=job.validation_file)
    return msgspec.structs.replace(inputs, training_file=training, validation_file=validation)


def as_asked(inputs: Inputs, job: JobSeen) -> dict[str, object]:
    """The request of an adopted job: what was asked for, not what the provider made of it."""
    asked = {"method": inputs.method, "suffix": inputs.suffix, "seed": inputs.seed}
    return as_seen(job) | {key: value for key, value in asked.items() if value is not None}


def as_seen(job: JobSeen) -> dict[str, object]:
    """The request of an adopted job, as far as the provider still shows it."""
    shown = {
        "model": job.model,
        "training_file": job.training_file,
        "validation_file": job.validation_file,
        "method": dict(job.method) or None,
        "suffix": job.suffix,
        "seed": job.seed,
    }
    return {key: value for key, value in shown.items() if value is not None}

"""How long training will take, going by the jobs that are on record. Pure."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from ftops.plan.changes import PAID
from ftops.plan.desired import base_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftops.lockfile import Inputs, Lockfile
    from ftops.plan.changes import Change

_JOBS_MAX = 20
"""Of one kind: the newest say most about today."""


def durations(changes: Iterable[Change], recorded: Lockfile) -> dict[str, float]:
    """Seconds that each model which is to be trained will take, from create to end, by spec.

    A job is taken to last as long for each billed token as the median of earlier jobs of the same base model and
    method, but no less than the shortest of them: what a queue and a start take is in there. Without an earlier job
    nothing is known, and the spec is left out.
    """
    every = list(changes)
    wanted = {change.name: change.desired.inputs for change in every if change.desired}
    paid = [change for change in every if change.kind in PAID and change.desired and change.desired.cost]
    if not paid:
        return {}
    history = _history(recorded)
    found = {}
    for change in paid:
        past = history.get(_kind_of(change.wanted.inputs, wanted, recorded), [])[-_JOBS_MAX:]
        cost = change.wanted.cost
        if past and cost:
            rate = median(seconds / tokens for _, seconds, tokens in past)
            found[change.name] = max(rate * cost.billed_tokens, min(seconds for _, seconds, _ in past))
    return found


def _history(recorded: Lockfile) -> dict[tuple[str | None, object], list[tuple[int, int, int]]]:
    """When each job on record was created, its seconds and its tokens, oldest first, by base model and method."""
    found: dict[tuple[str | None, object], list[tuple[int, int, int]]] = {}
    for entry in recorded.models.values():
        for generation in entry.generations:
            job, tokens = generation.job, generation.trained_tokens
            if generation.inputs and generation.model and tokens and job.finished_at:
                kind = _kind_of(generation.inputs, {}, recorded)
                found.setdefault(kind, []).append((job.created_at, job.finished_at - job.created_at, tokens))
    return {kind: sorted(jobs) for kind, jobs in found.items()}


def _kind_of(inputs: Inputs, wanted: Mapping[str, Inputs], recorded: Lockfile) -> tuple[str | None, object]:
    """The base model that *inputs* start from in the end, and the method."""
    return base_model(inputs.model, wanted, recorded), inputs.method.get("type")

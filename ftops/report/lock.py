"""The lockfile as people read it: where each model comes from, and what came of it."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import msgspec

from ftops.digest import short
from ftops.lockfile import Entry, ParentInput
from ftops.plan.generations import LOSSES
from ftops.report.figures import best_known_loss, moment, span
from ftops.report.terminal import BOLD, DIM, counted, padded, paint, table, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftops.lockfile import Chosen, DataFile, Generation, Inputs, Intent, JobRecord, Lockfile

HEADER = ("NAME", "DIGEST", "MODEL OR JOB", "LOSS", "EARLIER")
_LABEL_WIDTH = 12
_LINKS_MAX = 100
"""Of a chain of parents; a lockfile changed by hand may hold a circle."""


def render_entry(name: str, entry: Entry, *, models: Mapping[str, Entry] | None = None, colour: bool = False) -> str:
    """Render the lineage of one spec: what is in flight, the current generation, and the earlier ones, newest first.

    Nothing is cut, for ids are there to be copied. Without a final line break.

    Args:
        name: The spec's.
        entry: What is recorded of it.
        models: The whole lockfile's entries, in which the chain of parents is followed; by default only its first link.
        colour: Use a terminal's colours.
    """
    blocks = []
    if entry.intent:
        blocks.append(_block("begun", short(entry.intent.digest), _intent_facts(entry.intent), colour=colour))
    if entry.generation:
        blocks.append(_generation("current", entry.generation, models or {}, colour=colour))
    blocks += [_generation("earlier", each, models or {}, colour=colour) for each in reversed(entry.history)]
    return "\n\n".join([paint(visible(name), BOLD, colour=colour), *blocks])


def render_lock(lock: Lockfile, *, colour: bool = False) -> str:
    """Render one line a model, without a final line break; a sentence if there is none."""
    if not lock.models:
        return f"Nothing is recorded on target {visible(lock.target)} yet: `ftops apply` trains what the specs ask for"
    return "\n".join(table(HEADER, [_cells(name, entry) for name, entry in sorted(lock.models.items())], colour=colour))


def _cells(name: str, entry: Entry) -> tuple[str, str, str, str, str]:
    earlier = str(len(entry.history)) if entry.history else ""
    if generation := entry.generation:
        made = generation.model or f"{generation.job.id} ({_words(generation.job.status)})"
        return name, short(generation.digest), made, best_known_loss(generation.metrics), earlier
    if entry.intent:
        return name, short(entry.intent.digest), "its create was begun", "", earlier
    return name, "", "no spec asks for it", "", earlier


def _generation(title: str, generation: Generation, models: Mapping[str, Entry], *, colour: bool) -> str:
    facts = [("model", generation.model or "none")]
    if generation.checkpoint:
        facts.append(("checkpoint", _chosen(generation, generation.checkpoint)))
    if generation.metrics:
        facts.append(("metrics", _pairs(generation.metrics)))
    facts.append(("job", _job(generation)))
    if generation.job.error:
        facts.append(("error", generation.job.error.message or generation.job.error.code or "no reason given"))
    if generation.inputs:
        facts += _input_facts(generation.inputs, models)
    else:
        facts.append(("request", msgspec.json.encode(generation.request).decode()))
    if generation.hyperparameters:
        facts.append(("resolved", _pairs(generation.hyperparameters)))
    if generation.trained_tokens is not None:
        facts.append(("trained", counted(generation.trained_tokens, "token")))
    if generation.commit:
        facts.append(("commit", generation.commit))
    return _block(title, short(generation.digest), facts, colour=colour)


def _block(title: str, digest: str, facts: list[tuple[str, str]], *, colour: bool) -> str:
    labelled = [f"  {paint(padded(label, _LABEL_WIDTH), DIM, colour=colour)}{visible(value)}" for label, value in facts]
    return "\n".join([f"{title} {visible(digest)}", *labelled])


def _intent_facts(intent: Intent) -> list[tuple[str, str]]:
    facts = [("since", moment(intent.started_at)), *_input_facts(intent.inputs, {})]
    return [*facts, ("commit", intent.commit)] if intent.commit else facts


def _input_facts(inputs: Inputs, models: Mapping[str, Entry]) -> list[tuple[str, str]]:
    facts = [
        ("from", " ← ".join(_origins(inputs, models))),
        ("method", _method(inputs)),
        ("training", _file(inputs.training_file)),
    ]
    if inputs.validation_file:
        facts.append(("validation", _file(inputs.validation_file)))
    if inputs.seed is not None:
        facts.append(("seed", str(inputs.seed)))
    if inputs.suffix:
        facts.append(("suffix", inputs.suffix))
    return facts


def _origins(inputs: Inputs, models: Mapping[str, Entry]) -> Iterator[str]:
    """The chain that training started from: generations of other specs, then the base model."""
    for _ in range(_LINKS_MAX):
        if not isinstance(inputs.model, ParentInput):
            yield inputs.model
            return
        parent = inputs.model
        yield f"{parent.spec}@{short(parent.digest)} ({parent.checkpoint})"
        generations = models.get(parent.spec, Entry()).generations
        found = next((each for each in reversed(generations) if each.digest == parent.digest), None)
        if found is None or found.inputs is None:
            return
        inputs = found.inputs


def _method(inputs: Inputs) -> str:
    """The method and its hyperparameters as the spec asks for them."""
    kind = str(inputs.method.get("type"))
    body = inputs.method.get(kind)
    asked = body.get("hyperparameters") if isinstance(body, dict) else None
    return f"{kind}, {_pairs(asked)}" if isinstance(asked, dict) and asked else kind


def _file(file: DataFile) -> str:
    parts = [file.path, counted(file.rows, "row"), counted(file.bytes, "byte"), f"sha256 {short(file.sha256)}"]
    return ", ".join(parts + ([file.file_id] if file.file_id else []))


def _job(generation: Generation) -> str:
    job = generation.job
    attempt = f", attempt {generation.attempt}" if generation.attempt > 1 else ""
    return f"{job.id}, {_words(job.status)}, created {moment(job.created_at)}{_took(job)}{attempt}"


def _took(job: JobRecord) -> str:
    return f", took {span(job.finished_at - job.created_at)}" if job.finished_at is not None else ""


def _chosen(generation: Generation, chosen: Chosen) -> str:
    """Which step, and why it was that one."""
    if not generation.checkpoints:
        return "the only model that the provider made"
    return f"step {chosen.step} of {_steps(generation)}: {_why(generation, chosen.policy)}"


def _steps(generation: Generation) -> str:
    return ", ".join(str(checkpoint.step) for checkpoint in generation.checkpoints)


def _why(generation: Generation, policy: str) -> str:
    if policy == "last":
        return "the spec asks for the last"
    if policy.startswith("step:"):
        return "the spec asks for it"
    for name in LOSSES:
        if any(isfinite(each.metrics.get(name, float("nan"))) for each in generation.checkpoints):
            return f"best, the lowest {name}"
    return "best, and the last where nothing was validated"


def _pairs(values: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {_number(value)}" for key, value in sorted(values.items()))


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _words(status: str) -> str:
    return status.replace("_", " ")

"""What the specs ask for, resolved: names to models, parents to digests, files to their content's digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

import msgspec

from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.lockfile import DataFile, Entry, Generation, Inputs, Lockfile, ParentInput
from ftops.spec.model import BaseModel, ModelAlias, ParentSpec, Spec, method_request
from ftops.spec.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftops.digest import Digest
    from ftops.plan.cost import Cost
    from ftops.spec.config import AliasTarget, Config, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """One model that a spec asks for."""

    spec: Spec
    inputs: Inputs
    digest: Digest
    cost: Cost | None = None
    """What training is estimated to cost."""
    kept: frozenset[str] = frozenset()
    """Fields that stay as they were trained, though the spec's own are others by now: it ignores their changes."""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def parent(self) -> ParentInput | None:
        """The generation that training goes on from, if not a base model."""
        return self.inputs.model if isinstance(self.inputs.model, ParentInput) else None


def resolve(
    specs: Iterable[Spec], files: Mapping[str, DataFile], *, config: Config, target: Target, recorded: Lockfile
) -> tuple[Desired, ...]:
    """Resolve *specs*, which come parents first.

    Args:
        specs: In the order of `spec.graph.in_order`.
        files: The data that they name, by path.
        config: For its aliases.
        target: For its name and its map of model names.
        recorded: For aliases, and for the fields that a spec's `ignore_changes` leaves as they are.

    Raises:
        ProblemsError: An alias is unknown, or names a generation that is not recorded.
    """
    resolved: dict[str, Desired] = {}
    problems: list[Diagnostic] = []
    for spec in specs:
        model = _model(spec, resolved, config.aliases, target, recorded)
        if isinstance(model, Diagnostic):
            problems.append(model)
            continue
        asked = Inputs(
            model=model,
            method=method_request(spec.method),
            training_file=files[spec.training_file],
            validation_file=files[spec.validation_file] if spec.validation_file else None,
            seed=spec.seed,
            suffix=spec.suffix,
            integrations=spec.integrations,
        )
        inputs = _with_ignored(asked, spec, recorded.models.get(spec.name))
        kept = _differing(inputs, asked) if inputs is not asked else frozenset[str]()
        resolved[spec.name] = Desired(spec=spec, inputs=inputs, digest=inputs.digest(target.name), kept=kept)
    if problems:
        raise ProblemsError(*problems)
    return tuple(resolved.values())


def model_of(recorded: Lockfile, parent: ParentInput) -> str | None:
    """The provider's id of the model that *parent* names, once it is trained and chosen."""
    generation = _generation(recorded.models.get(parent.spec, Entry()), parent.digest)
    return generation.model if generation else None


def base_model(start: str | ParentInput, wanted: Mapping[str, Inputs], recorded: Lockfile) -> str | None:
    """The base model at the beginning of a chain of models that were trained from each other; None if it is not known.

    Args:
        start: The nearest of them.
        wanted: What specs ask for, by name, for parents that are not recorded yet.
        recorded: What was trained before.
    """
    seen: set[ParentInput] = set()
    while isinstance(start, ParentInput):
        generation = _generation(recorded.models.get(start.spec, Entry()), start.digest)
        if generation and generation.inputs is None:
            return generation.model
        inputs = generation.inputs if generation else wanted.get(start.spec)
        if inputs is None or start in seen:
            return None
        seen.add(start)
        start = inputs.model
    return start


def _model(
    spec: Spec,
    resolved: Mapping[str, Desired],
    aliases: Mapping[str, AliasTarget],
    target: Target,
    recorded: Lockfile,
) -> str | ParentInput | Diagnostic:
    match spec.model:
        case BaseModel(name=name):
            return target.models.get(name, name)
        case ParentSpec(spec=parent):
            # A parent that has a problem of its own is reported there.
            if parent not in resolved:
                return _unresolved_parent(spec, parent)
            checkpoint = resolved[parent].spec.checkpoint
            return ParentInput(spec=parent, digest=resolved[parent].digest, checkpoint=checkpoint)
        case ModelAlias(alias=alias):
            return _aliased(spec, alias, aliases, recorded)
        case other:
            assert_never(other)


def _aliased(
    spec: Spec, alias: str, aliases: Mapping[str, AliasTarget], recorded: Lockfile
) -> ParentInput | Diagnostic:
    if alias not in aliases:
        return Diagnostic(
            code="alias-unknown",
            summary=f"no alias `{alias}` is declared",
            place=_place(spec, "model.alias"),
            why="aliases are declared in `ftops.yaml` under `aliases:`",
            fix=did_you_mean(alias, aliases, otherwise=f"declare it, such as `{alias}: {spec.name}@sha256:…`"),
        )
    named = aliases[alias]
    generation = _generation(recorded.models.get(named.spec, Entry()), named.digest)
    if generation is None:
        return Diagnostic(
            code="alias-unrecorded",
            summary=f"the alias `{alias}` names `{named.spec}@{named.digest}`, which the lockfile does not hold",
            place=_place(spec, "model.alias"),
            why="an alias points at a generation that was trained, and the lockfile is the list of those",
            fix=f"see `ftops lock show {named.spec}` for the digests that there are",
        )
    policy = generation.checkpoint.policy if generation.checkpoint else "best"
    return ParentInput(spec=named.spec, digest=generation.digest, checkpoint=policy)


def _generation(entry: Entry, digest: str) -> Generation | None:
    """The newest generation whose digest begins with *digest*, the prefix `sha256:` aside."""
    wanted = digest.removeprefix("sha256:")
    generations = ((entry.generation,) if entry.generation else ()) + tuple(reversed(entry.history))
    return next((each for each in generations if each.digest.removeprefix("sha256:").startswith(wanted)), None)


def _with_ignored(inputs: Inputs, spec: Spec, entry: Entry | None) -> Inputs:
    """Keep what was recorded for each field of `lifecycle.ignore_changes`: an edit there asks for nothing."""
    before = entry.generation.inputs if entry and entry.generation else None
    if before is None or not spec.lifecycle.ignore_changes:
        return inputs
    kept = {field: getattr(before, field) for field in spec.lifecycle.ignore_changes}
    return msgspec.structs.replace(inputs, **kept)


def _differing(one: Inputs, other: Inputs) -> frozenset[str]:
    said = other.identity()
    return frozenset(field for field, value in one.identity().items() if value != said[field])


def _unresolved_parent(spec: Spec, parent: str) -> Diagnostic:
    return Diagnostic(
        code="spec-parent-unresolved",
        summary=f"`{spec.name}` goes on from `{parent}`, which has a problem of its own",
        place=_place(spec, "model.spec"),
        fix=f"mend `{parent}` first",
    )


def _place(spec: Spec, field: str) -> Place:
    span = spec.places.get(field) or spec.places.get("model")
    if span is None:
        return Place(path=spec.path)
    return Place(path=spec.path, line=span.line, column=span.column, end_column=span.end_column)

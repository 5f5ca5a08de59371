"""Whether a target can train what is desired, as far as that is known without asking it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.diagnostics import Diagnostic, Place
from ftops.spec.nearest import did_you_mean, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ftops.plan.desired import Desired
    from ftops.spec.config import Target
    from ftops.spec.model import Spec


def unfit(
    desired: Iterable[Desired], target: Target, *, methods: Sequence[str], models: Sequence[str]
) -> tuple[Diagnostic, ...]:
    """What *target* is known to refuse.

    Args:
        desired: What is asked for.
        target: Where.
        methods: What its profile trains.
        models: Every base model that its profile has; empty if that is not known.
    """
    return tuple(problem for each in desired for problem in _problems(each, target, methods, models))


def _problems(desired: Desired, target: Target, methods: Sequence[str], models: Sequence[str]) -> Iterator[Diagnostic]:
    spec, model = desired.spec, desired.inputs.model
    if spec.method.type not in methods:
        yield Diagnostic(
            code="method-unsupported",
            summary=f"the target `{target.name}` cannot train with the method `{spec.method.type}`",
            place=_place(spec, "method.type", "method"),
            why=f"its profile `{target.profile}` trains: {', '.join(methods)}",
            fix="choose another method, or another target with `--target`",
        )
    if models and isinstance(model, str) and model not in models and not model.startswith("ft:"):
        yield Diagnostic(
            code="model-unknown",
            summary=f"the target `{target.name}` has no model `{model}`",
            place=_place(spec, "model"),
            why=f"its profile `{target.profile}` trains {one_of(models)}; another spec is written `{{spec: name}}`",
            fix=did_you_mean(
                model, models, otherwise=f"map it in `ftops.yaml`, such as `models: {{{model}: {models[0]}}}`"
            ),
        )


def _place(spec: Spec, *fields: str) -> Place:
    span = next((spec.places[field] for field in fields if field in spec.places), None)
    if span is None:
        return Place(path=spec.path)
    return Place(path=spec.path, line=span.line, column=span.column, end_column=span.end_column)

"""Specs that go on from each other's models, in the order in which they train."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.spec.common import place_of_field
from ftops.spec.model import Dataset, Declared, ParentSpec, Spec, split_of
from ftops.spec.nearest import did_you_mean, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def linked(declared: Iterable[Declared]) -> Declared:
    """All that files declare together: specs in order, datasets by name.

    Raises:
        ProblemsError: As `in_order`; or two datasets have one name, or a dataset or a split is unknown.
    """
    files = tuple(declared)
    datasets = tuple(sorted((each for file in files for each in file.datasets), key=lambda each: each.name))
    specs = tuple(spec for file in files for spec in file.specs)
    by_name = {each.name: each for each in reversed(datasets)}
    problems = [_duplicate(by_name[each.name], each) for each in datasets if by_name[each.name] is not each]
    problems += (problem for spec in specs for problem in _unknown_splits(spec, by_name))
    try:
        specs = in_order(specs)
    except ProblemsError as error:
        problems += error.problems
    if problems:
        raise ProblemsError(*problems)
    return Declared(specs=tuple(_with_checks_of_data(spec, by_name) for spec in specs), datasets=datasets)


def in_order(specs: Iterable[Spec]) -> tuple[Spec, ...]:
    """Parents before their children; what does not depend on each other, by name.

    Raises:
        ProblemsError: Two specs have one name, a parent is unknown, or parents go round in a circle.
    """
    every = sorted(specs, key=lambda spec: (spec.name, spec.path))
    by_name: dict[str, Spec] = {}
    problems: list[Diagnostic] = []
    for spec in every:
        first = by_name.setdefault(spec.name, spec)
        if first is not spec:
            problems.append(_duplicate(first, spec))
    problems += _unknown_parents(by_name)
    if problems:
        raise ProblemsError(*problems)

    sorter = TopologicalSorter(
        {name: (() if (to := _parent(spec)) is None else (to,)) for name, spec in by_name.items()}
    )
    try:
        sorter.prepare()
    except CycleError:
        raise ProblemsError(*(_cycle(by_name, names) for names in _cycles(by_name))) from None
    ordered: list[Spec] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered += (by_name[name] for name in ready)
        sorter.done(*ready)
    return tuple(ordered)


def _unknown_splits(spec: Spec, datasets: dict[str, Dataset]) -> Iterator[Diagnostic]:
    for field, name in (("training_file", spec.training_file), ("validation_file", spec.validation_file)):
        if name is None or (wanted := split_of(name)) is None:
            continue
        dataset, split = wanted
        if dataset not in datasets:
            yield Diagnostic(
                code="spec-dataset-unknown",
                summary=f"there is no dataset named `{dataset}`",
                place=place_of_field(spec, f"{field}.dataset"),
                why="a dataset is declared by a file of its own, with `kind: Dataset`, and named by its stem",
                fix=did_you_mean(dataset, datasets, otherwise=f"write `{dataset}.yaml` beside this file"),
            )
        elif split not in (splits := datasets[dataset].recipe.splits):
            yield Diagnostic(
                code="spec-dataset-unknown",
                summary=f"the dataset `{dataset}` has no split `{split}`",
                place=place_of_field(spec, f"{field}.split"),
                why=f"its splits are {one_of(splits)}",
                fix=did_you_mean(split, splits, otherwise=f"write one of these, or add `{split}` to `{dataset}`"),
            )


def _with_checks_of_data(spec: Spec, datasets: dict[str, Dataset]) -> Spec:
    """*spec*, for which what its datasets switch off is off too."""
    splits = (split_of(name) for name in (spec.training_file, spec.validation_file) if name)
    named = dict.fromkeys(found[0] for found in splits if found)
    ignored = dict.fromkeys((*spec.ignored, *(each for name in named for each in datasets[name].ignored)))
    return replace(spec, ignored=tuple(ignored)) if len(ignored) > len(spec.ignored) else spec


def _parent(spec: Spec) -> str | None:
    return spec.model.spec if isinstance(spec.model, ParentSpec) else None


def _unknown_parents(by_name: dict[str, Spec]) -> Iterator[Diagnostic]:
    for spec in by_name.values():
        parent = _parent(spec)
        if parent is not None and parent not in by_name:
            yield Diagnostic(
                code="spec-parent",
                summary=f"there is no spec named `{parent}`",
                place=place_of_field(spec, "model.spec"),
                why=f"`{spec.name}` goes on from its model",
                fix=did_you_mean(parent, by_name, otherwise="write the stem of another spec's file, or a base model"),
            )


def _cycles(by_name: dict[str, Spec]) -> Iterator[list[str]]:
    """Each circle once, from its first name on; every spec has one parent, so walking up finds them all."""
    done: set[str] = set()
    for start in by_name:
        trail: list[str] = []
        name: str | None = start
        while name is not None and name not in done:
            done.add(name)
            trail.append(name)
            name = _parent(by_name[name])
        if name in trail:
            circle = trail[trail.index(name) :]
            first = circle.index(min(circle))
            yield circle[first:] + circle[:first]


def _cycle(by_name: dict[str, Spec], names: list[str]) -> Diagnostic:
    round_trip = " → ".join(f"`{name}`" for name in (*names, names[0]))
    return Diagnostic(
        code="spec-cycle",
        summary=f"specs go on from each other in a circle: {round_trip}",
        place=place_of_field(by_name[names[0]], "model.spec"),
        why="each would have to be trained before the other",
        fix="let one of them start from a base model",
    )


def _duplicate(first: Spec | Dataset, second: Spec | Dataset) -> Diagnostic:
    return Diagnostic(
        code="spec-duplicate-name",
        summary=f"two {'datasets' if isinstance(first, Dataset) else 'specs'} are named `{second.name}`",
        place=Place(path=second.path),
        why=f"`{first.path}` has that name already, and the lockfile knows specs by name, not by folder",
        fix="rename one of the files",
    )

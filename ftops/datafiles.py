"""The data of a project: what its specs train and validate on, examined, file by file and all together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ftops.among import History, Used, problems_among
from ftops.dataset.grader import item_fields
from ftops.dataset.lengths import cut_problems
from ftops.dataset.limits import row_count_problems, size_problems
from ftops.dataset.tokens.base import Counting
from ftops.dataset.whole.uses import FileUse
from ftops.diagnostics import Diagnostic, Place, ProblemsError, Severity
from ftops.examine import Reading, Source
from ftops.lockfile import DataFile
from ftops.plan.cost import Cost, training_cost
from ftops.project import open_inside
from ftops.remote.profiles import profile
from ftops.subjects import UNKNOWN_BASE, bases_of, epochs_of, examiner_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ftops.dataset.diff import DataDiff
    from ftops.dataset.limits import Use
    from ftops.examine import Examined, Examiner
    from ftops.lockfile import Generation, Lockfile
    from ftops.project import Project
    from ftops.spec.model import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What the specs of a project train on."""

    files: dict[str, DataFile]
    """By the name under which specs know them."""
    costs: dict[str, Cost]
    """What training is estimated to cost, by spec."""
    warnings: tuple[Diagnostic, ...]
    examiner: Examiner
    examined: dict[tuple[str, str], tuple[Source, Reading, str]]
    """Where a file is, how it was read, and its SHA-256, by spec and field."""

    def change(self, project: Project, spec: str, field: str, old: Generation) -> DataDiff | None:
        """What changed in a file of *spec* since it was trained on; None if the old rows are nowhere to be had.

        Args:
            project: In whose git history the old rows may be.
            spec: Its name.
            field: `training_file` or `validation_file`.
            old: The generation that was trained on it.
        """
        from ftops.compare import Recorded, change_since  # noqa: PLC0415  # only where data changed

        before = getattr(old.inputs, field, None)
        found = self.examined.get((spec, field))
        if before is None or found is None:
            return None
        source, reading, sha256 = found
        with self.examiner.columns(source, reading, sha256) as now:
            return change_since(self.examiner, project.root, Recorded(before, old.commit), reading, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """A file of a spec, and how it is read for that spec."""

    spec: Spec
    model: str
    """The base model that it starts from in the end."""
    use: Use
    name: str
    """Under which the spec knows it."""
    source: Source
    reading: Reading

    @property
    def field(self) -> str:
        return "training_file" if self.use == "training" else "validation_file"


def read_data(
    project: Project, specs: Sequence[Spec], built: Mapping[str, str], models: Path, recorded: Lockfile
) -> Data:
    """Examine the data of *specs*; only files that changed are read.

    Args:
        project: Where they are.
        specs: All there are, parents before children.
        built: Where the splits of datasets lie, by name; every other name is a path.
        models: The folder of the local models' files, which hold their tokenizers.
        recorded: What was trained before, and on which data.

    Raises:
        ProblemsError: With all problems of all files: nothing is uploaded that the provider would refuse.
    """
    examiner, most_bytes = examiner_of(project), profile(project.target.profile).file_bytes_max
    found: list[tuple[_Named, Examined]] = []
    # Each problem once, in the order of the specs, however many specs share a file.
    problems: dict[Diagnostic, None] = {}
    for each in _named(project, specs, built, models, recorded):
        try:
            examined = examiner.examine(each.source, each.reading)
        except ProblemsError as error:
            problems |= dict.fromkeys(_at_spec(problem, each) for problem in error.problems)
            continue
        found.append((each, examined))
        path = each.source.path
        cut = cut_problems(examined.cut, examined.lengths, path, each.model)
        rows = row_count_problems(examined.rows, path=path, method=each.reading.method, use=each.use)
        size = size_problems(examined.bytes, path=path, most=most_bytes)
        problems |= dict.fromkeys(_heeded((*examined.problems, *cut, *rows, *size), each.spec))
    examiner.save()
    if not any(problem.severity is Severity.ERROR for problem in problems):
        problems |= dict.fromkeys(problems_among(examiner, _used(found), History(project.root, recorded)))
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise ProblemsError(*problems)
    return Data(
        files={each.name: _data_file(each, examined) for each, examined in found},
        costs={each.spec.name: _cost(each, examined) for each, examined in found if each.use == "training"},
        warnings=tuple(problems),
        examiner=examiner,
        examined={(each.spec.name, each.field): (each.source, each.reading, it.sha256) for each, it in found},
    )


def _named(
    project: Project, specs: Sequence[Spec], built: Mapping[str, str], models: Path, recorded: Lockfile
) -> Iterator[_Named]:
    bases = bases_of(project, specs, recorded)
    for spec in specs:
        model, base = bases[spec.name]
        graded = item_fields(spec.method.body.get("grader"))
        reading = Reading(spec.method.type, Counting(base, models), graded)
        uses: list[tuple[Use, str | None]] = [("training", spec.training_file), ("validation", spec.validation_file)]
        for use, file in uses:
            if file:
                path = built.get(file, file)
                source = Source(path=path, file=project.root / path, open=partial(open_inside, project.root, path))
                yield _Named(spec=spec, model=model, use=use, name=file, source=source, reading=reading)


def _heeded(problems: Iterable[Diagnostic], spec: Spec) -> Iterator[Diagnostic]:
    """Leave out what the spec switches off; never an error."""
    off = {each.code for each in spec.ignored}
    return (problem for problem in problems if problem.severity is Severity.ERROR or problem.code not in off)


def _used(found: Iterable[tuple[_Named, Examined]]) -> Iterator[Used]:
    """Each file once for each method, with all uses."""
    by_file: dict[tuple[str, str], list[tuple[_Named, Examined]]] = {}
    for each, examined in found:
        by_file.setdefault((each.source.path, each.reading.method), []).append((each, examined))
    for (first, examined), *others in by_file.values():
        all_uses = [first, *(each for each, _ in others)]
        yield Used(
            first.source,
            first.reading,
            examined.sha256,
            tuple(FileUse(spec=each.spec.name, role=each.use) for each in all_uses),
            frozenset.intersection(*(frozenset(off.code for off in each.spec.ignored) for each in all_uses)),
        )


def _data_file(each: _Named, examined: Examined) -> DataFile:
    return DataFile(
        path=each.name,
        sha256=examined.sha256,
        bytes=examined.bytes,
        rows=examined.rows,
        tokens=examined.lengths.total if examined.lengths else 0,
    )


def _cost(each: _Named, examined: Examined) -> Cost:
    base = each.reading.counting.base
    return training_cost(
        None if base is UNKNOWN_BASE else base,
        method=each.reading.method,
        rows=examined.rows,
        tokens_an_epoch=examined.cut.tokens,
        epochs=epochs_of(each.spec),
    )


def _at_spec(problem: Diagnostic, each: _Named) -> Diagnostic:
    """Point at the line of the spec that names a file which cannot be read."""
    span = each.spec.places.get(each.field)
    if span is None:
        return problem
    place = Place(path=each.spec.path, line=span.line, column=span.column, end_column=span.end_column)
    return replace(problem, place=place)

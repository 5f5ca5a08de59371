"""The data of a project: what its specs train and validate on, examined, file by file and all together."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from ftops.dataset.grader import item_fields
from ftops.dataset.limits import row_count_problems
from ftops.dataset.tokens.base import Counting
from ftops.dataset.version import RULES_VERSION
from ftops.diagnostics import Diagnostic, Place, ProblemsError, Severity
from ftops.digest import digest_of, short
from ftops.examine import Examiner, Reading, Source
from ftops.lockfile import DataFile
from ftops.lockstore import write_atomically
from ftops.plan.cost import Cost, training_cost
from ftops.project import open_inside
from ftops.subjects import UNKNOWN_BASE, bases_of, epochs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ftops.dataset.columns import Columns
    from ftops.dataset.diff import DataDiff
    from ftops.dataset.limits import Use
    from ftops.examine import Examined
    from ftops.lockfile import Generation
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
        from ftops.compare import change_since  # noqa: PLC0415  # only where data changed

        before = getattr(old.inputs, field, None)
        found = self.examined.get((spec, field))
        if before is None or found is None:
            return None
        source, reading, sha256 = found
        with ExitStack() as stack:
            now = stack.enter_context(self.examiner.columns(source, reading, sha256))
            return change_since(
                project.root,
                before,
                old.commit,
                now,
                known=lambda sha256: stack.enter_context(self.examiner.known(reading, sha256)),
                counting=reading.counting,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """A file of a spec, and how it is read for that spec."""

    spec: Spec
    use: Use
    name: str
    """Under which the spec knows it."""
    source: Source
    reading: Reading

    @property
    def field(self) -> str:
        return "training_file" if self.use == "training" else "validation_file"


def read_data(project: Project, specs: Sequence[Spec], built: Mapping[str, str], models: Path) -> Data:
    """Examine the data of *specs*; only files that changed are read.

    Args:
        project: Where they are.
        specs: All there are, parents before children.
        built: Where the splits of datasets lie, by name; every other name is a path.
        models: The folder of the local models' files, which hold their tokenizers.

    Raises:
        ProblemsError: With all problems of all files: nothing is uploaded that the provider would refuse.
    """
    examiner = Examiner(project.state / "cache")
    found: list[tuple[_Named, Examined]] = []
    # Each problem once, in the order of the specs, however many specs share a file.
    problems: dict[Diagnostic, None] = {}
    for each in _named(project, specs, built, models):
        try:
            examined = examiner.examine(each.source, each.reading)
        except ProblemsError as error:
            problems |= dict.fromkeys(_at_spec(problem, each) for problem in error.problems)
            continue
        found.append((each, examined))
        rows = row_count_problems(examined.rows, path=each.source.path, method=each.reading.method, use=each.use)
        problems |= dict.fromkeys(_heeded((*examined.problems, *rows), each.spec))
    examiner.save()
    if not any(problem.severity is Severity.ERROR for problem in problems):
        problems |= dict.fromkeys(_among(project, examiner, found))
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise ProblemsError(*problems)
    return Data(
        files={each.name: _data_file(each, examined) for each, examined in found},
        costs={each.spec.name: _cost(each, examined) for each, examined in found if each.use == "training"},
        warnings=tuple(problems),
        examiner=examiner,
        examined={(each.spec.name, each.field): (each.source, each.reading, it.sha256) for each, it in found},
    )


def _named(project: Project, specs: Sequence[Spec], built: Mapping[str, str], models: Path) -> Iterator[_Named]:
    bases = bases_of(project, specs)
    for spec in specs:
        name, base = bases[spec.name]
        graded = item_fields(spec.method.body.get("grader"))
        reading = Reading(spec.method.type, name, Counting(base, models), graded)
        uses: list[tuple[Use, str | None]] = [("training", spec.training_file), ("validation", spec.validation_file)]
        for use, file in uses:
            if file:
                path = built.get(file, file)
                source = Source(path=path, file=project.root / path, open=partial(open_inside, project.root, path))
                yield _Named(spec=spec, use=use, name=file, source=source, reading=reading)


def _heeded(problems: Iterable[Diagnostic], spec: Spec) -> Iterator[Diagnostic]:
    """Leave out what the spec switches off; never an error."""
    off = {each.code for each in spec.ignored}
    return (problem for problem in problems if problem.severity is Severity.ERROR or problem.code not in off)


def _among(project: Project, examiner: Examiner, found: Sequence[tuple[_Named, Examined]]) -> tuple[Diagnostic, ...]:
    """What is wrong between files; remembered, because it changes only if one of them does."""
    by_file: dict[tuple[str, str], list[tuple[_Named, Examined]]] = {}
    for each, examined in found:
        by_file.setdefault((each.source.path, each.reading.key), []).append((each, examined))
    if not any(each.use != "training" for each, _ in found):
        return ()
    key = digest_of([RULES_VERSION, [[each.spec.name, each.use, each.source.path, it.sha256] for each, it in found]])
    file = project.state / "cache" / "among" / f"{short(key)}.json"
    try:
        return _decode(file.read_bytes())
    except (OSError, msgspec.MsgspecError):
        pass
    problems = _compared(examiner, by_file)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, msgspec.json.encode(problems))
    return problems


_decode = msgspec.json.Decoder(tuple[Diagnostic, ...]).decode


def _compared(
    examiner: Examiner, by_file: Mapping[tuple[str, str], Sequence[tuple[_Named, Examined]]]
) -> tuple[Diagnostic, ...]:
    from ftops.dataset.whole.check import project_problems  # noqa: PLC0415  # only where files changed
    from ftops.dataset.whole.leaks import FileUse, NamedFile  # noqa: PLC0415

    with ExitStack() as stack:
        files = []
        for uses in by_file.values():
            (first, examined), *_ = uses
            columns = stack.enter_context(examiner.columns(first.source, first.reading, examined.sha256))
            files.append(
                NamedFile(
                    path=first.source.path,
                    columns=columns,
                    uses=tuple(FileUse(spec=each.spec.name, role=each.use) for each, _ in uses),
                    read_row=_row_reader(first.source, columns),
                )
            )
        return project_problems(files)


def _row_reader(source: Source, columns: Columns) -> Callable[[int], bytes]:
    """Read single rows again; the file is opened for each, so that many files can be looked at."""
    offsets, sizes = columns.read("offset"), columns.read("size")

    def read_row(row: int) -> bytes:
        with source.open() as stream:
            stream.seek(int(offsets[row]))
            return stream.read(int(sizes[row]))

    return read_row


def _data_file(each: _Named, examined: Examined) -> DataFile:
    return DataFile(
        path=each.name, sha256=examined.sha256, bytes=examined.bytes, rows=examined.rows, tokens=examined.tokens
    )


def _cost(each: _Named, examined: Examined) -> Cost:
    base = each.reading.counting.base
    return training_cost(
        None if base is UNKNOWN_BASE else base,
        method=each.reading.method,
        rows=examined.rows,
        tokens_an_epoch=examined.billed,
        epochs=epochs_of(each.spec),
    )


def _at_spec(problem: Diagnostic, each: _Named) -> Diagnostic:
    """Point at the line of the spec that names a file which cannot be read."""
    span = each.spec.places.get(each.field)
    if span is None:
        return problem
    place = Place(path=each.spec.path, line=span.line, column=span.column, end_column=span.end_column)
    return replace(problem, place=place)

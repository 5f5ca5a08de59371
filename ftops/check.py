"""Check data files, in a project or without one: what they hold, what is wrong with each, and with all together."""

from __future__ import annotations

import os
import stat
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from ftops.dataset.columns import Columns, ColumnWriter
from ftops.dataset.guess import guess_format, guess_role
from ftops.dataset.lengths import Lengths, lengths_of, tokens_cut_at
from ftops.dataset.limits import row_count_problems
from ftops.dataset.lines import read_blocks
from ftops.dataset.said import said_in
from ftops.dataset.scan import scan
from ftops.diagnostics import Diagnostic, Place, ProblemsError, Severity
from ftops.plan.cost import Cost, training_cost
from ftops.remote.moderation import moderation_problems
from ftops.remote.profiles import OPENAI, base_named, profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from ftops.dataset.formats import Format
    from ftops.dataset.guess import MethodName, Role
    from ftops.dataset.limits import Use
    from ftops.dataset.tokens.base import Base
    from ftops.project import Project
    from ftops.remote.moderation import Ask
    from ftops.spec.model import Spec

DATA_ENDING: Final = ".jsonl"
USUAL_TOKENIZER: Final = "o200k_base"
"""Of all base models that can still be trained at OpenAI, whose prices are shown unless a model is asked for."""
AGAIN: Final = "run the command again later, or on fewer files at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A file to check, and what is known of its purpose."""

    path: str
    """As people name it."""
    file: Path
    role: Role | None = None
    """None: its name decides, or else it is taken as training data."""
    method: MethodName | None = None
    """None: its rows decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What training on a file would cost with one base model."""

    model: str
    base: Base
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What is known of a file after it was read."""

    subject: Subject
    role: Role
    is_role_told: bool
    """By the spec or the file's name; otherwise it is assumed."""
    method: MethodName
    format: Format
    sha256: str
    bytes: int
    rows: int
    lengths: Lengths | None
    """None if tokens were not counted."""
    estimates: tuple[Estimate, ...]
    """Of a training file, by base model."""
    problems: tuple[Diagnostic, ...]
    """The first ones of each code."""
    counts: dict[str, int]
    """How many problems there are, by code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `ftops check` found."""

    files: tuple[Checked, ...]
    problems: tuple[Diagnostic, ...]
    """Between files, and of those that could not be read."""

    @property
    def has_errors(self) -> bool:
        every = (*self.problems, *(problem for file in self.files for problem in file.problems))
        return any(problem.severity is Severity.ERROR for problem in every)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to check."""

    is_quick: bool = False
    """No tokens, and nothing that needs them or all rows at once."""
    model: str | None = None
    """The base model whose limits and price count; the usual ones if None."""
    ignored: frozenset[str] = frozenset()
    """Codes of warnings and notes that are not wanted."""


def subjects_at(paths: Sequence[str], method: MethodName | None) -> tuple[tuple[Subject, ...], tuple[Diagnostic, ...]]:
    """Files at *paths*: those named, and the `.jsonl` files in folders, sorted; and what is wrong with the paths."""
    found: dict[str, Subject] = {}
    problems: list[Diagnostic] = []
    for path in paths:
        names = list(_files_in(path)) if Path(path).is_dir() else [path]
        if not names:
            problems.append(_no_data(path))
        for name in names:
            found.setdefault(os.path.realpath(name), Subject(path=name, file=Path(name), method=method))
    return tuple(found.values()), tuple(problems)


def subjects_of(project: Project, specs: Iterable[Spec]) -> tuple[Subject, ...]:
    """The data of all *specs*, in their order, once for each method and use that a file has."""
    found: dict[Subject, None] = {}
    for spec in specs:
        data: list[tuple[Role, str | None]] = [("training", spec.training_file), ("validation", spec.validation_file)]
        for role, path in data:
            if path:
                subject = Subject(path=path, file=project.root / path, role=role, method=spec.method.type)
                found[subject] = None
    return tuple(found)


def check(
    subjects: Iterable[Subject],
    options: Options,
    watch: Callable[[Subject, BinaryIO], BinaryIO] = lambda _, stream: stream,
) -> Report:
    """Read every file once, and hold them against the rules.

    Args:
        subjects: In the order of the report.
        options: How.
        watch: Gives the stream through which a file is read, such as one that tells how far it is.
    """
    files: list[Checked] = []
    problems: list[Diagnostic] = []
    for subject in subjects:
        try:
            with open_data(subject) as stream:
                files.append(_check_file(subject, watch(subject, stream), options))
        except ProblemsError as error:
            problems += error.problems
    return Report(files=tuple(files), problems=_wanted(problems, options))


def moderated(report: Report, ask: Ask) -> Report:
    """Ask a provider about all texts of all files, and add to *report* what it flags, or why it does not answer."""
    files = []
    for file in report.files:
        found: list[Diagnostic] = []
        try:
            with open_data(file.subject) as stream:
                found.extend(moderation_problems(_texts(stream, file.format), file.subject.path, ask))
        except ProblemsError as error:
            found += (
                replace(problem, fix=AGAIN) if problem.code == "remote-busy" else problem for problem in error.problems
            )
        counts = Counter(problem.code for problem in found)
        files.append(replace(file, problems=(*file.problems, *found), counts=file.counts | counts))
    return replace(report, files=tuple(files))


def _texts(stream: BinaryIO, format_: Format) -> Iterator[tuple[int, str]]:
    """The line of each row that can be read, with all that is said in it."""
    number = 0
    for block in read_blocks(stream, lambda _: None):
        for line in block.content.split(b"\n"):
            number += 1
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(row, dict):
                yield number, "\n\n".join(said.text for said in said_in(row, format_) if said.role != "item")


@contextmanager
def open_data(subject: Subject) -> Iterator[BinaryIO]:
    """Open an ordinary file.

    Raises:
        ProblemsError: It is missing, is a pipe or a device, or cannot be read.
    """
    try:
        # O_NONBLOCK: a FIFO is seen to be one instead of being waited for.
        stream = os.fdopen(os.open(subject.file, os.O_RDONLY | os.O_NONBLOCK), "rb")
    except OSError as error:
        raise ProblemsError(_unreadable(subject.path, error)) from None
    with stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise ProblemsError(_not_a_file(subject.path))
        yield stream


def _check_file(subject: Subject, stream: BinaryIO, options: Options) -> Checked:
    guess = guess_format(stream)
    stream.seek(0)
    method = subject.method or guess.method
    told = subject.role or guess_role(subject.path)
    role = told or "training"
    with tempfile.TemporaryFile() as kept:
        writer = ColumnWriter(kept)
        found = scan(stream, subject.path, method, writer)
        writer.finish()
        lengths = None if options.is_quick else lengths_of(columns := Columns(kept))
        estimates = _estimates(columns, method, options) if lengths and role == "training" else ()
    use: Use = "training" if role == "training" else "validation"
    rows = row_count_problems(found.rows, path=subject.path, method=method, use=use)
    return Checked(
        subject=subject,
        role=role,
        is_role_told=told is not None,
        method=method,
        format=found.format,
        sha256=found.sha256,
        bytes=found.bytes,
        rows=found.rows,
        lengths=lengths,
        estimates=estimates,
        problems=_wanted((*found.problems, *rows), options),
        counts={**found.counts, **{problem.code: 1 for problem in rows}},
    )


def _estimates(columns: Columns, method: MethodName, options: Options) -> tuple[Estimate, ...]:
    return tuple(
        Estimate(
            model=model,
            base=base,
            cost=training_cost(
                base, method=method, rows=columns.rows, tokens_an_epoch=tokens_cut_at(columns, base.row_tokens_max)
            ),
        )
        for model, base in _bases(method, options)
    )


def _bases(method: MethodName, options: Options) -> list[tuple[str, Base]]:
    """The base model that was asked for, or OpenAI's that count tokens alike and train by *method*."""
    if options.model:
        found = base_named(options.model)
        assert found is not None, "the command has looked"
        return [found]
    is_hourly = method == "reinforcement"
    return [
        (model, base)
        for model, base in profile(OPENAI).bases.items()
        if base.tokenizer == USUAL_TOKENIZER and (base.training_usd_per_hour is not None) == is_hourly
    ]


def _files_in(folder: str) -> Iterator[str]:
    """The data files in *folder* and below, sorted by path; hidden ones, and those in hidden folders, are left out.

    Raises:
        ProblemsError: A folder cannot be looked into: its files would seem to be fine.
    """
    found = []
    for parent, folders, names in os.walk(folder, onerror=_cannot_list):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [str(Path(parent, name)) for name in names if name.endswith(DATA_ENDING) and not name.startswith(".")]
    yield from sorted(found)


def _cannot_list(error: OSError) -> None:
    raise ProblemsError(_unreadable(str(error.filename), error))


def _wanted(problems: Iterable[Diagnostic], options: Options) -> tuple[Diagnostic, ...]:
    """Leave out what nobody wants to hear of; an error is always heard."""
    return tuple(
        problem for problem in problems if problem.severity is Severity.ERROR or problem.code not in options.ignored
    )


def _unreadable(path: str, error: OSError) -> Diagnostic:
    if isinstance(error, FileNotFoundError):
        return Diagnostic(
            code="file-missing",
            summary=f"`{path}` does not exist",
            place=Place(path=path),
            fix="correct the path; it is taken from the folder that you are in",
        )
    return Diagnostic(
        code="file-unreadable",
        summary=f"`{path}` cannot be read",
        place=Place(path=path),
        why=(error.strerror or str(error)).lower(),
        fix="make it an ordinary file that you may read",
    )


def _not_a_file(path: str) -> Diagnostic:
    return Diagnostic(
        code="file-unreadable",
        summary=f"`{path}` is not an ordinary file",
        place=Place(path=path),
        why="it is a pipe or a device, and a file is read more than once",
        fix="write the rows to a file, and name that",
    )


def _no_data(path: str) -> Diagnostic:
    return Diagnostic(
        code="check-nothing",
        summary=f"the folder `{path}` holds no `{DATA_ENDING}` files",
        place=Place(path=path),
        why="of a folder, the files that end so are checked, but for hidden ones",
        fix="name the files themselves: any name will do",
    )

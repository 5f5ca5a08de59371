"""Check data files, in a project or without one: what they hold, what is wrong with each, and with all together."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

import orjson

from ftops.dataset.columns import Columns, ColumnWriter
from ftops.dataset.guess import guess_format
from ftops.dataset.lengths import Lengths, cut_rows, lengths_of, tokens_cut_at
from ftops.dataset.limits import row_count_problems
from ftops.dataset.lines import read_blocks
from ftops.dataset.said import said_in
from ftops.dataset.scan import scan
from ftops.dataset.tokens.base import Counting, row_tokens_max
from ftops.dataset.whole.check import project_problems, whole_problems
from ftops.dataset.whole.duplicates import duplicates
from ftops.dataset.whole.leaks import NamedFile
from ftops.diagnostics import ProblemsError, Severity
from ftops.plan.cost import Cost, training_cost
from ftops.remote.moderation import moderation_problems
from ftops.remote.profiles import OPENAI, base_named, profile
from ftops.subjects import UNKNOWN_BASE, Training, open_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from collections.abc import Set as AbstractSet
    from pathlib import Path
    from typing import BinaryIO

    from ftops.dataset.formats import Format
    from ftops.dataset.guess import MethodName
    from ftops.dataset.limits import Use
    from ftops.dataset.tokens.base import Base
    from ftops.dataset.whole.likeness import ReadRow
    from ftops.diagnostics import Diagnostic
    from ftops.remote.moderation import Ask
    from ftops.subjects import Subject

USUAL_MODEL: Final = "gpt-4.1-mini"
"""Whose tokens are counted unless another is asked for: OpenAI's models that can still be trained count alike."""
MEMORY_BYTES: Final = 16 << 20
"""What is kept of the rows of a file goes to the disk if it is more than this."""
AGAIN: Final = "run the command again later, or on fewer files at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to check."""

    models: Path
    """The folder of the local models, whose files hold their tokenizers."""
    model: str | None = None
    """The base model whose limits and price count, which must be known; the usual ones if None."""
    is_quick: bool = False
    """Without tokens, and without comparing rows and files but for equal rows of one file."""
    ignored: frozenset[str] = frozenset()
    """Codes of warnings and notes that are not wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What training on a file would cost with one base model."""

    model: str
    """In full."""
    alias: str
    """As people call it, and the provider lets them."""
    base: Base
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What is known of a file after it was read."""

    subject: Subject
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
    """What was found."""

    files: tuple[Checked, ...]
    problems: tuple[Diagnostic, ...]
    """Between files, and of those that could not be read."""

    @property
    def every_problem(self) -> tuple[Diagnostic, ...]:
        return (*(problem for file in self.files for problem in file.problems), *self.problems)

    @property
    def has_errors(self) -> bool:
        return any(problem.severity is Severity.ERROR for problem in self.every_problem)


def check(
    subjects: Iterable[Subject],
    options: Options,
    watch: Callable[[Subject, BinaryIO], BinaryIO] = lambda _, stream: stream,
) -> Report:
    """Read every file once, and hold them against the rules, and then against each other.

    Args:
        subjects: In the order of the report.
        options: How.
        watch: Gives the stream through which a file is read, such as one that tells how far it is.
    """
    files: list[Checked] = []
    named: list[NamedFile] = []
    problems: list[Diagnostic] = []
    with ExitStack() as stack:
        for subject in subjects:
            kept = cast("BinaryIO", stack.enter_context(tempfile.SpooledTemporaryFile(MEMORY_BYTES)))
            try:
                file, columns = _check_file(subject, options, watch, kept)
            except ProblemsError as error:
                problems += error.problems
                continue
            files.append(file)
            if columns.rows:
                read_row = _row_reader(subject, columns)
                named.append(NamedFile(path=subject.path, columns=columns, uses=subject.uses, read_row=read_row))
        if not options.is_quick:
            problems += project_problems(named)
    return Report(files=tuple(files), problems=_wanted(problems, options.ignored))


def moderated(report: Report, ask: Ask) -> Report:
    """Ask a provider about all texts of all files, and add to *report* what it flags, or why it does not answer."""
    files = []
    for file in report.files:
        found: list[Diagnostic] = []
        try:
            with open_data(file.subject) as stream:
                found.extend(moderation_problems(_texts(stream, file.format), file.subject.path, ask))
        except ProblemsError as error:
            found += [replace(each, fix=AGAIN) if each.code == "remote-busy" else each for each in error.problems]
        counts = Counter(problem.code for problem in found)
        files.append(replace(file, problems=(*file.problems, *found), counts=file.counts | counts))
    return replace(report, files=tuple(files))


def _check_file(
    subject: Subject, options: Options, watch: Callable[[Subject, BinaryIO], BinaryIO], kept: BinaryIO
) -> tuple[Checked, Columns]:
    """Read a file once; what is kept of its rows goes to *kept*, but for a few that are looked at again."""
    model, base, _ = _trainings(subject, options)[0]
    counting = None if options.is_quick else Counting(base, options.models)
    writer = ColumnWriter(kept)
    with open_data(subject) as stream:
        method = subject.method or guess_format(stream).method
        stream.seek(0)
        found = scan(
            watch(subject, stream),
            subject.path,
            method,
            writer,
            counting=counting,
            graded=subject.graded,
            file=subject.file,
        )
    writer.finish()
    columns = Columns(kept)
    lengths = None if options.is_quick else lengths_of(columns)
    others = [*row_count_problems(found.rows, path=subject.path, method=method, use=_use(subject))]
    if options.is_quick:
        others += duplicates(columns, subject.path)
    else:
        others += whole_problems(columns, subject.path, _row_reader(subject, columns))
        others += cut_rows(columns, subject.path, model=model, most=row_tokens_max(base, found.format))
    checked = Checked(
        subject=subject,
        method=method,
        format=found.format,
        sha256=found.sha256,
        bytes=found.bytes,
        rows=found.rows,
        lengths=lengths,
        estimates=_estimates(subject, columns, method, found.format, options) if lengths else (),
        problems=_wanted((*found.problems, *others), options.ignored | subject.ignored),
        counts=found.counts | Counter(problem.code for problem in others),
    )
    return checked, columns


def _use(subject: Subject) -> Use:
    return "training" if subject.role == "training" else "validation"


def _trainings(subject: Subject, options: Options) -> tuple[Training, ...]:
    """What the file may train: with the model that was asked for, with those of its specs, or with OpenAI's usual ones.

    All but those of specs count tokens alike; the first one's tokens are counted.
    """
    if options.model is None and subject.trainings:
        return subject.trainings
    first = base_named(options.model or USUAL_MODEL)
    assert first is not None, "the command has looked"
    alike = {
        model: base
        for model, base in profile(OPENAI).bases.items()
        if options.model is None and base.tokenizer == first[1].tokenizer
    }
    return tuple(Training(model, base, None) for model, base in (alike or {first[0]: first[1]}).items())


def _estimates(
    subject: Subject, columns: Columns, method: MethodName, format_: Format, options: Options
) -> tuple[Estimate, ...]:
    if subject.role != "training":
        return ()
    aliases = {model: alias for alias, model in profile(OPENAI).aliases.items()}
    are_usual = options.model is None and not subject.trainings
    return tuple(
        Estimate(
            model=model,
            alias=aliases.get(model, model),
            base=base,
            cost=training_cost(
                None if base is UNKNOWN_BASE else base,
                method=method,
                rows=columns.rows,
                tokens_an_epoch=tokens_cut_at(columns, row_tokens_max(base, format_)),
                epochs=epochs,
            ),
        )
        for model, base, epochs in _trainings(subject, options)
        # Of the usual models, those that are trained by this method.
        if not are_usual or (base.training_usd_per_hour is not None) == (method == "reinforcement")
    )


def _row_reader(subject: Subject, columns: Columns) -> ReadRow:
    """Read single rows again; the file is opened for each, so that many files can be looked at."""
    offsets, sizes = columns.read("offset"), columns.read("size")

    def read_row(row: int) -> bytes:
        with open_data(subject) as stream:
            stream.seek(int(offsets[row]))
            return stream.read(int(sizes[row]))

    return read_row


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


def _wanted(problems: Iterable[Diagnostic], ignored: AbstractSet[str]) -> tuple[Diagnostic, ...]:
    """Leave out what nobody wants to hear of; an error is always heard."""
    return tuple(problem for problem in problems if problem.severity is Severity.ERROR or problem.code not in ignored)

"""Check data files, in a project or without one: what they hold, what is wrong with each, and with all together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, cast

import orjson

from ftops.among import Used, problems_among
from ftops.dataset.lengths import cut_problems
from ftops.dataset.limits import row_count_problems
from ftops.dataset.tokens.base import Counting
from ftops.diagnostics import ProblemsError, Severity
from ftops.examine import Reading, Source, unchanged
from ftops.plan.cost import Cost, training_cost
from ftops.remote.moderation import moderation_problems
from ftops.remote.profiles import OPENAI, base_named, profile
from ftops.subjects import UNKNOWN_BASE, Training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from collections.abc import Set as AbstractSet
    from pathlib import Path
    from typing import BinaryIO

    from ftops.among import History
    from ftops.dataset.formats import Format
    from ftops.dataset.guess import MethodName
    from ftops.dataset.lengths import Lengths
    from ftops.dataset.limits import Use
    from ftops.dataset.tokens.base import Base
    from ftops.diagnostics import Diagnostic
    from ftops.examine import Examined, Examiner
    from ftops.remote.moderation import Ask
    from ftops.subjects import Subject

USUAL_MODEL: Final = "gpt-4.1-mini"
"""Whose tokens are counted unless another is asked for: OpenAI's models that can still be trained count alike."""
AGAIN: Final = "run the command again later, or on fewer files at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to check."""

    models: Path
    """The folder of the local models, whose files hold their tokenizers."""
    model: str | None = None
    """The base model whose limits and price count, which must be known; the usual ones if None."""
    is_quick: bool = False
    """Look at each row by itself: count no tokens, compare neither rows nor files."""
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
    examiner: Examiner,
    *,
    history: History | None = None,
    watch: Callable[[Subject, BinaryIO], BinaryIO] = lambda _, stream: stream,
) -> Report:
    """Read every file once, if it is not known yet, and hold them against the rules, and then against each other.

    Args:
        subjects: In the order of the report.
        options: How.
        examiner: Keeps what is learnt; a quick check neither asks nor tells it.
        history: What was trained on before, to be compared as well.
        watch: Gives the stream through which a file is read, such as one that tells how far it is.
    """
    files: list[Checked] = []
    used: list[Used] = []
    problems: list[Diagnostic] = []
    for subject in subjects:
        try:
            if options.is_quick:
                files.append(_look_at_rows(subject, options, partial(watch, subject)))
            else:
                file, use = _check_file(subject, options, examiner, partial(watch, subject))
                files.append(file)
                used.append(use)
        except ProblemsError as error:
            problems += error.problems
    if used:
        examiner.save()
        problems += problems_among(examiner, used, history)
    return Report(files=tuple(files), problems=_wanted(problems, options.ignored))


def moderated(report: Report, ask: Ask) -> Report:
    """Ask a provider about all texts of all files, and add to *report* what it flags, or why it does not answer."""
    files = []
    for file in report.files:
        found: list[Diagnostic] = []
        try:
            with file.subject.open() as stream:
                found.extend(moderation_problems(_texts(stream, file.format), file.subject.path, ask))
        except ProblemsError as error:
            found += [replace(each, fix=AGAIN) if each.code == "remote-busy" else each for each in error.problems]
        counts = Counter(problem.code for problem in found)
        files.append(replace(file, problems=(*file.problems, *found), counts=file.counts | counts))
    return replace(report, files=tuple(files))


def _look_at_rows(subject: Subject, options: Options, watch: Callable[[BinaryIO], BinaryIO]) -> Checked:
    """Read a file once, row by row, and keep nothing of it."""
    from ftops.dataset.scan import scan  # noqa: PLC0415  # it loads numpy, which known files do not need

    method = subject.method or _guessed(subject)
    graded = tuple(dict.fromkeys(field for training in subject.trainings for field in training.graded))
    with subject.open() as stream, unchanged(stream, subject.path):
        found = scan(watch(stream), subject.path, method, graded=graded, file=subject.file)
    others = row_count_problems(found.rows, path=subject.path, method=method, use=_use(subject))
    return Checked(
        subject=subject,
        method=method,
        format=found.format,
        sha256=found.sha256,
        bytes=found.bytes,
        rows=found.rows,
        lengths=None,
        estimates=(),
        problems=_wanted((*found.problems, *others), options.ignored | subject.ignored),
        counts=found.counts | Counter(problem.code for problem in others),
    )


def _check_file(
    subject: Subject, options: Options, examiner: Examiner, watch: Callable[[BinaryIO], BinaryIO]
) -> tuple[Checked, Used]:
    """Examine a file as each of its trainings reads it; most of them read it alike."""
    method = subject.method or _guessed(subject)
    source = Source(path=subject.path, file=subject.file, open=subject.open)
    found: list[tuple[Training, Examined]] = []
    # Of those that find the same, the first is named.
    distinct: dict[str, tuple[Training, Examined]] = {}
    for training in _trainings(subject, method, options):
        reading = Reading(method, Counting(training.base, options.models), training.graded)
        examined = examiner.examine(source, reading, watch)
        found.append((training, examined))
        distinct.setdefault(reading.full_key, found[-1])
    first, examined = found[0]
    others = [*row_count_problems(examined.rows, path=subject.path, method=method, use=_use(subject))]
    for training, each in distinct.values():
        others += cut_problems(each.cut, each.lengths, subject.path, training.model)
    problems = dict.fromkeys(problem for _, each in distinct.values() for problem in each.problems)
    counts: Counter[str] = Counter()
    for _, each in distinct.values():
        counts |= Counter(each.counts)
    checked = Checked(
        subject=subject,
        method=method,
        format=cast("Format", examined.format),
        sha256=examined.sha256,
        bytes=examined.bytes,
        rows=examined.rows,
        lengths=examined.lengths,
        estimates=_estimates(found, method) if subject.role == "training" and examined.lengths else (),
        problems=_wanted((*problems, *others), options.ignored | subject.ignored),
        counts={**counts, **Counter(problem.code for problem in others)},
    )
    reading = Reading(method, Counting(first.base, options.models), first.graded)
    return checked, Used(source, reading, examined.sha256, subject.uses, subject.ignored)


def _guessed(subject: Subject) -> MethodName:
    from ftops.dataset.guess import guess_format  # noqa: PLC0415  # not where specs say it

    with subject.open() as stream:
        return guess_format(stream).method


def _use(subject: Subject) -> Use:
    return "training" if subject.role == "training" else "validation"


def _trainings(subject: Subject, method: MethodName, options: Options) -> tuple[Training, ...]:
    """What the file may train: with the model that was asked for, with those of its specs, or with OpenAI's usual ones.

    Of the usual ones, those that count tokens alike and are trained by this method.
    """
    if options.model is None and subject.trainings:
        return subject.trainings
    asked = base_named(options.model or USUAL_MODEL)
    assert asked is not None, "the command has looked"
    model, base = asked
    if options.model:
        return tuple(dict.fromkeys(each._replace(model=model, base=base) for each in subject.trainings)) or (
            Training(model, base, None),
        )
    return tuple(
        Training(name, each, None)
        for name, each in profile(OPENAI).bases.items()
        if each.tokenizer == base.tokenizer and (each.training_usd_per_hour is not None) == (method == "reinforcement")
    )


def _estimates(found: Iterable[tuple[Training, Examined]], method: MethodName) -> tuple[Estimate, ...]:
    aliases = {model: alias for alias, model in profile(OPENAI).aliases.items()}
    return tuple(
        Estimate(
            model=training.model,
            alias=aliases.get(training.model, training.model),
            base=training.base,
            cost=training_cost(
                None if training.base is UNKNOWN_BASE else training.base,
                method=method,
                rows=examined.rows,
                tokens_an_epoch=examined.cut.tokens,
                epochs=training.epochs,
            ),
        )
        for training, examined in found
    )


def _texts(stream: BinaryIO, format_: Format) -> Iterator[tuple[int, str]]:
    """The line of each row that can be read, with all that is said in it."""
    from ftops.dataset.lines import read_blocks  # noqa: PLC0415  # only with --moderate
    from ftops.dataset.said import said_in  # noqa: PLC0415

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

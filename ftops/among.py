"""What is wrong between data files: among those of a project as they are, and with what was trained on before."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ftops import __version__
from ftops.dataset.grader import item_fields
from ftops.dataset.version import RULES_VERSION
from ftops.dataset.whole.uses import FileUse
from ftops.diagnostics import Diagnostic, Severity
from ftops.digest import digest_of, short
from ftops.examine import Reading
from ftops.lockstore import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ftops.dataset.columns import Columns
    from ftops.dataset.tokens.base import Counting
    from ftops.dataset.whole.leaks import NamedFile
    from ftops.examine import Examiner, Source
    from ftops.lockfile import DataFile, Generation, Inputs, Lockfile

READ_BYTES_MAX: Final = 256 << 20
"""Of data that is not kept any more, and so is read from git's history, in one run: the newest generations first."""
OLD_ROWS_MAX: Final = 2_000_000
"""Of earlier data that is compared: memory grows with its rows."""
MEMOS_MAX: Final = 20


class Used(NamedTuple):
    """A file as it is now, and what it is for."""

    source: Source
    reading: Reading
    sha256: str
    uses: tuple[FileUse, ...]
    ignored: frozenset[str] = frozenset()
    """Codes of checks that all who use the file switch off."""


class History(NamedTuple):
    """What models were trained on before."""

    root: Path
    """Of the project, in whose git history the data may be."""
    lock: Lockfile


class _Old(NamedTuple):
    """A file as generations were trained on it."""

    file: DataFile
    commit: str | None
    reading: Reading
    uses: tuple[FileUse, ...]


def problems_among(examiner: Examiner, files: Iterable[Used], history: History | None = None) -> tuple[Diagnostic, ...]:
    """Compare files with each other and with those of earlier generations; only if one of them changed.

    Earlier data is taken from the columns that are kept of it, or else from git, as far as it is found there. What is
    found nowhere, or is beyond the bounds of this module, is left out without a word.

    Args:
        examiner: Which has examined *files*, and keeps what is found.
        files: As they are now, each once for each method.
        history: Without it, only *files* are compared.
    """
    files = tuple(files)
    olds: tuple[_Old, ...] = ()
    if history and files:
        files, olds = _with_generations(files, history.lock)
    uses = [use for each in files for use in each.uses] + [use for old in olds for use in old.uses]
    if all(use.role == "training" for use in uses):
        return ()
    file = examiner.folder / "among" / f"{_key(files, olds)}.json"
    try:
        problems = _decode(file.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        problems = _compared(examiner, files, olds, history)
        with suppress(OSError):
            _remember(file, problems)
    off: dict[str, frozenset[str]] = {}
    for each in files:
        off[each.source.path] = off.get(each.source.path, each.ignored) & each.ignored
    return tuple(problem for problem in problems if not _is_off(problem, off))


_decode = msgspec.json.Decoder(tuple[Diagnostic, ...]).decode


def _is_off(problem: Diagnostic, off: Mapping[str, frozenset[str]]) -> bool:
    """Whether all who use the file that it is about do not want to hear of it."""
    path = problem.place.path if problem.place else ""
    return problem.severity is not Severity.ERROR and problem.code in off.get(path, frozenset())


def _with_generations(files: Sequence[Used], lock: Lockfile) -> tuple[tuple[Used, ...], tuple[_Old, ...]]:
    """Add to *files* which generations they were used by, and give what else generations used, the newest first."""
    at = {each.sha256: position for position, each in reversed(list(enumerate(files)))}
    countings = {use.spec: each.reading.counting for each in files for use in each.uses}
    uses: list[dict[FileUse, None]] = [dict.fromkeys(each.uses) for each in files]
    olds: dict[str, _Old] = {}
    for spec, generation, inputs in _generations(lock):
        for use, file in _uses(spec, generation, inputs):
            found = at.get(file.sha256)
            if found is None:
                reading = _reading(inputs, countings.get(spec, files[0].reading.counting))
                old = olds.setdefault(file.sha256, _Old(file, generation.commit, reading, ()))
                olds[file.sha256] = old._replace(uses=(*old.uses, use))
            elif FileUse(spec=spec, role=use.role) not in uses[found]:
                uses[found][use] = None
    return tuple(each._replace(uses=tuple(use)) for each, use in zip(files, uses, strict=True)), tuple(olds.values())


def _generations(lock: Lockfile) -> Iterator[tuple[str, Generation, Inputs]]:
    """All generations whose inputs are recorded, with the name of their spec, the newest first."""
    found = ((name, each) for name, entry in lock.models.items() for each in entry.generations)
    for name, each in sorted(found, key=lambda one: one[1].job.created_at, reverse=True):
        if each.inputs:
            yield name, each, each.inputs


def _uses(spec: str, generation: Generation, inputs: Inputs) -> Iterator[tuple[FileUse, DataFile]]:
    digest = short(generation.digest)
    yield FileUse(spec=spec, role="training", generation=digest), inputs.training_file
    if inputs.validation_file:
        yield FileUse(spec=spec, role="validation", generation=digest), inputs.validation_file


def _reading(inputs: Inputs, counting: Counting) -> Reading:
    """As such a file is read today, so that its columns are found if they are kept."""
    method = str(inputs.method.get("type"))
    match inputs.method.get(method):
        case {"grader": grader}:
            return Reading(method, counting, item_fields(grader))
        case _:
            return Reading(method, counting)


def _key(files: Iterable[Used], olds: Iterable[_Old]) -> str:
    """Other for all that may lead to other problems."""
    now = [[each.source.path, each.reading.key, each.sha256, _told(each.uses)] for each in files]
    before = [[each.file.path, each.file.sha256, _told(each.uses)] for each in olds]
    return short(digest_of([__version__, RULES_VERSION, now, before]))


def _told(uses: Iterable[FileUse]) -> list[list[str | None]]:
    return [[use.spec, use.role, use.generation] for use in uses]


def _remember(file: Path, problems: tuple[Diagnostic, ...]) -> None:
    """Keep what was found, and of what was found before the newest.

    Raises:
        OSError: It cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, msgspec.json.encode(problems))
    newest = sorted(file.parent.glob("*.json"), key=lambda each: each.stat().st_mtime_ns, reverse=True)
    for each in newest[MEMOS_MAX:]:
        each.unlink(missing_ok=True)


def _compared(
    examiner: Examiner, files: Iterable[Used], olds: Iterable[_Old], history: History | None
) -> tuple[Diagnostic, ...]:
    from ftops.dataset.whole.check import project_problems  # noqa: PLC0415  # only where files changed
    from ftops.dataset.whole.leaks import NamedFile  # noqa: PLC0415

    with ExitStack() as stack:
        named = []
        for each in files:
            columns = stack.enter_context(examiner.columns(each.source, each.reading, each.sha256))
            read_row = _row_reader(each.source, columns)
            named.append(NamedFile(path=each.source.path, columns=columns, uses=each.uses, read_row=read_row))
        if history:
            named += _earlier(examiner, olds, history.root, stack)
        return project_problems([each for each in named if each.columns.rows])


def _earlier(examiner: Examiner, olds: Iterable[_Old], root: Path, stack: ExitStack) -> Iterator[NamedFile]:
    """Earlier data, as far as the bounds allow."""
    from ftops.compare import Recorded, recorded_columns  # noqa: PLC0415  # as above
    from ftops.dataset.whole.leaks import NamedFile  # noqa: PLC0415

    bytes_left, rows_left = READ_BYTES_MAX, OLD_ROWS_MAX
    for old in olds:
        if old.file.rows > rows_left:
            continue
        columns = stack.enter_context(examiner.known(old.reading, old.file.sha256))
        if columns is None and old.file.bytes <= bytes_left:
            bytes_left -= old.file.bytes
            columns = stack.enter_context(recorded_columns(examiner, root, Recorded(old.file, old.commit), old.reading))
        if columns:
            rows_left -= columns.rows
            yield NamedFile(path=old.file.path, columns=columns, uses=old.uses)


def _row_reader(source: Source, columns: Columns) -> Callable[[int], bytes]:
    """Read single rows again; the file is opened for each, so that many files can be looked at."""

    def read_row(row: int) -> bytes:
        with source.open() as stream:
            return os.pread(stream.fileno(), columns.value("size", row), columns.value("offset", row))

    return read_row

"""`ftops check`."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import click

from ftops.cli import frame
from ftops.cli.door import PROBLEM, WRONG_USAGE
from ftops.clock import SystemClock
from ftops.diagnostics import Diagnostic, ProblemsError, Severity
from ftops.spec.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftops.among import History
    from ftops.check import Report
    from ftops.dataset.guess import MethodName
    from ftops.examine import Examiner
    from ftops.mend import NewFile
    from ftops.project import Project
    from ftops.remote.moderation import Ask
    from ftops.subjects import Subject

METHODS = ("supervised", "dpo", "reinforcement")


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--method", type=click.Choice(METHODS), help="Take the rows as for this method, instead of guessing it.")
@click.option("--model", metavar="NAME", help="Base model whose token limit and price count.")
@click.option("--ignore", "ignored", metavar="CODE", multiple=True, help="Leave out a warning or note; repeatable.")
@click.option("--quick", is_flag=True, help="Look at each row only: count no tokens, compare no rows or files.")
@click.option("--fix", is_flag=True, help="Mend what can be mended safely, in a new file beside the old one.")
@click.option("--moderate", is_flag=True, help="Send the texts to the target's moderation, and say what it flags.")
@click.option("--format", "shape", type=click.Choice(["text", "github"]), default="text", help="Or annotations.")
@frame.json_option
def check(
    paths: tuple[str, ...],
    method: MethodName | None,
    model: str | None,
    ignored: tuple[str, ...],
    shape: Literal["text", "github"],
    *,
    quick: bool,
    fix: bool,
    moderate: bool,
    as_json: bool,
) -> int:
    """Check training data: format, content, tokens, cost, and files against each other.

    PATH is any data file, or a folder with .jsonl files. Without one, all data of the project's specs is checked.
    Content of rows is never shown. Exits with 1 if there are errors: what the provider would refuse.
    """
    from ftops import check as checks  # noqa: PLC0415  # commands load what they use
    from ftops.cli.watch import watched  # noqa: PLC0415
    from ftops.dataset.tokens.base import models_folder  # noqa: PLC0415

    if as_json and shape != "text":
        raise click.UsageError("--json and --format exclude each other")
    if model:
        frame.base_of(model)
    _can_be_ignored(ignored)
    asked = _at(paths, method) if paths else _of_the_project(method)
    mended = _mended(asked.subjects) if fix else _Mended(asked.subjects)
    options = checks.Options(models=models_folder(os.environ), model=model, is_quick=quick, ignored=frozenset(ignored))
    with _examiner(asked.project) as examiner:
        report = checks.check(
            mended.subjects,
            options,
            examiner,
            history=asked.history,
            watch=lambda subject, stream: watched(stream, subject.path),
        )
    report = replace(report, problems=(*asked.problems, *mended.problems, *report.problems))
    if moderate:
        report = checks.moderated(report, _moderation())
    _show(report, mended, shape, as_json=as_json)
    return PROBLEM if report.has_errors else 0


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be checked."""

    subjects: tuple[Subject, ...]
    problems: tuple[Diagnostic, ...]
    project: Project | None
    """Which all files lie in, so that what is learnt of them is kept there."""
    history: History | None = None


@dataclass(frozen=True, slots=True)
class _Mended:
    """What is to be checked, after mending."""

    subjects: tuple[Subject, ...]
    new_files: tuple[NewFile, ...] = ()
    problems: tuple[Diagnostic, ...] = ()


def _mended(subjects: Sequence[Subject]) -> _Mended:
    """Mend all files; the new ones take the place of the old ones."""
    from ftops.mend import mend_file  # noqa: PLC0415  # only with --fix

    new_files: dict[Subject, NewFile] = {}
    problems: list[Diagnostic] = []
    for subject in subjects:
        try:
            if not subject.is_built and (new := mend_file(subject)):
                new_files[subject] = new
        except ProblemsError as error:
            # What cannot be read is told by the check itself.
            problems += [problem for problem in error.problems if problem.code.startswith("fix-")]
    ours = (new_files[subject].new if subject in new_files else subject for subject in subjects)
    return _Mended(tuple(ours), tuple(new_files.values()), tuple(problems))


def _at(paths: Sequence[str], method: MethodName | None) -> _Asked:
    from ftops.project import open_project  # noqa: PLC0415  # commands load what they use
    from ftops.subjects import subjects_at  # noqa: PLC0415

    subjects, problems = subjects_at(paths, method)
    try:
        project = open_project(frame.current_folder())
    except ProblemsError:
        # There is none, or one with problems of its own, which are told where it is asked for.
        return _Asked(subjects, problems, None)
    is_inside = all(subject.file.resolve().is_relative_to(project.root) for subject in subjects)
    return _Asked(subjects, problems, project if is_inside else None)


def _of_the_project(method: MethodName | None) -> _Asked:
    """The data of all specs of the project that the current folder lies in, and warnings about it.

    Raises:
        click.UsageError: There is no project, or a method was given, which specs say themselves.
        ProblemsError: The project has problems of its own, or no data.
    """
    from ftops.among import History  # noqa: PLC0415  # only without paths
    from ftops.lockstore import LockStore  # noqa: PLC0415
    from ftops.project import open_project  # noqa: PLC0415
    from ftops.subjects import subjects_of  # noqa: PLC0415

    if method:
        raise click.UsageError("--method goes with a PATH: of the project's data, the specs say the method")
    try:
        project = open_project(frame.current_folder())
    except ProblemsError as error:
        if error.problems[0].code != "project-missing":
            raise
        raise click.UsageError(
            "name a file or a folder, such as `ftops check train.jsonl`; without one, the data of a project is "
            "checked, and there is no project here"
        ) from None
    subjects, warnings = subjects_of(project)
    if not subjects:
        raise ProblemsError(
            Diagnostic(
                code="check-nothing",
                summary="no spec of the project names data",
                fix="name a file or a folder, such as `ftops check train.jsonl`",
            ),
            exit_code=WRONG_USAGE,
        )
    recorded = LockStore(project.root, project.lock_name, project.target.name).read()
    return _Asked(subjects, warnings, project, History(project.root, recorded))


@contextmanager
def _examiner(project: Project | None) -> Iterator[Examiner]:
    """What keeps its findings in *project*; without one, nothing is left of them."""
    from ftops.examine import Examiner  # noqa: PLC0415  # commands load what they use
    from ftops.subjects import examiner_of  # noqa: PLC0415

    if project:
        yield examiner_of(project)
        return
    with TemporaryDirectory(prefix="ftops-") as folder:
        yield Examiner(Path(folder))


def _can_be_ignored(codes: Sequence[str]) -> None:
    """Look the codes up among all checks.

    Raises:
        ProblemsError: One is not known, or is that of an error.
    """
    if not codes:
        return
    from ftops.dataset.catalogue import checks  # noqa: PLC0415  # only with --ignore

    known = {each.fault.code: False for each in checks()}
    known |= {each.fault.code: True for each in checks() if each.fault.severity is not Severity.ERROR}
    for code in codes:
        if code not in known:
            near = nearest(code, known)
            raise ProblemsError(
                Diagnostic(
                    code="check-ignore",
                    summary=f"there is no check `{code}`",
                    fix=f"did you mean `{near}`?" if near else "leave it out; each problem is shown with its code",
                ),
                exit_code=WRONG_USAGE,
            )
        if not known[code]:
            raise ProblemsError(
                Diagnostic(
                    code="check-ignore",
                    summary=f"`{code}` cannot be ignored: it is an error",
                    why="the provider refuses such data, whatever we say of it",
                    fix=f"leave `--ignore {code}` out, and mend what it names",
                ),
                exit_code=WRONG_USAGE,
            )


def _moderation() -> Ask:
    """The moderation of the project's default target; OpenAI's where there is no project.

    Raises:
        ProblemsError: The target has none, or its key is missing.
    """
    from ftops.project import open_project  # noqa: PLC0415  # only with --moderate
    from ftops.remote.connect import connect  # noqa: PLC0415
    from ftops.spec.config import Target  # noqa: PLC0415

    try:
        target = open_project(frame.current_folder()).target
    except ProblemsError as error:
        if error.problems[0].code != "project-missing":
            raise
        target = Target(name="openai", profile="openai")
    if target.profile == "local" and target.base_url is None:
        raise ProblemsError(
            Diagnostic(
                code="check-moderation",
                summary=f"the target `{target.name}` has no moderation",
                why="what a provider refuses, only that provider can say; the local server refuses nothing",
                fix="set `default_target` in `ftops.yaml` to a target that has, such as one with `profile: openai`",
            )
        )
    provider = connect(target, repo="", state=Path(".ftops"), environ=os.environ, clock=SystemClock())
    return provider.moderate


def _show(report: Report, mended: _Mended, shape: str, *, as_json: bool) -> None:
    if as_json:
        from ftops.report.check_json import report_json  # noqa: PLC0415  # only with --json

        frame.answer_json(report_json(report, mended.new_files))
        return
    from ftops.report.check import Look, groups_of, render_mended, render_report  # noqa: PLC0415  # as above
    from ftops.report.plot import can_show_blocks  # noqa: PLC0415

    if shape == "github":
        from ftops.report.annotations import annotation_lines  # noqa: PLC0415

        for line in annotation_lines(groups_of(report)):
            frame.answer(line)
    look = Look(width=frame.width(), colour=frame.colour(), is_ascii=not can_show_blocks(sys.stdout.encoding))
    for new in mended.new_files:
        frame.answer(render_mended(new, look) + "\n")
    frame.answer(render_report(report, look, today=datetime.now(UTC).date()))

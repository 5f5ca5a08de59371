"""What commands share: the options that many have, the project, and how they speak."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from ftops.cli.door import REFUSED, WRONG_USAGE, show_problems, wants_colour
from ftops.clock import SystemClock
from ftops.diagnostics import Diagnostic, ProblemsError, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ftops.dataset.tokens.base import Base
    from ftops.lockfile import Entry, Generation, Lockfile
    from ftops.plan.changes import Outcome
    from ftops.plan.plan import Plan
    from ftops.reconcile import World

Function = TypeVar("Function", bound="Callable[..., object]")

target_option = click.option("--target", metavar="NAME", help="Target of ftops.yaml, instead of the default one.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print problems only.")
verbose_option = click.option("-v", "--verbose", is_flag=True, help="Show unchanged models as well.")
selectors_argument = click.argument("selectors", metavar="[SPEC]...", nargs=-1)
retry_option = click.option("--retry-failed", is_flag=True, help="Train again what failed, was cancelled or is gone.")


def open_world(target: str | None) -> World:
    """The project that the current folder lies in."""
    from ftops.project import open_project  # noqa: PLC0415  # only commands that work on a project
    from ftops.reconcile import World  # noqa: PLC0415

    project = open_project(current_folder(), target)
    return World(project=project, environ=os.environ, clock=SystemClock())


def current_folder() -> Path:
    """Where the command was called.

    Raises:
        ProblemsError: Somebody deleted it meanwhile.
    """
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ProblemsError(
            Diagnostic(
                code="project-missing",
                summary="the current folder does not exist any more",
                fix="go to a folder that does",
            )
        ) from None


def say(text: str) -> None:
    """A message for the person, on stderr."""
    click.echo(text, err=True)


def answer(text: str) -> None:
    """What was asked for, on stdout."""
    click.echo(text)


def answer_json(value: object) -> None:
    """What was asked for, for a script."""
    import msgspec  # noqa: PLC0415  # only with --json

    from ftops.report.machine import json_of  # noqa: PLC0415

    click.echo(msgspec.json.format(json_of(value), indent=2))


def tell_collected(planned: Plan, now: int) -> None:
    """Say when results that are waited for were last collected: what collects them in CI may have stopped."""
    if planned.collected_at is not None:
        from ftops.report.figures import ago  # noqa: PLC0415  # only where something is waited for

        say(f"results were last collected {ago(planned.collected_at, now)}")


def warn(warnings: Sequence[Diagnostic]) -> None:
    """Show what is no error."""
    if warnings:
        show_problems(warnings)


def refused(plan: Plan) -> int:
    """Show what policy refuses of *plan*; 3 if it refuses anything."""
    warn(plan.refusals)
    return REFUSED if plan.refusals else 0


def width() -> int:
    return shutil.get_terminal_size((100, 24)).columns


def colour() -> bool:
    return wants_colour(sys.stdout)


def tell(outcome: Outcome) -> None:
    """Say at once what was done about one change."""
    from ftops.report.terminal import visible  # noqa: PLC0415  # what a provider sends is not to be trusted

    say(visible(f"{outcome.name}: {outcome.text}"))


def silent(outcome: Outcome) -> None:
    """Say nothing, with --quiet."""


def exit_code(outcomes: Sequence[Outcome], left: Plan | None = None) -> int:
    """Show what went wrong, and what policy refuses of what is *left*; 1 if anything went wrong, else 3 if it does.

    Waiting for a slot or another machine is nothing wrong.
    """
    failed = [outcome.problem for outcome in outcomes if outcome.problem and not outcome.waits]
    waiting = [outcome.problem for outcome in outcomes if outcome.problem and outcome.waits]
    warn([*(replace(problem, severity=Severity.WARNING) for problem in waiting), *failed])
    policy = refused(left) if left else 0
    return 1 if failed else policy


def base_of(model: str) -> tuple[str, Base]:
    """The full name of a base model, and what is known of it.

    Raises:
        ProblemsError: Nothing is.
    """
    from ftops.remote.profiles import LOCAL, OPENAI, base_named, profile  # noqa: PLC0415  # commands load what they use

    if found := base_named(model):
        return found
    from ftops.spec.nearest import nearest  # noqa: PLC0415  # only for a mistake

    known = sorted(name for each in (OPENAI, LOCAL) for name in (*profile(each).bases, *profile(each).aliases))
    near = nearest(model, known)
    raise ProblemsError(
        Diagnostic(
            code="check-model",
            summary=f"nothing is known of the base model `{model}`",
            why="its tokenizer, limit and price come from a table of OpenAI's and the local models",
            fix=f"did you mean `{near}`?" if near else "name one of " + ", ".join(f"`{name}`" for name in known),
        ),
        exit_code=WRONG_USAGE,
    )


def entry_of(lock: Lockfile, spec: str) -> Entry:
    """What is recorded of *spec*.

    Raises:
        ProblemsError: Nothing is.
    """
    if spec in lock.models:
        return lock.models[spec]
    from ftops.spec.nearest import nearest  # noqa: PLC0415  # only for a mistake

    near = nearest(spec, lock.models)
    raise ProblemsError(
        Diagnostic(
            code="spec-unrecorded",
            summary=f"the lockfile has nothing of `{spec}`",
            why="a spec is recorded from its first `ftops apply` on",
            fix=f"did you mean `{near}`?" if near else "`ftops status` lists the models, `ftops apply` trains them",
        )
    )


def generation_of(lock: Lockfile, spec: str) -> Generation:
    """The newest generation of *spec*, or the one whose job has this id.

    Raises:
        ProblemsError: There is none.
    """
    for entry in lock.models.values():
        if found := next((each for each in entry.generations if each.job.id == spec), None):
            return found
    generations = entry_of(lock, spec).generations
    if generations:
        return generations[-1]
    raise ProblemsError(
        Diagnostic(
            code="spec-unrecorded",
            summary=f"`{spec}` has no job yet",
            why="its create was begun, and is finished by the next `ftops reconcile`",
            fix="run `ftops reconcile`",
        )
    )

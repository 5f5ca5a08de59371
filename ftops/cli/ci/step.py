"""What the commands of a workflow share: the run that they are part of, and problems told where GitHub shows them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ftops.cli import frame
from ftops.cli.door import WRONG_USAGE
from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.git import folder_in_repository
from ftops.github import runner
from ftops.github.event import run_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ftops.github.event import Run
    from ftops.plan.changes import Outcome
    from ftops.plan.plan import Plan
    from ftops.reconcile import World


def current_run() -> Run:
    """The run that this step is part of.

    Raises:
        ProblemsError: It is none of GitHub Actions.
    """
    run = run_of(os.environ)
    if run is None:
        raise ProblemsError(_outside(), exit_code=WRONG_USAGE)
    return run


def annotate(problems: Iterable[Diagnostic]) -> None:
    """Tell *problems* of the project here at the lines of the files that they are about."""
    runner.annotate(problems, folder=folder_in_repository(frame.current_folder()))


@contextmanager
def annotated() -> Iterator[None]:
    """Tell problems at the lines of the files that they are about, and pass them on."""
    try:
        yield
    except ProblemsError as error:
        annotate(error.problems)
        raise


@contextmanager
def committed_back(run: Run, world: World) -> Iterator[None]:
    """Commit the lockfile back when all is done; also when it failed or was stopped, for some may be done then."""
    from ftops.github.commit import commit_back  # noqa: PLC0415  # it needs git

    def commit() -> None:
        frame.say(commit_back(world.store(), run, environ=world.environ, clock=world.clock, chance=world.chance))

    try:
        yield
    except BaseException:
        try:
            commit()
        except ProblemsError as second:
            frame.warn(second.problems)
        raise
    commit()


def told_results(
    run: Run,
    command: str,
    outcomes: Sequence[Outcome],
    *,
    left: Plan | None = None,
    problems: Sequence[Diagnostic] = (),
) -> int:
    """Tell on the run's page what was done, and what is *left*; 1 if anything went wrong, 3 if policy refuses some."""
    from ftops.reconcile import outstanding  # noqa: PLC0415  # commands load what they use
    from ftops.report.results import render_results  # noqa: PLC0415

    runner.add_summary(run, render_results(command, outcomes, outstanding=len(outstanding(left)) if left else 0))
    failed = [outcome.problem for outcome in outcomes if outcome.problem and not outcome.waits]
    annotate([*failed, *(left.refusals if left else ()), *problems])
    return frame.exit_code(outcomes, left)


def refuse_embedded(world: World) -> None:
    """See that models are trained elsewhere: this machine is gone when the job ends.

    Raises:
        ProblemsError: They are not.
    """
    if world.project.target.is_embedded:
        raise ProblemsError(_embedded(world.project.target.name), exit_code=WRONG_USAGE)


def _outside() -> Diagnostic:
    return Diagnostic(
        code="ci-outside",
        summary="this is no run of a workflow of GitHub Actions",
        why="`ftops ci` speaks with GitHub about the run, and the variable `GITHUB_ACTIONS` is not `true`",
        fix="on your machine, `ftops plan`, `ftops apply` and `ftops reconcile` do the same",
    )


def _embedded(target: str) -> Diagnostic:
    return Diagnostic(
        code="ci-embedded",
        summary=f"the target `{target}` trains on this machine, which is gone when the job ends",
        why="a workflow submits, lets the runner go, and collects later: that needs a provider elsewhere",
        fix="name one of ftops.yaml with `--target NAME`; or run `ftops apply --wait` in the workflow, as on a laptop",
    )

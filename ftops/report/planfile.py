"""A plan as a file: what the job that plans hands to those that comment, review and apply.

It is what `ftops plan --json` prints, and the actions that a review of it approves. Whoever reads it back believes
nothing of it but its shape: names and reasons in it come from specs, and those from anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.digest import digest_of_bytes
from ftops.plan.approval import Action, actions
from ftops.plan.plan import Plan
from ftops.report.machine import FORMAT_VERSION, json_of, plan_json
from ftops.report.problems import problem_json

if TYPE_CHECKING:
    from collections.abc import Sequence

BYTES_MAX = 64 * 1024 * 1024
"""Of the file: 2 kB for each of 32,000 models."""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One field whose value asks for another model."""

    field: str
    before: str
    after: str


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is trained from, in names and numbers."""

    base_model: str | None
    parent: str | None
    method: str | None
    training_rows: int | None
    training_tokens: int | None
    training_sha256: str | None
    validation_rows: int | None


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate in USD before tax; None if it is not known, and why."""

    epochs: int
    billed_tokens: int
    usd: float | None
    unknown: str | None


class DataChange(msgspec.Struct, frozen=True, kw_only=True):
    """How the rows of a file changed; tokens are the difference."""

    added: int
    removed: int
    edited: int
    moved: int
    unchanged: int
    tokens: int


class Replaced(msgspec.Struct, frozen=True, kw_only=True):
    """The generation that becomes history."""

    digest: str
    job_id: str
    model_id: str | None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One change."""

    name: str
    kind: str
    pending: bool
    reason: str
    causes: tuple[Cause, ...]
    spec_path: str | None
    digest: str | None
    job_id: str | None
    model_id: str | None
    replaces: Replaced | None
    inputs: Inputs | None
    cost: Cost | None
    seconds: float | None
    """How long it will train, going by earlier jobs."""
    data_changes: dict[str, DataChange]
    attempt: int
    waits_for: str | None


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A diagnostic."""

    severity: str
    code: str
    summary: str
    path: str | None = None
    line: int | None = None
    column: int | None = None
    why: str | None = None
    fix: str | None = None


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, whatever came of it: each has a comment of its own on a pull request."""

    folder: str = ""
    """Where, relative to the repository; empty for its root."""
    target: str | None = None
    """None for the default one, whose name is not known where `ftops.yaml` has a problem."""


WHOLE = Scope()


class PlanFile(msgspec.Struct, frozen=True, kw_only=True):
    """A plan, and what a review of it approves."""

    format_version: int
    target: str
    commit: str | None
    """That is checked out."""
    pending: bool
    checksum: str
    cost_usd: float | None
    limit_usd: float | None
    """What one apply may cost, as ftops.yaml says."""
    counts: dict[str, int]
    changes: tuple[Line, ...]
    warnings: tuple[Problem, ...]
    refusals: tuple[Problem, ...]
    """Why it will not be carried out."""
    problems: tuple[Problem, ...]
    """Why there is no plan: then there are no changes either."""
    retry_failed: bool
    """It trains again what failed, was cancelled or is gone."""
    collected_at: int | None
    """When results were last collected, unix time; None if nothing says so, or nothing is waited for."""
    actions: tuple[Action, ...]
    scope: Scope


def encoded(plan: Plan, *, commit: str | None, scope: Scope = WHOLE, retry_failed: bool = False) -> bytes:
    """The file's bytes, which any reader can check against their digest."""
    told = plan_json(plan) | {"actions": msgspec.to_builtins(actions(plan))}
    return _encoded(told, commit=commit, scope=msgspec.to_builtins(scope), retry_failed=retry_failed)


def encoded_problems(problems: Sequence[Diagnostic], *, commit: str | None, scope: Scope = WHOLE) -> bytes:
    """The same where no plan can be made, so that this is told as a plan would be."""
    told = plan_json(Plan(target=scope.target or "", changes=(), checksum=""))
    listed = [problem_json(problem) for problem in problems]
    return _encoded(told, commit=commit, scope=msgspec.to_builtins(scope), problems=listed)


def _encoded(plan: dict[str, Any], **more: object) -> bytes:
    value = {"actions": [], "problems": [], "retry_failed": False, **plan, **more}
    return msgspec.json.format(json_of(value), indent=1) + b"\n"


def decoded(content: bytes, path: str, *, checksum: str | None = None) -> PlanFile:
    """Read a plan file.

    Args:
        content: Its bytes.
        path: Its name, for messages.
        checksum: What the job that made it says its digest is, if it has one that came another way.

    Raises:
        ProblemsError: It is another file (exit code 3), or none that this ftops can read.
    """
    if checksum is not None and digest_of_bytes(content) != checksum:
        raise ProblemsError(_altered(path), exit_code=3)
    if len(content) > BYTES_MAX:
        raise ProblemsError(_unreadable(path, f"it is larger than {BYTES_MAX:,} bytes"))
    try:
        found = msgspec.json.decode(content, type=PlanFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemsError(_unreadable(path, str(error)[:200])) from None
    if found.format_version != FORMAT_VERSION:
        raise ProblemsError(_unreadable(path, f"its format is version {found.format_version}, not {FORMAT_VERSION}"))
    return found


def _altered(path: str) -> Diagnostic:
    return Diagnostic(
        code="plan-file-altered",
        summary=f"`{path}` is not the plan that was reviewed",
        why="its bytes have another digest than the job that made it told",
        fix="run the workflow again from its beginning; if that happens once more, see who can write its artifacts",
    )


def _unreadable(path: str, why: str) -> Diagnostic:
    return Diagnostic(
        code="plan-file-malformed",
        summary=f"`{path}` is no plan file of this ftops",
        why=why,
        fix="make one with `ftops ci plan --out plan.json`, with the same ftops",
    )

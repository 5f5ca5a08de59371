"""`ftops ci webhook`."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ftops.cli import frame
from ftops.clock import SystemClock
from ftops.diagnostics import Diagnostic, ProblemsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftops.github.event import Run

EVENT = "ftops-reconcile"
"""The workflow that collects starts on it."""
_REPOSITORY = re.compile(r"[\w.-]{1,100}/[\w.-]{1,100}", re.ASCII)


@click.command()
def webhook() -> None:
    """Start the workflow that collects, because OpenAI says in a webhook that a job ended.

    The body comes on stdin, the headers in the variables HTTP_WEBHOOK_ID, HTTP_WEBHOOK_TIMESTAMP and
    HTTP_WEBHOOK_SIGNATURE. OPENAI_WEBHOOK_SECRET, GITHUB_REPOSITORY and GITHUB_TOKEN say whose jobs these are.
    A delivery that comes twice does no harm.
    """
    from ftops.github.api import GitHub  # noqa: PLC0415  # commands load what they use
    from ftops.remote.webhook import BODY_BYTES_MAX, ended_job  # noqa: PLC0415

    run, secret = _set_up(os.environ)
    clock = SystemClock()
    body = sys.stdin.buffer.read(BODY_BYTES_MAX + 1) if sys.stdin else b""
    job = ended_job(body, os.environ, secret=secret, now=clock.now())
    if job is None:
        frame.say("ignored: this event is not about the end of a fine-tuning job")
        return
    GitHub(run=run, environ=os.environ, clock=clock).dispatch(EVENT, {"job": job})
    frame.say(f"`{job}` ended: `{run.repository}` collects it")


def _set_up(environ: Mapping[str, str]) -> tuple[Run, bytes]:
    """The repository, with what is needed to speak with GitHub about it, and the webhook's secret.

    Raises:
        ProblemsError: With all that is missing.
    """
    from ftops.github.event import Run, is_address  # noqa: PLC0415  # as above
    from ftops.gitlogin import token_of  # noqa: PLC0415
    from ftops.remote.webhook import secret_of  # noqa: PLC0415

    problems: list[Diagnostic] = []
    secret, repository, token = b"", environ.get("GITHUB_REPOSITORY", ""), token_of(environ)
    try:
        secret = secret_of(environ)
    except ProblemsError as error:
        problems += error.problems
    if not _REPOSITORY.fullmatch(repository):
        problems.append(_no_repository())
    if not token:
        problems.append(_no_token())
    address = environ.get("GITHUB_API_URL", "").rstrip("/")
    if address and not is_address(address):
        problems.append(_no_address())
    if problems:
        raise ProblemsError(*problems)
    run = Run(repository=repository, token=token)
    return replace(run, api_url=address) if address else run, secret


def _no_repository() -> Diagnostic:
    return Diagnostic(
        code="webhook-setup",
        summary="it is not said which repository is to collect: `GITHUB_REPOSITORY` names none",
        fix="set `GITHUB_REPOSITORY` to its owner and name, such as `acme/models`",
    )


def _no_token() -> Diagnostic:
    return Diagnostic(
        code="webhook-setup",
        summary="without a token GitHub cannot be told: `GITHUB_TOKEN` is not set",
        why="an event of a repository is made by those only who may write to it",
        fix="set `GITHUB_TOKEN` to one with `contents: write` on this repository alone, as in docs/webhook.md",
    )


def _no_address() -> Diagnostic:
    return Diagnostic(
        code="webhook-setup",
        summary="what `GITHUB_API_URL` holds is no address of GitHub's API",
        fix="unset it; for GitHub Enterprise Server, set it to an address such as `https://github.acme.example/api/v3`",
    )

"""From a target's name to its provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.remote.local import local_endpoint
from ftops.remote.profiles import profile
from ftops.remote.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftops.clock import Clock
    from ftops.spec.config import Target

TIMEOUT_SECONDS = 120.0
"""For one answer; an upload may take as long as it makes progress."""


def connect(target: Target, *, repo: str, state: Path, environ: Mapping[str, str], clock: Clock) -> Provider:
    """Make the provider of *target*; nothing is sent yet, but the local server is started if it is asked for.

    Args:
        target: Of ftops.yaml.
        repo: The project's name, by which its jobs are labelled.
        state: The folder of the local server's state.
        environ: Where keys come from.
        clock: For waiting.

    Raises:
        ProblemsError: The key is missing, or the local server does not start.
    """
    dialect = profile(target.profile)
    variable = target.api_key.env if target.api_key else dialect.api_key_env
    if target.profile == "local" and target.base_url is None:
        endpoint = local_endpoint(state, environ, clock)
        url, key = endpoint.url, endpoint.token
    else:
        url, key = target.base_url or dialect.base_url, environ.get(variable, "")
        if not key:
            raise ProblemsError(_no_key(target.name, variable))
    from openai import OpenAI  # noqa: PLC0415  # takes 1 s: only once something is to be called

    client = OpenAI(
        base_url=url,
        api_key=key,
        organization=target.organization,
        project=target.project_id,
        timeout=TIMEOUT_SECONDS,
    )
    return Provider(client, dialect, repo=repo, clock=clock)


def _no_key(target: str, variable: str) -> Diagnostic:
    return Diagnostic(
        code="key-missing",
        summary=f"the target `{target}` needs a key, and `{variable}` is not set",
        why="keys are read from the environment only, so that none is ever written to a file",
        fix=f"`export {variable}=…`, or use `--target local`, which needs none",
    )

"""From a target's name to its provider."""

from __future__ import annotations

import re
import weakref
from typing import TYPE_CHECKING

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.remote.identity import IDENTITY_PROVIDER, SERVICE_ACCOUNT, identity_of
from ftops.remote.local import local_endpoint
from ftops.remote.network import bad_settings, is_here
from ftops.remote.profiles import profile
from ftops.remote.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import httpx2
    from openai import OpenAI

    from ftops.clock import Clock
    from ftops.spec.config import Target

TIMEOUT_SECONDS = 120.0
"""For one answer; an upload may take as long as it makes progress."""
_KEY = re.compile("[!-~]+")
"""What a header can carry."""


def connect(target: Target, *, repo: str, state: Path, environ: Mapping[str, str], clock: Clock) -> Provider:
    """Make the provider of *target*; nothing is sent yet, but the local server is started if it is asked for.

    Args:
        target: Of ftops.yaml.
        repo: The project's name, by which its jobs are labelled.
        state: The folder of the local server's state.
        environ: Where keys come from.
        clock: For waiting.

    Raises:
        ProblemsError: The key is missing or none, or what stands for it is; the local server does not start, or the
            network is set up wrongly.
    """
    dialect = profile(target.profile)
    if target.is_embedded:
        endpoint = local_endpoint(state, environ, clock)
        client = _client(endpoint.url, endpoint.token, target, environ)
        return Provider(client, dialect, repo=repo, clock=clock)
    variable = target.api_key.env if target.api_key else dialect.api_key_env
    # A line feed at its end comes from a file, and is no part of it.
    url, key = target.base_url or dialect.base_url, environ.get(variable, "").strip()
    if dialect.workload_identity and (identity := identity_of(environ, url=url, variable=variable, has_key=bool(key))):
        from ftops.remote.exchange import Exchange  # noqa: PLC0415  # takes 1 s, as below

        exchange = Exchange(identity, clock)
        client = _client(url, "none", target, environ, auth=exchange)
        return Provider(client, dialect, repo=repo, clock=clock, newest_key=lambda: exchange.token)
    if not key:
        in_job = environ.get("GITHUB_ACTIONS") == "true"
        raise ProblemsError(_no_key(target.name, variable, can_do_without=dialect.workload_identity and in_job))
    if not _KEY.fullmatch(key):
        raise ProblemsError(_bad_key(target.name, variable))
    return Provider(_client(url, key, target, environ), dialect, repo=repo, clock=clock)


def _client(
    url: str, key: str, target: Target, environ: Mapping[str, str], *, auth: httpx2.Auth | None = None
) -> OpenAI:
    import httpx2  # noqa: PLC0415  # takes 1 s, with openai: only once something is to be called
    import openai  # noqa: PLC0415

    from ftops.remote.bounds import NO_COMPRESSION, bound  # noqa: PLC0415  # likewise

    try:
        outside, hooks = not is_here(url), {"response": [bound]}
        http_client = openai.DefaultHttpxClient(trust_env=outside, event_hooks=hooks, headers=NO_COMPRESSION, auth=auth)
        client = openai.OpenAI(
            base_url=url,
            api_key=key,
            organization=target.organization,
            project=target.project_id,
            timeout=TIMEOUT_SECONDS,
            http_client=http_client,
        )
    except (ImportError, OSError, ValueError, httpx2.InvalidURL):
        raise ProblemsError(bad_settings(environ)) from None
    # The SDK closes only a client of its own making.
    weakref.finalize(client, http_client.close)
    return client


def _no_key(target: str, variable: str, *, can_do_without: bool) -> Diagnostic:
    other = f"set `{IDENTITY_PROVIDER}` and `{SERVICE_ACCOUNT}` to go without one (docs/keyless.md)"
    return Diagnostic(
        code="key-missing",
        summary=f"the target `{target}` needs a key, and `{variable}` is not set",
        why="keys are read from the environment only, so that none is ever written to a file",
        fix=f"give the step `{variable}`, or {other}"
        if can_do_without
        else f"`export {variable}=…`, or use `--target local`, which needs none",
    )


def _bad_key(target: str, variable: str) -> Diagnostic:
    return Diagnostic(
        code="key-malformed",
        summary=f"what `{variable}` holds, the key of the target `{target}`, cannot be sent as one",
        why="a key is one word of ASCII letters, digits and signs; this has blanks or other letters in it",
        fix=f"copy the key again, and set `{variable}` to just that",
    )

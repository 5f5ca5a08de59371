"""From a target's name to its provider."""

from __future__ import annotations

import re
import weakref
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.remote.local import local_endpoint
from ftops.remote.profiles import profile
from ftops.remote.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from openai import OpenAI

    from ftops.clock import Clock
    from ftops.spec.config import Target

TIMEOUT_SECONDS = 120.0
"""For one answer; an upload may take as long as it makes progress."""
_KEY = re.compile("[!-~]+")
"""What a header can carry."""
_LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1")
_NETWORK_SETTINGS = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_DIR", "SSL_CERT_FILE")


def connect(target: Target, *, repo: str, state: Path, environ: Mapping[str, str], clock: Clock) -> Provider:
    """Make the provider of *target*; nothing is sent yet, but the local server is started if it is asked for.

    Args:
        target: Of ftops.yaml.
        repo: The project's name, by which its jobs are labelled.
        state: The folder of the local server's state.
        environ: Where keys come from.
        clock: For waiting.

    Raises:
        ProblemsError: The key is missing or none, the local server does not start, or the network is set up wrongly.
    """
    dialect = profile(target.profile)
    variable = target.api_key.env if target.api_key else dialect.api_key_env
    if target.is_embedded:
        endpoint = local_endpoint(state, environ, clock)
        url, key = endpoint.url, endpoint.token
    else:
        # A line feed at its end comes from a file, and is no part of it.
        url, key = target.base_url or dialect.base_url, environ.get(variable, "").strip()
        if not key:
            raise ProblemsError(_no_key(target.name, variable))
        if not _KEY.fullmatch(key):
            raise ProblemsError(_bad_key(target.name, variable))
    return Provider(_client(url, key, target, environ), dialect, repo=repo, clock=clock)


def _client(url: str, key: str, target: Target, environ: Mapping[str, str]) -> OpenAI:
    import httpx2  # noqa: PLC0415  # takes 1 s, with openai: only once something is to be called
    import openai  # noqa: PLC0415

    from ftops.remote.bounds import NO_COMPRESSION, bound  # noqa: PLC0415  # likewise

    try:
        # A proxy is for what is outside: what listens on this machine is asked directly.
        is_here = _LOOPBACK.fullmatch(urlsplit(url).hostname or "") is not None
        hooks = {"response": [bound]}
        http_client = openai.DefaultHttpxClient(trust_env=not is_here, event_hooks=hooks, headers=NO_COMPRESSION)
        client = openai.OpenAI(
            base_url=url,
            api_key=key,
            organization=target.organization,
            project=target.project_id,
            timeout=TIMEOUT_SECONDS,
            http_client=http_client,
        )
    except (ImportError, OSError, ValueError, httpx2.InvalidURL):
        # What it says may hold a proxy's password.
        raise ProblemsError(_bad_network_settings(environ)) from None
    # The SDK closes only a client of its own making.
    weakref.finalize(client, http_client.close)
    return client


def _no_key(target: str, variable: str) -> Diagnostic:
    return Diagnostic(
        code="key-missing",
        summary=f"the target `{target}` needs a key, and `{variable}` is not set",
        why="keys are read from the environment only, so that none is ever written to a file",
        fix=f"`export {variable}=…`, or use `--target local`, which needs none",
    )


def _bad_key(target: str, variable: str) -> Diagnostic:
    return Diagnostic(
        code="key-malformed",
        summary=f"what `{variable}` holds, the key of the target `{target}`, cannot be sent as one",
        why="a key is one word of ASCII letters, digits and signs; this has blanks or other letters in it",
        fix=f"copy the key again, and set `{variable}` to just that",
    )


def _bad_network_settings(environ: Mapping[str, str]) -> Diagnostic:
    names = (name for each in _NETWORK_SETTINGS for name in (each, each.lower()) if environ.get(name))
    return Diagnostic(
        code="network-settings",
        summary="the settings of the network cannot be used",
        why="these variables say how to reach the provider: " + ", ".join(f"`{name}`" for name in names),
        fix="correct them, or unset them: a proxy is an address such as `http://proxy:3128` (SOCKS is not supported), "
        "a certificate an existing file",
    )

"""Access without a stored key: whether a workflow's job is set up for it, and what it lacks if not. Asks nobody.

GitHub signs a token that says which job of which repository asks for it. OpenAI exchanges that for a short-lived one of
a service account, if the account's mapping fits the job. `ftops/remote/exchange.py` does both.

Source: OpenAI's guide to workload identity federation, GitHub's to OpenID Connect, both read 2026-11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.remote.network import is_here

if TYPE_CHECKING:
    from collections.abc import Mapping

IDENTITY_PROVIDER, SERVICE_ACCOUNT = "OPENAI_IDENTITY_PROVIDER_ID", "OPENAI_SERVICE_ACCOUNT_ID"
"""Set by the workflow: neither is a secret."""
_REQUEST_URL, _REQUEST_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
"""Set by GitHub's runner, for jobs that may ask for an identity token."""

_ID = re.compile(r"[\w.:-]{1,256}", re.ASCII)
_WORD = re.compile(r"[!-~]{1,8192}")
"""What a header can carry."""
_OPENAI = re.compile(r"(?:[a-z0-9-]+\.)*api\.openai\.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a job is to be for OpenAI, and where it asks GitHub to vouch for it."""

    provider_id: str
    """OpenAI's id of the identity provider, which stands for GitHub there."""
    account_id: str
    """OpenAI's id of the service account."""
    request_url: str
    request_token: str = field(repr=False)


def identity_of(environ: Mapping[str, str], *, url: str, variable: str, has_key: bool) -> Identity | None:
    """The identity that *environ* sets up; None if it sets up none, or half of one beside a key, which is enough.

    Args:
        environ: Of this process.
        url: Of the target's API: tokens are for OpenAI's own, or for what stands for it on this machine.
        variable: Where the target's key would be.
        has_key: Whether it is there.

    Raises:
        ProblemsError: Something lacks, is not what it should be, or there is a key as well.
    """
    ids = {name: value for name in (IDENTITY_PROVIDER, SERVICE_ACCOUNT) if (value := environ.get(name, "").strip())}
    if not ids or (has_key and len(ids) == 1):
        return None
    if has_key:
        raise ProblemsError(_ambiguous(variable))
    if missing := [name for name in (IDENTITY_PROVIDER, SERVICE_ACCOUNT) if name not in ids]:
        raise ProblemsError(_half(*ids, *missing))
    if not (is_here(url) or _is_openai(url)):
        raise ProblemsError(_elsewhere(variable))
    request = {name: environ.get(name, "").strip() for name in (_REQUEST_URL, _REQUEST_TOKEN)}
    if not all(request.values()):
        raise ProblemsError(_no_permission(environ, variable))
    wrong = [name for name, value in ids.items() if not _ID.fullmatch(value)]
    wrong += [name for name, value in request.items() if not _WORD.fullmatch(value)]
    if not wrong and not _is_address(request[_REQUEST_URL]):
        wrong = [_REQUEST_URL]
    if wrong:
        raise ProblemsError(*map(_malformed, wrong))
    return Identity(
        provider_id=ids[IDENTITY_PROVIDER],
        account_id=ids[SERVICE_ACCOUNT],
        request_url=request[_REQUEST_URL],
        request_token=request[_REQUEST_TOKEN],
    )


def _is_openai(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and _OPENAI.fullmatch(parts.hostname or "") is not None


def _is_address(url: str) -> bool:
    """Whether a token may be sent there: encrypted, or without leaving this machine."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_here(url)))
    except ValueError:
        return False


def _ambiguous(variable: str) -> Diagnostic:
    return Diagnostic(
        code="identity-ambiguous",
        summary=f"there is a key in `{variable}`, and a workload identity as well",
        why="they may be of different accounts, with different rights, so ftops does not choose between them",
        fix=f"take `{variable}` away from the step to go without a stored key, "
        f"or `{IDENTITY_PROVIDER}` and `{SERVICE_ACCOUNT}` to use the key",
    )


def _half(given: str, missing: str) -> Diagnostic:
    return Diagnostic(
        code="identity-incomplete",
        summary=f"`{given}` is set, and `{missing}` is not",
        why="access without a stored key needs both: which provider vouches, and for which service account",
        fix=f"add `{missing}: ${{{{ vars.{missing} }}}}` to the step's `env`, and a variable of that name to the "
        "job's environment on GitHub",
    )


def _no_permission(environ: Mapping[str, str], variable: str) -> Diagnostic:
    if environ.get("GITHUB_ACTIONS") != "true":
        why = "only a job of GitHub Actions can ask GitHub to vouch for it, and this is none"
        fix = f"`export {variable}=…` to use a key here, or unset `{IDENTITY_PROVIDER}` and `{SERVICE_ACCOUNT}`"
    else:
        why = f"the job may not ask GitHub for an identity token: `{_REQUEST_URL}` or `{_REQUEST_TOKEN}` is not set"
        fix = "add `id-token: write` to the `permissions` of the job; runs for pull requests of forks never have it"
    return Diagnostic(code="identity-incomplete", summary="no workload identity can be had here", why=why, fix=fix)


def _malformed(name: str) -> Diagnostic:
    if name in {_REQUEST_URL, _REQUEST_TOKEN}:
        why, fix = "GitHub's runner sets it, and something set it to something else", "let no step set it"
    else:
        why = "it should be an id as OpenAI shows it, in ASCII letters, digits and `_.:-`"
        fix = f"copy the id again, and set `{name}` to just that"
    return Diagnostic(code="identity-malformed", summary=f"what `{name}` holds cannot be used", why=why, fix=fix)


def _elsewhere(variable: str) -> Diagnostic:
    return Diagnostic(
        code="identity-address",
        summary="a workload identity is good for OpenAI's own API only, and the target's `base_url` is another",
        why="whoever answers there would be given a token for your account at OpenAI",
        fix=f"remove `base_url` from the target, or set its key, `{variable}`",
    )

"""What GitHub's runner says of this run of a workflow, read once: from the environment, and from the event's payload.

Source: GitHub's "Variables reference" and "Webhook events and payloads", read 2026-11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.gitlogin import SERVER, token_of
from ftops.plainfile import read_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

PAYLOAD_BYTES_MAX = 32 * 1024 * 1024
"""Of an event: GitHub delivers none above 25 MB."""

_REPOSITORY = re.compile(r"[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._/-]*)?")
_NUMBER = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """The pull request that a run is of. The names of its branch and its author are whatever these chose."""

    number: int
    head_sha: str
    """The newest commit of the pull request, which is not the one that is checked out: that is merged with the base."""
    head_ref: str
    base_ref: str
    is_fork: bool
    """Whether it comes from another repository."""
    author: str
    """Login of whoever opened it; empty if the account is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a workflow; what has a default is not needed to speak with GitHub from elsewhere."""

    repository: str
    """`owner/name`."""
    token: str = field(default="", repr=False)
    server_url: str = SERVER
    api_url: str = "https://api.github.com"
    graphql_url: str = "https://api.github.com/graphql"
    event: str = ""
    """Such as `pull_request` or `push`."""
    ref: str = ""
    """In full, such as `refs/heads/main` or `refs/pull/7/merge`."""
    sha: str = ""
    """The commit that the event is about; the branch may have gone on since."""
    run_id: int = 0
    attempt: int = 1
    actor: str = ""
    """Login of whoever caused it."""
    pull: Pull | None = None
    output: Path | None = None
    """Takes the outputs of the step."""
    summary: Path | None = None
    """Takes the summary of the step."""

    @property
    def branch(self) -> str | None:
        """The short name of the branch that the run is on; None for a pull request, a merge queue or a tag."""
        name = self.ref.removeprefix("refs/heads/")
        return None if name == self.ref or name.startswith("gh-readonly-queue/") else name

    @property
    def url(self) -> str:
        return f"{self.repository_url}/actions/runs/{self.run_id}"

    @property
    def repository_url(self) -> str:
        return f"{self.server_url}/{self.repository}"


def run_of(environ: Mapping[str, str]) -> Run | None:
    """The run that this process is part of; None outside of GitHub Actions.

    Raises:
        ProblemsError: The runner's variables, or the payload of a pull request, are not as GitHub documents them.
    """
    if environ.get("GITHUB_ACTIONS") != "true":
        return None
    event = _needed(environ, "GITHUB_EVENT_NAME")
    repository = _needed(environ, "GITHUB_REPOSITORY", _REPOSITORY)
    return Run(
        repository=repository,
        token=token_of(environ),
        server_url=_address(environ, "GITHUB_SERVER_URL", SERVER),
        api_url=_address(environ, "GITHUB_API_URL", "https://api.github.com"),
        graphql_url=_address(environ, "GITHUB_GRAPHQL_URL", "https://api.github.com/graphql"),
        event=event,
        ref=_needed(environ, "GITHUB_REF"),
        sha=_needed(environ, "GITHUB_SHA", _COMMIT),
        run_id=int(_needed(environ, "GITHUB_RUN_ID", _NUMBER)),
        attempt=int(environ.get("GITHUB_RUN_ATTEMPT") or 1) if _is_number(environ, "GITHUB_RUN_ATTEMPT") else 1,
        actor=environ.get("GITHUB_ACTOR", ""),
        pull=_pull(environ, repository) if event == "pull_request" else None,
        output=_path(environ, "GITHUB_OUTPUT"),
        summary=_path(environ, "GITHUB_STEP_SUMMARY"),
    )


def is_address(text: str) -> bool:
    """Whether *text* can be an address of GitHub's, without anything that a request would have to quote."""
    return _ADDRESS.fullmatch(text) is not None


def _needed(environ: Mapping[str, str], name: str, form: re.Pattern[str] | None = None) -> str:
    value = environ.get(name, "")
    if not value or (form and not form.fullmatch(value)):
        raise ProblemsError(_bad_variable(name, "is set to something else" if value else "is not set"))
    return value


def _is_number(environ: Mapping[str, str], name: str) -> bool:
    return _NUMBER.fullmatch(environ.get(name, "")) is not None


def _address(environ: Mapping[str, str], name: str, default: str) -> str:
    return _needed({name: environ.get(name) or default}, name, _ADDRESS).rstrip("/")


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(environ[name]) if environ.get(name) else None


class _User(msgspec.Struct, frozen=True):
    login: str = ""


class _Repository(msgspec.Struct, frozen=True):
    full_name: str


class _Head(msgspec.Struct, frozen=True):
    ref: str
    sha: str
    repo: _Repository | None = None


class _Base(msgspec.Struct, frozen=True):
    ref: str


class _PullRequest(msgspec.Struct, frozen=True):
    number: int
    head: _Head
    base: _Base
    user: _User | None = None


class _Payload(msgspec.Struct, frozen=True):
    pull_request: _PullRequest


def _pull(environ: Mapping[str, str], repository: str) -> Pull:
    path = _needed(environ, "GITHUB_EVENT_PATH")
    try:
        found = msgspec.json.decode(read_plain(path, PAYLOAD_BYTES_MAX), type=_Payload).pull_request
    except OSError as error:
        raise ProblemsError(_bad_payload((error.strerror or str(error)).lower())) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # What msgspec says names fields and types, and none of the values.
        raise ProblemsError(_bad_payload(str(error))) from None
    if found.number < 1 or not _COMMIT.fullmatch(found.head.sha):
        raise ProblemsError(_bad_payload("its pull request has no number, or its newest commit is none"))
    source = found.head.repo.full_name if found.head.repo else ""
    return Pull(
        number=found.number,
        head_sha=found.head.sha,
        head_ref=found.head.ref,
        base_ref=found.base.ref,
        is_fork=source.casefold() != repository.casefold(),
        author=found.user.login if found.user else "",
    )


def _bad_variable(name: str, why: str) -> Diagnostic:
    return Diagnostic(
        code="github-run",
        summary=f"`{name}` does not say what GitHub's runner says in it",
        why=f"`GITHUB_ACTIONS` is `true`, so this should be a run of a workflow, and the variable {why}",
        fix="outside of GitHub Actions, unset `GITHUB_ACTIONS`; inside, let no step set the runner's variables",
    )


def _bad_payload(why: str) -> Diagnostic:
    return Diagnostic(
        code="github-run",
        summary="the event of this run cannot be read",
        why=f"`GITHUB_EVENT_PATH` should name a file with the payload of a `pull_request` event: {why}",
        fix="run the workflow again; let no step write that file",
    )

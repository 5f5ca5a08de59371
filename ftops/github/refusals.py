"""What GitHub's refusals mean, and how to go on. Pure. Its own words are shown, cut and made harmless."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from ftops.clock import in_utc
from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.report.terminal import visible

WORDS_CHARACTERS_MAX = 300
"""Of what GitHub says."""
GIVE_TOKEN = "give the step the token of its job: `env: GITHUB_TOKEN: ${{ github.token }}`"  # noqa: S105  # no secret

_INTEGRATION = re.compile(
    r"resource not accessible by|must have admin rights|write access to repository not granted", re.IGNORECASE
)
_NO_PULLS = re.compile(r"not permitted to create or approve pull requests", re.IGNORECASE)
_UNAUTHORIZED, _FORBIDDEN, _MISSING = 401, 403, 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One thing that GitHub is asked for, in words."""

    doing: str
    """What follows `to`, such as "read the comments of pull request #7"."""
    needs: str
    """The permission of the token, as a workflow names it, such as `pull-requests: write`."""
    may_repeat: bool = False
    """Whether it may be asked twice: it changes nothing, or nothing more the second time."""


class RefusedError(ProblemsError):
    """GitHub certainly did not do it; *status* and *words* are its answer, *kind* is the type of a GraphQL error."""

    def __init__(self, problem: Diagnostic, *, status: int, words: str, kind: str = "") -> None:
        super().__init__(problem)
        self.status = status
        self.words = words
        self.kind = kind


class LostError(ProblemsError):
    """It is not known whether GitHub did it: the answer was lost."""


class _Refusal(msgspec.Struct, frozen=True):
    message: str = ""
    errors: list[object] = []


def words_of(body: bytes, token: str) -> str:
    """What GitHub says in the body of a refusal, harmless and without the token; empty if that is no JSON of its."""
    try:
        refusal = msgspec.json.decode(body, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    found = [refusal.message, *map(_detail, refusal.errors[:3])]
    return harmless("; ".join(each for each in found if each), token)


def harmless(text: str, token: str) -> str:
    """Text of GitHub's, in one line, cut, without the token."""
    clean = " ".join((text.replace(token, "***") if token else text).split())
    return visible(clean[:WORDS_CHARACTERS_MAX]) + ("…" if len(clean) > WORDS_CHARACTERS_MAX else "")


def _detail(error: object) -> str:
    """One of the details of a refusal: a text, or a field and what is wrong with it."""
    if isinstance(error, dict):
        parts = (error.get(key) for key in ("message", "field", "code"))
        return " ".join(part for part in parts if isinstance(part, str))
    return error if isinstance(error, str) else ""


def refused(asked: Asked, status: int, words: str, kind: str = "") -> RefusedError:
    """The error for an answer of 400 or more, or for one of GraphQL's."""
    said = f"it says: {words or 'nothing'} ({kind or status})"
    if status == _UNAUTHORIZED:
        problem = Diagnostic(
            code="github-token",
            summary="GitHub does not accept the token",
            why=f"{said}; the token of a job ends with it, that of an App after an hour",
            fix=GIVE_TOKEN,
        )
    elif _NO_PULLS.search(words):
        problem = Diagnostic(
            code="github-forbidden",
            summary=f"the token may not {asked.doing}",
            why=said,
            fix="allow it in the repository's Settings, Actions, General, Workflow permissions",
        )
    elif status == _FORBIDDEN or kind in {"FORBIDDEN", "INSUFFICIENT_SCOPES"} or _INTEGRATION.search(words):
        problem = _forbidden(asked, said)
    elif status == _MISSING or kind == "NOT_FOUND":
        problem = Diagnostic(
            code="github-missing",
            summary=f"GitHub finds nothing there to {asked.doing}",
            why=f"{said}: it is not there, or the token may not see it",
            fix=f"if it is there, the token lacks `{asked.needs}`: {_give(asked.needs)}",
        )
    else:
        problem = Diagnostic(
            code="github-refused",
            summary=f"GitHub refused to {asked.doing}",
            why=said,
            fix="mend what it names, and run the job again",
        )
    return RefusedError(problem, status=status, words=words, kind=kind)


def _forbidden(asked: Asked, said: str) -> Diagnostic:
    return Diagnostic(
        code="github-forbidden",
        summary=f"the token may not {asked.doing}",
        why=f"{said}; that needs the permission `{asked.needs}`",
        fix=_give(asked.needs),
    )


def _give(needs: str) -> str:
    return (
        f"write `{needs}` under `permissions:` of the job, or give it to the App that the token is of; "
        "runs for forks and for Dependabot only ever read"
    )


def no_token(asked: Asked) -> Diagnostic:
    return Diagnostic(
        code="github-token",
        summary=f"GitHub lets nobody {asked.doing} without a token",
        why="neither `GITHUB_TOKEN` nor `GH_TOKEN` is set",
        fix=GIVE_TOKEN,
    )


def limited(asked: Asked, words: str, until: int) -> Diagnostic:
    """GitHub takes no more requests before *until*, unix time in seconds."""
    return Diagnostic(
        code="github-limited",
        summary=f"GitHub is asked too often to {asked.doing} now",
        why=f"it says: {words or 'nothing'}; all jobs of a repository share 1,000 requests an hour",
        fix=f"run the job again after {in_utc(until)}",
    )


def unreachable(asked: Asked, why: str) -> Diagnostic:
    return Diagnostic(
        code="github-unreachable",
        summary=f"GitHub cannot be reached to {asked.doing}",
        why=why,
        fix="run the job again in a few minutes; https://www.githubstatus.com tells of disturbances",
    )


def lost(asked: Asked, why: str) -> LostError:
    """The error where the answer to a write did not come."""
    return LostError(
        Diagnostic(
            code="github-unreachable",
            summary=f"GitHub was asked to {asked.doing}, and it is not known whether it did",
            why=why,
            fix="run the job again: it looks first at what is there",
        )
    )


def unreadable(asked: Asked, why: str) -> Diagnostic:
    return Diagnostic(
        code="github-answer",
        summary=f"what answers to {asked.doing} does not speak as GitHub does",
        why=why,
        fix="see that nothing answers in GitHub's place, such as a proxy, and that `GITHUB_API_URL` is right",
    )


def moved(asked: Asked, repository: str) -> Diagnostic:
    return Diagnostic(
        code="github-missing",
        summary=f"GitHub finds nothing there to {asked.doing}",
        why=f"it leads elsewhere, as where `{repository}` was renamed, and the token is sent to no other address",
        fix="run the workflow again: a new run knows the new name",
    )


def bad_address(url: str) -> Diagnostic:
    return Diagnostic(
        code="github-address",
        summary=f"no token is sent to `{visible(url[:WORDS_CHARACTERS_MAX])}`",
        why="only `https://` keeps it secret on its way",
        fix="let `GITHUB_API_URL`, `GITHUB_GRAPHQL_URL` and `GITHUB_SERVER_URL` be what GitHub's runner sets",
    )

"""How git reaches GitHub within a workflow: with the job's token, which is nowhere but in git's own environment."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from ftops.diagnostics import Diagnostic, ProblemsError

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN_VARIABLES = ("GITHUB_TOKEN", "GH_TOKEN")
"""Where the token of a step may be; the first one that is set holds."""
SERVER = "https://github.com"

_TOKEN = re.compile(r"[!-~]{1,4096}")
"""What a header can carry."""
# Not over plain HTTP, but to this machine.
_SERVER = re.compile(r"(?:https://[A-Za-z0-9.-]+|http://(?:localhost|127\.\d+\.\d+\.\d+))(?::\d+)?")


def token_of(environ: Mapping[str, str]) -> str:
    """The token that the step was given; empty if none.

    Raises:
        ProblemsError: It has letters that no header can carry.
    """
    for name in TOKEN_VARIABLES:
        if token := environ.get(name, "").strip():
            if not _TOKEN.fullmatch(token):
                raise ProblemsError(_bad_token(name))
            return token
    return ""


def login(environ: Mapping[str, str]) -> dict[str, str]:
    """What to add to the environment of git; nothing outside of GitHub Actions, or without a token.

    Neither arguments, which other processes can see, nor files of the checkout, which later steps can, ever hold it;
    and git sends it to no other server.

    Raises:
        ProblemsError: The token is none.
    """
    server = environ.get("GITHUB_SERVER_URL") or SERVER
    if environ.get("GITHUB_ACTIONS") != "true" or not _SERVER.fullmatch(server) or not (token := token_of(environ)):
        return {}
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    # The empty one takes back what a checkout left in the configuration: GitHub refuses two headers.
    headers = ("", f"AUTHORIZATION: basic {basic}")
    count = environ.get("GIT_CONFIG_COUNT", "")
    first = int(count) if re.fullmatch("[0-9]{1,4}", count) else 0
    settings = {"GIT_CONFIG_COUNT": str(first + len(headers))}
    for number, header in enumerate(headers, first):
        settings |= {f"GIT_CONFIG_KEY_{number}": f"http.{server}/.extraheader", f"GIT_CONFIG_VALUE_{number}": header}
    return settings


def _bad_token(name: str) -> Diagnostic:
    return Diagnostic(
        code="github-token",
        summary=f"what `{name}` holds cannot be sent as a token",
        why="a token is one word of ASCII letters, digits and signs; this has blanks or other letters in it",
        fix="give the step the token of its job: `env: GITHUB_TOKEN: ${{ github.token }}`",
    )

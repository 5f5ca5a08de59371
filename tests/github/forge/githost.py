"""Git over HTTP: git's own server program, behind the tokens and the rules of the forge."""

from __future__ import annotations

import base64
import binascii
import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.github.forge.objects import environment
from tests.github.forge.wire import Answer

if TYPE_CHECKING:
    from tests.github.forge.wire import Request
    from tests.github.forge.world import Protection, Repository, Token, World

HOOKS = Path(__file__).parent / "hooks"
SERVICES = ("/info/refs", "/git-upload-pack", "/git-receive-pack")
NO_PULL = "Changes must be made through a pull request."


def repository_of(world: World, path: str) -> tuple[Repository | None, str]:
    """The repository that a path such as `/owner/name/info/refs` asks for, and what it asks of it."""
    for service in SERVICES:
        if path.endswith(service):
            return world.repository(path.removesuffix(service).strip("/")), service
    return None, ""


def answer(world: World, request: Request) -> Answer:
    """Let git answer, if the token may."""
    repository, service = repository_of(world, request.path)
    writes = "git-receive-pack" in (request.query.get("service", ""), service.removeprefix("/"))
    token = token_of(world, request)
    if token is None and ("authorization" in request.headers or writes or repository is None or repository.private):
        return Answer(status=401, headers={"WWW-Authenticate": 'Basic realm="GitHub"'})
    if repository is None:
        return _text(404, "Repository not found.")
    if token and not _may(token, repository, writes=writes):
        return _denied(token, repository, writes=writes)
    return _passed_on(repository, request, service, token)


def _may(token: Token, repository: Repository, *, writes: bool) -> bool:
    if not writes and not repository.private:
        return True
    return token.may(repository, "contents", "write" if writes else "read")


def _denied(token: Token, repository: Repository, *, writes: bool) -> Answer:
    if writes and token.may(repository, "contents", "read"):
        return _text(403, f"Permission to {repository.name}.git denied to {token.login}.")
    return _text(403, "Write access to repository not granted.")


def token_of(world: World, request: Request) -> Token | None:
    """The one in the header, if the forge gave it out: git's clients send it as a password."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        with suppress(binascii.Error, UnicodeDecodeError):
            value = base64.b64decode(value).decode().partition(":")[2]
    return world.tokens.get(value)


def _passed_on(repository: Repository, request: Request, service: str, token: Token | None) -> Answer:
    login = token.login if token else "anonymous"
    done = subprocess.run(
        ["git", "http-backend"],
        input=request.body,
        env={
            **environment(),
            **_settings(repository, login),
            "GIT_PROJECT_ROOT": str(repository.bare.path),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": login,
            "REQUEST_METHOD": request.method,
            "PATH_INFO": service,
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("content-type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
            "HTTP_GIT_PROTOCOL": request.headers.get("git-protocol", ""),
        },
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
    status = int(fields.pop("Status", "200").split()[0])
    return Answer(status=status, body=body, headers=fields)


def _settings(repository: Repository, login: str) -> dict[str, str]:
    """What git is to know of who pushes: refs that are protected from it go to the hook that refuses them."""
    branches = repository.bare.git("for-each-ref", "--format=%(refname)", "refs/heads/").splitlines()
    rules = {branch: repository.protection(branch, login) for branch in branches}
    refusals = {branch: _words(repository, rule, branch) for branch, rule in rules.items() if rule}
    settings = [("core.hooksPath", str(HOOKS)), *(("receive.procReceiveRefs", branch) for branch in refusals)]
    variables = {
        "FORGE_REPOSITORY": repository.name,
        "FORGE_LOGIN": login,
        "FORGE_EVENTS": str(repository.events),
        "FORGE_REFUSALS": json.dumps(refusals),
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for number, (name, value) in enumerate(settings):
        variables |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def _words(repository: Repository, rule: Protection, ref: str) -> tuple[str, str]:
    """GitHub's own: the reason in the line of the ref, and the text before it."""
    if rule.kind == "classic":
        text = f"error: GH006: Protected branch update failed for {ref}.\n\n- {NO_PULL}\n"
        return "protected branch hook declined", text
    rules = f"https://github.com/{repository.name}/rules?ref={ref.replace('/', '%2F')}"
    text = f"error: GH013: Repository rule violations found for {ref}.\nReview all repository rules at {rules}\n\n"
    return "push declined due to repository rule violations", f"{text}- {NO_PULL}\n\n"


def _text(status: int, text: str) -> Answer:
    return Answer(status=status, body=text.encode(), headers={"Content-Type": "text/plain; charset=utf-8"})

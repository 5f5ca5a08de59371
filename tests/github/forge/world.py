"""What the forge knows: tokens and what each may, repositories, pull requests, comments, rules, and what happened."""

from __future__ import annotations

import base64
import fnmatch
import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tests.github.forge.objects import Bare

ACTIONS = "github-actions[bot]"
"""Who acts with a job's own token."""
LEVELS = ("none", "read", "write")


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Refusal(Exception):  # noqa: N818  # an answer, not an error of the forge
    """What GitHub answers instead; *kind* is the type of a GraphQL error."""

    def __init__(self, status: int, message: str, *, kind: str = "UNPROCESSABLE", errors: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.errors = errors


@dataclass(kw_only=True)
class Token:
    """Who holds it, and what it may."""

    secret: str
    login: str
    permissions: dict[str, str]
    repository: str | None
    """`owner/name` that it is for; None: for all."""
    run_id: int | None = None
    """Of the run whose job has it, with which it ends."""

    def may(self, repository: Repository, permission: str, level: str) -> bool:
        if self.repository not in {None, repository.name}:
            return False
        return LEVELS.index(self.permissions.get(permission, "none")) >= LEVELS.index(level)

    @property
    def refusal(self) -> Refusal:
        holder = "integration" if self.login.endswith("[bot]") else "personal access token"
        return Refusal(403, f"Resource not accessible by {holder}", kind="FORBIDDEN")

    @property
    def author(self) -> tuple[str, str]:
        return self.login, f"{user_id(self.login)}+{self.login}@users.noreply.github.com"


@dataclass(kw_only=True)
class Protection:
    """Of the branches that a pattern names."""

    kind: str
    """`ruleset` or `classic`: they refuse with other words."""
    bypass: tuple[str, ...]
    """Logins that it does not hold."""


@dataclass(kw_only=True)
class Comment:
    """On a pull request."""

    id: int
    pull: int
    author: str
    body: str
    created: str
    updated: str
    minimized: str | None = None
    """The classifier's name."""

    @property
    def node_id(self) -> str:
        return node_id("IssueComment", self.id)


@dataclass(kw_only=True)
class Pull:
    """A pull request; its head and its test merge are refs of the repository, as on GitHub."""

    number: int
    title: str
    body: str
    author: str
    head: str
    """Branch of the head repository."""
    head_repository: str
    base: str
    state: str = "open"
    merged: str | None = None
    """The commit that merged it."""
    created: str = field(default_factory=now)

    @property
    def head_ref(self) -> str:
        return f"refs/pull/{self.number}/head"

    @property
    def merge_ref(self) -> str:
        return f"refs/pull/{self.number}/merge"


@dataclass(kw_only=True)
class Repository:
    """One of the forge's repositories."""

    name: str
    """`owner/name`."""
    id: int
    bare: Bare
    private: bool
    events: Path
    """What happened here, a JSON object a line; git's hook writes into it too."""
    parent: str | None = None
    """Of which it is a fork."""
    actions_may_open_pulls: bool = False
    """GitHub's setting, off for new repositories."""
    protections: dict[str, Protection] = field(default_factory=dict)
    environments: dict[str, list[str]] = field(default_factory=dict)
    """The branches that may deploy to each, as patterns; no pattern: all."""
    pulls: dict[int, Pull] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def owner(self) -> str:
        return self.name.partition("/")[0]

    @property
    def short_name(self) -> str:
        return self.name.partition("/")[2]

    def protection(self, ref: str, login: str) -> Protection | None:
        """What keeps *login* from writing to *ref*, a full one."""
        branch = ref.removeprefix("refs/heads/")
        for pattern, rule in self.protections.items():
            if ref.startswith("refs/heads/") and fnmatch.fnmatchcase(branch, pattern) and login not in rule.bypass:
                return rule
        return None

    def note(self, event: str, actor: str, **facts: object) -> None:
        line = json.dumps({"event": event, "repository": self.name, "actor": actor, **facts}) + "\n"
        with self.events.open("a", encoding="utf-8") as file:
            file.write(line)

    def happened(self) -> list[dict[str, Any]]:
        if not self.events.exists():
            return []
        events = [json.loads(line) for line in self.events.read_text(encoding="utf-8").splitlines()]
        # GitHub tells of branches and tags, and of no other ref.
        kept = ("refs/heads/", "refs/tags/")
        return [event for event in events if event["event"] != "push" or event["ref"].startswith(kept)]

    def pushed(self, ref: str, before: str, after: str, actor: str) -> None:
        self.note("push", actor, ref=ref, before=before, after=after)
        self.refresh(actor)

    def refresh(self, actor: str) -> None:
        """Let open pull requests follow their branches, and make their test merges anew."""
        with self.lock:
            self._refresh(actor)

    def _refresh(self, actor: str) -> None:
        for pull in self.pulls.values():
            if pull.state != "open" or pull.head_repository != self.name:
                continue
            head, known = self.bare.head(f"refs/heads/{pull.head}"), self.bare.head(pull.head_ref)
            if head and head != known:
                self.bare.git("update-ref", pull.head_ref, head)
                self.note("pull_request", actor, action="synchronize", number=pull.number, head=head)
        for pull in self.pulls.values():
            if pull.state == "open":
                self.test_merge(pull)

    def test_merge(self, pull: Pull) -> None:
        base, head = self.bare.head(f"refs/heads/{pull.base}"), self.bare.head(pull.head_ref)
        assert base is not None
        assert head is not None
        merge = self.bare.merged(base, head, f"Merge {head} into {base}")
        if merge:
            self.bare.git("update-ref", pull.merge_ref, merge)


@dataclass(kw_only=True)
class Fault:
    """What goes wrong with the next requests that it fits."""

    request: str
    """A pattern such as `POST */comments`."""
    kind: str
    times: int
    seconds: float = 0


@dataclass(kw_only=True)
class World:
    """All of it. Whoever changes it, holds the lock; git's refs need none."""

    folder: Path
    url: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)
    tokens: dict[str, Token] = field(default_factory=dict)
    issued: list[str] = field(default_factory=list)
    """All tokens that there ever were."""
    repositories: dict[str, Repository] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Each request of the API and to git: method, path, login, status, body."""
    invalid: list[str] = field(default_factory=list)
    """Requests that GitHub's published description does not allow, and answers of the forge's own that it does not."""
    numbers: int = 1_000
    life: int = 0
    """How often all was forgotten."""

    def reset(self) -> None:
        with self.lock:
            self.life += 1
            for kept in (self.tokens, self.issued, self.repositories, self.faults, self.requests, self.invalid):
                kept.clear()

    def number(self) -> int:
        with self.lock:
            self.numbers += 1
            return self.numbers

    def repository(self, name: str) -> Repository | None:
        name = name.removesuffix(".git").lower()
        return next((each for each in self.repositories.values() if each.name.lower() == name), None)

    def token(
        self, login: str, permissions: dict[str, str], repository: str | None, run_id: int | None = None
    ) -> Token:
        secret = f"ghs_{token_hex(18)}"
        token = Token(secret=secret, login=login, permissions=permissions, repository=repository, run_id=run_id)
        with self.lock:
            self.tokens[secret] = token
            self.issued.append(secret)
        return token

    def end_run(self, repository: str, run_id: int) -> None:
        """The tokens of its jobs are good for nothing any more."""
        with self.lock:
            ended = [each for each in self.tokens.values() if (each.repository, each.run_id) == (repository, run_id)]
            for token in ended:
                del self.tokens[token.secret]

    def fault(self, request: str) -> Fault | None:
        """The fault that is due for `METHOD /path`; it is used up by that."""
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fnmatch.fnmatchcase(request, fault.request):
                    fault.times -= 1
                    return fault
        return None


def node_id(kind: str, number: int) -> str:
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def user_id(login: str) -> int:
    """The same for the same login; that of the Actions bot is the real one."""
    return 41898282 if login == ACTIONS else int.from_bytes(login.encode()[:4].ljust(4, b"0"), "big")

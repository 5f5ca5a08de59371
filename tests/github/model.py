"""What GitHub does around a run, which act does not: which workflows start, and which of them wait or are dropped.

Source: GitHub's "Events that trigger workflows", "Workflow syntax" and "Control workflow concurrency", read 2026-11.
"""

from __future__ import annotations

import io
import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ruamel.yaml import YAML

from tests.github.forge.world import ACTIONS

if TYPE_CHECKING:
    from tests.github.events import Event
    from tests.github.forge.handle import Repository

FOLDER = ".github/workflows/"
QUEUE_MAX = 100
DISPATCHES = {"workflow_dispatch", "repository_dispatch"}
"""All that a job's own token can start."""
TYPES = {
    "pull_request": {"opened", "synchronize", "reopened"},
    "merge_group": {"checks_requested"},
}
"""Of an event's activities, those that count where a workflow names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A workflow file, at the commit that an event is of."""

    name: str
    """Of the file."""
    text: str
    content: dict[str, Any]

    @property
    def triggers(self) -> dict[str, dict[str, Any]]:
        on = self.content["on"]
        if isinstance(on, str):
            return {on: {}}
        if isinstance(on, list):
            return {name: {} for name in on}
        return {name: ({"crons": each} if name == "schedule" else each or {}) for name, each in on.items()}


def workflows(repository: Repository, commit: str) -> list[Workflow]:
    """All that are there at *commit*."""
    listed = repository.bare.git("ls-tree", "--name-only", commit, FOLDER).splitlines()
    found = []
    for path in listed:
        text = (repository.file(path, at=commit) or b"").decode()
        found.append(Workflow(name=path.removeprefix(FOLDER), text=text, content=loaded(text)))
    return found


def loaded(text: str) -> dict[str, Any]:
    """YAML 1.2, in which `on` is a word."""
    content = YAML(typ="safe", pure=True).load(io.StringIO(text))
    assert isinstance(content, dict)
    return content


def started(repository: Repository, event: Event) -> list[Workflow]:
    """The workflows that *event* starts, as they are at its commit."""
    if event.actor == ACTIONS and event.name not in DISPATCHES:
        return []
    return [each for each in workflows(repository, event.sha) if _starts(repository, event, each)]


def _starts(repository: Repository, event: Event, workflow: Workflow) -> bool:
    filters = workflow.triggers.get(event.name)
    if filters is None or event.workflow not in {None, workflow.name}:
        return False
    if event.name == "schedule":
        return any(each["cron"] == event.payload["schedule"] for each in filters["crons"])
    types = set(filters.get("types", ())) or TYPES.get(event.name)
    if types and event.payload["action"] not in types:
        return False
    if event.ref.startswith("refs/tags/") and "tags" not in filters:
        return "branches" not in filters and "paths" not in filters
    branch = event.base_ref or event.ref.removeprefix("refs/heads/")
    if "branches" in filters and not _named(branch, filters["branches"]):
        return False
    return "paths" not in filters or any(_named(path, filters["paths"]) for path in _changed(repository, event))


def _named(text: str, patterns: list[str]) -> bool:
    """Whether the last pattern that fits is none that begins with `!`."""
    is_in = False
    for pattern in patterns:
        if re.fullmatch(_expression(pattern.removeprefix("!")), text):
            is_in = not pattern.startswith("!")
    return is_in


def _expression(pattern: str) -> str:
    found = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return found.replace(r"\?", "[^/]")


def _changed(repository: Repository, event: Event) -> list[str]:
    before = event.payload.get("before") or f"{event.sha}^1"
    if not before.strip("0"):
        return repository.bare.git("ls-tree", "-r", "--name-only", event.sha).splitlines()
    return repository.bare.git("diff", "--name-only", before, event.sha).splitlines()


# Concurrency


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A workflow's `concurrency`."""

    group: str
    queue: str = "single"
    cancel_in_progress: bool = False


def rules(workflow: Workflow, event: Event) -> Rules | None:
    given = workflow.content.get("concurrency")
    if given is None:
        return None
    if isinstance(given, str):
        given = {"group": given}
    group = re.sub(r"\$\{\{(.*?)\}\}", lambda found: _value(found[1], event), given["group"])
    queue, cancel = given.get("queue", "single"), given.get("cancel-in-progress", False)
    assert not (queue == "max" and cancel), "GitHub takes no such workflow"
    return Rules(group=group, queue=queue, cancel_in_progress=cancel)


def _value(expression: str, event: Event) -> str:
    """Of `a.b || c.d`."""
    context = {"github": {"event": event.payload, "ref": event.ref, "sha": event.sha, "event_name": event.name}}
    for part in expression.split("||"):
        value: Any = context
        for name in part.strip().split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value:
            return str(value)
    return ""


Run = TypeVar("Run")


@dataclass(kw_only=True)
class Group(Generic[Run]):
    """The runs of one group: one at work, others that wait, all others cancelled."""

    running: Run | None = None
    pending: deque[Run] = field(default_factory=deque)
    cancelled: list[Run] = field(default_factory=list)

    def arrive(self, run: Run, asked: Rules) -> None:
        if asked.cancel_in_progress and self.running is not None:
            self.cancelled.append(self.running)
            self.running = None
        if asked.queue == "single":
            # The one that waited gives way to the newer one, also where nothing in progress is cancelled.
            self.cancelled += self.pending
            self.pending.clear()
        if self.running is None and not self.pending:
            self.running = run
        elif len(self.pending) < QUEUE_MAX:
            self.pending.append(run)
        else:
            self.cancelled.append(run)

    def finish(self) -> None:
        """The one at work ends, and the next one begins."""
        self.running = self.pending.popleft() if self.pending else None

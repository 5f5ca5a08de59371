"""Events as GitHub tells them to workflows: its published examples, filled with what happened on the forge."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.github.forge.handle import PERSON

if TYPE_CHECKING:
    from tests.github.forge.handle import Repository

FOLDER = Path(__file__).parent / "schema"
CRON = "11,41 * * * *"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What starts workflows, with what the runner says of it."""

    name: str
    payload: dict[str, Any]
    ref: str
    sha: str
    actor: str
    head_ref: str = ""
    base_ref: str = ""
    from_fork: bool = False
    workflow: str | None = None
    """The file name of the one workflow that it is for; None: for all that want it."""


def pull_request(repository: Repository, number: int, *, action: str = "opened", actor: str = "") -> Event:
    """Something happened with a pull request; the run is of its test merge."""
    pull = repository.pull(number)
    payload = _example("pull_request")
    shown = payload["pull_request"]
    payload |= {"action": action, "number": number}
    shown |= {"number": number, "title": pull["title"], "body": pull["body"], "state": pull["state"]}
    shown["user"] |= {"login": pull["author"]}
    owner = pull["head_repository"].partition("/")[0]
    shown["head"] |= {"ref": pull["head"], "sha": pull["head_sha"], "label": f"{owner}:{pull['head']}"}
    base = repository.bare.git("rev-parse", f"{pull['merge_sha']}^1")
    shown["base"] |= {"ref": pull["base"], "sha": base, "label": f"{repository.owner}:{pull['base']}"}
    _name(shown["head"]["repo"], pull["head_repository"])
    _name(shown["base"]["repo"], repository.name)
    return _event(
        "pull_request",
        repository,
        payload,
        ref=f"refs/pull/{number}/merge",
        sha=pull["merge_sha"],
        actor=actor or pull["author"],
        head_ref=pull["head"],
        base_ref=pull["base"],
        from_fork=pull["head_repository"] != repository.name,
    )


def push(
    repository: Repository, *, before: str, after: str, ref: str = "refs/heads/main", actor: str = PERSON
) -> Event:
    payload = _example("push")
    payload |= {"ref": ref, "before": before, "after": after, "created": not before.strip("0"), "commits": []}
    payload["head_commit"]["id"] = after
    return _event("push", repository, payload, ref=ref, sha=after, actor=actor)


def merge_group(repository: Repository, group: dict[str, str]) -> Event:
    payload = _example("merge_group")
    told = ("head_ref", "head_sha", "base_ref", "base_sha")
    payload["merge_group"] |= {name: group[name] for name in told}
    actor = "github-merge-queue[bot]"
    return _event("merge_group", repository, payload, ref=group["head_ref"], sha=group["head_sha"], actor=actor)


def schedule(repository: Repository, cron: str = CRON) -> Event:
    """GitHub publishes no example of this payload: it is said to hold the line of the schedule."""
    payload = {"schedule": cron, "repository": _example("push")["repository"]}
    return _on_main("schedule", repository, payload, actor=PERSON)


def workflow_dispatch(
    repository: Repository, workflow: str, *, inputs: dict[str, Any] | None = None, actor: str = PERSON
) -> Event:
    payload = _example("workflow_dispatch")
    payload |= {"inputs": inputs or {}, "workflow": f".github/workflows/{workflow}", "ref": "refs/heads/main"}
    return replace(_on_main("workflow_dispatch", repository, payload, actor=actor), workflow=workflow)


def repository_dispatch(
    repository: Repository, action: str, *, payload: dict[str, Any] | None = None, actor: str = PERSON
) -> Event:
    told = _example("repository_dispatch")
    told |= {"action": action, "branch": "main", "client_payload": payload or {}}
    return _on_main("repository_dispatch", repository, told, actor=actor)


def event_of(repository: Repository, happened: dict[str, Any]) -> Event | None:
    """The event of a line of `Repository.events`; None if it can start no workflow."""
    match happened:
        case {"event": "push", "before": before, "after": after, "ref": ref, "actor": actor}:
            return push(repository, before=before, after=after, ref=ref, actor=actor) if after.strip("0") else None
        case {"event": "pull_request", "number": number, "action": action, "actor": actor}:
            return pull_request(repository, number, action=action, actor=actor)
        case {"event": "merge_group"}:
            return merge_group(repository, happened)
        case {"event": "repository_dispatch", "action": action, "client_payload": payload, "actor": actor}:
            return repository_dispatch(repository, action, payload=payload, actor=actor)
    raise AssertionError(happened)


def _on_main(name: str, repository: Repository, payload: dict[str, Any], *, actor: str) -> Event:
    commit = repository.head()
    assert commit is not None
    return _event(name, repository, payload, ref="refs/heads/main", sha=commit, actor=actor)


def _event(name: str, repository: Repository, payload: dict[str, Any], *, actor: str, **facts: Any) -> Event:
    _name(payload["repository"], repository.name)
    payload["sender"] = {"login": actor}
    return Event(name=name, payload=payload, actor=actor, **facts)


def _name(shown: dict[str, Any], name: str) -> None:
    """Let the example's repository be ours."""
    owner, _, short_name = name.partition("/")
    shown |= {"full_name": name, "name": short_name, "default_branch": "main", "owner": {"login": owner}}


def _example(name: str) -> dict[str, Any]:
    return copy.deepcopy(_examples()[name])


@cache
def _examples() -> dict[str, dict[str, Any]]:
    examples = json.loads((FOLDER / "github-events.json").read_text(encoding="utf-8"))
    assert isinstance(examples, dict)
    return examples

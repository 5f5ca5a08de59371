"""What we ask of workflows beside what linters look for: who may write, where secrets may be, what is pinned."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRIGGERS = {"push", "pull_request", "merge_group", "schedule", "workflow_dispatch", "repository_dispatch", "release"}
WITH_SCHEDULE = {"schedule", "workflow_dispatch", "repository_dispatch"}
"""GitHub switches a file off whose schedule nobody looked after, with all else that starts it."""
OF_PULL_REQUESTS = {"pull_request", "merge_group"}
WRITES = {
    ("ftops-plan.yml", "comment"): {"pull-requests"},
    ("ftops-apply.yml", "apply"): {"contents", "id-token"},
    ("ftops-reconcile.yml", "collect"): {"contents", "id-token"},
    ("release.yml", "publish"): {"attestations", "id-token"},
}
"""All jobs that may write, and just what; each needs all of it."""
ENVIRONMENTS = {
    ("ftops-apply.yml", "apply"): "ftops-production",
    ("ftops-reconcile.yml", "collect"): "ftops-collect",
    ("release.yml", "publish"): "pypi",
}
SECRETS = {
    ("ftops-apply.yml", "apply"): {"OPENAI_API_KEY", "FTOPS_APP_PRIVATE_KEY"},
    ("ftops-reconcile.yml", "collect"): {"OPENAI_API_KEY", "FTOPS_APP_PRIVATE_KEY"},
}
"""Which a user may give to a job where its comments offer that; ours have none at all."""
MINUTES_MAX = 60
_PIN = re.compile(r"[\w.-]+(?:/[\w.-]+)+@[0-9a-f]{40}")
_VERSION = re.compile(r"# v\d+\.\d+\.\d+\b")
_SECRET = re.compile(r"\bsecrets\b(?:\.(\w+))?")
_EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)


def problems(root: Path, *, may_use_secrets: bool = False) -> list[str]:
    """What is wrong with the workflows of the repository at *root*, and with its action."""
    found = [
        f"{path.name}: {problem}"
        for path in sorted((root / ".github/workflows").glob("*"))
        for problem in _of_workflow(path.name, _read(path), may_use_secrets=may_use_secrets)
    ]
    if (action := root / "action.yml").exists():
        read = _read(action)
        found += [f"action.yml: {problem}" for step in read["runs"]["steps"] for problem in _of_step(step)]
        found += [f"action.yml: {text} is a secret" for text in _expressions(read) if _SECRET.search(text)]
    return found


def _of_workflow(name: str, workflow: CommentedMap, *, may_use_secrets: bool) -> Iterator[str]:
    triggers = set(workflow["on"]) if isinstance(workflow["on"], CommentedMap) else {workflow["on"]}
    yield from (f"{trigger} may not start it" for trigger in triggers - TRIGGERS)
    if "schedule" in triggers and triggers - WITH_SCHEDULE:
        yield "a schedule belongs into a file of its own"
    if workflow.get("permissions") != {}:
        yield "it has to begin with `permissions: {}`"
    jobs = workflow["jobs"]
    yield from (f"{job}: {problem}" for job in jobs for problem in _of_job((name, job), jobs[job], triggers))
    allowed = SECRETS if may_use_secrets else {}
    outside = {key: value for key, value in workflow.items() if key != "jobs"}
    for place, part in (("", outside), *jobs.items()):
        for text in _expressions(part):
            for secret in _SECRET.finditer(text):
                if secret[1] not in allowed.get((name, place), ()):
                    yield f"{place}: {secret[0]} may not be used here"
    if triggers >= OF_PULL_REQUESTS:
        yield from _of_gate(jobs)
    if name == "ftops-apply.yml" and workflow["concurrency"].get("queue") != "max":
        yield "a run that waits for its reviewers would be dropped: it needs `queue: max`"


def _of_job(place: tuple[str, str], job: CommentedMap, triggers: set[str]) -> Iterator[str]:
    if not 1 <= job.get("timeout-minutes", 0) <= MINUTES_MAX:
        yield f"it needs a timeout, of {MINUTES_MAX} minutes at most"
    granted = job.get("permissions")
    if not isinstance(granted, CommentedMap):
        yield "it has to list its permissions"
        return
    yield from (f"nothing says what {each} is for" for each in granted if len(_comment(granted, each)) < len("# why"))
    writes = {each for each, level in granted.items() if level == "write"}
    if writes != (expected := WRITES.get(place, set())):
        yield f"it may write {sorted(writes)}, not {sorted(expected)}"
    environment = job.get("environment")
    environment = environment["name"] if isinstance(environment, CommentedMap) else environment
    if environment != ENVIRONMENTS.get(place):
        yield f"its environment is {environment}, not {ENVIRONMENTS.get(place)}"
    if writes - {"pull-requests"} and triggers & OF_PULL_REQUESTS:
        yield "a pull request may not start it"
    for step in job["steps"]:
        yield from _of_step(step)
        is_main = place[0] in {"ftops-apply.yml", "ftops-reconcile.yml"}
        if is_main and _is_checkout(step) and step["with"].get("ref") != "${{ github.ref }}":
            yield "it has to check out the newest commit: the lockfile has gone on since the event"


def _of_step(step: CommentedMap) -> Iterator[str]:
    name = step.get("name", "a step")
    if (uses := step.get("uses")) and not uses.startswith("./"):
        if not _PIN.fullmatch(uses):
            yield f"{name}: {uses} is not pinned to a commit"
        elif not _VERSION.match(_comment(step, "uses")):
            yield f"{name}: {uses} has no comment with its version"
    if "run" in step:
        if step.get("shell") != "bash":
            yield f"{name}: it needs `shell: bash`, which ends at the first command that fails"
        if "${{" in step["run"]:
            yield f"{name}: an expression in a script becomes part of it"
    options = step.get("with", {})
    if "cache" in (uses or "") or any("cache" in key and options[key] not in {False, "false"} for key in options):
        yield f"{name}: a cache may be filled by others"
    if _is_checkout(step) and options.get("persist-credentials") is not False:
        yield f"{name}: it leaves its token behind"


def _of_gate(jobs: CommentedMap) -> Iterator[str]:
    """The one check that a ruleset requires."""
    gate = jobs.get("required", {})
    if set(gate.get("needs", ())) != set(jobs) - {"required"}:
        yield "required: it has to need all other jobs"
    if "always()" not in gate.get("if", ""):
        yield "required: a check that is skipped counts as passed"


def _is_checkout(step: CommentedMap) -> bool:
    return str(step.get("uses", "")).startswith("actions/checkout@")


def _comment(mapping: CommentedMap, key: str) -> str:
    """What stands behind the value of *key*, in its line."""
    token = mapping.ca.items.get(key, [None] * 3)[2]
    return token.value.partition("\n")[0].strip() if token else ""


def _expressions(value: Any, key: str = "") -> Iterator[str]:
    """All of GitHub's expressions in *value*; the whole of an `if`, and secrets that are passed on, are such."""
    match value:
        case dict():
            for each, item in value.items():
                yield from _expressions(item, each)
        case list():
            for item in value:
                yield from _expressions(item)
        case str() if key in {"if", "secrets"}:
            yield f"{key}: {value}"
        case str():
            yield from _EXPRESSION.findall(value)


def _read(path: Path) -> CommentedMap:
    found = YAML().load(path)
    assert isinstance(found, CommentedMap), path
    return found

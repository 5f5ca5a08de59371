"""A workflow file on its way to act: what is one job's own put in, what act does not know left out.

act carries out what a workflow says; what GitHub grants and refuses around that is the forge's. So expressions about
tokens, secrets and variables become what the forge gave this one job, and actions of others become stand-ins.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from tests.github.forge.handle import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.github.events import Event
    from tests.github.forge.handle import Repository
    from tests.github.model import Workflow

STUBS = Path(__file__).parent / "stubs"
OURS = "ftops-dev/ftops@" + "0" * 40
"""Stands for `uses: ./`, which act would look for in the checkout."""
_EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)
_CONTEXT = re.compile(r"\b(github\.token|(?:secrets|vars)\.\w+)")


@dataclass(kw_only=True)
class Settings:
    """What people set on GitHub: variables and secrets of the repository, and of each environment."""

    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    environment_variables: dict[str, dict[str, str]] = field(default_factory=dict)
    environment_secrets: dict[str, dict[str, str]] = field(default_factory=dict)


def prepared(workflow: Workflow, event: Event, repository: Repository, settings: Settings, *, run_id: int) -> str:
    """The text that act is given."""
    content = YAML(typ="safe", pure=True).load(io.StringIO(workflow.text))
    content.get("concurrency", {}).pop("queue", None)
    for name, job in content["jobs"].items():
        environment = _environment(job)
        job.pop("environment", None)
        granted = _granted(content, job)
        facts = {
            "workflow": f".github/workflows/{workflow.name}",
            "name": name,
            "permissions": granted,
            "event": event.name,
            "ref": event.ref,
            "sha": event.sha,
            "actor": event.actor,
            "environment": environment,
            "head_ref": event.head_ref,
            "base_ref": event.base_ref,
            "from_fork": event.from_fork,
            "run_id": run_id,
        }
        try:
            variables = repository.start_job(**facts)
        except RefusedError as error:
            job["steps"] = [{"run": f"echo '::error::{error}'; exit 1", "shell": "bash"}]
            continue
        token = variables.pop("GITHUB_TOKEN")
        job["env"] = {**job.get("env", {}), **variables}
        content["jobs"][name] = _filled(job, _lookup(settings, environment, token, is_fork=event.from_fork))
        for step in content["jobs"][name]["steps"]:
            _replace_action(step, token)
    # JSON is YAML, too.
    return json.dumps(content, indent=2)


def _environment(job: dict[str, Any]) -> str | None:
    given = job.get("environment")
    return given["name"] if isinstance(given, dict) else given


def _granted(content: dict[str, Any], job: dict[str, Any]) -> dict[str, str]:
    """A job's own permissions take the place of the workflow's; without any, a token reads the contents."""
    found = job.get("permissions", content.get("permissions", {"contents": "read"}))
    assert isinstance(found, dict), "permissions are listed"
    return found


def _lookup(settings: Settings, environment: str | None, token: str, *, is_fork: bool) -> Callable[[str], str]:
    """What `github.token`, `vars.…` and `secrets.…` are in a job; what is not set is empty, as on GitHub."""
    here = environment or ""
    variables = settings.variables | settings.environment_variables.get(here, {})
    hidden = {} if is_fork else settings.secrets | settings.environment_secrets.get(here, {})
    known = {f"vars.{name}": value for name, value in variables.items()}
    known |= {f"secrets.{name}": value for name, value in hidden.items()}
    known |= {"github.token": token, "secrets.GITHUB_TOKEN": token}
    return lambda name: known.get(name, "")


def _filled(value: Any, lookup: Callable[[str], str], *, is_condition: bool = False) -> Any:
    """All expressions below *value*, with what is looked up in them as a text."""
    if isinstance(value, dict):
        return {name: _filled(each, lookup, is_condition=name == "if") for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, lookup) for each in value]
    if not isinstance(value, str):
        return value

    def quoted(found: re.Match[str]) -> str:
        return "'" + lookup(found[1]).replace("'", "''") + "'"

    if is_condition:
        return _CONTEXT.sub(quoted, value)
    return _EXPRESSION.sub(lambda expression: _CONTEXT.sub(quoted, expression[0]), value)


def _replace_action(step: dict[str, Any], token: str) -> None:
    """Check that the stand-in knows all inputs; what the runner gives by default is given here."""
    used = step.get("uses")
    if used is None:
        return
    if used == "./":
        used = step["uses"] = OURS
    inputs = YAML(typ="safe", pure=True).load(stub(used) / "action.yml").get("inputs", {})
    unknown = set(step.get("with", {})) - set(inputs)
    assert not unknown, f"the stand-in for {used} knows no {unknown}"
    if "token" in inputs:
        step["with"] = {"token": token, **step.get("with", {})}


def uses(content: dict[str, Any]) -> set[str]:
    return {step["uses"] for job in content["jobs"].values() for step in job["steps"] if "uses" in step}


def stub(used: str) -> Path:
    path = STUBS / used.partition("@")[0].replace("/", "-")
    assert path.is_dir(), f"there is no stand-in for {used} in {STUBS}"
    return path

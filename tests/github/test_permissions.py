"""Each permission of our workflows is needed: without it, or with less of it, the job that has it fails."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.github import events, model
from tests.github.actions import spec

if TYPE_CHECKING:
    from tests.github.act import Result
    from tests.github.actions import Actions
    from tests.github.events import Event

FOLDER = Path(__file__).parents[2] / ".github" / "workflows"
PLAN, APPLY, RECONCILE = "ftops-plan.yml", "ftops-apply.yml", "ftops-reconcile.yml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A workflow in which one job may less."""

    workflow: str
    job: str
    permission: str
    level: str | None
    """None: it is gone."""

    @property
    def text(self) -> str:
        content = model.loaded((FOLDER / self.workflow).read_text(encoding="utf-8"))
        granted = content["jobs"][self.job]["permissions"]
        del granted[self.permission]
        granted |= {self.permission: self.level} if self.level else {}
        return json.dumps(content)

    def __str__(self) -> str:
        return f"{self.workflow}: {self.job} with {self.permission}: {self.level or 'none'}"


def mutants(workflow: str) -> list[Mutant]:
    """Of every permission, one without it; and where it may write, one that may read."""
    jobs = model.loaded((FOLDER / workflow).read_text(encoding="utf-8"))["jobs"]
    found = []
    for job, content in jobs.items():
        for permission, level in content["permissions"].items():
            less = [None] if level == "read" or permission == "id-token" else [None, "read"]
            found += [Mutant(workflow=workflow, job=job, permission=permission, level=each) for each in less]
    return found


pytestmark = pytest.mark.timeout(900)
"""A dozen runs of workflows, one after the other."""


def run(actions: Actions, event: Event, text: str) -> Result:
    (workflow,) = model.started(actions.repository, event)
    changed = model.Workflow(name=workflow.name, text=text, content=model.loaded(text))
    return actions.run_one(changed, event)


def survivors(actions: Actions, event: Event) -> list[str]:
    """The mutants whose job does not fail; then the file as it is must pass, or they failed for another reason."""
    (workflow,) = model.started(actions.repository, event)
    found = []
    for mutant in mutants(workflow.name):
        result = run(actions, event, mutant.text)
        if result.jobs[mutant.job] != "failure":
            found.append(f"{mutant}\n{result}")
    found += [] if (result := run(actions, event, workflow.text)).passed else [str(result)]
    return found


def test_the_permissions_of_ftops_plan_are_just_enough(actions: Actions) -> None:
    repository = actions.repository
    repository.commit(spec("elle"), branch="topic")
    number = repository.open_pull(head="topic")
    assert survivors(actions, events.pull_request(repository, number)) == []
    assert len(repository.comments(number)) == 1


def test_the_permissions_of_ftops_apply_are_just_enough(actions: Actions) -> None:
    repository = actions.repository
    before = repository.head()
    assert before is not None
    after = repository.commit(spec("elle"))
    assert survivors(actions, events.push(repository, before=before, after=after)) == []
    # None of those that failed paid for anything.
    assert len(actions.provider.jobs()) == 1


def test_the_permissions_of_ftops_reconcile_are_just_enough(actions: Actions) -> None:
    repository = actions.repository
    repository.commit(spec("elle"))
    assert actions.react()[0].passed
    actions.provider.wait_until_ended()
    assert survivors(actions, events.schedule(repository)) == []
    assert len(repository.log()) == 4, "begun, a spec, its job, its model"


@pytest.mark.parametrize("workflow", [PLAN, APPLY, RECONCILE])
def test_every_job_names_its_permissions(workflow: str) -> None:
    """What a job does not name it would take from the workflow, and the tests above would not see it."""
    content = model.loaded((FOLDER / workflow).read_text(encoding="utf-8"))
    assert content["permissions"] == {}
    assert all(isinstance(job["permissions"], dict) for job in content["jobs"].values())
    assert len(mutants(workflow)) >= 4

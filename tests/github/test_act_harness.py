"""What stands between the workflow files and act: each job gets what is its own, and nothing is left behind."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.github import act, events, model
from tests.github.prepare import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.github.act import Result
    from tests.github.events import Event
    from tests.github.forge.handle import Forge, Repository


def workflow(jobs: dict[str, Any], *, name: str = "probe.yml", **more: Any) -> model.Workflow:
    for job in jobs.values():
        job.setdefault("runs-on", "ubuntu-24.04")
        for step in job["steps"]:
            step.setdefault("shell", "bash") if "run" in step else None
    text = json.dumps({"name": "probe", "on": "push", "permissions": {}, "jobs": jobs, **more})
    return model.Workflow(name=name, text=text, content=model.loaded(text))


def step(text: str, **more: Any) -> dict[str, Any]:
    return {"run": text, **more}


@pytest.fixture
def event(models: Repository) -> Event:
    head = models.head()
    assert head is not None
    return events.push(models, before="0" * 40, after=head)


class Runner:
    def __init__(self, repository: Repository, event: Event, folder: Path) -> None:
        self.repository = repository
        self.event = event
        self.folder = folder
        self.settings = Settings()

    def __call__(self, jobs: dict[str, Any], *, seconds_max: float = 60, **more: Any) -> Result:
        return act.run(
            workflow(jobs, **more),
            self.event,
            self.repository,
            self.settings,
            folder=self.folder,
            environment={},
            seconds_max=seconds_max,
        )


@pytest.fixture
def run(models: Repository, event: Event, tmp_path: Path) -> Runner:
    return Runner(models, event, tmp_path / "run")


def test_jobs_have_results_outputs_summaries_and_annotations(run: Runner) -> None:
    result = run(
        {
            "first": {
                "outputs": {"count": "${{ steps.count.outputs.count }}"},
                "steps": [
                    step('echo "count=3" >> "$GITHUB_OUTPUT"; echo "# Three" >> "$GITHUB_STEP_SUMMARY"', id="count"),
                    step("echo '::error file=a.yaml,line=3::bad'"),
                ],
            },
            "second": {"needs": "first", "steps": [step("echo got ${{ needs.first.outputs.count }}; exit 1")]},
            "third": {"needs": "second", "steps": [step("echo never")]},
        }
    )
    assert result.jobs == {"first": "success", "second": "failure", "third": "skipped"}
    assert not result.passed
    assert "got 3" in result.log
    assert "::error file=a.yaml,line=3::bad" in result.log
    assert "never" not in result.log
    assert result.summaries == {"first": "# Three\n"}
    assert set(result.seconds) == {"first", "second"}


def test_each_job_has_a_token_with_its_own_permissions(run: Runner, github: Forge, models: Repository) -> None:
    ask = "git -c http.extraheader='AUTHORIZATION: bearer ${{ github.token }}' ls-remote $GITHUB_SERVER_URL/acme/models"
    result = run(
        {
            "reads": {"permissions": {"contents": "read"}, "steps": [step(ask)]},
            "nothing": {"permissions": {}, "steps": [step(ask)]},
            "inherits": {"steps": [step(ask)]},
        }
    )
    assert result.jobs == {"reads": "success", "nothing": "failure", "inherits": "failure"}
    assert f"{models.head()}\trefs/heads/main" in result.log
    assert {each["login"] for each in github.requests()} == {"github-actions[bot]"}


def test_a_token_ends_with_its_run(run: Runner, models: Repository, tmp_path: Path) -> None:
    note = tmp_path / "token"
    job = {"permissions": {"contents": "read"}, "steps": [step(f"echo ${{{{ github.token }}}} > {note}")]}
    assert run({"keeps": job}).passed
    command = ["git", "ls-remote", models.url_for(note.read_text().strip())]
    done = subprocess.run(command, env={**os.environ, "GIT_TERMINAL_PROMPT": "0"}, check=False, capture_output=True)
    assert b"Authentication failed" in done.stderr


def test_only_a_job_that_may_have_an_identity_can_ask_for_it(run: Runner) -> None:
    show = step("env | grep ^ACTIONS_ID_TOKEN || echo none in ${{ github.job }}")
    result = run(
        {
            "may": {"permissions": {"id-token": "write"}, "steps": [show]},
            "not": {"permissions": {"contents": "write"}, "steps": [dict(show)]},
        }
    )
    assert result.passed
    assert "none in not" in result.log
    assert "none in may" not in result.log


def test_an_environment_keeps_its_variables_and_secrets_to_its_jobs(run: Runner, models: Repository) -> None:
    models.environment("production", branches=["main"])
    run.settings = Settings(
        variables={"COLOUR": "it's red"},
        environment_variables={"production": {"COLOUR": "blue"}},
        environment_secrets={"production": {"KEY": "hidden"}},
    )
    show = {"env": {"C": "${{ vars.COLOUR }}", "K": "${{ secrets.KEY }}"}}
    result = run(
        {
            "inside": {"environment": "production", "steps": [step("echo inside: $C $K.", **show)]},
            "outside": {"steps": [step('echo "outside: $C $K."', **show)]},
            "never": {"if": "${{ vars.COLOUR == 'green' }}", "steps": [step("echo never")]},
        }
    )
    assert "inside: blue hidden." in result.log
    assert "outside: it's red ." in result.log
    assert result.jobs["never"] == "skipped"


def test_an_environment_refuses_a_job_of_another_branch(run: Runner, models: Repository) -> None:
    models.environment("production", branches=["main"])
    run.event = replace(run.event, ref="refs/heads/topic")
    result = run({"deploys": {"environment": {"name": "production"}, "steps": [step("echo got in")]}})
    assert result.jobs == {"deploys": "failure"}
    assert "is not allowed to deploy to production" in result.log
    assert "got in" not in result.log


def test_a_run_that_takes_too_long_leaves_nothing_behind(run: Runner, tmp_path: Path) -> None:
    """Not even a process that took a session of its own."""
    note = tmp_path / "mark"
    text = f"echo ${act.MARK} > {note}; setsid sleep 300 & sleep 300"
    with pytest.raises(TimeoutError):
        run({"hangs": {"steps": [step(text)]}}, seconds_max=10)
    assert len(note.read_text().strip()) == 16
    assert act.processes_of(note.read_text().strip()) == []


def test_a_run_that_ends_leaves_nothing_behind(run: Runner, tmp_path: Path) -> None:
    note = tmp_path / "mark"
    text = f"echo ${act.MARK} > {note}; setsid sleep 300 < /dev/null > /dev/null 2>&1 &"
    assert run({"leaves": {"steps": [step(text)]}}).passed
    assert act.processes_of(note.read_text().strip()) == []


def test_git_asks_nobody(run: Runner) -> None:
    result = run({"asks": {"steps": [step("git ls-remote $GITHUB_SERVER_URL/acme/models")]}})
    assert result.jobs == {"asks": "failure"}
    assert "terminal prompts disabled" in result.log


def test_an_action_without_a_stand_in_fails(run: Runner) -> None:
    with pytest.raises(AssertionError, match="no stand-in for someone/thing@"):
        run({"uses": {"steps": [{"uses": "someone/thing@" + "0" * 40}]}})


def test_an_input_that_a_stand_in_does_not_know_fails(run: Runner) -> None:
    used = {"uses": "actions/checkout@" + "0" * 40, "with": {"submodules": True}}
    with pytest.raises(AssertionError, match=r"knows no {'submodules'}"):
        run({"uses": {"steps": [used]}})


def test_a_workflow_that_act_cannot_read_fails(run: Runner) -> None:
    with pytest.raises(AssertionError, match="workflow is not valid"):
        run({"wrong": {"steps": [step("true")], "surprise": 1}})


CHECKOUT = "actions/checkout@" + "0" * 40


def test_the_checkout_is_as_the_real_one(run: Runner, models: Repository) -> None:
    """The commit of the event, or the newest of a ref; as deep as asked, and with a token left behind only if asked."""
    old = run.event.sha
    new = models.commit({"b/c": "c", "d": "d"})
    what = "$(git rev-parse HEAD) $(git rev-list --count HEAD) $(git branch --show-current) $(ls)"
    show = f'echo "${{{{ github.job }}}}: {what}"'
    left = "git config --get-regexp extraheader && echo left in ${{ github.job }}; true"
    cases: dict[str, dict[str, Any]] = {
        "event": {},
        "newest": {"ref": "refs/heads/main", "fetch-depth": 0, "persist-credentials": False},
        "commit": {"ref": old, "persist-credentials": False},
        "sparse": {"ref": "refs/heads/main", "sparse-checkout": "/d", "sparse-checkout-cone-mode": False},
    }
    jobs = {
        name: {
            "permissions": {"contents": "read"},
            "steps": [{"uses": CHECKOUT, "with": inputs}, step(show), step(left)],
        }
        for name, inputs in cases.items()
    }
    result = run(jobs)
    assert result.passed, result
    lines = result.log.splitlines()
    assert f"event: {old} 1 main README.md" in lines
    assert f"newest: {new} 2 main README.md" in lines
    assert f"commit: {old} 1  README.md" in lines
    assert f"sparse: {new} 1 main d" in lines
    assert {name for name in cases if f"left in {name}" in lines} == {"event", "sparse"}

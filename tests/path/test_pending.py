"""The first step of `ftops-reconcile.yml` counts in lockfiles what `reconcile` would have to look at.

It is the real script of the workflow, on lockfiles that ftops wrote. Where it errs, it errs towards looking.
"""

from __future__ import annotations

import os
import subprocess
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from ftops.plan.observed import UNFINISHED, state_of
from ftops.reconcile import outstanding

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Team

LONG = 50
"""Epochs of a job that is still training when a test goes on."""


def test_without_a_lockfile_nothing_is_counted(team: Team) -> None:
    team.spec("pong")
    assert counted(team.root) == len(outstanding(team.plan())) == 0


def test_a_job_counts_until_it_is_collected(team: Team) -> None:
    team.spec("pong", epochs=LONG)
    team.apply()
    assert counted(team.root) == len(outstanding(team.plan())) == 1
    stop(team)
    assert counted(team.root) == len(outstanding(team.plan())) == 0


def test_a_job_that_ended_counts_until_its_model_is_recorded(team: Team) -> None:
    """It may have ended before apply saw it: what came of it is not recorded yet."""
    team.spec("pong", epochs=1)
    team.apply()
    while team.provider.jobs([])[0].finished_at is None:
        team.clock.sleep(10)
    assert counted(team.root) == len(outstanding(team.plan())) == 1
    team.settle()
    assert counted(team.root) == 0


def test_a_superseded_job_counts_beside_the_new_one(team: Team) -> None:
    team.spec("pong", epochs=LONG)
    team.apply()
    team.spec("pong", epochs=LONG - 1)
    team.apply()
    assert counted(team.root) == len(outstanding(team.plan())) == 2
    stop(team)
    assert counted(team.root) == len(outstanding(team.plan())) == 0


def test_a_child_that_waits_for_its_parent_counts(team: Team) -> None:
    team.spec("pong", epochs=LONG)
    team.spec("child", model="{spec: pong}", epochs=1)
    team.apply()
    assert team.lock.models["child"].intent
    assert counted(team.root) == len(outstanding(team.plan())) == 2
    stop(team)
    # A person has to see to it: until then it is looked at in vain.
    assert (counted(team.root), len(outstanding(team.plan()))) == (1, 0)


def test_a_create_of_which_nothing_is_known_counts(team: Team) -> None:
    team.spec("pong", epochs=1)
    team.server.faults({"match": "POST /v1/fine_tuning/jobs", "kind": "drop-before"})
    team.apply()
    assert team.lock.models["pong"].intent
    assert counted(team.root) == len(outstanding(team.plan())) == 1
    team.settle()
    assert counted(team.root) == 0


def test_every_status_counts_that_is_not_final(team: Team) -> None:
    """Also one that a provider may invent: then the job is looked at, not forgotten."""
    team.spec("pong", epochs=1)
    team.apply()
    team.settle()
    text = (team.root / "ftops.lock").read_text()
    assert text.count('"status": "succeeded"') == 1
    for status in ("validating_files", "queued", "running", "pausing", "paused", "failed", "cancelled", "warming_up"):
        (team.root / "ftops.lock").write_text(text.replace('"succeeded"', f'"{status}"'))
        assert counted(team.root) == len(outstanding(team.plan())) == (state_of(status) in UNFINISHED), status


def test_lockfiles_of_all_targets_count(team: Team) -> None:
    team.spec("pong", epochs=LONG)
    team.apply()
    (team.root / "ftops.there.lock").write_bytes((team.root / "ftops.lock").read_bytes())
    assert counted(team.root) == 2
    stop(team)
    assert counted(team.root) == 1


def test_names_of_specs_mislead_nobody(team: Team) -> None:
    for name in ("intent", "status", "running"):
        team.spec(name, epochs=1)
    team.apply()
    assert counted(team.root) == 3
    team.settle()
    assert counted(team.root) == 0


def stop(team: Team) -> None:
    """Cancel what still trains, and collect it."""
    for job in team.provider.jobs([]):
        if job.state in UNFINISHED:
            team.provider.cancel(job.id)
    team.settle()


def counted(root: Path) -> int:
    """What the step puts out, run as the runner runs it."""
    script, output = root / ".ftops" / "count.sh", root / ".ftops" / "output"
    script.parent.mkdir(exist_ok=True)
    script.write_text(step())
    output.unlink(missing_ok=True)
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", script]
    subprocess.run(command, cwd=root, env={**os.environ, "GITHUB_OUTPUT": str(output)}, check=True)
    (line,) = output.read_text().splitlines()
    return int(line.removeprefix("count="))


@cache
def step() -> str:
    """The script, out of the workflow as it is packaged."""
    text = files("ftops.cli").joinpath("templates/github/ftops-reconcile.yml").read_text(encoding="utf-8")
    workflow = YAML().load("".join(line for line in text.splitlines(keepends=True) if not line.startswith("{local}")))
    (found,) = (each["run"] for each in workflow["jobs"]["pending"]["steps"] if each.get("id") == "count")
    return str(found)

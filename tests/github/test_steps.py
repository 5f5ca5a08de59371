"""`ftops ci plan`, `apply` and `collect`, each in a checkout of its own, against the forge and a real provider."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from ftops.lockfile import decode, verify
from tests.github.acme import KEY, LONG, project, rows, server, spec
from tests.github.provider import KEY as TOKEN
from tests.github.step import WRITES, Job

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ftops.lockfile import Lockfile
    from tests.github.acme import Server
    from tests.github.forge.handle import Repository
    from tests.github.step import Done

NUMBERS = count(1)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("provider")) as started:
        yield started


class Acme:
    """A team's repository on the forge, and the jobs of its workflows."""

    def __init__(self, repository: Repository, at: Server, folder: Path) -> None:
        self.repository = repository
        self.at = at
        self.folder = folder
        self.name = f"acme-{next(NUMBERS)}"

    def merge(self, files: Mapping[str, str | None], *, branch: str = "main") -> str:
        return self.repository.commit(files, branch=branch)

    def begin(self, **specs: str) -> None:
        self.merge(project(self.at, self.name, **specs))

    def job(self, **facts: Any) -> Job:
        return Job(repository=self.repository, folder=self.folder / f"job-{next(NUMBERS)}", **facts)

    def plan_on_main(self, *arguments: str) -> tuple[Job, Done]:
        job = self.job(permissions={"contents": "read"}, key="")
        return job, job.run("ci", "plan", *arguments)

    def approved(self, *arguments: str) -> tuple[Path, str]:
        """The plan file of a run on main, and its digest."""
        job, done = self.plan_on_main(*arguments)
        assert done.code == 0, done.said
        return job.root / "plan.json", done.outputs["checksum"]

    def apply(self, plan: Path, checksum: str, **facts: Any) -> Done:
        job = self.job(permissions=WRITES, **facts)
        return job.run("ci", "apply", "--plan", str(plan), "--checksum", checksum)

    def collect(self) -> Done:
        return self.job(event="schedule", permissions=WRITES).run("ci", "collect")

    def opened(self, files: Mapping[str, str | None], branch: str = "topic") -> Job:
        """The plan job of a pull request that changes *files*."""
        head = self.merge(files, branch=branch)
        number = self.repository.open_pull(head=branch)
        there = {"ref": branch, "sha": head, "repo": {"full_name": self.repository.name}}
        payload = {"number": number, "pull_request": {"number": number, "head": there, "base": {"ref": "main"}}}
        return self.job(
            event="pull_request",
            ref=f"refs/pull/{number}/merge",
            payload=payload,
            permissions={"contents": "read"},
            key="",
        )

    @property
    def lock(self) -> Lockfile:
        content = self.repository.file("ftops.lock")
        assert content is not None
        found = decode(content, "ftops.lock")
        assert verify(found, "ftops.lock") == ()
        return found

    @property
    def jobs(self) -> list[dict[str, Any]]:
        return self.at.jobs(self.name)


@pytest.fixture
def acme(models: Repository, at: Server, tmp_path: Path) -> Acme:
    return Acme(models, at, tmp_path / "jobs")


def test_what_was_approved_is_applied_and_collected_later(acme: Acme) -> None:
    acme.begin(elle=spec(seed=1, epochs=LONG))
    plan, checksum = acme.approved()
    assert acme.jobs == []
    applied = acme.apply(plan, checksum)
    assert applied.code == 0, applied.said
    assert [job["status"] in {"validating_files", "queued", "running"} for job in acme.jobs] == [True]
    generation = acme.lock.models["elle"].generation
    assert generation is not None
    assert (generation.job.id, generation.model) == (acme.jobs[0]["id"], None)
    assert acme.repository.log()[0] == ("github-actions[bot]", "Record what ftops made (ftops.lock)")
    acme.at.wait(acme.name)
    collected = acme.collect()
    assert collected.code == 0, collected.said
    generation = acme.lock.models["elle"].generation
    assert generation is not None
    assert generation.model == acme.jobs[0]["fine_tuned_model"]
    head = acme.repository.head()
    assert acme.collect().code == 0
    assert acme.repository.head() == head
    assert acme.plan_on_main()[1].outputs["actions"] == "0"


def test_a_spec_that_goes_back_is_recorded_though_nobody_has_to_approve_it(acme: Acme) -> None:
    acme.begin(elle=spec(seed=1))
    for seed in (1, 2):
        acme.merge({"specs/elle.yaml": spec(seed=seed)})
        assert acme.apply(*acme.approved()).code == 0
        acme.at.wait(acme.name)
        assert acme.collect().code == 0
    before = acme.lock.models["elle"].history[0]
    acme.merge({"specs/elle.yaml": spec(seed=1)})
    job, planned = acme.plan_on_main()
    assert (planned.outputs["actions"], planned.outputs["pending"]) == ("0", "1")
    assert acme.apply(job.root / "plan.json", planned.outputs["checksum"]).code == 0
    generation = acme.lock.models["elle"].generation
    assert generation is not None
    assert generation.model == before.model
    assert acme.plan_on_main()[1].outputs["pending"] == "0"
    assert len(acme.jobs) == 2


def test_the_plan_of_a_pull_request_needs_no_key_and_tells_all_it_has_to(acme: Acme) -> None:
    acme.begin(elle=spec(seed=1))
    done = acme.opened({"specs/elle.yaml": spec(seed=2), "specs/new.yaml": spec(seed=3)}).run("ci", "plan")
    assert done.code == 0, done.said
    assert done.outputs.keys() == {"checksum", "actions", "pending"}
    assert (done.outputs["actions"], done.outputs["pending"]) == ("2", "2")
    assert done.summary.startswith("### ftops plan")
    assert "`new`" in done.summary


def test_a_spec_with_a_mistake_is_marked_at_its_line_and_told_of_in_the_plan_file(acme: Acme) -> None:
    acme.begin(elle=spec(seed=1))
    job = acme.opened({"specs/elle.yaml": spec(seed=1, more="sufix: elle\n")})
    done = job.run("ci", "plan")
    assert done.code == 1
    assert "::error file=specs/elle.yaml,line=11" in done.said
    assert "did you mean" in done.summary
    found = json.loads((job.root / "plan.json").read_bytes())
    assert [problem["code"] for problem in found["problems"]] == ["spec-unknown-key"]
    assert done.outputs["actions"] == "0"


def test_a_pull_request_may_not_touch_the_lockfile(acme: Acme) -> None:
    acme.begin(elle=spec(seed=1))
    done = acme.opened({"ftops.lock": "{}\n"}).run("ci", "plan")
    assert done.code == 1
    assert "ci-lock-touched" in done.said


def test_nor_bring_what_a_plan_would_believe(acme: Acme) -> None:
    acme.begin(elle=spec(seed=1))
    done = acme.opened({".ftops/datasets/x": "{}\n"}).run("ci", "plan")
    assert done.code == 1
    assert "ci-state-committed" in done.said


def test_another_spec_than_the_approved_one_is_refused_with_the_difference(acme: Acme) -> None:
    acme.begin(elle=spec(seed=1), other=spec(seed=2))
    plan, checksum = acme.approved()
    acme.merge({"specs/elle.yaml": spec(seed=7)})
    done = acme.apply(plan, checksum)
    assert done.code == 3
    assert acme.jobs == []
    assert acme.repository.file("ftops.lock") is None
    assert "error[plan-unapproved]: elle: train" in done.said
    assert "the branch went on" in done.said
    # What is approved then is done.
    assert acme.apply(*acme.approved()).code == 0
    assert len(acme.jobs) == 2


def test_less_than_approved_is_fine(acme: Acme) -> None:
    acme.begin(elle=spec(seed=1), other=spec(seed=2))
    plan, checksum = acme.approved()
    acme.merge({"specs/other.yaml": None, "README.md": "Went on\n"})
    done = acme.apply(plan, checksum)
    assert done.code == 0, done.said
    assert [job["metadata"]["ftops.spec"] for job in acme.jobs] == ["elle"]


def test_other_data_is_another_model(acme: Acme) -> None:
    acme.begin(elle=spec(seed=1))
    plan, checksum = acme.approved()
    acme.merge({"specs/data/pings.jsonl": rows(13)})
    assert acme.apply(plan, checksum).code == 3
    assert acme.jobs == []


def test_what_is_gone_at_the_provider_leads_out_of_the_workflow_which_could_never_approve_it(acme: Acme) -> None:
    acme.begin(elle=spec(seed=1))
    assert acme.apply(*acme.approved()).code == 0
    acme.at.wait(acme.name)
    assert acme.collect().code == 0
    acme.at.delete_model(acme.jobs[0]["fine_tuned_model"])
    done = acme.apply(*acme.approved("--retry-failed"))
    assert done.code == 3
    assert "error[plan-unapproved]: elle: train" in done.said
    assert "gone at the provider" in done.said
    assert "run the workflow again" not in done.said
    assert "`ftops apply --retry-failed elle`" in done.said
    assert len(acme.jobs) == 1


def test_an_edited_artifact_is_refused(acme: Acme) -> None:
    acme.begin(elle=spec(seed=1))
    plan, checksum = acme.approved()
    acme.merge({"specs/elle.yaml": spec(seed=7)})
    newer, _ = acme.approved()
    plan.write_bytes(newer.read_bytes())
    done = acme.apply(plan, checksum)
    assert done.code == 3
    assert "plan-file-altered" in done.said
    assert acme.jobs == []


def test_a_plan_approved_twice_is_paid_once(acme: Acme) -> None:
    acme.begin(elle=spec(seed=1))
    plan, checksum = acme.approved()
    assert acme.apply(plan, checksum).code == 0
    again = acme.apply(plan, checksum)
    assert again.code == 0, again.said
    assert len(acme.jobs) == 1


def test_a_commit_that_is_lost_is_found_again_and_not_paid_for(acme: Acme) -> None:
    acme.begin(elle=spec(seed=1))
    plan, checksum = acme.approved()
    acme.repository.forge.fail("POST */graphql", "500", times=50)
    failed = acme.apply(plan, checksum)
    assert failed.code == 1
    assert len(acme.jobs) == 1
    assert acme.repository.file("ftops.lock") is None
    # What was paid for is told all the same.
    assert f"| `elle` | submitted | `submitted job {acme.jobs[0]['id']}` |" in failed.summary
    acme.repository.forge.fail("POST */nothing", "500", times=0)


def test_where_results_are_waited_for_the_plan_says_when_they_were_collected(acme: Acme) -> None:
    acme.begin(elle=spec(seed=1, epochs=LONG))
    assert acme.apply(*acme.approved()).code == 0
    job, _ = acme.plan_on_main()
    assert json.loads((job.root / "plan.json").read_bytes())["collected_at"] is None
    assert acme.collect().code == 0
    job, _ = acme.plan_on_main()
    assert json.loads((job.root / "plan.json").read_bytes())["collected_at"] > 1_700_000_000


def test_the_collector_tells_of_merges_that_nothing_applied(acme: Acme) -> None:
    acme.begin(elle=spec(seed=1))
    done = acme.collect()
    assert done.code == 0
    assert "ci-unapplied" in done.said
    assert "::warning" in done.said
    assert acme.jobs == []


def test_the_embedded_target_is_no_use_where_machines_go(acme: Acme) -> None:
    acme.merge(project(acme.at, acme.name, elle=spec(seed=1)) | {"ftops.yaml": "default_target: local\n"})
    plan, checksum = acme.approved()
    for done in (acme.apply(plan, checksum), acme.collect()):
        assert done.code == 64
        assert "ci-embedded" in done.said


def test_outside_of_a_workflow_there_is_nothing_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ftops", "ci", "plan"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 64
    assert "ci-outside" in done.stderr


def test_neither_key_nor_token_nor_row_is_in_anything_that_is_shown(acme: Acme) -> None:
    acme.begin(elle=spec(seed=1))
    acme.merge({"specs/data/pings.jsonl": rows(12, answer="canary-of-a-row")})
    plan_job, planned = acme.plan_on_main()
    done = acme.apply(plan_job.root / "plan.json", planned.outputs["checksum"])
    shown = planned.said + planned.summary + done.said + done.summary + (plan_job.root / "plan.json").read_text()
    lock = acme.repository.file("ftops.lock")
    assert lock is not None
    for secret in (TOKEN, "canary-of-a-row", "x-access-token", "ghs_"):
        assert secret not in shown
        assert secret.encode() not in lock
    assert KEY not in lock.decode()

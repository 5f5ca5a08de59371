"""Our workflows, and those that `ftops init --github` writes, keep to the policy; both are of one source."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.github.lint import ACTION, ROOT, uncomment, workflows, write_workflows
from tests.github.policy import problems

if TYPE_CHECKING:
    from pathlib import Path

OF_FTOPS = ("ftops-apply.yml", "ftops-plan.yml", "ftops-reconcile.yml")


def test_our_own_workflows_keep_to_the_policy() -> None:
    assert problems(ROOT) == []


def test_what_users_get_keeps_to_the_policy(tmp_path: Path) -> None:
    assert problems(write_workflows(tmp_path / "written")) == []


def test_what_comments_offer_keeps_to_the_policy(tmp_path: Path) -> None:
    offered = write_workflows(tmp_path / "offered")
    uncomment(offered)
    texts = {path.name: path.read_text() for path in workflows(offered)}
    assert {name for name, text in texts.items() if "\n          OPENAI_API_KEY: ${{ secrets." in text} == {
        "ftops-apply.yml",
        "ftops-reconcile.yml",
    }
    assert problems(offered, may_use_secrets=True) == []
    assert len(problems(offered)) == 4


def test_our_own_workflows_are_what_the_program_writes(tmp_path: Path) -> None:
    """If this fails: delete them, and have `ftops init --github --action ./ --target openai` write them anew."""
    shutil.copy(ROOT / "ftops.yaml", tmp_path)
    command = [sys.executable, "-m", "ftops", "init", "--github", "--action", "./", "--target", "openai"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    written = {path.name: path.read_text() for path in workflows(tmp_path)}
    assert tuple(written) == OF_FTOPS
    assert written == {name: (ROOT / ".github/workflows" / name).read_text() for name in OF_FTOPS}


@pytest.mark.parametrize("name", OF_FTOPS)
def test_ours_differ_from_those_of_users_as_they_must_and_nowhere_else(tmp_path: Path, name: str) -> None:
    users = (write_workflows(tmp_path / "written") / ".github/workflows" / name).read_text()
    ours = (ROOT / ".github/workflows" / name).read_text()
    users = users.replace(f"uses: {ACTION}", "uses: ./")
    users = re.sub(r"(ci plan --out plan\.json|ci collect)", r"\1 --target openai", users)
    added = [line for line in ours.splitlines() if line not in users.splitlines()]
    assert [line for line in users.splitlines() if line not in ours.splitlines()] == []
    allowed = ("# `ftops init", "# The specs of ftops", "if: ${{ vars.FTOPS_APPLY", "contents: read # the action")
    allowed = (*allowed, "- name: Check out the action", "ref: ${{ github.event.pull_request.base.sha }}")
    assert [line for line in added if not line.lstrip().startswith(allowed)] == []


def test_every_pin_of_an_action_names_one_version() -> None:
    texts = [path.read_text() for path in (*workflows(ROOT), ROOT / "action.yml")]
    pins = {found for text in texts for found in re.findall(r"([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v[\d.]+)", text)}
    assert len({name for name, _, _ in pins}) == len(pins) >= 5

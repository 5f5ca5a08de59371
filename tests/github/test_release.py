"""`release.yml` builds packages that know their commit: its real script, then a real build, installed and used."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
from ruamel.yaml import YAML

from tests.github.lint import ROOT, workflows
from tests.github.tree import copied_to

if TYPE_CHECKING:
    from pathlib import Path

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    """A commit of the source, as a release checks it out."""
    tree = copied_to(tmp_path / "tree")
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "Release"]):
        subprocess.run(["git", *command], cwd=tree, check=True)
    return tree


def test_a_release_writes_its_own_commit_into_workflows(tagged: Path, tmp_path: Path) -> None:
    assert noted(tagged, f"v{VERSION}").returncode == 0
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    subprocess.run(build, cwd=tagged, check=True, capture_output=True)
    with ZipFile(next((tagged / "dist").glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "installed")
    project = tmp_path / "project"
    project.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    subprocess.run([sys.executable, "-P", "-m", "ftops", "init", "--github"], cwd=project, env=environment, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tagged, check=True, capture_output=True, text=True).stdout
    expected = f"someone/ftops@{commit.strip()} # v{VERSION}"
    texts = [path.read_text(encoding="utf-8") for path in workflows(project)]
    assert [f"uses: {expected}\n" in text for text in texts] == [True, True, True]
    assert f"`uses: {expected}`" in (tagged / "summary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("tag", [f"{VERSION}", "v0.0.0", "main"])
def test_no_other_tag_releases_a_version(tagged: Path, tag: str) -> None:
    done = noted(tagged, tag)
    assert done.returncode == 1
    assert done.stdout.startswith("::error file=pyproject.toml::")
    assert not (tagged / "ftops/cli/templates/github/action").exists()


def noted(tree: Path, tag: str) -> subprocess.CompletedProcess[str]:
    """Run the step that notes what is released, as the runner does."""
    jobs = YAML().load(ROOT / ".github/workflows/release.yml")["jobs"]
    (script,) = [step["run"] for step in jobs["build"]["steps"] if step["name"] == "Note what this release is"]
    environment = {
        **os.environ,
        "GITHUB_REPOSITORY": "someone/ftops",
        "GITHUB_REF_NAME": tag,
        "GITHUB_STEP_SUMMARY": str(tree / "summary.md"),
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=tree, env=environment, check=False, capture_output=True, text=True)

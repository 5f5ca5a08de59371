"""`action.yml` installs ftops from its own commit, with what uv.lock says and nothing else: its real script, here."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.github.lint import BIN, ROOT
from tests.github.tree import copied_to

# Asked for before a test has a home folder of its own: what uv has in its cache need not be fetched.
CACHE = subprocess.run([BIN / "uv", "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()


def test_it_installs_a_program_that_works(tree: Path, tmp_path: Path) -> None:
    done = installed(tree, tmp_path)
    assert done.returncode == 0, done.stderr
    program = Path((tmp_path / "output").read_text().removeprefix("bin=").strip())
    assert program.is_relative_to(tmp_path / "temp")
    (tmp_path / "project").mkdir()
    (tmp_path / "project/ftops").mkdir()
    (tmp_path / "project/ftops/__init__.py").write_text("raise SystemExit('a file of the project was run')")
    for arguments in (["init"], ["plan"]):
        subprocess.run([program, *arguments], cwd=tmp_path / "project", check=True, capture_output=True)
    assert not (tree / ".venv").exists()
    assert not (tmp_path / "temp/ftops/bin/pytest").exists(), "what only developers need is left out"


def test_it_refuses_a_package_with_another_hash(tree: Path, tmp_path: Path) -> None:
    lock = tree / "uv.lock"
    text, count = re.subn(r'(/click-[^"]*\.whl", hash = "sha256:)[0-9a-f]{64}', rf"\g<1>{'0' * 64}", lock.read_text())
    assert count == 1
    lock.write_text(text)
    assert "Hash mismatch for `click" in installed(tree, tmp_path, UV_OFFLINE="1").stderr
    assert not (tmp_path / "temp/ftops/bin/ftops").exists()


def test_it_refuses_a_lockfile_that_is_out_of_date(tree: Path, tmp_path: Path) -> None:
    project = tree / "pyproject.toml"
    project.write_text(project.read_text().replace('"click>=8.2,<9",', '"click>=8.2,<9", "colorama>=0.4",'))
    done = installed(tree, tmp_path, UV_OFFLINE="1")
    assert "`uv.lock` needs to be updated" in done.stderr
    assert not (tmp_path / "temp/ftops/bin/ftops").exists()


def installed(tree: Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script of the action, as the runner does."""
    (step,) = [step for step in YAML().load(ROOT / "action.yml")["runs"]["steps"] if step.get("id") == "install"]
    (folder / "install.sh").write_text(step["run"])
    environment = {
        **os.environ,
        **variables,
        "UV": str(BIN / "uv"),
        "UV_CACHE_DIR": CACHE,
        "UV_PROJECT_ENVIRONMENT": step["env"]["UV_PROJECT_ENVIRONMENT"].replace("${{ runner.temp }}", f"{folder}/temp"),
        "GITHUB_ACTION_PATH": str(tree),
        "GITHUB_OUTPUT": str(folder / "output"),
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", folder / "install.sh"]
    return subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return copied_to(tmp_path / "tree")

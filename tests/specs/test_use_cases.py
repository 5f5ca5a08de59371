"""Every use case of this repository, from spec to model, with the tiny model, as a user would run it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftops.project import open_project, read_declared

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ON_TINY = ("--target", "tiny")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The specs in a folder of their own; its server ends with the tests."""
    folder = tmp_path_factory.mktemp("use-cases")
    shutil.copy(ROOT / "ftops.yaml", folder)
    shutil.copytree(ROOT / "specs", folder / "specs")
    yield folder
    server = json.loads((folder / ".ftops" / "local" / "server.json").read_text())
    os.kill(server["pid"], signal.SIGTERM)


def ftops(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ftops", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(1500)
def test_all_use_cases_are_trained_and_recorded(copy: Path) -> None:
    ftops(copy, "apply", "--yes", "--wait", *ON_TINY)
    assert ftops(copy, "plan", *ON_TINY).startswith("No changes. 11 models match their specs on target tiny.")
    recorded = json.loads((copy / "ftops.tiny.lock").read_text())["models"]
    assert sorted(recorded) == sorted(spec.name for spec in read_declared(open_project(copy)).specs)
    for name, entry in recorded.items():
        generation = entry["generation"]
        assert generation["job"]["status"] == "succeeded", name
        assert generation["model"].startswith("ft:tiny-byte-90k:"), name
        assert generation["trained_tokens"] > 0, name
        assert generation["metrics"]["train_loss"] > 0, name
    chained = recorded["elle-limericks-noble"]["generation"]
    assert chained["request"]["model"] == recorded["elle-limericks"]["generation"]["model"]
    lsat = recorded["ar-lsat"]["generation"]
    assert lsat["hyperparameters"] == {"batch_size": 3, "learning_rate_multiplier": 0.3, "n_epochs": 10}
    assert len(lsat["checkpoints"]) == 3


def test_a_tuned_model_answers_beside_its_base(copy: Path) -> None:
    said = json.loads(ftops(copy, "chat", "app-reviews-shuffled", "Love it!", "--compare", "--json", *ON_TINY))
    assert set(said["answers"]) == {"base", "tuned"}
    assert said["answers"]["base"] != said["answers"]["tuned"]
    assert said["answers"]["tuned"] in {"1", "2", "3", "4", "5"}


def test_the_lockfile_verifies(copy: Path) -> None:
    ftops(copy, "lock", "verify", *ON_TINY)

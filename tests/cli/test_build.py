"""`ftops build`, as a person and as a script meet it; and what plan makes of a dataset."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

DATASET = """kind: Dataset
sources: {reviews: data/reviews.csv}
dedupe: [review]
chat: {user: "{review}", assistant: "{star}"}
splits: {train: 70%, valid: 30%}
stratify_by: star
"""
SPEC = """kind: FineTune
matrix: {n_epochs: [1, 2]}
model: tiny-byte-90k
training_file: {dataset: reviews, split: train}
validation_file: {dataset: reviews, split: valid}
method: {type: supervised, supervised: {hyperparameters: {n_epochs: "{matrix.n_epochs}"}}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "specs" / "data").mkdir(parents=True)
    (tmp_path / "specs" / "reviews.yaml").write_text(DATASET)
    write_rows(tmp_path, 80)
    return tmp_path


def write_rows(project: Path, count: int) -> None:
    rows = "".join(f"review {number},{number % 2 + 1}\n" for number in range(count))
    (project / "specs" / "data" / "reviews.csv").write_text(f"review,star\n{rows}review 1,2\n")


def ftops(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1"}
    command = [sys.executable, "-m", "ftops", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, env=environment)


def test_a_dataset_is_built_and_then_up_to_date(project: Path) -> None:
    assert ftops(project, "build", "--check").returncode == 2
    built = ftops(project, "build")
    assert built.returncode == 0, built.stderr
    lines = built.stdout.splitlines()
    assert lines[0] == "reviews: built"
    assert lines[1].split()[:3] == ["train", "58", "rows"]
    assert lines[2].split()[:2] == ["star:", "1"]
    assert lines[-1] == "  of 81 rows; left out: 1 as duplicates"
    path = project / lines[1].split()[-1]
    assert len(path.read_text().splitlines()) == 58
    assert ftops(project, "build", "reviews", "--check").returncode == 0
    assert ftops(project, "build").stdout.startswith("reviews: up to date\n")


def test_scripts_read_json(project: Path) -> None:
    stale = json.loads(ftops(project, "build", "--check", "--json").stdout)
    assert stale == {
        "format_version": 1,
        "datasets": [{"name": "reviews", "path": "specs/reviews.yaml", "status": "stale"}],
    }
    (dataset,) = json.loads(ftops(project, "build", "--json").stdout)["datasets"]
    assert (dataset["status"], dataset["selected"], dataset["dropped"]) == ("built", 81, {"dedupe": 1})
    assert sum(split["rows"] for split in dataset["splits"]) == 80


def test_a_name_that_is_misspelt_is_told(project: Path) -> None:
    done = ftops(project, "build", "review")
    assert done.returncode == 1
    assert "did you mean `reviews`?" in done.stderr


def test_a_problem_shows_the_line_of_the_spec(project: Path) -> None:
    (project / "specs" / "reviews.yaml").write_text(DATASET.replace("{review}", "{reviw}"))
    done = ftops(project, "build")
    assert done.returncode == 1
    assert '4 | chat: {user: "{reviw}", assistant: "{star}"}' in done.stderr
    assert "  |               ^^^^^^^" in done.stderr


def test_a_project_without_datasets_says_so(project: Path) -> None:
    (project / "specs" / "reviews.yaml").unlink()
    assert ftops(project, "build").stdout == "No datasets: no file declares one with `kind: Dataset`.\n"


def test_an_unknown_dataset_or_split_is_told_where_it_is_named(project: Path) -> None:
    spec = SPEC.replace("dataset: reviews, split: train", "dataset: revews, split: train").replace("valid}", "vald}")
    (project / "specs" / "stars.yaml").write_text(spec)
    done = ftops(project, "plan")
    assert done.returncode == 1
    assert "error[spec-dataset-unknown]: there is no dataset named `revews`" in done.stderr
    assert "specs/stars.yaml:4:26" in done.stderr
    assert "error[spec-dataset-unknown]: the dataset `reviews` has no split `vald`" in done.stderr
    assert "did you mean `valid`?" in done.stderr


def test_plan_builds_and_says_how_many_rows_changed(project: Path) -> None:
    (project / "specs" / "stars.yaml").write_text(SPEC)
    planned = ftops(project, "plan")
    assert planned.returncode == 0, planned.stderr
    assert "+ stars-1" in planned.stdout
    assert "+ stars-2" in planned.stdout
    assert "58 rows (+22 validation)" in planned.stdout
    applied = ftops(project, "apply", "--yes", "--wait")
    assert applied.returncode == 0, applied.stderr
    try:
        lock = json.loads((project / "ftops.lock").read_text())
        inputs = lock["models"]["stars-1"]["generation"]["inputs"]
        assert inputs["training_file"]["path"] == "dataset reviews/train"
        assert ftops(project, "plan", "--detailed-exitcode").returncode == 0
        # What is not known to be other bytes is no change: neither another recipe nor a lost file.
        (project / "specs" / "reviews.yaml").write_text(DATASET.replace("dedupe: [review]", "dedupe: true"))
        assert ftops(project, "plan", "--detailed-exitcode").returncode == 0
        write_rows(project, 100)
        changed = ftops(project, "plan", "--detailed-exitcode")
        assert changed.returncode == 2
        assert re.search(r"training_file.*58 rows \(\w+\) → 71 rows", " ".join(changed.stdout.split()))
    finally:
        server = json.loads((project / ".ftops" / "local" / "server.json").read_text())
        os.kill(server["pid"], 15)

"""`ftops build`, as a person and as a script meet it; and what plan makes of a dataset."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run

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
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "specs" / "data").mkdir(parents=True)
    (tmp_path / "specs" / "reviews.yaml").write_text(DATASET)
    write_rows(tmp_path, 80)
    return tmp_path


def write_rows(project: Path, count: int) -> None:
    rows = "".join(f"review {number},{number % 2 + 1}\n" for number in range(count))
    (project / "specs" / "data" / "reviews.csv").write_text(f"review,star\n{rows}review 1,2\n")


def test_a_dataset_is_built_and_then_up_to_date(project: Path, run: Run) -> None:
    assert run("build", "--check").code == 2
    built = run("build")
    assert built.code == 0, built.err
    lines = built.out.splitlines()
    assert lines[0] == "reviews: built"
    assert lines[1].split()[:3] == ["train", "58", "rows"]
    assert lines[2].split()[:2] == ["star:", "1"]
    assert lines[-1] == "  of 81 rows; left out: 1 as duplicates"
    path = project / lines[1].split()[-1]
    assert len(path.read_text().splitlines()) == 58
    assert run("build", "reviews", "--check").code == 0
    assert run("build").out.startswith("reviews: up to date\n")


@pytest.mark.usefixtures("project")
def test_scripts_read_json(run: Run) -> None:
    stale = json.loads(run("build", "--check", "--json").out)
    assert stale == {
        "format_version": 1,
        "datasets": [{"name": "reviews", "path": "specs/reviews.yaml", "status": "stale"}],
    }
    (dataset,) = json.loads(run("build", "--json").out)["datasets"]
    assert (dataset["status"], dataset["selected"], dataset["dropped"]) == ("built", 81, {"dedupe": 1})
    assert sum(split["rows"] for split in dataset["splits"]) == 80


@pytest.mark.usefixtures("project")
def test_a_name_that_is_misspelt_is_told(run: Run) -> None:
    done = run("build", "review")
    assert done.code == 1
    assert "did you mean `reviews`?" in done.err


def test_a_problem_shows_the_line_of_the_spec(project: Path, run: Run) -> None:
    (project / "specs" / "reviews.yaml").write_text(DATASET.replace("{review}", "{reviw}"))
    done = run("build")
    assert done.code == 1
    assert '4 | chat: {user: "{reviw}", assistant: "{star}"}' in done.err
    assert "  |               ^^^^^^^" in done.err


def test_a_project_without_datasets_says_so(project: Path, run: Run) -> None:
    (project / "specs" / "reviews.yaml").unlink()
    assert run("build").out == "No datasets: no file declares one with `kind: Dataset`.\n"


def test_an_unknown_dataset_or_split_is_told_where_it_is_named(project: Path, run: Run) -> None:
    spec = SPEC.replace("dataset: reviews, split: train", "dataset: revews, split: train").replace("valid}", "vald}")
    (project / "specs" / "stars.yaml").write_text(spec)
    done = run("plan")
    assert done.code == 1
    assert "error[spec-dataset-unknown]: there is no dataset named `revews`" in done.err
    assert "specs/stars.yaml:4:26" in done.err
    assert "error[spec-dataset-unknown]: the dataset `reviews` has no split `vald`" in done.err
    assert "did you mean `valid`?" in done.err


def test_plan_builds_and_says_how_many_rows_changed(project: Path, program: Run) -> None:
    (project / "specs" / "stars.yaml").write_text(SPEC)
    planned = program("plan")
    assert planned.code == 0, planned.err
    assert "+ stars-1" in planned.out
    assert "+ stars-2" in planned.out
    assert "58 rows (+22 validation)" in planned.out
    applied = program("apply", "--yes", "--wait")
    assert applied.code == 0, applied.err
    try:
        lock = json.loads((project / "ftops.lock").read_text())
        inputs = lock["models"]["stars-1"]["generation"]["inputs"]
        assert inputs["training_file"]["path"] == "dataset reviews/train"
        assert program("plan", "--detailed-exitcode").code == 0
        # What is not known to be other bytes is no change: neither another recipe nor a lost file.
        (project / "specs" / "reviews.yaml").write_text(DATASET.replace("dedupe: [review]", "dedupe: true"))
        assert program("plan", "--detailed-exitcode").code == 0
        write_rows(project, 100)
        changed = program("plan", "--detailed-exitcode")
        assert changed.code == 2
        assert re.search(r"training_file.*58 rows \(\w+\) → 71 rows", " ".join(changed.out.split()))
    finally:
        server = json.loads((project / ".ftops" / "local" / "server.json").read_text())
        os.kill(server["pid"], 15)


IGNORE = "checks: {ignore: [{code: %s, reason: templates are meant to be alike}]}\n"


@pytest.mark.parametrize("file", ["reviews", "stars"])
def test_a_check_that_is_not_known_cannot_be_switched_off(project: Path, run: Run, file: str) -> None:
    (project / "specs" / "stars.yaml").write_text(SPEC)
    path = project / "specs" / f"{file}.yaml"
    line = len(path.read_text().splitlines()) + 1
    with path.open("a") as out:
        out.write(IGNORE % "data-near-duplicates")
    done = run("plan")
    assert done.code == 1
    assert done.err.count("error[") == 1
    assert "error[spec-ignore]: there is no check `data-near-duplicates`" in done.err
    assert f"specs/{file}.yaml:{line}:26" in done.err
    assert "did you mean `data-near-duplicate`?" in done.err


def test_what_the_provider_refuses_cannot_be_switched_off(project: Path, run: Run) -> None:
    with (project / "specs" / "reviews.yaml").open("a") as out:
        out.write(IGNORE % "data-not-json")
    done = run("build")
    assert done.code == 1
    assert "error[spec-ignore]: `data-not-json` cannot be switched off" in done.err
    (project / "specs" / "reviews.yaml").write_text(DATASET + IGNORE % "data-near-duplicate")
    assert run("build").code == 0

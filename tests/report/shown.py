"""Plans that are worth looking at, made by the program from this repository's own specs on OpenAI's models.

What is on record is made up, as are the edits; all else (digests, rows, tokens, costs, reasons) the program says.
`tests/report/pictures.py` makes pictures of them for the documents.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ftops.clock import SystemClock
from ftops.lockfile import CheckpointRecord, Chosen, Generation, JobError, JobRecord, Lockfile, with_generation
from ftops.lockstore import LockStore
from ftops.project import open_project
from ftops.reconcile import Options, World, plan
from ftops.report.planfile import PlanFile, decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftops.plan.changes import Change

ROOT = Path(__file__).parents[2]
NOW = 1_795_320_000
"""A Sunday noon in November 2026."""
COMMIT = "5b3877b92a3695558a21c8e463f1b5da0840ddf2"
COLLECTED_HOURS_AGO = 11

_CONFIG = """\
default_target: openai
targets:
  openai:
    profile: openai
    api_key: {env: OPENAI_API_KEY}
    models: {smollm2-135m-instruct: gpt-4.1-mini-2025-04-14}
"""
_PLAIN = ("ar-lsat", "elle-limericks", "elle-limericks-noble", "hobannu", "hobannu-improved", "support-tone")
_MATRIX = """\
kind: FineTune
matrix:
  lr: [0.3, 1, 1.8, 2, 2.5]
  epochs: [{epochs}]
model: smollm2-135m-instruct
training_file: data/{data}.train.jsonl
validation_file: data/{data}.valid.jsonl
method:
  type: supervised
  supervised: {{hyperparameters: {{n_epochs: "{{matrix.epochs}}", learning_rate_multiplier: "{{matrix.lr}}"}}}}
suffix: "{{matrix}}"
"""


class _Held(SystemClock):
    """Time stands still: what is written of shutdowns counts days from now."""

    def now(self) -> int:
        return NOW


class Repository:
    """A throw-away copy of specs and their data, under git."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.root = folder
        (folder / "specs" / "data").mkdir(parents=True)
        (folder / "ftops.yaml").write_text(_CONFIG, encoding="utf-8")
        for path in (ROOT / "specs" / "data").glob("*.*"):
            shutil.copy(path, folder / "specs" / "data")
        for name in names:
            shutil.copy(ROOT / "specs" / f"{name}.yaml", folder / "specs")

    def plan(self) -> PlanFile:
        planned = plan(self._world(), Options())
        return decoded(encoded(planned, commit=COMMIT), "plan.json")

    def record(self, made: Callable[[Change, int], Generation]) -> None:
        """Commit what is there, and record it as trained on, one generation a spec, as *made* says."""
        for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Before"]):
            subprocess.run(["git", *arguments], cwd=self.root, check=True)
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=self.root, check=True, capture_output=True, text=True
        ).stdout.strip()
        lock = Lockfile(target="openai")
        for number, change in enumerate(plan(self._world(), Options()).changes):
            lock = with_generation(lock, change.name, msgspec.structs.replace(made(change, number), commit=head))
        store = LockStore(self.root, "ftops.lock", "openai")
        with store.exclusive():
            store.save(lock, spent=False)

    def edit(self, path: str, *edits: tuple[str, str]) -> None:
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        for pattern, text_after in edits:
            text, times = re.subn(pattern, text_after, text, flags=re.MULTILINE)
            assert times, pattern
        file.write_text(text, encoding="utf-8")

    def edit_rows(self, path: str) -> None:
        """Two rows go, three come, and one is changed."""
        file = self.root / path
        rows = file.read_text(encoding="utf-8").splitlines(keepends=True)
        more = [row.replace("order", "parcel").replace("Thank you", "Thanks") for row in rows[-3:]]
        rows[4] = rows[4].replace("Thank you", "Many thanks")
        file.write_text("".join([*rows[2:], *more]), encoding="utf-8")

    def _world(self) -> World:
        return World(project=open_project(self.root, "openai"), environ={}, clock=_Held())


def plans(folder: Path) -> Mapping[str, PlanFile]:
    """The plans by name; *folder* is empty."""
    makers = {"first": _first, "nothing": _nothing, "blocked": _blocked, "fifty": _fifty}
    return {name: make(folder / name) for name, make in makers.items()}


def _first(folder: Path) -> PlanFile:
    repository = Repository(folder, *_PLAIN, "app-reviews", "support-tone-dpo")
    shutil.copytree(ROOT / "specs" / "datasets", folder / "specs" / "datasets")
    return repository.plan()


def _nothing(folder: Path) -> PlanFile:
    repository = Repository(folder, *_PLAIN)
    repository.record(_trained)
    return repository.plan()


def _blocked(folder: Path) -> PlanFile:
    """Too many epochs for the budget, other data, a child that follows its parent, and a spec that is gone."""
    repository = Repository(folder, *_PLAIN)
    repository.record(_trained)
    repository.edit("ftops.yaml", (r"\Z", "budget: {max_usd: 0.5}\n"))
    repository.edit("specs/ar-lsat.yaml", ("n_epochs: 10", "n_epochs: 20"), (r"\Z", "budget: {max_usd: 0.4}\n"))
    repository.edit("specs/elle-limericks.yaml", ("seed: 7", "seed: 8"))
    repository.edit_rows("specs/data/support-tone.train.jsonl")
    (folder / "specs" / "hobannu.yaml").unlink()
    return repository.plan()


def _fifty(folder: Path) -> PlanFile:
    """Two matrices, of which one is new and the other's data changed; and what else a project has on record."""
    names = ("ar-lsat", "hobannu", "hobannu-improved", "support-tone", "support-tone-dpo")
    repository = Repository(folder, *names)
    tone = _MATRIX.format(epochs="1, 2, 3, 4, 5", data="support-tone")
    (folder / "specs" / "tone.yaml").write_text(tone, encoding="utf-8")
    states = {"support-tone-dpo": _running, "hobannu-improved": _running, "ar-lsat": _failed}
    repository.record(lambda change, number: states.get(change.name, _trained)(change, number))
    repository.edit_rows("specs/data/support-tone.train.jsonl")
    limericks = _MATRIX.format(epochs="1, 2, 3, 4", data="elle-limericks")
    (folder / "specs" / "limericks.yaml").write_text(limericks, encoding="utf-8")
    (folder / "specs" / "hobannu.yaml").unlink()
    found = repository.plan()
    return msgspec.structs.replace(found, collected_at=NOW - COLLECTED_HOURS_AGO * 3600)


def _trained(change: Change, number: int) -> Generation:
    """Half a minute for each thousand tokens, and some minutes in a queue."""
    cost = change.wanted.cost
    assert cost is not None
    job = _job(number, "succeeded")
    seconds = 300 + round(0.03 * cost.billed_tokens)
    model = f"ft:gpt-4.1-mini-2025-04-14:acme:{change.name}:{number:08}"
    return msgspec.structs.replace(
        _generation(change, msgspec.structs.replace(job, finished_at=job.created_at + seconds)),
        trained_tokens=cost.billed_tokens,
        model=model,
        checkpoint=Chosen(policy=change.wanted.spec.checkpoint, step=1),
        checkpoints=(CheckpointRecord(model=model, step=1),),
    )


def _running(change: Change, number: int) -> Generation:
    return _generation(change, _job(number, "running"))


def _failed(change: Change, number: int) -> Generation:
    error = JobError(code="invalid_training_file", message="The job failed due to an invalid training file: line 3.")
    job = msgspec.structs.replace(_job(number, "failed"), finished_at=NOW - 80_000, error=error)
    return _generation(change, job)


def _job(number: int, status: str) -> JobRecord:
    return JobRecord(id=f"ftjob-{number:08}", status=status, created_at=NOW - 86_400)


def _generation(change: Change, job: JobRecord) -> Generation:
    want = change.wanted
    return Generation(digest=want.digest, inputs=want.inputs, request={}, job=job)

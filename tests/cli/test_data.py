"""The data of a project, for plan and check: read once, remembered, and compared with that of all generations."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING

import pytest

from ftops import among
from ftops.datafiles import read_data
from ftops.dataset.tokens.base import models_folder
from ftops.digest import short
from ftops.filecache import SETTLED_NS
from ftops.lockfile import Generation, JobRecord, encode, with_generation
from ftops.lockstore import LockStore
from ftops.plan.desired import resolve
from ftops.project import open_project, read_declared

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conftest import Result, Run

READS = Path("/proc/self/io")


def row(number: int) -> str:
    """One that is unlike all others."""
    letters = random.Random(number).choices(ascii_lowercase + " ", k=140)
    messages = [
        {"role": "user", "content": f"What is {''.join(letters[:60])}?"},
        {"role": "assistant", "content": f"It is {''.join(letters[60:])}."},
    ]
    return json.dumps({"messages": messages}) + "\n"


@dataclass(kw_only=True)
class Shelf:
    """A project of one spec, whose plan asks nobody."""

    root: Path

    def data(self, name: str, numbers: Iterable[int]) -> Path:
        path = self.root / "specs" / name
        path.write_text("".join(map(row, numbers)))
        return path

    def spec(self, name: str, *, more: str = "", model: str = "gpt-4.1-mini") -> Path:
        path = self.root / "specs" / f"{name}.yaml"
        path.write_text(
            f"kind: FineTune\nmodel: {model}\ntraining_file: train.jsonl\nvalidation_file: valid.jsonl\n"
            f"method: {{type: supervised, supervised: {{}}}}\n{more}"
        )
        return path

    def train(self) -> str:
        """Record that all specs were trained on the data as it is now; the short digest of the newest."""
        project = open_project(self.root)
        store = LockStore(project.root, project.lock_name, project.target.name)
        lock = store.read()
        specs = read_declared(project).specs
        files = read_data(project, specs, {}, models_folder({}), lock).files
        commit = self.git("rev-parse", "HEAD").strip() if (self.root / ".git").exists() else None
        for each in resolve(specs, files, config=project.config, target=project.target, recorded=lock):
            at = 1_750_000_000 + len(lock.models)
            job = JobRecord(id=f"ftjob-{each.name}-{short(each.digest)}", status="succeeded", created_at=at)
            made = Generation(digest=each.digest, inputs=each.inputs, request={}, job=job, commit=commit, model="ft:x")
            lock = with_generation(lock, each.name, made)
        (self.root / project.lock_name).write_bytes(encode(lock))
        return short(made.digest)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout

    def commit(self) -> None:
        if not (self.root / ".git").exists():
            self.git("init", "--quiet")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message=data")

    def settle(self) -> None:
        """Wait until the stat of all files can be trusted."""
        newest = max(each.stat().st_ctime_ns for each in (self.root / "specs").iterdir())
        while time.time_ns() <= newest + SETTLED_NS:
            time.sleep(0.05)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """A project with 300 rows to train on and 20 to validate with, at a provider whose base models have no last day."""
    root = tmp_path / "shelf"
    (root / "specs").mkdir(parents=True)
    (root / "ftops.yaml").write_text(
        "default_target: away\ntargets: {away: {profile: azure, base_url: 'https://example.org/v1'}}\n"
    )
    shelf = Shelf(root=root)
    shelf.data("train.jsonl", range(300))
    shelf.data("valid.jsonl", range(1000, 1020))
    shelf.spec("elle")
    monkeypatch.chdir(root)
    return shelf


def told(done: Result, code: str) -> list[str]:
    """The summaries of the warnings and notes with *code*."""
    return re.findall(rf"^(?:warning|note)\[{code}\]: (.*)", done.out + done.err, re.MULTILINE)


def bytes_read() -> int:
    """All that this process has read of files until now."""
    return int(READS.read_text().split()[1])


@pytest.mark.skipif(not READS.exists(), reason="Linux counts what a process reads")
def test_what_one_command_has_read_no_other_reads(shelf: Shelf, run: Run) -> None:
    size = shelf.data("train.jsonl", range(5_000)).stat().st_size
    shelf.settle()
    for first in ("plan", "check"):
        begin = bytes_read()
        assert run(first).code == 0
        assert bytes_read() - begin > size
        for second in ("plan", "check"):
            begin = bytes_read()
            assert run(second).code == 0
            assert bytes_read() - begin < size / 10, "no more than the caches, which are small"
        shutil.rmtree(shelf.root / ".ftops")


def test_what_is_remembered_is_what_is_found(shelf: Shelf, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.data("train.jsonl", [*range(300), 7, 1003])
    shelf.data("valid.jsonl", [*range(1000, 1020), 5])
    shelf.settle()
    fresh = shutil.copytree(shelf.root, shelf.root.parent / "fresh")
    run("plan")
    remembered = run("check", "--json").json
    planned = run("plan")
    monkeypatch.chdir(fresh)
    assert run("check", "--json").json == remembered
    shutil.rmtree(fresh / ".ftops")
    found = run("plan")
    assert (found.out, found.err) == (planned.out, planned.err)
    assert len(told(planned, "data-leakage")) == 1


def test_what_is_deleted_or_damaged_of_the_cache_changes_no_answer(shelf: Shelf, run: Run) -> None:
    shelf.data("valid.jsonl", [*range(1000, 1020), 5])
    shelf.settle()
    before = run("check", "--json").json
    cache = shelf.root / ".ftops/cache"
    for damage in (Path.unlink, lambda file: file.write_bytes(b"x" * 100)):
        for file in (*cache.glob("rows/*"), *cache.glob("among/*")):
            damage(file)
        assert run("check", "--json").json == before
        assert len(list(cache.glob("rows/*.rows"))) == 2


def test_models_of_one_tokenizer_share_what_is_read(shelf: Shelf, run: Run) -> None:
    shelf.spec("other", model="gpt-4o-mini")
    files = run("check", "--json").json["files"]
    assert isinstance(files, list)
    assert [each["model"] for each in files[0]["estimates"]] == ["gpt-4.1-mini-2025-04-14", "gpt-4o-mini-2024-07-18"]
    assert len(list((shelf.root / ".ftops/cache/rows").iterdir())) == 2


def test_a_path_in_a_project_is_remembered_there_and_any_other_nowhere(
    shelf: Shelf, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = shelf.root / ".ftops/cache/rows"
    assert run("check", "specs/train.jsonl").code == 0
    assert len(list(rows.iterdir())) == 1
    other = shelf.root.parent / "other.jsonl"
    other.write_text("".join(map(row, range(50))))
    assert run("check", "specs/train.jsonl", "../other.jsonl").code == 0
    assert len(list(rows.iterdir())) == 1
    assert (shelf.root / ".ftops/.gitignore").read_text() == "*\n"
    monkeypatch.chdir(other.parent)
    assert run("check", "other.jsonl").code == 0
    assert sorted(each.name for each in other.parent.iterdir()) == ["other.jsonl", "shelf"]


def test_a_quick_check_keeps_nothing(shelf: Shelf, run: Run) -> None:
    assert run("check", "--quick").code == 0
    assert not (shelf.root / ".ftops/cache/rows").exists()


@pytest.mark.parametrize("is_kept", [True, False])
def test_rows_that_an_earlier_generation_was_trained_on_are_told(shelf: Shelf, run: Run, *, is_kept: bool) -> None:
    shelf.commit()
    digest = shelf.train()
    assert told(run("plan"), "data-leakage-across") == []
    # Ten rows move from one file to the other: the new model is measured well, and the old one is not.
    shelf.data("train.jsonl", range(10, 300))
    shelf.data("valid.jsonl", [*range(1000, 1020), *range(10)])
    if not is_kept:
        shutil.rmtree(shelf.root / ".ftops")
    (said,) = told(run("plan"), "data-leakage-across")
    assert "10 of 30 (33.3 %), 10 the same" in said
    assert said.endswith(f"validation data of `elle`, that is training data of generation `{digest}` of `elle`")
    assert told(run("check"), "data-leakage-across") == [said]
    assert told(run("check", "specs/train.jsonl"), "data-leakage-across") == []


def test_earlier_data_that_is_nowhere_is_left_out(shelf: Shelf, run: Run) -> None:
    shelf.train()
    shelf.data("train.jsonl", range(10, 300))
    shelf.data("valid.jsonl", [*range(1000, 1020), *range(10)])
    shutil.rmtree(shelf.root / ".ftops")
    done = run("plan")
    assert (done.code, told(done, "data-leakage-across")) == (0, [])


def test_no_more_earlier_data_is_read_than_the_bounds_allow(
    shelf: Shelf, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.commit()
    shelf.train()
    shelf.data("train.jsonl", range(10, 300))
    shelf.data("valid.jsonl", [*range(1000, 1020), *range(10)])
    for bound in ("READ_BYTES_MAX", "OLD_ROWS_MAX"):
        shutil.rmtree(shelf.root / ".ftops")
        with monkeypatch.context() as patch:
            patch.setattr(among, bound, 200)
            assert told(run("plan"), "data-leakage-across") == []


def test_a_file_that_changed_its_use_is_told(shelf: Shelf, run: Run) -> None:
    digest = shelf.train()
    shelf.data("train.jsonl", range(1000, 1020))
    shelf.data("valid.jsonl", range(300))
    (said, *_) = told(run("plan"), "data-leakage-across")
    assert f"generation `{digest}` of `elle`" in said


def test_what_two_earlier_generations_share_is_past_mending(shelf: Shelf, run: Run) -> None:
    shelf.data("valid.jsonl", [*range(1000, 1020), 5])
    shelf.train()
    assert len(told(run("plan"), "data-leakage")) == 1
    shelf.data("train.jsonl", range(2000, 2300))
    shelf.data("valid.jsonl", range(3000, 3020))
    done = run("plan")
    assert (done.code, told(done, "data-leakage.*")) == (0, [])


def test_leakage_is_switched_off_where_all_who_use_the_file_say_so(shelf: Shelf, run: Run) -> None:
    shelf.data("valid.jsonl", [*range(1000, 1020), 5])
    off = "checks: {ignore: [{code: data-leakage, reason: a test}]}\n"
    shelf.spec("elle", more=off)
    for command in ("plan", "check"):
        assert told(run(command), "data-leakage") == []
    shelf.spec("other")
    for command in ("plan", "check"):
        assert len(told(run(command), "data-leakage")) == 1


def test_comparisons_are_forgotten_but_the_newest(shelf: Shelf, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(among, "MEMOS_MAX", 2)
    for count in (200, 201, 202, 203):
        shelf.data("train.jsonl", range(count))
        run("plan")
    assert len(list((shelf.root / ".ftops/cache/among").iterdir())) == 2


def test_a_file_that_is_written_to_all_the_time_is_told(shelf: Shelf, program: Run) -> None:
    file = shelf.data("train.jsonl", range(8_000))
    line = row(1)
    endless = f"import time\nwith open({str(file)!r}, 'a') as file:\n while 1: file.write({line!r}); file.flush()"
    with subprocess.Popen([sys.executable, "-c", endless + "; time.sleep(0.001)"]) as writer:
        try:
            for arguments in (["plan"], ["check"], ["check", "--quick"]):
                done = program(*arguments)
                assert done.code == 1
                assert "error[file-changed]: `specs/train.jsonl` changed while this command ran" in done.out + done.err
        finally:
            writer.kill()


def test_a_model_of_an_alias_costs_what_its_base_model_costs(shelf: Shelf, run: Run) -> None:
    (shelf.root / "ftops.yaml").write_text("default_target: away\ntargets: {away: {profile: openai}}\n")
    digest = shelf.train()
    with (shelf.root / "ftops.yaml").open("a") as file:
        file.write(f"aliases: {{production: 'elle@{digest}'}}\n")
    shelf.spec("noble", model="{alias: production}")
    shelf.spec("plain")
    changes = run("plan", "--json").json["changes"]
    assert isinstance(changes, list)
    costs = {change["name"]: change["cost"] for change in changes}
    assert costs["noble"] == costs["plain"]
    assert costs["noble"]["usd"] > 0

"""What is odd, too large, broken off or done at the same time: each is told, and nothing half-made stays."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ftops.datasets import paths_behind
from ftops.project import open_project, read_declared

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Workshop

CHAT = 'chat: {user: "{review}", assistant: "{star}"}\n'
JSON = "kind: Dataset\nsources: {reviews: data/*.jsonl}\n"
LIMITED = (
    "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2);"
    "os.execv(sys.argv[2], sys.argv[2:])"
)
ENDLESS = "sql: SELECT max(a.range + b.range) AS review, 1 AS star FROM range(100000000) a, range(100000000) b\n"
BUILD = [sys.executable, "-m", "ftops", "build"]


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and path.suffix not in {".cache", ""}]


@pytest.mark.parametrize(
    ("content", "summary"),
    [
        ('{"review": "a", "Review": "b", "star": 1}\n', "the columns 1 and 2 have one name"),
        ('{"review": "a", "star": 1}\n{"Review": "b", "star": 1}\n', "the columns 1 and 2 have one name"),
        ('{"review": "a", "star": 1, "": 2}\n', "column 1 has no name"),
        ('{"review": "%s", "star": 1}\n' % ("x" * (40 << 20)), "a row is too long, or has too many columns"),
    ],
)
def test_json_that_makes_no_table_is_told(workshop: Workshop, content: str, summary: str) -> None:
    workshop.write("data/a.jsonl", content)
    workshop.declare(head=JSON)
    assert workshop.problem().summary == summary


def test_long_rows_and_wide_tables_are_read(workshop: Workshop) -> None:
    workshop.write("data/a.jsonl", json.dumps({"review": "x" * (12 << 20), "star": 1}) + "\n")
    workshop.declare(head=JSON)
    assert len(workshop.questions()[0]) == 12 << 20
    names = ["review", "star", *(f"c{number}" for number in range(1500))]
    workshop.write("data/a.csv", ",".join(names) + "\n" + ",".join("x" for _ in names) + "\n")
    workshop.write("data/b.csv", f"star,review\n1,{'y' * 3_000_000}\n")
    workshop.declare()
    assert sorted(map(len, workshop.questions())) == [1, 3_000_000]


def test_a_header_that_is_none_is_told_without_harm(workshop: Workshop) -> None:
    workshop.write("data/a.csv", f"review,star,{'x' * 200_000}\nfine,1,\n")
    workshop.declare()
    assert workshop.problem().summary == "the name of a column is too long"
    workshop.write("data/a.csv", "\x1b[2Jreview,star," + ",".join(f"c{n}" for n in range(40)) + "," + "y" * 99 + "\n")
    why = workshop.problem().why or ""
    assert why.startswith("the columns are `\\x1b[2Jreview`, `star`")
    assert why.endswith("and 13 more")


def test_files_may_spell_a_column_with_other_capitals(workshop: Workshop) -> None:
    workshop.write("data/a.csv", "review,star\none,1\n")
    workshop.write("data/b.csv", "STAR,Review\n2,two\n")
    workshop.declare()
    assert sorted(workshop.questions()) == ["one", "two"]


def test_letters_beyond_ascii_tell_columns_apart(workshop: Workshop) -> None:
    workshop.write("data/a.csv", "Ä,ä\nquestion,answer\n")
    workshop.declare('chat: {user: "{Ä}", assistant: "{ä}"}\n')
    assert workshop.questions() == ["question"]


def test_a_column_named_as_duckdb_numbers_rows_is_told(workshop: Workshop) -> None:
    workshop.write("data/a.csv", "rowid,star\n7,1\n")
    workshop.declare('chat: {user: "{rowid}", assistant: "{star}"}\n')
    assert workshop.problem().summary == "a column is named `rowid`"
    workshop.declare('sql: SELECT rowid AS id, star FROM reviews\nchat: {user: "{id}", assistant: "{star}"}\n')
    assert workshop.questions() == ["7"]


def test_messages_may_nest_as_deep_as_json_is_written(workshop: Workshop) -> None:
    def nested(levels: int) -> str:
        return json.dumps({"review": "[" * levels + "]" * levels}) + "\n"

    workshop.declare('chat: {messages: "{review}"}\n', head=JSON)
    workshop.write("data/a.jsonl", nested(250))
    assert len(workshop.rows()) == 1
    workshop.write("data/a.jsonl", nested(251))
    problem = workshop.problem()
    assert (problem.code, problem.place and problem.place.line) == ("dataset-json", 3)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zst"])
def test_a_file_that_is_not_compressed_as_it_says_is_told(workshop: Workshop, name: str) -> None:
    workshop.write(f"data/{name}", "review,star\nfine,1\n")
    workshop.declare(head=f"kind: Dataset\nsources: {{reviews: data/{name}}}\n")
    problem = workshop.problem()
    assert problem.summary == "the file is not compressed as its name says, or cut short"
    assert str(workshop.root) not in (problem.why or "")


def test_a_name_that_is_not_utf8_is_told(workshop: Workshop) -> None:
    workshop.table([("a", 1)], path="data/\udcff.csv")
    workshop.declare()
    assert workshop.problem().code == "spec-path"


def test_a_file_behind_several_links_is_read_once(workshop: Workshop) -> None:
    workshop.table([("a", 1), ("b", 2)])
    (workshop.root / "specs/data/loop").symlink_to("..")
    workshop.declare(head='kind: Dataset\nsources: {reviews: "data/**/*.csv"}\n')
    assert sorted(workshop.questions()) == ["a", "b"]


def test_a_plan_looks_behind_links_as_globs_do(workshop: Workshop) -> None:
    workshop.table([("a", 1)], path="elsewhere/one/a.csv")
    (workshop.root / "specs/data").mkdir()
    (workshop.root / "specs/data/link").symlink_to("../elsewhere")
    workshop.declare(head='kind: Dataset\nsources: {reviews: "data/*/*/*.csv"}\n')
    project = open_project(workshop.root)
    found = set(paths_behind(project, read_declared(project).datasets))
    behind = {"specs/data/link", "specs/data/link/one", "specs/data/link/one/a.csv"}
    assert found == {"specs/data", *behind}


def test_a_source_that_changes_while_it_is_read_makes_nothing(workshop: Workshop) -> None:
    table = workshop.table([(f"row {number}", 1) for number in range(50)])
    # It takes long enough for the other thread to see that the build has begun.
    slow = "SELECT review, star FROM reviews WHERE (SELECT sum(range) FROM range(100000000)) > 0"
    workshop.declare(f"sql: {slow}\n" + CHAT)

    def change() -> None:
        while not list(workshop.root.glob(".ftops/datasets/reviews/.building-*")):
            time.sleep(0.001)
        with table.open("a") as out:
            out.write("late,1\n")

    thread = threading.Thread(target=change)
    thread.start()
    problem = workshop.problem()
    thread.join()
    assert problem.code == "file-changed"
    assert workshop.build(only_look=True).manifest is None
    assert len(workshop.rows()) == 51


def test_a_split_that_was_edited_is_made_again(workshop: Workshop) -> None:
    workshop.table([("fine", 1)])
    workshop.declare()
    made = workshop.root / workshop.build().files()["dataset reviews/train"]
    made.write_bytes(made.read_bytes().replace(b"fine", b"FINE"))
    assert workshop.questions() == ["fine"]


def test_a_killed_build_is_cleared_away_later(workshop: Workshop) -> None:
    workshop.table([("fine", 1)])
    workshop.declare()
    old, new = (workshop.root / f".ftops/datasets/reviews/.building-{name}" for name in ("old", "new"))
    lost, fresh = (old.with_name(f"train-{name}.jsonl") for name in ("lost", "fresh"))
    for folder in (old, new):
        folder.mkdir(parents=True)
    for file in (lost, fresh):
        file.write_text("{}\n")
    yesterday = time.time() - 25 * 3600
    for path in (old, lost):
        os.utime(path, (yesterday, yesterday))
    workshop.build()
    assert [path.exists() for path in (old, lost, new, fresh)] == [False, False, True, True]


def test_ctrl_c_stops_sql_that_never_ends(workshop: Workshop) -> None:
    workshop.table([("fine", 1)])
    workshop.declare(ENDLESS + CHAT)
    pipe = subprocess.PIPE
    with subprocess.Popen(BUILD, cwd=workshop.root, stdout=pipe, stderr=pipe, text=True) as process:
        folder = workshop.root / ".ftops/datasets/reviews"
        while not list(folder.glob(".building-*/*/spill")) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(2)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert out == ""
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("size", [64, 700_000])
def test_a_full_disk_is_told_and_nothing_half_written_stays(workshop: Workshop, size: int) -> None:
    workshop.table([(f"{number} {'x' * 300}", 1) for number in range(9000)])
    workshop.declare()
    command = [sys.executable, "-c", LIMITED, str(size), *BUILD]
    done = subprocess.run(command, cwd=workshop.root, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "error[system-refused]: the system refused: no space left on device" in done.stderr
    assert left_in(workshop.root / ".ftops") == []


def test_two_builds_at_once_both_finish(workshop: Workshop) -> None:
    workshop.table([(f"row {number}", number % 3) for number in range(3000)])
    workshop.declare(CHAT + "splits: {train: 80%, valid: 20%}\n")
    shutil.rmtree(workshop.root / ".ftops", ignore_errors=True)
    both = [subprocess.Popen(BUILD, cwd=workshop.root, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {process.communicate(timeout=60)[0] for process in both}
    assert {process.returncode for process in both} == {0}
    assert len(said) == 1
    assert workshop.build().is_new is False


@pytest.mark.parametrize(
    ("more", "summary"),
    [
        ("splits: {a: row_number() OVER () > 1, b: 'false'}\n", "this looks beyond the row"),
        ("order: {by: row_number() OVER ()}\n", "this looks beyond the row"),
        ("filter: reviews.RowId < 5\n", "this looks beyond the row"),
        (f"filter: {'NOT ' * 800}true\n", "this is too deep"),
        ("sql: SELECT current_localtime() AS review, 1 AS star\n", "`current_localtime` is not allowed here"),
        ("sql: SELECT age(DATE '2020-01-01') AS review, 1 AS star\n", "`age` is not allowed here"),
    ],
)
def test_what_is_not_of_the_row_alone_is_refused(workshop: Workshop, more: str, summary: str) -> None:
    workshop.table([("fine", 1)])
    workshop.declare(CHAT + more)
    assert workshop.problem().summary == summary


def test_an_age_between_two_dates_and_deep_sql_are_allowed(workshop: Workshop) -> None:
    workshop.table([("fine", 1)])
    age = "SELECT age(DATE '2021-01-01', DATE '2020-01-01') AS review, star FROM reviews"
    workshop.declare(f"sql: {age}\n{CHAT}filter: {'NOT ' * 400}true\n")
    assert workshop.questions() == ["1 year"]

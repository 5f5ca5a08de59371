"""What is built of rows: the examples, their splits and their order."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

import duckdb
import pytest

from ftops.datasets import paths_behind
from ftops.project import open_project, read_declared

if TYPE_CHECKING:
    from conftest import Workshop

SPLITS = "splits: {train: 80%, valid: 20%}\n"


def test_a_template_keeps_what_it_says(workshop: Workshop) -> None:
    workshop.table([('日本語\n"x" {star} 😀', 5)])
    workshop.declare('chat: {system: "A\\n{{b}}", user: "{{{review}}}: { star }", assistant: " {star}"}\n')
    assert workshop.rows() == [
        {
            "messages": [
                {"role": "system", "content": "A\n{b}"},
                {"role": "user", "content": '{日本語\n"x" {star} 😀}: 5'},
                {"role": "assistant", "content": " 5"},
            ]
        }
    ]


def test_conversations_and_tools_come_as_json(workshop: Workshop) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}]
    tools = [{"type": "function", "function": {"name": "f"}}]
    rows = [{"turns": turns, "tools": tools, "last": "c"}, {"turns": turns, "last": "d"}]
    workshop.write("data/a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    workshop.declare(
        'order: as given\nchat: {system: S, messages: "{turns}", user: "{last}", assistant: x, tools: "{tools}"}\n',
        head="kind: Dataset\nsources: {reviews: data/a.jsonl}\n",
    )
    end = {"role": "assistant", "content": "x"}
    system = {"role": "system", "content": "S"}
    assert workshop.rows() == [
        {"messages": [system, *turns, {"role": "user", "content": "c"}, end], "tools": tools},
        {"messages": [system, *turns, {"role": "user", "content": "d"}, end]},
    ]


def test_a_preference_is_a_question_with_two_answers(workshop: Workshop) -> None:
    workshop.table([("q", "good", "bad")], header="q,a,b")
    workshop.declare('preference: {user: "{q}", preferred: "{a}", non_preferred: "{b}"}\n')
    assert workshop.rows() == [
        {
            "input": {"messages": [{"role": "user", "content": "q"}]},
            "preferred_output": [{"role": "assistant", "content": "good"}],
            "non_preferred_output": [{"role": "assistant", "content": "bad"}],
        }
    ]


def test_the_legacy_format_has_a_separator_and_a_leading_space(workshop: Workshop) -> None:
    workshop.table([("Fine", 5)])
    workshop.declare('completion: {prompt: "{review}", completion: "{star}"}\n')
    assert workshop.rows() == [{"prompt": "Fine\n\n###\n\n", "completion": " 5"}]
    workshop.declare('completion: {prompt: "{review}", completion: "\\n{star}", separator: " ->"}\n')
    assert workshop.rows() == [{"prompt": "Fine ->", "completion": "\n5"}]


@pytest.mark.parametrize(
    ("more", "place", "fix"),
    [
        ('chat: {user: "{reviw}", assistant: "{star}"}\n', (3, 15), "did you mean `review`?"),
        ("chat:\n  user: |\n    Rate this:\n    {xyz}\n  assistant: '{star}'\n", (6, 5), None),
        ('dedupe: [Star]\nchat: {user: "{review}", assistant: "{star}"}\n', (3, 10), "did you mean `star`?"),
        ('stratify_by: stars\nchat: {user: "{review}", assistant: "{star}"}\n', (3, 14), "did you mean `star`?"),
    ],
)
def test_a_column_that_is_not_there_is_told_where_it_is_named(
    workshop: Workshop, more: str, place: tuple[int, int], fix: str | None
) -> None:
    workshop.table([("fine", 5)])
    workshop.declare(more)
    problem = workshop.problem()
    assert problem.code == "dataset-column"
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == place
    if fix is not None:
        assert problem.fix == fix


def test_a_column_that_is_not_there_is_cured_by_where_it_is_named(workshop: Workshop) -> None:
    workshop.table([("fine", 5)])
    workshop.declare('split_by: [package]\nchat: {user: "{review}", assistant: "{star}"}\n')
    assert workshop.problem().fix == "write one of them"
    workshop.declare('chat: {user: "{review}", assistant: "{package}"}\n')
    assert workshop.problem().fix == "write one of them; braces meant as such are doubled"


def test_a_csv_file_that_separates_otherwise_is_told(workshop: Workshop) -> None:
    workshop.write("data/a.csv", "review;star\nfine;5\n")
    workshop.declare()
    for problem in workshop.problems():
        assert problem.code == "dataset-column"
        assert problem.why == "the columns are `review;star`"
        assert problem.fix == "write the file with commas between its fields, as CSV has: here all is one column"


def test_bytes_are_no_text(workshop: Workshop) -> None:
    path = workshop.write("data/a.parquet", "")
    duckdb.sql("SELECT 'x'::BLOB AS review, 5 AS star").write_parquet(str(path))
    workshop.declare(head="kind: Dataset\nsources: {reviews: data/a.parquet}\n")
    assert workshop.problem().summary == "the column `review` holds bytes, not text"


def test_rows_without_a_text_are_counted_and_the_first_is_named(workshop: Workshop) -> None:
    workshop.write("data/a.csv", "review,star\nfine,5\n")
    workshop.write("data/b.csv", "review,star\nsecret,5\n,4\n,3\nx,\n")
    workshop.declare()
    one, other = workshop.problems()
    assert one.summary == "`review` is NULL in 2 rows, first in row 2 of `specs/data/b.csv`"
    assert other.summary == "`star` is NULL in row 4 of `specs/data/b.csv`"
    assert one.code == other.code == "dataset-null"
    assert one.place is not None
    assert (one.place.line, one.place.column) == (3, 15)
    workshop.declare('sql: SELECT * FROM reviews\nchat: {user: "{review}", assistant: "{star}"}\n')
    assert "row 3 of what `sql` selects" in workshop.problems()[0].summary


def test_json_that_is_no_list_is_named(workshop: Workshop) -> None:
    workshop.table([("[]", "5"), ("{secret", "5"), ("{}", "5")])
    workshop.declare('chat: {messages: "{review}"}\n')
    problem = workshop.problem()
    assert problem.code == "dataset-json"
    assert problem.summary == "`review` is no list in JSON in 2 rows, first in row 2 of `specs/data/a.csv`"


def test_rows_are_filtered_and_counted_by_cause(workshop: Workshop) -> None:
    workshop.table([(f"review {number % 8}", number % 4) for number in range(40)])
    workshop.declare(
        'filter: star <> \'0\'\ndedupe: [review]\nlimit: 4\nchat: {user: "{review}", assistant: "{star}"}\n'
    )
    made = workshop.build()
    assert made.manifest is not None
    assert made.manifest.selected == 40
    assert made.manifest.dropped == {"filter": 10, "dedupe": 24, "limit": 2}
    assert made.manifest.splits["train"].rows == 4


def test_of_rows_that_are_alike_the_first_as_given_stays(workshop: Workshop) -> None:
    workshop.table([("a", 1), ("b", 2), ("a", 3), ("b", 2)])
    workshop.declare('dedupe: [review]\norder: as given\nchat: {user: "{review}", assistant: "{star}"}\n')
    assert [row["messages"][-1]["content"] for row in workshop.rows()] == ["1", "2"]
    workshop.declare('dedupe: true\norder: as given\nchat: {user: "{review}", assistant: "{star}"}\n')
    assert [row["messages"][-1]["content"] for row in workshop.rows()] == ["1", "2", "3"]


def test_rows_are_sorted_by_an_expression_and_its_ties_are_shuffled(workshop: Workshop) -> None:
    workshop.table([(f"r{number}", star) for number in range(30) for star in (10, 9, 100)])
    workshop.declare('order: {by: CAST(star AS INTEGER)}\nchat: {user: "{review}", assistant: "{star}"}\n')
    stars = [row["messages"][-1]["content"] for row in workshop.rows()]
    assert stars == ["9"] * 30 + ["10"] * 30 + ["100"] * 30
    assert workshop.questions() != sorted(workshop.questions(), key=lambda text: int(text[1:]))


def test_the_seed_changes_order_splits_and_sample(workshop: Workshop) -> None:
    workshop.table([(f"r{number}", 5) for number in range(100)])
    workshop.declare(f'{SPLITS}limit: 50\nchat: {{user: "{{review}}", assistant: "{{star}}"}}\n')
    one = workshop.questions()
    workshop.declare(f'{SPLITS}limit: 50\nseed: 1\nchat: {{user: "{{review}}", assistant: "{{star}}"}}\n')
    other = workshop.questions()
    assert set(one) != set(other)


def test_a_split_may_have_a_condition_and_rows_may_be_in_none(workshop: Workshop) -> None:
    workshop.table([("a", 1), ("b", 2), ("c", 3)])
    workshop.declare(
        "splits: {train: star < '2', valid: star = '2'}\nchat: {user: \"{review}\", assistant: \"{star}\"}\n"
    )
    made = workshop.build()
    assert made.manifest is not None
    assert made.manifest.dropped == {"splits": 1}
    assert workshop.questions("train") == ["a"]
    assert workshop.questions("valid") == ["b"]


def test_a_row_in_two_splits_is_a_leak(workshop: Workshop) -> None:
    workshop.table([("a", 1), ("b", 2), ("c", 3)])
    workshop.declare(
        "splits: {train: star < '3', valid: star > '1'}\nchat: {user: \"{review}\", assistant: \"{star}\"}\n"
    )
    problem = workshop.problem()
    assert problem.code == "dataset-splits-overlap"
    assert problem.summary.endswith("both met in row 2 of `specs/data/a.csv`")


def test_a_split_without_rows_is_refused(workshop: Workshop) -> None:
    workshop.table([("a", 1)])
    workshop.declare(f'filter: star > \'3\'\n{SPLITS}chat: {{user: "{{review}}", assistant: "{{star}}"}}\n')
    assert [problem.code for problem in workshop.problems()] == ["dataset-empty", "dataset-empty"]


def test_a_stratum_that_a_split_lacks_is_a_warning(workshop: Workshop) -> None:
    workshop.table([*((f"r{number}", 5) for number in range(60)), ("rare", 1)])
    workshop.declare(f'{SPLITS}stratify_by: star\nchat: {{user: "{{review}}", assistant: "{{star}}"}}\n')
    made = workshop.build()
    assert made.manifest is not None
    assert sum(made.manifest.splits["train"].strata.values()) == made.manifest.splits["train"].rows
    (warning,) = made.warnings
    assert warning.code == "dataset-stratum-missing"
    assert warning.summary.endswith("has no row of 1 of the 2 values of `star`")


def test_what_is_unchanged_is_not_built_again(workshop: Workshop) -> None:
    file = workshop.table([(f"r{number}", 5) for number in range(20)])
    workshop.declare(SPLITS + 'chat: {user: "{review}", assistant: "{star}"}\n')
    assert workshop.build(only_look=True).manifest is None
    made = workshop.build()
    assert made.is_new
    assert not workshop.build().is_new
    built = workshop.root / made.files()["dataset reviews/train"]
    before = built.read_bytes()
    built.unlink()
    assert workshop.build().is_new
    assert built.read_bytes() == before
    built.write_bytes(b"cut off")
    assert workshop.build().is_new
    os.utime(file)
    assert not workshop.build().is_new
    file.write_text(file.read_text() + "more,5\n")
    assert workshop.build(only_look=True).manifest is None


def test_only_the_newest_builds_are_kept(workshop: Workshop) -> None:
    for number in range(8):
        workshop.table([(f"r{number} {row}", 5) for row in range(5)])
        workshop.declare()
        made = workshop.build()
    left = sorted(path.name for path in (workshop.root / ".ftops/datasets/reviews").iterdir())
    assert len([name for name in left if name.endswith(".json")]) == 5
    assert len([name for name in left if name.endswith(".jsonl")]) == 5
    assert len(left) == 10
    assert (workshop.root / made.files()["dataset reviews/train"]).exists()


def test_a_manifest_that_is_damaged_is_made_again(workshop: Workshop) -> None:
    workshop.table([("a", 1)])
    workshop.declare()
    workshop.build()
    (manifest,) = (workshop.root / ".ftops/datasets/reviews").glob("*.json")
    manifest.write_text("{}")
    assert workshop.build().is_new


def test_a_plan_depends_on_the_sources_and_on_where_globs_look(workshop: Workshop) -> None:
    workshop.table([("a", 1)])
    workshop.table([("b", 1)], path="data/deep/er/b.csv")
    workshop.declare(head='kind: Dataset\nsources: {reviews: ["data/**/*.csv", data/a.csv]}\n')
    project = open_project(workshop.root)
    found = set(paths_behind(project, read_declared(project).datasets))
    assert found == {
        *("specs/data/a.csv", "specs/data/deep/er/b.csv"),
        *("specs/data", "specs/data/deep", "specs/data/deep/er"),
    }


def test_the_bytes_are_the_same_everywhere(workshop: Workshop) -> None:
    """One digest for all versions of Python and of DuckDB: if it changes, so do all datasets of all users."""
    workshop.table([(f"Review {number}: 日本語 {number / 7}", number % 5 + 1) for number in range(500)])
    workshop.declare(
        "filter: length(review) > 12\ndedupe: [review]\nlimit: 400\norder: {by: star}\nseed: 4\n"
        f'{SPLITS}stratify_by: star\nchat: {{system: S, user: "{{review}}", assistant: "{{star}}"}}\n'
    )
    made = workshop.build()
    digest = hashlib.sha256()
    for path in made.files().values():
        digest.update((workshop.root / path).read_bytes())
    assert digest.hexdigest() == "892ab485509971d4735a4c7548b38126730919e01201810329e6f1a66aa40028"

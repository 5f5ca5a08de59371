"""SQL of a spec: one SELECT over the sources, that sees nothing else and gives the same every time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from ftops.dataset.builds.engine import connected, shut_in

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Workshop

SOURCES = "kind: Dataset\nsources: {reviews: data/a.csv, apps: data/apps.csv}\n"


@pytest.fixture
def tables(workshop: Workshop) -> Workshop:
    workshop.table([("fine", 5, "chess"), ("bad", 1, "diary"), ("so", 3, "chess")], header="review,star,app")
    workshop.table([("chess", "Chess!"), ("diary", "My diary")], header="app,title", path="data/apps.csv")
    return workshop


def select(workshop: Workshop, sql: str, more: str = "") -> None:
    indented = "\n".join(f"  {line}" for line in sql.split("\n"))
    workshop.declare(f'sql: |\n{indented}\nchat: {{user: "{{review}}", assistant: "{{star}}"}}\n{more}', head=SOURCES)


def test_sources_are_joined_by_their_names(tables: Workshop) -> None:
    select(
        tables,
        "WITH good AS (SELECT * FROM reviews WHERE CAST(star AS INTEGER) >= 3)\n"
        "SELECT title || ': ' || review AS review, star FROM good JOIN apps USING (app);",
        "order: {by: star}\n",
    )
    assert tables.questions() == ["Chess!: so", "Chess!: fine"]


def test_values_and_series_are_tables_too(tables: Workshop) -> None:
    select(tables, "SELECT 'n' || n AS review, x AS star FROM range(2) r(n), (VALUES ('a'), ('b')) v(x)")
    assert sorted(tables.questions()) == ["n0", "n0", "n1", "n1"]


@pytest.mark.parametrize(
    ("sql", "summary", "place"),
    [
        ("SELECT *\nFROM read_csv('/etc/passwd')", "`read_csv` is not allowed here", (5, 8)),
        ("SELECT * FROM '/etc/passwd'", "`/etc/passwd` is no source", (4, 17)),
        ("SELECT * FROM read_text('/etc/passwd')", "`read_text` is not allowed here", (4, 17)),
        ("SELECT * FROM glob('/*')", "`glob` is not allowed here", (4, 17)),
        ("SELECT * FROM reviews, duckdb_settings()", "`duckdb_settings` is not allowed here", (4, 26)),
        ("SELECT * FROM query('SELECT 1')", "`query` is not allowed here", (4, 17)),
        ("SELECT * FROM reviews WHERE app IN (SELECT app FROM other)", "`other` is no source", (4, 55)),
        ("SELECT * FROM information_schema.tables", "`tables` is no source", (4, 17)),
        ("SELECT * FROM main.reviews", "`reviews` is no source", (4, 17)),
        ("COPY reviews TO '/tmp/out.csv'", "this is no SELECT", (3, 6)),
        ("ATTACH '/tmp/other.db' AS other", "this is no SELECT", (3, 6)),
        ("INSTALL httpfs", "this is no SELECT", (3, 6)),
        ("LOAD httpfs", "this is no SELECT", (3, 6)),
        ("SET memory_limit = '99GB'", "this is no SELECT", (3, 6)),
        ("PRAGMA database_list", "this is no SELECT", (3, 6)),
        ("CREATE TABLE t AS SELECT 1", "this is no SELECT", (3, 6)),
        ("DESCRIBE reviews", "this is no SELECT", (3, 6)),
        ("SELECT 1; SELECT 2", "`sql` must be one statement", (3, 6)),
        ("SELECT getenv('HOME') AS review, 1 AS star", "DuckDB cannot run this", (4, 10)),
        ("SELECT current_setting('temp_directory') AS review", "`current_setting` is not allowed here", (4, 10)),
        ("SELECT random() AS review, 1 AS star", "`random` is not allowed here", (4, 10)),
        ("SELECT now() AS review, 1 AS star", "`now` is not allowed here", (4, 10)),
        ("SELECT current_date AS review, 1 AS star", "`current_date` is not allowed here", (4, 10)),
        ("SELECT * FROM reviews USING SAMPLE 2", "`SAMPLE` is not allowed here", None),
        ("SELECT * FROM reviews TABLESAMPLE 50%", "`SAMPLE` is not allowed here", (4, 17)),
        ("SELEC review FROM reviews", "this is no SQL", (4, 3)),
        ("SELECT review,\nFROM", "this is no SQL", None),
    ],
)
def test_what_is_no_select_over_the_sources_is_refused_where_it_stands(
    tables: Workshop, sql: str, summary: str, place: tuple[int, int] | None
) -> None:
    select(tables, sql)
    problem = tables.problem()
    assert (problem.code, problem.summary) == ("dataset-sql", summary)
    assert problem.place is not None
    assert problem.why
    assert problem.fix
    if place is not None:
        assert (problem.place.line, problem.place.column) == place


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/ftops-test.csv'",
        "ATTACH '/tmp/ftops-test.duckdb' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM 'https://example.org/a.csv'",
        "SET enable_external_access = true",
        "SET memory_limit = '99GB'",
        "SELECT getenv('HOME')",
    ],
)
def test_duckdb_itself_is_shut_in_beneath_that(tmp_path: Path, sql: str) -> None:
    with connected(tmp_path, threads=1, memory="96MB") as connection:
        shut_in(connection)
        with pytest.raises(duckdb.Error):
            connection.execute(sql)


@pytest.mark.parametrize(
    ("more", "code", "column"),
    [
        ("filter: star > 'x' FROM reviews\n", "dataset-sql", 9),
        ("filter: 1) FROM reviews WHERE (1 = 1\n", "dataset-sql", None),
        ("filter: star > random()\n", "dataset-sql", 16),
        ("filter: nothing > 3\n", "dataset-sql", 9),
        ('filter: "review LIKE"\n', "dataset-sql", None),
        ("filter: app = (SELECT min(app) FROM apps)\n", "dataset-sql", 37),
        ("order: {by: now()}\n", "dataset-sql", 13),
        ("order: {by: starr}\n", "dataset-sql", 13),
        ("splits: {train: star = '5', valid: starr = '1'}\n", "dataset-sql", 36),
        ("splits: {train: star = '5', valid: review}\n", "dataset-sql", None),
    ],
)
def test_an_expression_is_one_over_the_columns(tables: Workshop, more: str, code: str, column: int | None) -> None:
    tables.declare(
        f'{more}chat: {{user: "{{review}}", assistant: "{{star}}"}}\n',
        head="kind: Dataset\nsources: {reviews: data/a.csv}\n",
    )
    problem = tables.problem()
    assert problem.code == code
    assert problem.place is not None
    assert problem.place.line == 3
    if column is not None:
        assert problem.place.column == column


def test_what_fails_on_a_row_is_told_without_the_row(tables: Workshop) -> None:
    tables.table([("my 'secret' text", "five")])
    for more in (
        "filter: star::INTEGER > 3\n",
        "order: {by: star::INTEGER}\n",
        "sql: SELECT review, star::INTEGER AS star FROM reviews\n",
    ):
        tables.declare(
            f'{more}chat: {{user: "{{review}}", assistant: "{{star}}"}}\n',
            head="kind: Dataset\nsources: {reviews: data/a.csv}\n",
        )
        problem = tables.problem()
        assert problem.code == "dataset-sql"
        assert problem.place is not None
        assert problem.place.line == 3
        assert "Could not convert string '…'" in str(problem.why)
        assert "five" not in str(problem)


def test_a_comment_at_the_end_swallows_nothing(tables: Workshop) -> None:
    select(tables, "SELECT review, star FROM reviews -- all", "filter: star = '5' -- the best\n")
    assert tables.questions() == ["fine"]

"""What files say: nothing is guessed, nothing is lost, and what cannot be read is named."""

from __future__ import annotations

import gzip
import json
from codecs import BOM_UTF8
from typing import TYPE_CHECKING

import duckdb
import pytest

if TYPE_CHECKING:
    from conftest import Workshop

ROWS = [('Good, really\n"good"', "007"), ("日本語 😀 \u2028 {x}", "1.50"), ("", "x")]
AS_GIVEN = "order: as given\n"


def chat(review: str, star: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": review}, {"role": "assistant", "content": star}]}


EXPECTED = [chat(*row) for row in ROWS]
FORM = 'chat: {user: "{review}", assistant: "{star}"}\n' + AS_GIVEN


def declare(workshop: Workshop, pattern: str) -> None:
    workshop.declare(FORM, head=f"kind: Dataset\nsources: {{reviews: {pattern}}}\n")


def test_a_csv_file_is_text_as_it_stands(workshop: Workshop) -> None:
    workshop.write("data/a.csv", 'review,star\n"Good, really\n""good""",007\n日本語 😀 \u2028 {x},1.50\n"",x\n')
    declare(workshop, "data/a.csv")
    assert workshop.rows() == EXPECTED


@pytest.mark.parametrize("start", ["\ufeff", ""], ids=["byte order mark", "none"])
@pytest.mark.parametrize("end", ["\r\n", "\n"], ids=["CR LF", "LF"])
def test_a_csv_file_may_come_from_a_spreadsheet(workshop: Workshop, start: str, end: str) -> None:
    workshop.write("data/a.csv", f"{start}review,star{end}fine,5{end}")
    declare(workshop, "data/a.csv")
    assert workshop.rows() == [chat("fine", "5")]


def test_a_tsv_file_has_tabs(workshop: Workshop) -> None:
    workshop.write("data/a.tsv", "review\tstar\nfine, really\t5\n")
    declare(workshop, "data/a.tsv")
    assert workshop.rows() == [chat("fine, really", "5")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json", "a.jsonl.gz", "a.csv.gz"])
def test_json_and_compressed_files_say_the_same(workshop: Workshop, name: str) -> None:
    rows = [{"star": star, "review": review, "other": None} for review, star in ROWS]
    if ".csv" in name:
        content = 'review,star\n"Good, really\n""good""",007\n日本語 😀 \u2028 {x},1.50\n"",x\n'
    elif ".json" in name and "l" not in name.removeprefix("a."):
        content = json.dumps(rows, ensure_ascii=False)
    else:
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if name == "a.json":
        content = json.dumps(rows)
    workshop.write(f"data/{name}", gzip.compress(content.encode()) if name.endswith(".gz") else content)
    declare(workshop, f"data/{name}")
    assert workshop.rows() == EXPECTED


def test_zstandard_is_read(workshop: Workshop) -> None:
    path = workshop.write("data/b.csv.zst", "")
    duckdb.sql("SELECT 'fine' AS review, 5 AS star").write_csv(str(path), compression="zstd", header=True)
    declare(workshop, "data/b.csv.zst")
    assert workshop.rows() == [chat("fine", "5")]


def test_values_of_json_are_text_as_they_are_written(workshop: Workshop) -> None:
    rows = '{"review": "2024-01-01T00:00:00Z", "star": 7, "a.b": true, "c\\"d/e~f": {"x": [1, "y"]}}\n'
    workshop.write("data/a.jsonl", rows)
    workshop.declare(
        'chat: {user: "{review} {a.b}", assistant: \'{star} {c"d/e~f}\'}\n',
        head="kind: Dataset\nsources: {reviews: data/a.jsonl}\n",
    )
    assert workshop.rows() == [chat("2024-01-01T00:00:00Z true", '7 {"x":[1,"y"]}')]


def test_parquet_keeps_its_types_and_says_them_as_text(workshop: Workshop) -> None:
    path = workshop.write("data/a.parquet", "")
    duckdb.sql(
        "SELECT 0.1::DOUBLE AS d, 1::BIGINT AS i, true AS b, DATE '2024-02-29' AS t, [1, 2] AS l, {'k': 'v'} AS s, "
        "TIMESTAMPTZ '2024-02-29 12:00:00+02' AS z, 1.50::DECIMAL(4, 2) AS m"
    ).write_parquet(str(path))
    workshop.declare(
        'filter: i + 1 = 2\nchat: {user: "{d} {i} {b} {t} {m} {z}", assistant: "{l} {s}"}\n',
        head="kind: Dataset\nsources: {reviews: data/a.parquet}\n",
    )
    assert workshop.rows() == [chat("0.1 1 true 2024-02-29 1.50 2024-02-29 10:00:00+00", '[1,2] {"k":"v"}')]


def test_files_of_a_source_may_order_their_columns_differently(workshop: Workshop) -> None:
    workshop.table([("fine", 5)])
    workshop.table([(1, "bad")], header="star,review", path="data/b.csv")
    declare(workshop, "data/*.csv")
    assert workshop.rows() == [chat("fine", "5"), chat("bad", "1")]


def test_a_name_full_of_patterns_is_a_name(workshop: Workshop) -> None:
    workshop.table([("fine", 5)], path="data/a[1]?*.csv")
    workshop.table([("other", 5)], path="data/a1xx.csv")
    declare(workshop, '"data/a[1]?*.csv"')
    assert workshop.rows() == [chat("fine", "5")]


@pytest.mark.parametrize(
    ("name", "content", "line", "summary"),
    [
        ("a.csv", b"review,star\nfine,5\nsecret\n", 3, "line has 1 fields, and the header has 2"),
        ("a.csv", b"review,star\nfine,5\nsecret,5,6\n", 3, "line has 3 fields, and the header has 2"),
        ("a.csv", b"review,star\ncaf\xe9 secret,5\n", 2, "the file is not UTF-8"),
        ("a.csv", b'review,star\n"secret,5\n', 2, "quotes do not match"),
        ("a.csv", b"review,star\r\nfine,5\r\nsecret,5\n", None, "the file is no regular CSV"),
        ("a.csv", b"review,star,Review\nsecret,5,x\n", 1, "the columns 1 and 3 have one name"),
        ("a.csv", b"review,,star\nsecret,5,x\n", 1, "column 2 has no name"),
        ("a.csv", b"", None, "the file has no columns"),
        ("a.jsonl", b"", None, "the file has no columns"),
        ("a.jsonl", b'{"review": "fine", "star": 5}\n{"review": "secret\n', 2, "the line is not JSON"),
        ("a.jsonl", BOM_UTF8 + b'{"review": "secret", "star": 5}\n', 1, "the line is not JSON"),
        ("a.json", b'[{"review": "secret"', None, "the line is not JSON"),
        ("a.parquet", b"secret", None, "the file cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_never_quoted(
    workshop: Workshop, name: str, content: bytes, line: int | None, summary: str
) -> None:
    workshop.write(f"data/{name}", content)
    declare(workshop, f"data/{name}")
    problem = workshop.problem()
    assert (problem.code, problem.summary) == ("dataset-source", summary)
    assert problem.place is not None
    assert problem.place.path == f"specs/data/{name}"
    if line is not None:
        assert problem.place.line == line
    assert "secret" not in str(problem)
    assert ("byte order mark" in str(problem.fix)) == content.startswith(BOM_UTF8)


def test_files_of_a_source_agree_in_types(workshop: Workshop) -> None:
    workshop.table([("fine", 5)])
    path = workshop.write("data/b.parquet", "")
    duckdb.sql("SELECT 'fine' AS review, 5 AS star").write_parquet(str(path))
    declare(workshop, "[data/a.csv, data/b.parquet]")
    problem = workshop.problem()
    assert problem.summary == "the column `star` is INTEGER here, and VARCHAR in a file before"


def test_every_source_that_is_missing_is_told(workshop: Workshop) -> None:
    workshop.write("data/note.txt", "")
    declare(workshop, "[data/a.csv, data/*.csv]")
    one, other = workshop.problems()
    assert {one.code, other.code} == {"dataset-no-source"}
    assert one.summary == "`specs/data/a.csv` does not exist"
    assert other.summary == "`specs/data/*.csv` matches no file"
    assert other.place is not None
    assert (other.place.line, other.place.column) == (2, 33)


def test_a_link_out_of_the_project_is_refused(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "a.csv"
    outside.write_text("review,star\nfine,5\n")
    (workshop.root / "specs" / "data").mkdir(parents=True)
    (workshop.root / "specs" / "data" / "a.csv").symlink_to(outside)
    declare(workshop, "data/*.csv")
    assert workshop.problem().code == "file-outside"

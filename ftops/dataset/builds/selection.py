"""What a recipe selects of its sources: rows of text, one column each that the recipe names."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ftops.dataset.builds.engine import quoted, shut_in
from ftops.dataset.builds.guard import check_expression, check_statement
from ftops.dataset.builds.problems import sql_problem
from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.recipe import SHARE, Sorted, question_columns, templates_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

    from ftops.dataset.builds.problems import Locate
    from ftops.recipe import Recipe

_SELECTED = "ftops.selected"
_NESTED = ("STRUCT", "MAP", "UNION", "JSON", "VARIANT")
ROWS_A_BATCH = 2048
MOST_SHOWN, LONGEST_SHOWN = 30, 60
"""Of the columns' names in a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A table of the build's database, and what to take of it."""

    table: str
    rows: int
    columns: Mapping[str, str]
    """The types of its columns by name."""
    wanted: tuple[str, ...]
    """The columns that the recipe names, as *columns* spells them."""


def select(connection: DuckDBPyConnection, recipe: Recipe, locate: Locate) -> Selection:
    """Run the recipe's SQL, shut in; look at every other piece of SQL before it is run.

    Raises:
        ProblemsError: SQL is refused or fails, or a column is named that is not there: all that are.
    """
    import duckdb  # noqa: PLC0415  # 60 ms, and most commands build nothing

    for field, text in _expressions(recipe):
        check_expression(connection, text, field, locate)
    table = quoted(next(iter(recipe.sources)))
    if recipe.sql is not None:
        sql = recipe.sql.rstrip().rstrip(";")
        check_statement(connection, sql, recipe.sources, locate)
        connection.execute("CREATE SCHEMA ftops")
        # On one thread: with more, sums of fractions and the rows that a LIMIT takes would depend on which is first.
        connection.execute("SET threads = 1")
        shut_in(connection)
        head = f"CREATE TABLE {_SELECTED} AS "
        try:
            connection.execute(head + sql)
        except duckdb.Error as error:
            raise sql_problem(error, locate, "sql", before=len(head)) from None
        table = _SELECTED
    else:
        shut_in(connection)
    columns = {row[0]: row[1] for row in connection.execute(f"DESCRIBE {table}").fetchall()}
    named, problems = _named(recipe, columns, locate)
    if problems:
        raise ProblemsError(*problems)
    for field, text in _expressions(recipe):
        head = "SELECT (" if isinstance(recipe.order, Sorted) and field == "order.by" else "SELECT CAST(("
        tail = "\n)" if head == "SELECT (" else "\n) AS BOOLEAN)"
        try:
            connection.execute(f"{head}{text}{tail} FROM {table} LIMIT 0")
        except duckdb.Error as error:
            raise sql_problem(error, locate, field, before=len(head)) from None
    (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
    return Selection(table=table, rows=rows, columns=columns, wanted=named)


def fetch(
    connection: DuckDBPyConnection, selection: Selection, recipe: Recipe, locate: Locate
) -> Iterator[list[tuple[int, tuple[str | None, ...], tuple[bool | None, ...]]]]:
    """The selected rows that meet the filter, in batches: number from 0, texts of the wanted columns, conditions met.

    Raises:
        ProblemsError: SQL fails on a row.
    """
    import duckdb  # noqa: PLC0415  # as above

    conditions = [text for text in recipe.splits.values() if not SHARE.fullmatch(text.strip())]
    texts = [_as_text(column, selection.columns[column]) for column in selection.wanted]
    wanted = ["rowid", *texts, *(f"CAST(({text}\n) AS BOOLEAN)" for text in conditions)]
    where = f" WHERE ({recipe.filter}\n)" if recipe.filter is not None else ""
    end = 1 + len(texts)
    try:
        result = connection.execute(f"SELECT {', '.join(wanted)} FROM {selection.table}{where}")
        while rows := result.fetchmany(ROWS_A_BATCH):
            yield [(row[0], row[1:end], row[end:]) for row in rows]
    except duckdb.Error as error:
        # Each piece was tried before; what fails on a row is most often a cast in the filter.
        field = "filter" if recipe.filter is not None else next((each for each, _ in _expressions(recipe)), "sources")
        raise sql_problem(error, _without_offset(locate), field) from None


def ranks(
    connection: DuckDBPyConnection, selection: Selection, recipe: Recipe, locate: Locate
) -> NDArray[np.int64] | None:
    """The rank of every selected row, by its number; None if rows are not sorted by an expression.

    Raises:
        ProblemsError: The expression fails on a row.
    """
    import duckdb  # noqa: PLC0415  # as above
    import numpy as np  # noqa: PLC0415

    if not isinstance(recipe.order, Sorted):
        return None
    where = f" WHERE ({recipe.filter}\n)" if recipe.filter is not None else ""
    by = f"({recipe.order.by}\n) ASC NULLS LAST"
    try:
        found = connection.execute(
            f"SELECT rowid AS number, dense_rank() OVER (ORDER BY {by}) AS rank FROM {selection.table}{where}"
        ).fetchnumpy()
    except duckdb.Error as error:
        raise sql_problem(error, _without_offset(locate), "order.by") from None
    result = np.zeros(selection.rows, np.int64)
    result[found["number"]] = found["rank"]
    return result


def split_columns(recipe: Recipe) -> tuple[str, ...]:
    """The columns whose values say to which split a row goes by hash."""
    return recipe.split_by or question_columns(recipe.form) or tuple(_template_columns(recipe))


def _expressions(recipe: Recipe) -> Iterator[tuple[str, str]]:
    if recipe.filter is not None:
        yield "filter", recipe.filter
    for name, text in recipe.splits.items():
        if not SHARE.fullmatch(text.strip()):
            yield f"splits.{name}", text
    if isinstance(recipe.order, Sorted):
        yield "order.by", recipe.order.by


def _template_columns(recipe: Recipe) -> dict[str, None]:
    return dict.fromkeys(column for each in templates_of(recipe.form).values() for column in each.columns)


def _named(recipe: Recipe, columns: Mapping[str, str], locate: Locate) -> tuple[tuple[str, ...], list[Diagnostic]]:
    """The columns that the recipe names, and a problem for each that is not there or holds no text."""
    where: dict[str, str] = {}
    for field, template in templates_of(recipe.form).items():
        for column in template.columns:
            where.setdefault(column, f"{recipe.form.__struct_config__.tag}.{field}.{{{column}}}")
    for field, names in (("dedupe", recipe.dedupe or ()), ("split_by", recipe.split_by)):
        for position, column in enumerate(names):
            where.setdefault(column, f"{field}.{position}")
    if recipe.stratify_by is not None:
        where.setdefault(recipe.stratify_by, "stratify_by")
    problems = [_hidden_number(locate)] if "rowid" in (column.lower() for column in columns) else []
    for column, field in where.items():
        place = locate(field, None)
        if column not in columns:
            problems.append(
                Diagnostic(
                    code="dataset-column",
                    summary=f"there is no column `{column}`",
                    place=place,
                    why=f"the columns are {_shown(columns)}",
                    fix=_cure(column, field, columns),
                )
            )
        elif columns[column].startswith("BLOB"):
            problems.append(
                Diagnostic(
                    code="dataset-column",
                    summary=f"the column `{column}` holds bytes, not text",
                    place=place,
                    why="examples are texts",
                    fix="turn it into text by `sql`, such as `decode(column)` or `base64(column)`",
                )
            )
    return tuple(where), problems


def _hidden_number(locate: Locate) -> Diagnostic:
    return Diagnostic(
        code="dataset-column",
        summary="a column is named `rowid`",
        place=locate("sql", None),
        why="DuckDB numbers the rows of every table under this name, and ftops knows rows by that",
        fix="rename it by `sql`, such as `SELECT * EXCLUDE (rowid), rowid AS id FROM …`",
    )


def _cure(column: str, field: str, columns: Mapping[str, str]) -> str:
    """How the name of a column that is not there is mended where *field* names it."""
    if len(columns) == 1 and any(mark in next(iter(columns)) for mark in ";\t|"):
        return "write the file with commas between its fields, as CSV has: here all is one column"
    if near := get_close_matches(column, columns, n=1):
        return f"did you mean `{near[0]}`?"
    return f"write one of them{'; braces meant as such are doubled' if '{' in field else ''}"


def _shown(columns: Iterable[str]) -> str:
    """The names of columns; what is no name but something else at the head of a file is cut, and harms no terminal."""
    names = [name if name.isprintable() else repr(name)[1:-1] for name in columns]
    cut = [name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}…" for name in names[:MOST_SHOWN]]
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(f"`{name}`" for name in cut) + more


def _as_text(column: str, type_: str) -> str:
    name = quoted(column)
    if type_ == "VARCHAR":
        return name
    is_nested = type_.endswith("]") or type_.startswith(_NESTED)
    return f"CAST(to_json({name}) AS VARCHAR)" if is_nested else f"CAST({name} AS VARCHAR)"


def _without_offset(locate: Locate) -> Locate:
    """What fails on a row is told at the field: where in the statement is no place in it."""
    return lambda field, _: locate(field, None)

"""SQL of a spec, looked at before it runs: one SELECT over the sources, that gives the same rows every time.

DuckDB itself then runs it without access to files, network and settings (`engine.shut_in`). This look comes first
because it can say what is wrong and where, and because DuckDB does not mind chance and clocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from ftops.dataset.builds.problems import refused_sql

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from duckdb import DuckDBPyConnection

    from ftops.dataset.builds.problems import Locate
    from ftops.diagnostics import Place, ProblemsError

_TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series"})
_REFUSED_MACROS = ("ago", "get_block_size", "has_", "inet_", "pg_", "session_user", "user")
_CLOCKS = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
"""Functions that are called without brackets, so that they look like columns."""


def check_statement(connection: DuckDBPyConnection, sql: str, tables: Collection[str], locate: Locate) -> None:
    """Refuse anything but one SELECT over *tables*.

    Raises:
        ProblemsError: It is something else, or asks for what changes from run to run.
    """
    statements = _parsed(connection, sql, locate, "sql")
    if len(statements) != 1:
        fix = "write one SELECT; parts of it can stand before it: `WITH name AS (SELECT …) SELECT …`"
        raise refused_sql(
            locate("sql", None), "`sql` must be one statement", why="its rows become the dataset", fix=fix
        )
    _check(connection, statements[0]["node"], {each.lower() for each in tables}, locate, "sql")


def check_expression(connection: DuckDBPyConnection, text: str, field: str, locate: Locate) -> None:
    """Refuse anything but one expression over columns.

    Raises:
        ProblemsError: It is something else, or asks for what changes from run to run.
    """
    statements = _parsed(connection, f"{_SELECT}{text}", locate, field)
    node = statements[0]["node"] if len(statements) == 1 else {}
    # `1) FROM x WHERE (1` would be an expression only in the brackets that are put round it.
    plain = (
        node.get("type") == "SELECT_NODE" and node["from_table"]["type"] == "EMPTY" and len(node["select_list"]) == 1
    )
    if not plain or node["modifiers"] or node["where_clause"] or node["select_list"][0].get("alias"):
        why, fix = "it is one condition or value over the columns", "write an expression, such as `length(review) > 20`"
        raise refused_sql(locate(field, None), "this is more than an expression", why=why, fix=fix)
    for each in _nodes(node):
        if each.get("class") == "WINDOW" or str(each.get("column_names", [""])[-1]).lower() == "rowid":
            why, fix = "where a row goes must follow from the row alone, not from its neighbours", "use `sql` for this"
            raise refused_sql(locate(field, None), "this looks beyond the row", why=why, fix=fix)
    _check(connection, node, set(), locate, field, before=len(_SELECT))


_SELECT = "SELECT "


def _parsed(connection: DuckDBPyConnection, sql: str, locate: Locate, field: str) -> list[dict[str, Any]]:
    found = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    assert found is not None
    try:
        answer = orjson.loads(found[0])
    except orjson.JSONDecodeError:
        why, fix = "its parts nest hundreds deep", "write it flatter; parts of it can stand before it, by WITH"
        raise refused_sql(locate(field, None), "this is too deep", why=why, fix=fix) from None
    if not answer["error"]:
        statements: list[dict[str, Any]] = answer["statements"]
        return statements
    if answer["error_type"] == "parser":
        before = len(_SELECT) if sql.startswith(_SELECT) and field != "sql" else 0
        offset = max(0, int(answer["position"]) - before) if "position" in answer else None
        fix = "correct the SQL; DuckDB's documentation shows its grammar"
        raise refused_sql(locate(field, offset), "this is no SQL", why=str(answer["error_message"]), fix=fix)
    why = "a dataset is what one SELECT gives; nothing is written, loaded, attached or set"
    raise refused_sql(locate(field, None), "this is no SELECT", why=why, fix="write a SELECT over the sources")


def _check(
    connection: DuckDBPyConnection, node: object, tables: set[str], locate: Locate, field: str, *, before: int = 0
) -> None:
    nodes = list(_nodes(node))
    known = tables | {str(each["key"]).lower() for each in nodes if "key" in each and "value" in each}
    unsteady: set[str] = set()
    for each in nodes:
        offset = max(0, each.get("query_location", 0) - before) if each.get("query_location", -1) < _NOWHERE else None
        name = str(each.get("function_name", "")).lower()
        match each.get("type"):
            case "BASE_TABLE" if str(each["table_name"]).lower() not in known or each["schema_name"]:
                why = "SQL sees the sources of the dataset and nothing else, an expression the columns of its row"
                fix = "declare it in `sources`, and select from it in `sql` by its name there"
                raise refused_sql(locate(field, offset), f"`{each['table_name']}` is no source", why=why, fix=fix)
            case "TABLE_FUNCTION" if (called := str(each["function"]["function_name"]).lower()) not in _TABLE_FUNCTIONS:
                why = "it could read what no source declares"
                fix = "declare the file in `sources`, and select from it in `sql` by its name there"
                raise refused_sql(locate(field, offset), f"`{called}` is not allowed here", why=why, fix=fix)
            case "SHOW_REF":
                why = "it describes tables instead of giving their rows"
                raise refused_sql(
                    locate(field, offset), "this is no SELECT", why=why, fix="write a SELECT over the sources"
                )
            case "COLUMN_REF" if each["column_names"] and str(each["column_names"][-1]).lower() in _CLOCKS:
                raise _by_chance(locate(field, offset), str(each["column_names"][-1]))
            case _ if name and each.get("class") in {"FUNCTION", "WINDOW"} and name not in _TABLE_FUNCTIONS:
                unsteady = unsteady or _unsteady_functions(connection)
                # With one argument, it is the age until today.
                if name in unsteady or name.startswith("current_") or (name == "age" and len(each["arguments"]) == 1):
                    raise _by_chance(locate(field, offset), name)
        if each.get("sample"):
            raise _by_chance(locate(field, offset), "SAMPLE")


_NOWHERE = 2**63
"""What is nowhere in the text is at the greatest number that DuckDB knows."""


def _nodes(value: object) -> Iterator[dict[str, Any]]:
    """All mappings in *value*, as they stand in the text; without recursion, since SQL may nest deeper than Python."""
    left = [value]
    while left:
        match left.pop():
            case dict() as node:
                yield node
                left += reversed(node.values())
            case list() as items:
                left += reversed(items)


def _unsteady_functions(connection: DuckDBPyConnection) -> set[str]:
    """Functions that may give another value for the same ones, by what DuckDB says of them; and what looks around."""
    rows = connection.execute(
        "SELECT DISTINCT function_name, function_type, stability FROM duckdb_functions() "
        "WHERE function_type IN ('scalar', 'aggregate', 'macro')"
    ).fetchall()
    return {
        name.lower()
        for name, type_, stability in rows
        if stability not in (None, "CONSISTENT") or (type_ == "macro" and name.startswith(_REFUSED_MACROS))
    }


def _by_chance(place: Place, name: str) -> ProblemsError:
    return refused_sql(
        place,
        f"`{name}` is not allowed here",
        why="its value does not follow from the rows, and the same sources must make the same bytes",
        fix="write a value in its place; `order`, `splits` and `limit` draw rows by hash and seed",
    )

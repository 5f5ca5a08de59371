"""Cutting a long list into pages by cursor, as the API does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.server.errors import ApiError, bad_request
from ftops.server.fields import Fields, wrong_type

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from ftops.server.database import Database


def page(
    database: Database,
    table: str,
    query: Mapping[str, str],
    *,
    limit: int,
    most: int,
    condition: str = "1",
    values: tuple[object, ...] = (),
    descending: bool = True,
) -> tuple[list[sqlite3.Row], bool]:
    """One page of *table*'s rows for which *condition* holds, and whether more follow.

    Args:
        database: Where the rows are.
        table: It has a `number`, which counts up, and an `id`.
        query: The request's parameters, of which `after` and `limit` are read.
        limit: How many there are on a page if the request does not say.
        most: How many it may ask for.
        condition: SQL; its `?` stand for *values*.
        values: For the condition.
        descending: Whether the newest is first.

    Raises:
        ApiError: The limit is none, or the cursor names no row of *table* (400).
    """
    limit = Fields({"limit": _number(query, "limit", limit)}).required_whole("limit", least=1, most=most)
    if after := query.get("after"):
        cursor = database.row(f"SELECT number FROM {table} WHERE id = ?", after)  # noqa: S608 the table is ours
        if cursor is None:
            raise bad_request(f"Invalid 'after': there is no object with id '{after}'.", param="after")
        condition = f"({condition}) AND number {'<' if descending else '>'} ?"
        values = (*values, cursor["number"])
    order = "DESC" if descending else "ASC"
    rows = database.rows(
        f"SELECT * FROM {table} WHERE {condition} ORDER BY number {order} LIMIT ?",  # noqa: S608 these words are ours
        *values,
        limit + 1,
    )
    return rows[:limit], len(rows) > limit


def envelope(data: list[dict[str, object]], *, has_more: bool, with_ends: bool) -> dict[str, object]:
    """The answer around *data*; files and checkpoints also tell the ids of both ends."""
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return {"object": "list", "data": data, "has_more": has_more} | (ends if with_ends else {})


def listed(
    found: tuple[list[sqlite3.Row], bool], spell: Callable[[sqlite3.Row], dict[str, object]], *, with_ends: bool = False
) -> dict[str, object]:
    """A found page as the API answers it, each row spelt by *spell*."""
    rows, has_more = found
    return envelope([spell(row) for row in rows], has_more=has_more, with_ends=with_ends)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise _no_number(name, text) from None


def _no_number(name: str, text: str) -> ApiError:
    return wrong_type(name, "an integer", text)

"""DuckDB, kept within bounds: of memory, of threads, and of what it may reach."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from ftops.dataset.builds.problems import refuse_full_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from duckdb import DuckDBPyConnection

LOAD_MEMORY = "96MB"
"""While files are read and rows are fetched: both stream."""
QUERY_MEMORY = "512MB"
"""While SQL of the spec runs: a join holds one side of it; what does not fit goes to disk."""

_ALWAYS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "errors_as_json": "true",
    "preserve_insertion_order": "true",
}


@contextmanager
def connected(folder: Path, *, threads: int, memory: str) -> Iterator[DuckDBPyConnection]:
    """Open the database of one build, which lies in *folder* as what it spills does.

    Raises:
        OSError: The disk is full.
        KeyboardInterrupt: Ctrl-C stopped a statement, however long it would have run.
    """
    import duckdb  # noqa: PLC0415  # 60 ms, and most commands build nothing

    settings = {**_ALWAYS, "threads": str(threads), "memory_limit": memory, "temp_directory": str(folder / "spill")}
    try:
        connection = duckdb.connect(str(folder / "build.duckdb"), config=settings)
    except duckdb.IOException as error:
        refuse_full_disk(str(error))
        raise
    try:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        yield connection
    except RuntimeError as error:
        if "interrupted" in str(error):  # So DuckDB 2.0 tells of Ctrl-C.
            raise KeyboardInterrupt from None
        raise
    finally:
        connection.close()


def shut_in(connection: DuckDBPyConnection) -> None:
    """Before SQL of a spec runs: no files, no network, no settings from here on."""
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def quoted(name: str) -> str:
    """*name* as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@cache
def engine_version() -> str:
    """DuckDB's version; part of what a build is known by. Asked without loading it: most often all is built already."""
    return version("duckdb")

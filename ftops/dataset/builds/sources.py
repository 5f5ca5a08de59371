"""Files into tables: every value of CSV, TSV and JSON as the text that it is, and Parquet with its types.

Nothing is guessed. Types that are inferred depend on which rows a sampler happens to see, so that an added row could
change how all the others are read, and `007` would become 7.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

from ftops.dataset.builds.engine import quoted
from ftops.dataset.builds.problems import source_problem
from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.recipe import COMPRESSED_ENDINGS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_LONGEST_OBJECT = 16 << 20
"""Of JSON, in bytes; each thread keeps two of them in memory. A row of CSV has 4 MiB at most."""
_NO_DELIMITER = "\x1f"
"""Stands in no header."""


class SourceFile(NamedTuple):
    """One file of a source."""

    path: str
    """Relative to the repository, as problems name it."""
    sha256: str


class Loaded(NamedTuple):
    """How many rows of a source came from which file, in their order."""

    files: tuple[tuple[str, int], ...]

    def row(self, number: int) -> tuple[str, int]:
        """The file, and the number in it, of the row with this number in the source; both count from 1."""
        for path, rows in self.files:
            if number <= rows:
                return path, number
            number -= rows
        raise AssertionError("a row that no file has")


def load(connection: DuckDBPyConnection, name: str, files: Sequence[SourceFile], root: Path) -> Loaded:
    """Make the table *name* of *files*, in their order: all of their columns, NULL where a file lacks one.

    Raises:
        ProblemsError: A file cannot be read, or holds a column of another type than another file.
    """
    import duckdb  # noqa: PLC0415  # 60 ms, and most commands build nothing

    readers = []
    types: dict[str, str] = {}
    spelt: dict[bytes, str] = {}
    for file in files:
        try:
            select, columns = _reader(connection, file.path, _escaped(root / file.path))
        except (duckdb.Error, UnicodeDecodeError) as error:
            raise source_problem(error, file.path) from None
        readers.append((file.path, select))
        for name_, type_ in columns.items():
            column = spelt.setdefault(_folded(name_), name_)
            if types.setdefault(column, type_) != type_:
                raise ProblemsError(_other_type(file.path, column, types[column], type_))
    declared = ", ".join(f"{quoted(column)} {type_}" for column, type_ in types.items())
    connection.execute(f"CREATE TABLE {quoted(name)} ({declared})")
    counts = []
    for path, select in readers:
        try:
            inserted = connection.execute(f"INSERT INTO {quoted(name)} BY NAME {select}").fetchone()
        except (duckdb.Error, UnicodeDecodeError) as error:
            raise source_problem(error, path) from None
        counts.append((path, inserted[0] if inserted else 0))
    return Loaded(tuple(counts))


def _reader(connection: DuckDBPyConnection, path: str, real: str) -> tuple[str, dict[str, str]]:
    """A SELECT of all rows of a file, and its columns with their types."""
    ending = _ending(path)
    if ending == ".parquet":
        select = f"SELECT * FROM read_parquet({_literal(real)})"
        described = connection.execute(f"DESCRIBE {select}").fetchall()
        return select, {row[0]: row[1] for row in described}
    if ending in _DELIMITERS:
        names = _header(connection, path, real, _DELIMITERS[ending])
        columns = "{" + ", ".join(f"{_literal(each)}: 'VARCHAR'" for each in names) + "}"
        options = f"delim={_literal(_DELIMITERS[ending])}, columns={columns}, header=true, allow_quoted_nulls=false"
        select = f"SELECT * FROM read_csv({_literal(real)}, {_CSV}, {options})"
        return select, dict.fromkeys(names, "VARCHAR")
    layout = "array" if ending == ".json" else "newline_delimited"
    objects = f"read_json_objects({_literal(real)}, format='{layout}', maximum_object_size={_LONGEST_OBJECT})"
    keys = connection.execute(f"SELECT DISTINCT unnest(json_keys(json)) AS key FROM {objects} ORDER BY key").fetchall()
    names = tuple(key for (key,) in keys)
    if not names:
        raise ProblemsError(_no_columns(path))
    _refuse_names(path, names)
    # By key, not by path: a key may hold dots, brackets and quotes.
    values = ", ".join(f"json ->> {_literal(_pointer(each))} AS {quoted(each)}" for each in names)
    return f"SELECT {values} FROM {objects}", dict.fromkeys(names, "VARCHAR")


_LONGEST_LINE = "buffer_size=8388608, max_line_size=4194304"
_CSV = f"auto_detect=false, quote='\"', escape='\"', encoding='utf-8', strict_mode=true, {_LONGEST_LINE}"


def _header(connection: DuckDBPyConnection, path: str, real: str, delimiter: str) -> tuple[str, ...]:
    """The names of a CSV file's columns."""
    line = connection.execute(
        f"SELECT line FROM read_csv({_literal(real)}, auto_detect=false, header=false, quote='', escape='', "
        f"delim='{_NO_DELIMITER}', columns={{'line': 'VARCHAR'}}, strict_mode=false, {_LONGEST_LINE}) LIMIT 1"
    ).fetchone()
    if line is None or line[0] is None:
        raise ProblemsError(_no_columns(path))
    try:
        names = next(csv.reader([line[0].removeprefix("\ufeff")], delimiter=delimiter))
    except csv.Error:
        raise ProblemsError(_bad_header(path, "the name of a column is too long")) from None
    _refuse_names(path, names)
    return tuple(names)


def _refuse_names(path: str, names: Sequence[str]) -> None:
    """Refuse columns without a name, and two whose names are one to DuckDB."""
    folded = [_folded(name.strip()) for name in names]
    first = {name: position for position, name in reversed(list(enumerate(folded)))}
    for position, name in enumerate(folded):
        if not name:
            raise ProblemsError(_bad_header(path, f"column {position + 1} has no name"))
        if first[name] != position:
            raise ProblemsError(_bad_header(path, f"the columns {first[name] + 1} and {position + 1} have one name"))


def _folded(name: str) -> bytes:
    """The same for names that are one to DuckDB, which disregards the case of ASCII letters and of no others."""
    return name.encode().lower()


def _ending(path: str) -> str:
    for compressed in COMPRESSED_ENDINGS:
        path = path.removesuffix(compressed)
    return path[path.rindex(".") :]


def _escaped(path: Path) -> str:
    """A path in which nothing is a pattern to DuckDB."""
    return str(path).replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")


def _pointer(key: str) -> str:
    """A JSON Pointer (RFC 6901)."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _no_columns(path: str) -> Diagnostic:
    return Diagnostic(
        code="dataset-source",
        summary="the file has no columns",
        place=Place(path=path),
        why="a CSV file begins with the names of its columns, and JSON has objects with keys",
        fix="write a header or objects into it, or leave the file out",
    )


def _bad_header(path: str, what: str) -> Diagnostic:
    return Diagnostic(
        code="dataset-source",
        summary=what,
        place=Place(path=path, line=1),
        why="a template and SQL know columns by name, without regard to case",
        fix="give every column a name of its own in the header",
    )


def _other_type(path: str, column: str, before: str, after: str) -> Diagnostic:
    return Diagnostic(
        code="dataset-source",
        summary=f"the column `{column}` is {after} here, and {before} in a file before",
        place=Place(path=path),
        why="all files of a source are one table, and a column of it has one type",
        fix="write the files with the same types, or make them sources of their own and join them by `sql`",
    )

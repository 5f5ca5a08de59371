"""What can go wrong while a dataset is built, as problems that point at the spec or at the source."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING, NamedTuple

import orjson

from ftops.diagnostics import Diagnostic, Place, ProblemsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    import duckdb

    Locate: TypeAlias = Callable[[str, int | None], Place]
    """The place of a field of the spec, such as `chat.user`; and of a character of its text, counted from 0."""

_SEES_NO_ROWS = frozenset({"Binder", "Catalog", "Parser", "Syntax"})
"""Kinds of error that are raised before a row is read, so that their text quotes the SQL only."""
_NO_MEMORY = " allocate "
_QUOTED = re.compile(r"'.*'|\".*\"", re.DOTALL)
_LINE = re.compile(r"CSV Error on Line: (\d+)|at byte \d+ in line (\d+)")


class TooLargeError(ProblemsError):
    """What was read needs more memory than it was given."""


class _Said(NamedTuple):
    kind: str
    text: str
    position: int | None


def sql_problem(error: duckdb.Error, locate: Locate, field: str, *, before: int = 0) -> ProblemsError:
    """What DuckDB says against the SQL of *field*; nothing of a row is quoted.

    Args:
        error: With `errors_as_json` set.
        locate: Gives places.
        field: Whose text was run.
        before: Characters that were put before it.
    """
    said = _said(error)
    refuse_full_disk(said.text)
    text = said.text if said.kind in _SEES_NO_ROWS else _QUOTED.sub("'…'", said.text)
    offset = None if said.position is None else max(0, said.position - before)
    fix = "correct the SQL; columns of CSV and JSON hold text until they are cast, such as `CAST(star AS INTEGER)`"
    if said.kind == "Out of Memory":
        fix = "let the SQL do less at once: sort, join or aggregate fewer columns"
    why = " ".join(_without_options(text).split())
    problem = Diagnostic(
        code="dataset-sql", summary="DuckDB cannot run this", place=locate(field, offset), why=why, fix=fix
    )
    return ProblemsError(problem)


def refused_sql(place: Place, summary: str, *, why: str, fix: str) -> ProblemsError:
    """SQL that DuckDB would run, and ftops does not let it."""
    return ProblemsError(Diagnostic(code="dataset-sql", summary=summary, place=place, why=why, fix=fix))


def source_problem(error: duckdb.Error | UnicodeDecodeError, path: str) -> ProblemsError:
    """What DuckDB says against a source; nothing of a row is quoted.

    It quotes a source that is not UTF-8 as it is, and then its words cannot be read: that says as much.
    """
    text = _said(error).text
    refuse_full_disk(text)
    found = _LINE.search(text)
    # DuckDB 2.0 counts the lines of JSON from 2.
    line = None if found is None else int(found[1]) if found[1] else int(found[2]) - 1
    summary, why, fix = _source_words(text, line)
    place = Place(path=path, line=line)
    problem = Diagnostic(code="dataset-source", summary=summary, place=place, why=why, fix=fix)
    return TooLargeError(problem) if _NO_MEMORY in text else ProblemsError(problem)


def _source_words(text: str, line: int | None) -> tuple[str, str, str]:
    text = _without_options(text)
    lowered = text.lower()
    if "invalid state" in lowered:
        return (
            "the file is no regular CSV",
            "a line ends in another way than the first, or quotes do not match",
            "let all lines end alike, put fields that hold quotes in quotes, and double the quotes in them",
        )
    if "expected number of columns" in lowered:
        counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
        has = f"has {counts[2]} fields, and the header has {counts[1]}" if counts else "has another number of fields"
        return (
            f"line {has}",
            "a field would be read as another's",
            "put fields that hold a comma or a line feed in quotes",
        )
    if _NO_MEMORY in text or "maximum_object_size" in lowered or "maximum line size" in lowered:
        return (
            "a row is too long, or has too many columns",
            "rows are read up to 16 MiB of JSON or 4 MiB of CSV, and with a thousand columns",
            "split the row, or leave it or most of its columns out",
        )
    if "gzip" in lowered or "frame" in lowered:
        return (
            "the file is not compressed as its name says, or cut short",
            "`.gz` is gzip, and `.zst` is Zstandard",
            "compress it again, or name it by what it holds",
        )
    if "unicode" in lowered or "utf-8" in lowered:
        return (
            "the file is not UTF-8",
            "sources are read as UTF-8 and nothing else, so that they mean the same everywhere",
            "convert it: `iconv -f ENCODING -t UTF-8`",
        )
    if "quote" in lowered:
        return (
            "quotes do not match",
            "a field begins with a quote and does not end with one",
            "double quotes within quotes",
        )
    if "json" in lowered:
        fix = "mend it"
        if line == 1:
            fix += "; if it looks right, a byte order mark stands before it: `sed -i '1s/^\\xEF\\xBB\\xBF//'`"
        return "the line is not JSON", "each line of a JSONL file is one object, and a JSON file one list", fix
    why = " ".join(_QUOTED.sub("'…'", text.partition("\n")[0]).split())
    return "the file cannot be read", why, "name the file by what it holds, and mend what DuckDB says"


def refuse_full_disk(text: str) -> None:
    """Tell a full disk as the system does: neither SQL nor a source is to blame.

    Raises:
        OSError: DuckDB could not write.
    """
    if re.search(r"no space left|could not write|file too large", text, re.IGNORECASE):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _without_options(text: str) -> str:
    """What DuckDB says, less its advice: a spec cannot set DuckDB's options."""
    return text.partition("Possible ")[0]


def _said(error: duckdb.Error | UnicodeDecodeError) -> _Said:
    """Take an error apart; DuckDB writes JSON behind the kind for all but a few errors."""
    kind, _, rest = str(error).partition(" Error: ")
    try:
        value = orjson.loads(rest)
    except orjson.JSONDecodeError:
        return _Said(kind, rest or str(error), None)
    position = value.get("position")
    return _Said(value["exception_type"], value["exception_message"], None if position is None else int(position))

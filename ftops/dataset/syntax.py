"""Why a line is no JSON, and why a file is no JSON Lines at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftops.dataset.rule import Fault
from ftops.diagnostics import Place

if TYPE_CHECKING:
    import orjson

    from ftops.diagnostics import Diagnostic

BOM = b"\xef\xbb\xbf"

NOT_UTF8 = Fault(
    code="data-not-utf8",
    meaning="A row holds bytes that are not UTF-8.",
    why="JSON is written in UTF-8, and a wrong encoding is learnt as wrong characters",
    fix="save the file as UTF-8, or find out in which encoding it was written and convert it with `iconv`",
)
NOT_JSON = Fault(
    code="data-not-json",
    meaning="A row is not valid JSON.",
    why="each line is one JSON object",
    fix="write rows with a JSON library, one a line",
)
TOO_DEEP = Fault(
    code="data-too-deep",
    meaning="A row nests lists and objects more than 1,024 deep.",
    why="no parser that the provider may use is known to read it",
    fix="remove the row: training data nests a few levels deep",
)
LONE_SURROGATE = Fault(
    code="data-lone-surrogate",
    meaning="A row holds half of a surrogate pair, such as `\\ud83d` without its second half.",
    why="it stands for no character: text was cut in the middle of an emoji, or escaped twice",
    fix="repair the text where it was cut, or remove the escape",
)
BYTE_ORDER_MARK = Fault(
    code="data-byte-order-mark",
    meaning="The file begins with a byte order mark.",
    why="JSON must not begin with one (RFC 8259, section 8.1), and strict readers refuse the first row",
    fix="save the file as UTF-8 without byte order mark, or run `sed -i '1s/^\\xEF\\xBB\\xBF//'` on it",
)
NOT_JSON_LINES = Fault(
    code="data-not-jsonl",
    meaning="The file is in another format than JSON Lines.",
    why="the provider trains on JSON Lines only: UTF-8 text, one object a line",
    fix="convert the file to one JSON object a line",
)

_FOREIGN_FORMATS = (
    (b"\x1f\x8b", "is compressed by gzip", "uncompress it with `gunzip`"),
    (b"PK\x03\x04", "is a ZIP archive or an Excel workbook", None),
    (b"PAR1", "is a Parquet file", None),
    (b"\xff\xfe", "is in UTF-16", "convert it with `iconv -f UTF-16 -t UTF-8`"),
    (b"\xfe\xff", "is in UTF-16", "convert it with `iconv -f UTF-16 -t UTF-8`"),
    (b"[", "begins with a JSON list", "write one object a line: `jq -c '.[]' old.json > new.jsonl`"),
)
_PRETTY_PRINTED = re.compile(rb'\{\s*(?:"(?:[^"\\]|\\.){0,100}"\s*:\s*[\[{]?\s*)?\Z')

# What stands where the parser stopped, and what probably happened.
_CAUSES = (
    (re.compile(r"-?(?:NaN|Infinity)"), "JSON has no `NaN` or `Infinity`: write `null` or a number"),
    (re.compile(r"True|False|None"), "write the row with `json.dumps`: this is Python's notation"),
    (re.compile(r"'"), 'write the row with `json.dumps`: JSON quotes with `"`'),
    (re.compile(r"\x00"), "the file holds NUL bytes, as after a crash while it was written: write it again"),
    (re.compile(r"[\x00-\x1f]"), "escape control characters inside strings, a tab as `\\t`"),
    (re.compile(r"\{"), "put a line feed between two objects, and one at the end of each file that you join"),
    (re.compile(r"\Z"), "the row is cut, or an object is spread over several lines: write one object a line"),
)


def foreign_format(start: bytes, place: Place) -> Diagnostic | None:
    """Recognise a file that is not JSON Lines by its first line, *start*."""
    start = start.removeprefix(BOM).strip()
    for magic, what, fix in _FOREIGN_FORMATS:
        if start.startswith(magic):
            return NOT_JSON_LINES.at(place, f"the file {what}", fix=fix)
    if _PRETTY_PRINTED.match(start):
        fix = "write one object a line: `jq -c . old.json > new.jsonl`"
        return NOT_JSON_LINES.at(place, "the file spreads a JSON object over several lines", fix=fix)
    if start and not start.startswith(b"{"):
        return NOT_JSON_LINES.at(place, "the file does not begin with a JSON object")
    return None


def syntax_problem(line: bytes, error: orjson.JSONDecodeError, *, path: str, number: int, offset: int) -> Diagnostic:
    """Say why *line* is no JSON.

    Args:
        line: Without its line feed.
        error: What orjson said of it.
        path: Of the file.
        number: Of the line, from 1.
        offset: Of the line in the file, in bytes.
    """
    place = Place(path=path, line=number)
    try:
        text = line.decode()
    except UnicodeDecodeError as undecodable:
        summary = f"row is not UTF-8: byte {offset + undecodable.start:,} of the file fits no character"
        return NOT_UTF8.at(place, summary)
    # These two are told by orjson's wording alone; a change of it would lose the better text, no more.
    if "depth" in error.msg or "recursion" in error.msg.lower():
        return TOO_DEEP.at(place, "row nests more than 1,024 lists and objects deep")
    place = Place(path=path, line=number, column=error.pos + 1)
    if "surrogate" in error.msg:
        return LONE_SURROGATE.at(place, "string holds half of a surrogate pair")
    fix = next((fix for cause, fix in _CAUSES if cause.match(text, error.pos)), None)
    return NOT_JSON.at(place, f"row is not JSON: {error.msg}", fix=fix)

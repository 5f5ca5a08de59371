"""A YAML file as text: decoded strictly, and cut into the lines that problems point at."""

from __future__ import annotations

import re

from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.spec.model import Span

LARGEST_BYTES = 1024 * 1024
"""A spec is a page; a mebibyte is a mistake or an attack."""

LONGEST_LINE = 1000
"""Of those that are kept with a problem, in characters; with many problems in one line, they would fill the memory."""

LONGEST_SHOWN = 40
"""Of what a message repeats from a file, in characters."""

# As libyaml splits lines, so that line numbers agree with its marks.
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
# What YAML calls not printable, less surrogates, which UTF-8 cannot hold. The negated class of what is printable takes
# twenty times as long to compile.
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")

# What begins like a key of OpenAI's, and what stands before the host of a URL.
_KEY = re.compile(r"\bsk-[\w-]{8,}|(?<=://)[^/\s@]+(?=@)")


def read_text(content: bytes, path: str) -> str:
    """Decode *content*, without its byte order mark.

    Raises:
        ProblemsError: It is too large, not UTF-8, or holds control characters.
    """
    if len(content) > LARGEST_BYTES:
        raise ProblemsError(
            Diagnostic(
                code="yaml-too-large",
                summary=f"the file has {len(content)} bytes; at most {LARGEST_BYTES} are read",
                place=Place(path=path),
                why="a spec is a page long, so this is likely another file",
                fix="move data into a JSONL file and name it, such as `training_file: data/train.jsonl`",
            )
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The decoder counts from after a byte order mark.
        position = error.start + len(content) - len(error.object)
        raise ProblemsError(
            Diagnostic(
                code="yaml-encoding",
                summary=f"the file is not UTF-8: byte 0x{content[position]:02x} at position {position}",
                place=Place(path=path, line=content.count(b"\n", 0, position) + 1),
                why="specs are read as UTF-8 and nothing else, so that they mean the same everywhere",
                fix="save the file as UTF-8, or convert it: `iconv -f ENCODING -t UTF-8`",
            )
        ) from None
    if (stray := _NOT_TEXT.search(text)) is not None:
        *before, last = split_lines(text[: stray.start()])
        span = Span(line=len(before) + 1, column=len(last) + 1, end_column=len(last) + 2)
        raise ProblemsError(
            Diagnostic(
                code="yaml-control-character",
                summary=f"the control character U+{ord(stray[0]):04X} stands in the file",
                place=place_of(path, split_lines(text), span),
                why="YAML allows no control characters but tab and line breaks",
                fix='remove it, or write it as an escape within double quotes, such as `"\\x1b"`',
            )
        )
    return text


def split_lines(text: str) -> tuple[str, ...]:
    return tuple(_LINE_BREAK.split(text))


def without_keys(text: str) -> str:
    """Blank out what looks like a key; letter by letter, so that columns stay what they are."""
    return _KEY.sub(lambda found: "*" * len(found[0]), text)


def shown(text: str) -> str:
    """The text as a message shows it: never long, never a key."""
    text = without_keys(text)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def place_of(path: str, lines: tuple[str, ...], span: Span) -> Place:
    """The place of *span*, with the line that it is in unless that is very long."""
    line = lines[span.line - 1]
    return Place(
        path=path,
        line=span.line,
        column=span.column,
        end_column=span.end_column,
        source=without_keys(line) if len(line) <= LONGEST_LINE else None,
    )

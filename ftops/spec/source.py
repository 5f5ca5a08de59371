"""YAML, strictly: bytes in, plain values and the place of each out.

Built from PyYAML's events rather than its nodes: nothing is expanded, the depth is bounded before anything recurses,
and an error leaves the problems that were found before it. Every problem of a file is found at once, except that YAML
which cannot be parsed ends where it breaks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.spec.document import Document, Mark, Path, in_order_of_place
from ftops.spec.model import Span
from ftops.spec.scalars import Surprise, read_plain
from ftops.spec.syntax import syntax_problem
from ftops.spec.text import place_of, read_text, shown, split_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST = 64
"""Levels of nesting; JSON schemas of answers go deepest, and providers stop at about ten."""

MOST_VALUES = 20_000
"""Keys and values of one file; a spec has some dozens."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_QUOTING_STYLES = ("'", '"', "|", ">")


def read_document(content: bytes, path: str, *, may_be_empty: bool = False) -> Document:
    """Read the one mapping that *content* holds.

    Raises:
        ProblemsError: It is no text, no YAML, or no mapping; with all problems that were found up to there.
    """
    text = read_text(content, path)
    lines = split_lines(text)
    reader = _Reader(path, lines)
    value = reader.read(text)
    if value is None and may_be_empty and not reader.problems:
        value, reader.marks[()] = {}, Mark(key=None, value=Span(line=1, column=1, end_column=2))
    if not isinstance(value, dict):
        if not reader.problems:
            reader.problems.append(_not_a_mapping(path, reader, value))
        raise ProblemsError(*in_order_of_place(reader.problems))
    return Document(
        path=path,
        lines=lines,
        value=value,
        marks=reader.marks,
        problems=tuple(reader.problems),
        unread=frozenset(reader.unread),
    )


def _not_a_mapping(path: str, reader: _Reader, value: object) -> Diagnostic:
    if value is None:
        return Diagnostic(
            code="yaml-empty",
            summary="the file is empty",
            place=Place(path=path),
            why="a file without content declares nothing",
            fix="write `kind: FineTune`, `model: …` and `training_file: …`, or delete the file",
        )
    return Diagnostic(
        code="yaml-not-a-mapping",
        summary="the file must hold a mapping of keys to values",
        place=place_of(path, reader.lines, reader.marks[()].value),
        why="it holds a list" if isinstance(value, list) else "it holds a single value",
        fix="write keys and values, such as `kind: FineTune`",
    )


class _Reader:
    """Turns events into values, remembering places and problems."""

    def __init__(self, path: str, lines: tuple[str, ...]) -> None:
        self.path = path
        self.lines = lines
        self.marks: dict[Path, Mark] = {}
        self.problems: list[Diagnostic] = []
        self.unread: set[Path] = set()
        self.values = 0
        self.beside = 0

    def read(self, text: str) -> object:
        """The first document's value; None if there is none.

        Raises:
            ProblemsError: The text is not YAML.
        """
        import yaml  # noqa: PLC0415 - an unchanged spec is never parsed, and the import takes 50 ms

        loader = getattr(yaml, "CLoader", yaml.Loader)
        events = yaml.parse(text, Loader=loader)
        value = None
        try:
            documents = 0
            for event in events:
                if isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        self._report_second_document(event)
                        break
                    value = self._value(next(events), events, (), None)
        except (yaml.YAMLError, ValueError) as error:
            # The parser in pure Python raises ValueError for an escape beyond Unicode.
            self.problems.append(syntax_problem(self.path, self.lines, error))
            raise ProblemsError(*in_order_of_place(self.problems)) from None
        return value

    def _value(self, event: Any, events: Iterator[Any], path: Path, key: Span | None) -> object:
        """The value that begins with *event*; takes its events, up to its end, from *events*."""
        kind = type(event).__name__
        span = self._span(event)
        self._count(span)
        # What is not written is shown by its key.
        self.marks[path] = Mark(key=key, value=key if key and _is_blank(self.lines, span) else span)
        if kind == "AliasEvent":
            self._refuse_alias(path, span)
            return None
        if event.anchor is not None:
            self._refuse_alias(path, span)
        if event.tag is not None:
            self._report(
                "yaml-tag",
                span,
                f"the tag `{shown(event.tag.replace('tag:yaml.org,2002:', '!!'))}` is not allowed",
                why="a value's type follows from how it is written",
                fix="remove the tag; put a text that looks like something else in quotes",
            )
            self.unread.add(path)
        match kind:
            case "MappingStartEvent":
                self._check_depth(path, span)
                return self._mapping(events, path, span)
            case "SequenceStartEvent":
                self._check_depth(path, span)
                return self._sequence(events, path, span)
            case _:
                return self._scalar(event, path, span)

    def _mapping(self, events: Iterator[Any], path: Path, start: Span) -> dict[str, object]:
        result: dict[str, object] = {}
        first_lines: dict[str, int] = {}
        for event in events:
            if type(event).__name__ == "MappingEndEvent":
                self._close(path, start, event)
                break
            span = self._span(event)
            key = self._key(event, events, path, span)
            # A key that is not usable still has a value, which is read for its problems and dropped.
            if key is None:
                self._value(next(events), events, self._beside(path), span)
            elif key in result:
                self._report(
                    "yaml-duplicate-key",
                    span,
                    f"`{shown(key)}` is given twice",
                    why=f"it is given in line {first_lines[key]} already, and only one of the two can hold",
                    fix="remove one of them",
                )
                self._value(next(events), events, self._beside(path), span)
            else:
                first_lines[key] = span.line
                result[key] = self._value(next(events), events, (*path, key), span)
        return result

    def _key(self, event: Any, events: Iterator[Any], path: Path, span: Span) -> str | None:
        before = len(self.problems)
        beside = self._beside(path)
        value = self._value(event, events, beside, None)
        if beside not in self.unread:
            del self.marks[beside]
        if isinstance(value, str):
            return value
        if len(self.problems) == before:
            self._report(
                "yaml-key",
                span,
                "a key must be a text",
                why="keys are names, and JSON, which the API speaks, has no other keys",
                fix="put the key in quotes, or indent what belongs to it",
            )
        return None

    def _beside(self, path: Path) -> Path:
        """Where a key itself is read, or what belongs to no usable key: a step that no value has, other each time."""
        self.beside -= 1
        return (*path, self.beside)

    def _sequence(self, events: Iterator[Any], path: Path, start: Span) -> list[object]:
        result: list[object] = []
        for event in events:
            if type(event).__name__ == "SequenceEndEvent":
                self._close(path, start, event)
                break
            result.append(self._value(event, events, (*path, len(result)), None))
        return result

    def _scalar(self, event: Any, path: Path, span: Span) -> object:
        text: str = event.value
        if _SURROGATE.search(text):
            self._report(
                "yaml-encoding",
                span,
                "the text holds half of a character",
                why="a surrogate such as `\\ud83d` is no character by itself, and UTF-8 cannot hold it",
                fix='write the character itself, or its whole code, such as `"\\U0001F600"`',
            )
            self.unread.add(path)
            return None
        if event.style in _QUOTING_STYLES:
            return text
        value = read_plain(text)
        if isinstance(value, Surprise):
            self._report(value.code, span, value.summary, why=value.why, fix=value.fix)
            self.unread.add(path)
            return None
        return value

    def _close(self, path: Path, start: Span, end: Any) -> None:
        """Now that the end is known: a collection in one line is shown whole, any other by its key."""
        key = self.marks[path].key
        value = start
        if end.start_mark.line + 1 == start.line and end.end_mark.column > end.start_mark.column:
            value = Span(line=start.line, column=start.column, end_column=end.end_mark.column + 1)
        elif key is not None:
            value = key
        else:
            value = Span(line=start.line, column=start.column, end_column=len(self.lines[start.line - 1].rstrip()) + 1)
        self.marks[path] = Mark(key=key, value=value)

    def _check_depth(self, path: Path, span: Span) -> None:
        if len(path) >= DEEPEST:
            self._report(
                "yaml-too-deep",
                span,
                f"values are nested more than {DEEPEST} deep",
                why="no spec needs that, and reading it would cost memory without bound",
                fix="remove levels of nesting",
            )
            raise ProblemsError(*in_order_of_place(self.problems))

    def _count(self, span: Span) -> None:
        self.values += 1
        if self.values > MOST_VALUES:
            self._report(
                "yaml-too-large",
                span,
                f"the file has more than {MOST_VALUES} keys and values",
                why="a spec is a page long, so this is likely another file",
                fix="move data into a JSONL file and name it, such as `training_file: data/train.jsonl`",
            )
            # The others are many and matter less, and this one must not be cut off behind them.
            raise ProblemsError(self.problems[-1])

    def _refuse_alias(self, path: Path, span: Span) -> None:
        self._report(
            "yaml-alias",
            span,
            "anchors and aliases are not allowed",
            why="a few lines of them stand for gigabytes, and a change in one place shows in another",
            fix="write the value out; put a text that begins with `&` or `*` in quotes",
        )
        self.unread.add(path)

    def _report_second_document(self, event: Any) -> None:
        self._report(
            "yaml-several-documents",
            self._span(event),
            "a file holds one document only",
            why="the file's name is the spec's name, and it can name only one",
            fix="move what follows `---` into a file of its own",
        )

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        line = self.lines[min(start.line, len(self.lines) - 1)]
        last = end.column if end.line == start.line else len(line.rstrip())
        return Span(line=start.line + 1, column=start.column + 1, end_column=max(last, start.column + 1) + 1)

    def _report(self, code: str, span: Span, summary: str, *, why: str, fix: str) -> None:
        place = place_of(self.path, self.lines, span)
        self.problems.append(Diagnostic(code=code, summary=summary, place=place, why=why, fix=fix))


def _is_blank(lines: tuple[str, ...], span: Span) -> bool:
    if span.line > len(lines):
        return True
    return not lines[span.line - 1][span.column - 1 : span.end_column - 1].strip()

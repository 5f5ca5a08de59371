"""One file, several specs: a document with a matrix is written out once for every combination of its values.

`{matrix.axis}` stands for a value: with nothing beside it the value keeps its type, within a text it is written out.
`{matrix}` stands for the names of all values, joined by `-`. What stands in the place of a reference is shown where the
matrix gives it, so that a problem points at what is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.spec.document import Document, Mark, Path, in_order_of_place
from ftops.spec.nearest import did_you_mean, one_of
from ftops.spec.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_SPECS = 256
"""Of one file; more are a mistake in an axis."""
LARGEST_WRITTEN = 16 * 1024 * 1024
"""What a matrix writes out in all, in characters; a few lines with references in references' place stand for more."""
VALUE_CHARACTERS = 64
"""For how many each value and each reference counts."""

_CODE = "spec-matrix"
_REFERENCE = re.compile(r"(?<!\{)\{matrix(?P<steps>[^{}]*)\}")
_AS_IT_STANDS = frozenset({"kind", "matrix"})
"""What must be known before anything is written out."""
_STEPS = re.compile(r"(?:\.[A-Za-z0-9_-]+)*")
_VALUE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """One value of one axis."""

    name: str
    """What it adds to the spec's name; nothing if empty."""
    value: Any
    path: Path
    """Where the matrix gives it."""


_Combination = dict[str, _Choice]


def expand(document: Document, stem: str) -> tuple[tuple[str, Document], ...]:
    """Write *document* out, without its matrix, for every combination; once, if it has none.

    Args:
        document: Its `matrix` and `name` are as the schema says; a `name` without a matrix is left for others to see.
        stem: Of the file: the name without a matrix, and what the others begin with.

    Raises:
        ProblemsError: A reference, an exclusion or a name is wrong: all that are.
    """
    matrix = document.value.get("matrix")
    if matrix is None:
        return ((stem, document),)
    problems: list[Diagnostic] = []
    axes = {axis: _choices(document, axis, problems) for axis in matrix if axis != "exclude"}
    if not axes:
        raise ProblemsError(_no_axis(document))
    problems += _unused_axes(document, axes)
    excluded = [dict(each) for each in matrix.get("exclude", ())]
    problems += _unknown_exclusions(document, axes, excluded)
    if prod(map(len, axes.values())) > MOST_SPECS:
        raise ProblemsError(*in_order_of_place([*problems, _too_many(document, prod(map(len, axes.values())))]))
    combinations = [
        chosen
        for choices in product(*axes.values())
        if not _is_excluded(chosen := dict(zip(axes, choices, strict=True)), excluded)
    ]
    room = _Room(document)
    # Also with problems of the axes: those of the references are told with them.
    written = [_written_out(document, chosen, stem, problems, room) for chosen in combinations]
    problems += _same_names(document, written)
    if not written and not problems:
        problems.append(_nothing_left(document))
    if problems:
        raise ProblemsError(*in_order_of_place(problems))
    return tuple(written)


def lost_references(document: Document) -> Iterator[Diagnostic]:
    """Tell of references in *document*, which has no matrix, or none any more: nothing stands for them."""
    for path, text in _texts(document.value, ()):
        found = _REFERENCE.search(text)
        if found is not None and found["steps"]:
            why = "there is no matrix, or this stands within one, where nothing is written out"
            fix = "add its axis to `matrix`, or write a value; braces that are meant as such are doubled"
            yield document.problem(_CODE, path, f"`{shown(found[0])}` refers to nothing", why=why, fix=fix)


def _choices(document: Document, axis: str, problems: list[Diagnostic]) -> tuple[_Choice, ...]:
    values = document.value["matrix"][axis]
    if isinstance(values, dict):
        named = [(key, value, ("matrix", axis, key)) for key, value in values.items()]
    else:
        named = [(_text(value), value, ("matrix", axis, index)) for index, value in enumerate(values)]
    choices = []
    for name, value, path in named:
        if name is None or not (_VALUE_NAME.fullmatch(name) or (name == "" and isinstance(values, dict))):
            problems.append(_unnamed(document, axis, path))
        else:
            choices.append(_Choice(name=name, value=value, path=path))
    return tuple(choices)


class _Room:
    """How much may still be written out."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._left = LARGEST_WRITTEN

    def take(self, characters: int) -> None:
        """Make use of some of it.

        Raises:
            ProblemsError: There is not as much left.
        """
        self._left -= characters
        if self._left < 0:
            raise ProblemsError(_too_much(self._document))


def _written_out(
    document: Document, chosen: _Combination, stem: str, problems: list[Diagnostic], room: _Room
) -> tuple[str, Document]:
    """The name and the document of one combination.

    Raises:
        ProblemsError: There is no room for it.
    """
    room.take(VALUE_CHARACTERS * len(document.marks))
    marks = dict(document.marks)
    writer = _Writer(document, chosen, marks, problems, room)
    value = {
        key: item if key in _AS_IT_STANDS else writer.written(item, (key,))
        for key, item in document.value.items()
        if key not in {"matrix", "name"}
    }
    joined = writer.joined
    name = writer.written(document.value.get("name", f"{stem}-{joined}" if joined else stem), ("name",))
    return str(name), replace(document, value=value, marks=marks)


class _Writer:
    """Writes values out with one combination, and notes where each then comes from."""

    def __init__(
        self, document: Document, chosen: _Combination, marks: dict[Path, Mark], problems: list[Diagnostic], room: _Room
    ) -> None:
        self.document = document
        self.chosen = chosen
        self.marks = marks
        self.problems = problems
        self.room = room
        self.joined = "-".join(choice.name for choice in chosen.values() if choice.name)

    def written(self, value: Any, path: Path) -> Any:
        match value:
            case dict():
                return {key: self.written(item, (*path, key)) for key, item in value.items()}
            case list():
                return [self.written(item, (*path, position)) for position, item in enumerate(value)]
            case str() if (whole := _REFERENCE.fullmatch(value)) is not None:
                return self._value(whole, path)
            case str():
                return _REFERENCE.sub(lambda found: self._text(found, path), value)
            case _:
                return value

    def _value(self, found: re.Match[str], path: Path) -> Any:
        value, origin = self._look_up(found, path)
        for steps in _places(value, ()) if origin else ():
            self.room.take(VALUE_CHARACTERS)
            mark = self.document.marks[(*origin, *steps)]
            key = mark.key if steps else self.marks[path].key
            self.marks[(*path, *steps)] = Mark(key=key, value=mark.value)
        return value

    def _text(self, found: re.Match[str], path: Path) -> str:
        value, _ = self._look_up(found, path)
        text = _text(value)
        if text is None:
            summary = f"`{shown(found[0])}` is no text here"
            why = "within a text only texts, numbers, `true` and `false` can be written out"
            self._report(path, summary, why, "let it stand alone, or give the axis other values")
        self.room.take(VALUE_CHARACTERS + len(text or ""))
        return text or ""

    def _look_up(self, found: re.Match[str], path: Path) -> tuple[Any, Path]:
        """What a reference stands for, and where the matrix gives it."""
        if not found["steps"]:
            return self.joined, ()
        if not _STEPS.fullmatch(found["steps"]):
            fix = "write `{matrix.NAME}` with the name of an axis; braces that are meant as such are doubled"
            self._report(path, f"`{shown(found[0])}` refers to nothing", "a reference names an axis", fix)
            return "", ()
        axis, *keys = found["steps"].removeprefix(".").split(".")
        if axis not in self.chosen:
            known = one_of(self.chosen)
            self._report(
                path,
                f"the matrix has no axis `{shown(axis)}`",
                f"a reference can be to {known}",
                did_you_mean(axis, self.chosen, otherwise="write one of these"),
            )
            return "", ()
        value, origin = self.chosen[axis].value, self.chosen[axis].path
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                fix = did_you_mean(key, value if isinstance(value, dict) else (), otherwise="add it to each value")
                self._report(path, f"a value of `{axis}` has no `{shown(key)}`", "the reference asks for it", fix)
                return "", ()
            value, origin = value[key], (*origin, key)
        return value, origin

    def _report(self, path: Path, summary: str, why: str, fix: str) -> None:
        self.problems.append(self.document.problem(_CODE, path, summary, why=why, fix=fix))


def _text(value: object) -> str | None:
    """A value as part of a text; None if it cannot be."""
    match value:
        case bool():
            return str(value).lower()
        case str() | int() | float():
            return str(value)
        case _:
            return None


def _places(value: object, path: Path) -> Iterator[Path]:
    """Where all values in *value* are, itself first."""
    yield path
    items: Iterable[tuple[str | int, object]] = ()
    match value:
        case dict():
            items = value.items()
        case list():
            items = enumerate(value)
    for step, item in items:
        yield from _places(item, (*path, step))


def _texts(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    """All texts in *value*, with where they are."""
    match value:
        case dict():
            for key, item in value.items():
                yield from _texts(item, (*path, key))
        case list():
            for position, item in enumerate(value):
                yield from _texts(item, (*path, position))
        case str():
            yield path, value


def _unused_axes(document: Document, axes: dict[str, tuple[_Choice, ...]]) -> Iterator[Diagnostic]:
    outside = (text for path, text in _texts(document.value, ()) if path[0] not in _AS_IT_STANDS)
    used = {
        found["steps"].removeprefix(".").partition(".")[0] for text in outside for found in _REFERENCE.finditer(text)
    }
    for axis in axes:
        if axis not in used and "" not in used:
            yield document.problem(
                _CODE,
                ("matrix", axis),
                f"nothing refers to the axis `{axis}`",
                why="its values would make specs that differ in nothing but their names",
                fix=f"write `{{matrix.{axis}}}` where its value belongs, or remove it",
                at="key",
            )


def _unknown_exclusions(
    document: Document, axes: dict[str, tuple[_Choice, ...]], excluded: list[dict[str, Any]]
) -> Iterator[Diagnostic]:
    for position, exclusion in enumerate(excluded):
        for axis, value in exclusion.items():
            path = ("matrix", "exclude", position, axis)
            names = [choice.name for choice in axes.get(axis, ())]
            if axis not in axes:
                fix = did_you_mean(axis, axes, otherwise=f"write one of {one_of(axes)}")
                yield document.problem(
                    _CODE, path, f"the matrix has no axis `{shown(axis)}`", why="nothing is excluded", fix=fix, at="key"
                )
            elif names and _text(value) not in names:  # Otherwise no value of the axis has a name, which is told.
                fix = did_you_mean(str(value), names, otherwise=f"write one of {one_of(names)}")
                summary = f"the axis `{axis}` has no value `{shown(str(value))}`"
                yield document.problem(_CODE, path, summary, why="nothing is excluded", fix=fix)


def _is_excluded(chosen: _Combination, excluded: list[dict[str, Any]]) -> bool:
    def agrees(each: dict[str, Any]) -> bool:
        return all(axis in chosen and chosen[axis].name == _text(value) for axis, value in each.items())

    return any(agrees(each) for each in excluded)


def _same_names(document: Document, written: list[tuple[str, Document]]) -> Iterator[Diagnostic]:
    names = [name for name, _ in written]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield document.problem(
            _CODE,
            ("name",) if "name" in document.value else ("matrix",),
            f"{names.count(name)} combinations are named `{shown(name)}`",
            why="the lockfile knows specs by name",
            fix="put what tells them apart into `name`, such as `{matrix}`, or name the values of an axis differently",
        )


def _unnamed(document: Document, axis: str, path: Path) -> Diagnostic:
    return document.problem(
        _CODE,
        path,
        f"this value of `{axis}` makes no name",
        why="it becomes part of the spec's name, which has lower-case letters, digits, `.`, `_` and `-`",
        fix=f"name the values, such as `{axis}: {{short: …, long: …}}`",
        at="key",
    )


def _too_many(document: Document, count: int) -> Diagnostic:
    return document.problem(
        _CODE,
        ("matrix",),
        f"the matrix has {count:,} combinations",
        why=f"at most {MOST_SPECS} specs are made of one file",
        fix="use fewer values, or several files",
        at="key",
    )


def _too_much(document: Document) -> Diagnostic:
    return document.problem(
        _CODE,
        ("matrix",),
        f"the matrix writes out more than {LARGEST_WRITTEN >> 20} MiB",
        why="what it refers to is written out once for each reference and each combination",
        fix="refer to less, use fewer values, or write several files",
        at="key",
    )


def _no_axis(document: Document) -> Diagnostic:
    return document.problem(
        _CODE,
        ("matrix",),
        "the matrix has no axis",
        why="it makes one spec of every combination of values",
        fix="write an axis, such as `matrix: {n_epochs: [1, 3]}`, or remove the matrix",
        at="key",
    )


def _nothing_left(document: Document) -> Diagnostic:
    return document.problem(
        _CODE,
        ("matrix", "exclude"),
        "every combination is excluded",
        why="the file would declare nothing",
        fix="exclude fewer of them",
        at="key",
    )

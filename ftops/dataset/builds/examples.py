"""Rows of columns into examples, and what is wrong with them: every column is told once, with the first of its rows."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from itertools import accumulate
from typing import TYPE_CHECKING

import xxhash

from ftops.dataset.builds.render import JsonError, renderer
from ftops.dataset.builds.selection import split_columns
from ftops.dataset.builds.spool import NOWHERE
from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.recipe import SHARE, Chat, templates_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftops.dataset.builds.problems import Locate
    from ftops.dataset.builds.selection import Selection
    from ftops.dataset.builds.sources import Loaded
    from ftops.dataset.builds.spool import Spool
    from ftops.recipe import Recipe

    Batch = list[tuple[int, tuple[str | None, ...], tuple[bool | None, ...]]]

_HASHES = 2**64
NO_STRATUM = "NULL"


class Examples:
    """Makes examples of rows, and says to which split each goes."""

    def __init__(
        self, recipe: Recipe, selection: Selection, loaded: Mapping[str, Loaded] | None, locate: Locate
    ) -> None:
        """Without *loaded* the rows come from SQL, and are known by their number there."""
        self._recipe = recipe
        self._loaded = loaded
        self._locate = locate
        self._positions = {column: position for position, column in enumerate(selection.wanted)}
        self._render = renderer(recipe.form, self._positions)
        self._required = [
            (self._positions[column], field)
            for field, template in templates_of(recipe.form).items()
            for column in dict.fromkeys(template.columns)
            if field != "tools"
        ]
        named = {column for template in templates_of(recipe.form).values() for column in template.columns}
        self._content = [self._positions[column] for column in sorted(named)]
        self._dedupe = [self._positions[column] for column in recipe.dedupe or ()]
        self._split_by = [self._positions[column] for column in split_columns(recipe)]
        self._stratum = None if recipe.stratify_by is None else self._positions[recipe.stratify_by]
        self._ends = _ends(recipe.splits.values())
        self._seed = xxhash.xxh3_64_intdigest(f"split {recipe.seed}".encode())
        self._strata: dict[str, int] = {}
        self._faults: dict[tuple[str, str], tuple[int, int]] = {}

    @property
    def strata(self) -> tuple[str, ...]:
        """The values of `stratify_by`, by their number; one without a name if there is none."""
        return tuple(self._strata) or ("",)

    def take(self, batch: Batch, spool: Spool) -> None:
        """Make the examples of *batch*; what is wrong with a row is kept for `raise_problems`."""
        for number, values, met in batch:
            missing = [(position, field) for position, field in self._required if values[position] is None]
            if missing:
                for position, field in missing:
                    self._fault("null", f"{position} {field}", number)
                continue
            split = self._split_of(number, values, met)
            try:
                line = self._render(values)
            except JsonError as error:
                self._fault("json", error.column, number)
                continue
            alike = _joined(values, self._dedupe) if self._dedupe else None
            content = _joined(values, self._content)
            spool.add(line, content, given=number, alike=alike, split=split, stratum=self._stratum_of(values))

    def raise_problems(self) -> None:
        """Raise what was wrong with rows.

        Raises:
            ProblemsError: Something was.
        """
        problems = [self._problem(kind, what, *found) for (kind, what), found in self._faults.items()]
        if problems:
            raise ProblemsError(*problems)

    def _split_of(self, number: int, values: tuple[str | None, ...], met: tuple[bool | None, ...]) -> int:
        if self._ends is not None:
            return bisect_right(self._ends, xxhash.xxh3_64_intdigest(_joined(values, self._split_by), self._seed))
        taken = [position for position, is_met in enumerate(met) if is_met]
        if len(taken) > 1:
            names = tuple(self._recipe.splits)
            self._fault("splits", f"{names[taken[0]]} {names[taken[1]]}", number)
        return taken[0] if taken else NOWHERE

    def _stratum_of(self, values: tuple[str | None, ...]) -> int:
        if self._stratum is None:
            return 0
        value = values[self._stratum]
        return self._strata.setdefault(NO_STRATUM if value is None else value, len(self._strata))

    def _fault(self, kind: str, what: str, number: int) -> None:
        first, count = self._faults.get((kind, what), (number, 0))
        self._faults[kind, what] = (first, count + 1)

    def _problem(self, kind: str, what: str, first: int, count: int) -> Diagnostic:
        where = f"in {self._row(first)}"
        if count > 1:
            where = f"in {count:,} rows, first {where}"
        if kind == "null":
            position, field = what.split(" ")
            column = list(self._positions)[int(position)]
            return Diagnostic(
                code="dataset-null",
                summary=f"`{column}` is NULL {where}",
                place=self._place(f"{_tag(self._recipe)}.{field}.{{{column}}}"),
                why="an example without this text would not be the one that the template describes",
                fix=f'leave such rows out: `filter: "{column} IS NOT NULL"`, or give them a text by `sql`',
            )
        if kind == "json":
            field = "tools" if isinstance(self._recipe.form, Chat) and self._recipe.form.tools == what else "messages"
            return Diagnostic(
                code="dataset-json",
                summary=f"`{what}` is no list in JSON {where}",
                place=self._place(f"{_tag(self._recipe)}.{field}"),
                why="the column's JSON becomes a part of the example as it is; it may nest some 250 deep",
                fix="mend the rows, or leave them out: `filter: json_valid(column)`",
            )
        one, other = what.split(" ")
        return Diagnostic(
            code="dataset-splits-overlap",
            summary=f"the conditions of `{one}` and `{other}` are both met {where}",
            place=self._place(f"splits.{other}"),
            why="what is trained on must not be validated on",
            fix="write conditions of which each row meets one at most",
        )

    def _row(self, number: int) -> str:
        if self._loaded is None:
            return f"row {number + 1:,} of what `sql` selects"
        path, row = next(iter(self._loaded.values())).row(number + 1)
        return f"row {row:,} of `{path}`"

    def _place(self, field: str) -> Place:
        return self._locate(field, None)


def _ends(splits: Iterable[str]) -> list[int] | None:
    """Below which hash each split ends, the last left out; None if splits have conditions."""
    shares = [found for text in splits if (found := SHARE.fullmatch(text.strip()))]
    sums = accumulate(Fraction(found["percent"]) for found in shares)
    return [int(each * _HASHES / 100) for each in sums][:-1] if shares else None


def _joined(values: tuple[str | None, ...], positions: list[int]) -> bytes:
    """Values as bytes that no others have: each behind its length, NULL apart from every text."""
    texts = [None if values[position] is None else str(values[position]).encode() for position in positions]
    return b"".join([b"-" if text is None else b"%d:%b" % (len(text), text) for text in texts])


def _tag(recipe: Recipe) -> str:
    return str(recipe.form.__struct_config__.tag)

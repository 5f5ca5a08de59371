"""What a schema cannot say about graders: formulas, templates, ranges and labels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftops.spec.nearest import did_you_mean, one_of
from ftops.spec.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.diagnostics import Diagnostic
    from ftops.spec.document import Document, Path

CODE = "spec-grader"
LONGEST_FORMULA = 4096
"""In characters; the schema says so too."""
FUNCTIONS = {"min": None, "max": None, "abs": 1, "floor": 1, "ceil": 1, "exp": 1, "sqrt": 1, "log": 1}
"""Of formulas, with the number of arguments; None is one or more. Source: OpenAI's graders guide, read 2026-07-15."""
SAMPLE_FIELDS = ("output_text", "output_json", "output_tools", "choices", "output_audio")
"""What templates may ask of an answer. Source: the same."""

_GRADER: Path = ("method", "reinforcement", "grader")
_TEMPLATE = re.compile(r"\{\{\s*(?P<root>[^\s.\[{}]*)(?:\.(?P<field>[A-Za-z0-9_]*))?")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<sign>\S))", re.ASCII
)
_DEEPEST_FORMULA = 50


def grader_problems(document: Document) -> Iterator[Diagnostic]:
    """Find what is wrong with the grader of a reinforcement spec, if it has one."""
    value: Any = document.value
    for step in _GRADER:
        value = value.get(step) if isinstance(value, dict) else None
    if not isinstance(value, dict):
        return
    has_format = "response_format" in document.value["method"]["reinforcement"]
    yield from _template_problems(document, _GRADER, value, has_format=has_format)
    yield from _values_problems(document, _GRADER, value)
    parts = value.get("graders")
    if value.get("type") != "multi" or not isinstance(parts, dict):
        return
    for name, part in parts.items():
        if isinstance(part, dict):
            yield from _values_problems(document, (*_GRADER, "graders", name), part)
    if isinstance(formula := value.get("calculate_output"), str) and len(formula) <= LONGEST_FORMULA:
        yield from _formula_problems(document, formula, tuple(parts))


def _values_problems(document: Document, path: Path, grader: dict[str, Any]) -> Iterator[Diagnostic]:
    match grader:
        case {"type": "score_model", "range": [int() | float() as low, int() | float() as high]} if low >= high:
            yield document.problem(
                CODE,
                (*path, "range"),
                "`range` must go from a lower to a higher score",
                why="scores outside it are clipped, so none would be left to tell answers apart",
                fix=f"write `range: [{high}, {low}]`" if high < low else "write `range: [0, 1]`",
            )
        case {"type": "label_model", "labels": [*labels], "passing_labels": [*passing]}:
            for position, label in enumerate(passing):
                if isinstance(label, str) and label not in labels:
                    texts = [item for item in labels if isinstance(item, str)]
                    yield document.problem(
                        CODE,
                        (*path, "passing_labels", position),
                        f"`{shown(label)}` is none of the labels",
                        why="an answer passes if it gets one of these labels",
                        fix=did_you_mean(label, texts, otherwise="add it to `labels`"),
                    )


def _template_problems(document: Document, path: Path, value: object, *, has_format: bool) -> Iterator[Diagnostic]:
    """Look into every text of the grader but the source of a program."""
    match value:
        case str() if path[-1] not in ("source", "calculate_output"):
            for found in _TEMPLATE.finditer(value):
                if (problem := _template_problem(document, path, found, has_format=has_format)) is not None:
                    yield problem
        case dict():
            for key, item in value.items():
                yield from _template_problems(document, (*path, key), item, has_format=has_format)
        case list():
            for position, item in enumerate(value):
                yield from _template_problems(document, (*path, position), item, has_format=has_format)


def _template_problem(document: Document, path: Path, found: re.Match[str], *, has_format: bool) -> Diagnostic | None:
    root, field = found["root"], found["field"] or ""
    if root not in ("item", "sample"):
        return document.problem(
            CODE,
            path,
            f"`{shown(root)}` is nothing that a template can stand for" if root else "a template stands for nothing",
            why="templates know the example as `item` and the answer as `sample`",
            fix=did_you_mean(root, ("item", "sample"), otherwise="write `{{item.…}}` or `{{sample.output_text}}`"),
        )
    if root == "sample" and field not in SAMPLE_FIELDS:
        return document.problem(
            CODE,
            path,
            f"an answer has no `{shown(field)}`" if field else "`sample` needs a field",
            why=f"a template can ask for {one_of(f'sample.{name}' for name in SAMPLE_FIELDS)}",
            fix=did_you_mean(field, SAMPLE_FIELDS, otherwise="write `{{sample.output_text}}`"),
        )
    if field == "output_json" and root == "sample" and not has_format:
        return document.problem(
            CODE,
            path,
            "`sample.output_json` needs a `response_format`",
            why="without one the model answers in text, and there is no JSON to look into",
            fix="add `response_format` beside `grader`, or use `sample.output_text`",
        )
    return None


def _formula_problems(document: Document, formula: str, names: tuple[str, ...]) -> Iterator[Diagnostic]:
    path = (*_GRADER, "calculate_output")
    tokens = [found for found in _TOKEN.finditer(formula) if found[0].strip()]
    unknown = [
        name
        for name in dict.fromkeys(found["name"] for found in tokens if found["name"])
        if name not in names and name not in FUNCTIONS
    ]
    for name in unknown:
        yield document.problem(
            CODE,
            path,
            f"`{shown(name)}` is no grader and no function",
            why=f"the formula can name the graders, here {one_of(names)}" if names else "there are no graders",
            fix=did_you_mean(name, (*names, *FUNCTIONS), otherwise=f"add it to `graders`, or use {one_of(FUNCTIONS)}"),
        )
    if not unknown and (complaint := _Formula(tokens, names).complaint()) is not None:
        yield document.problem(
            CODE,
            path,
            "`calculate_output` is no formula",
            why=complaint,
            fix="write numbers, names and functions joined by + - * / ^, such as `0.7 * exact + 0.3 * near`",
        )


class _Formula:
    """A parser by descent that only says yes or why not."""

    def __init__(self, tokens: list[re.Match[str]], names: tuple[str, ...]) -> None:
        self.tokens = [found[0].strip() for found in tokens]
        self.names = names
        self.position = 0
        self.depth = 0

    def complaint(self) -> str | None:
        try:
            self._sum()
        except SyntaxError as error:
            return str(error)
        return None if self._next() is None else f"it should end before `{self._next()}`"

    def _next(self) -> str | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def _take(self, *wanted: str) -> bool:
        if self._next() not in wanted:
            return False
        self.position += 1
        return True

    def _sum(self) -> None:
        """Operands joined by operators; precedence does not matter to whether it is a formula."""
        self.depth += 1
        if self.depth > _DEEPEST_FORMULA:
            raise SyntaxError(f"brackets are nested more than {_DEEPEST_FORMULA} deep")
        self._operand()
        while self._take("+", "-", "*", "/", "^"):
            self._operand()
        self.depth -= 1

    def _operand(self) -> None:
        while self._take("+", "-"):
            pass
        symbol = self._next()
        if symbol is None:
            raise SyntaxError("it ends where a value should follow")
        self.position += 1
        if symbol == "(":
            self._sum()
            self._close()
        elif symbol in FUNCTIONS and symbol not in self.names:
            self._call(symbol)
        elif not (symbol[0].isalnum() or (symbol[0] in "_." and len(symbol) > 1)):
            raise SyntaxError(f"`{symbol}` stands where a value should")

    def _call(self, function: str) -> None:
        if not self._take("("):
            raise SyntaxError(f"`{function}` is a function and needs brackets")
        self._sum()
        count = 1
        while self._take(","):
            self._sum()
            count += 1
        self._close()
        if FUNCTIONS[function] not in (None, count):
            raise SyntaxError(f"`{function}` takes {FUNCTIONS[function]} value, not {count}")

    def _close(self) -> None:
        if not self._take(")"):
            raise SyntaxError("a bracket is not closed")

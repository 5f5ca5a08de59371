"""From a document that declares a dataset to its recipe, or to all that is wrong with it."""

from __future__ import annotations

import posixpath
import re
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from ftops.recipe import (
    COMPRESSED_ENDINGS,
    SHARE,
    SOURCE_ENDINGS,
    Chat,
    Completion,
    Form,
    Order,
    Preference,
    Recipe,
    Sorted,
    Template,
    TemplateError,
    parse_template,
)
from ftops.spec.common import checks_of, places_of, resolved
from ftops.spec.document import MOST_PROBLEMS, Document, Path
from ftops.spec.explain import explain
from ftops.spec.model import Dataset, Span
from ftops.spec.nearest import one_of
from ftops.spec.paths import BadPath, resolve
from ftops.spec.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.diagnostics import Diagnostic

FORMS = ("chat", "preference", "completion")
DEFAULT_SEPARATOR = "\n\n###\n\n"
_CODE = "spec-dataset"
_TEXTS: tuple[Path, ...] = (("sql",), ("filter",), ("order", "by"))


def dataset_problems(document: Document) -> Iterator[Diagnostic]:
    """All that is wrong with *document*, which has no matrix any more."""
    yield from islice(explain(document, "dataset", prefix="spec", better=lambda *_: None), MOST_PROBLEMS + 1)
    yield from _source_problems(document)
    yield from _form_problems(document)
    yield from _template_problems(document)
    yield from _split_problems(document)


def dataset(document: Document, name: str) -> Dataset:
    """Make the dataset of a document that was found to be without fault."""
    value = document.value
    folder = posixpath.dirname(document.path)
    dedupe = value.get("dedupe", False)
    columns = tuple(dedupe) if isinstance(dedupe, list) else ()
    recipe = Recipe(
        sources={key: _resolved_all(paths, folder) for key, paths in value["sources"].items()},
        sql=value.get("sql"),
        filter=value.get("filter"),
        dedupe=columns if dedupe else None,
        limit=None if value.get("limit") is None else int(value["limit"]),
        form=_form(value),
        splits=dict(value.get("splits") or {"train": "100%"}),
        split_by=tuple(value.get("split_by", ())),
        stratify_by=value.get("stratify_by"),
        order=_order(value.get("order", "shuffled")),
        seed=int(value.get("seed", 0)),
    )
    return Dataset(
        name=name,
        path=document.path,
        recipe=recipe,
        description=value.get("description"),
        owner=value.get("owner"),
        labels=value.get("labels") or {},
        ignored=checks_of(value),
        places=places_of(document) | _text_places(document) | _column_places(document),
    )


def _resolved_all(paths: str | list[str], folder: str) -> tuple[str, ...]:
    return tuple(resolved(each, folder) for each in (paths if isinstance(paths, list) else [paths]))


def _order(value: Any) -> Order:
    return Sorted(by=value["by"]) if isinstance(value, dict) else value


def _form(value: dict[str, Any]) -> Form:
    def template(given: dict[str, Any], field: str) -> Template | None:
        return None if given.get(field) is None else parse_template(given[field])

    def column(given: dict[str, Any], field: str) -> str | None:
        return given[field][1:-1].strip() if field in given else None

    match value:
        case {"chat": given}:
            return Chat(
                system=template(given, "system"),
                messages=column(given, "messages"),
                user=template(given, "user"),
                assistant=template(given, "assistant"),
                tools=column(given, "tools"),
            )
        case {"preference": given}:
            return Preference(
                system=template(given, "system"),
                user=parse_template(given["user"]),
                preferred=parse_template(given["preferred"]),
                non_preferred=parse_template(given["non_preferred"]),
            )
        case _:
            given = value["completion"]
            return Completion(
                prompt=parse_template(given["prompt"]),
                completion=parse_template(given["completion"]),
                separator=given.get("separator", DEFAULT_SEPARATOR),
            )


def _source_problems(document: Document) -> Iterator[Diagnostic]:
    sources = document.value.get("sources")
    if not isinstance(sources, dict):
        return
    for name, paths in sources.items():
        for position, text in enumerate(paths if isinstance(paths, list) else [paths]):
            at: Path = ("sources", name, position) if isinstance(paths, list) else ("sources", name)
            if not isinstance(text, str) or not text:
                continue
            path = resolve(text, posixpath.dirname(document.path))
            if isinstance(path, BadPath):
                yield document.problem("spec-path", at, f"`{shown(text)}` {path.claim}", why=path.why, fix=path.fix)
            elif not _is_source(path):
                yield document.problem(
                    "spec-file-type",
                    at,
                    f"`{shown(text)}` is no kind of file that rows are read from",
                    why=f"a source's name ends in {one_of(SOURCE_ENDINGS)}; text may be compressed: "
                    f"{one_of(COMPRESSED_ENDINGS)} follows then",
                    fix="name the file by what it holds, or convert it to one of these",
                )
    if len(sources) > 1 and "sql" not in document.value:
        yield document.problem(
            _CODE,
            ("sources",),
            "several sources need `sql`",
            why="only SQL can say how their rows come together",
            fix=f"write `sql:` and a SELECT over {one_of(sources)}, or list all paths under one name",
            at="key",
        )
    if "sql" in document.value and document.value.get("order") == "as given":
        yield document.problem(
            _CODE,
            ("order",),
            "`sql` gives rows in no order",
            why="a SELECT may give its rows in another order every time, and the same rows must make the same bytes",
            fix="sort by a column, such as `order: {by: id}`, or write `order: shuffled`",
        )


def _is_source(path: str) -> bool:
    for ending in COMPRESSED_ENDINGS:
        if path.endswith(ending):
            return path.removesuffix(ending).endswith(SOURCE_ENDINGS[:-1])
    return path.endswith(SOURCE_ENDINGS)


def _form_problems(document: Document) -> Iterator[Diagnostic]:
    forms = [form for form in FORMS if form in document.value]
    if not forms and not any(each.startswith(tuple(form[:3] for form in FORMS)) for each in document.value):
        yield document.problem(
            "spec-missing",
            (),
            "the dataset does not say what an example looks like",
            why="each row becomes an example by a template",
            fix='write `chat: {user: "{question}", assistant: "{answer}"}`, or `preference` or `completion`',
        )
    for form in forms[1:]:
        yield document.problem(
            _CODE,
            (form,),
            f"`{form}` cannot stand beside `{forms[0]}`",
            why="all examples of a dataset have one format",
            fix=f"remove one of them, or write a dataset of its own for `{form}`",
            at="key",
        )
    chat = document.value.get("chat")
    if isinstance(chat, dict) and "messages" not in chat and not {"user", "assistant"} <= chat.keys():
        missing = "user" if "user" not in chat else "assistant"
        yield document.problem(
            "spec-missing",
            ("chat",),
            f"`chat` needs `{missing}`",
            why="a conversation has a question and an answer, unless `messages` brings them",
            fix=f'write `{missing}: "{{column}}"`, or `messages: "{{column}}"` for a column of whole conversations',
            at="key",
        )


def _template_problems(document: Document) -> Iterator[Diagnostic]:
    for form, field, text in _templates(document):
        try:
            parse_template(text)
        except TemplateError as error:
            yield document.problem(
                "spec-template",
                (form, field),
                f"{error} in the template `{field}`",
                why="`{column}` stands for the value of a column",
                fix="double a brace that is meant as such: `{{` or `}}`",
            )


def _split_problems(document: Document) -> Iterator[Diagnostic]:
    splits = document.value.get("splits")
    if not isinstance(splits, dict) or not all(isinstance(each, str) for each in splits.values()):
        return
    shares = {name: found for name, each in splits.items() if (found := SHARE.fullmatch(each.strip()))}
    if shares and len(shares) < len(splits):
        other = next(name for name in splits if name not in shares)
        yield document.problem(
            _CODE,
            ("splits", other),
            f"`{other}` has a condition, and `{next(iter(shares))}` a share",
            why="rows are split by hash or by condition, and shares of what a condition leaves would be others",
            fix="write shares for all splits, or conditions for all",
        )
    total = sum((Decimal(found["percent"]) for found in shares.values()), Decimal(0))
    if len(shares) == len(splits) and total != 100:  # noqa: PLR2004 - per cent
        yield document.problem(
            _CODE,
            ("splits",),
            f"the shares add up to {total.normalize():f} %",
            why="every row belongs to one split",
            fix="let them add up to 100 %; `limit` takes fewer rows",
            at="key",
        )
    if splits and not shares and "split_by" in document.value:
        yield document.problem(
            _CODE,
            ("split_by",),
            "`split_by` belongs to shares",
            why="the splits have conditions, which say by themselves where a row goes",
            fix="remove `split_by`, or write shares, such as `train: 80%`",
            at="key",
        )


def _column_places(document: Document) -> dict[str, Span]:
    """Where templates name columns first, under the template's path with the column in braces behind it."""
    found: dict[str, Span] = {}
    for form, field, text in _templates(document):
        mark = document.marks[form, field].value
        for column in parse_template(text).columns:
            named = re.compile(r"\{\s*" + re.escape(column) + r"\s*\}")
            for number, line in enumerate(document.lines[mark.line - 1 :], mark.line):
                if (at := named.search(line, mark.column - 1 if number == mark.line else 0)) is not None:
                    span = Span(line=number, column=at.start() + 1, end_column=at.end() + 1)
                    found.setdefault(f"{form}.{field}.{{{column}}}", span)
                    break
    return found


def _templates(document: Document) -> Iterator[tuple[str, str, str]]:
    for form in FORMS:
        given = document.value.get(form)
        for field, text in given.items() if isinstance(given, dict) else ():
            if isinstance(text, str) and field != "separator":
                yield form, field, text


def _text_places(document: Document) -> dict[str, Span]:
    """Where the text of SQL begins: behind quotes, or in the line after `|`."""
    fields = [*_TEXTS, *(("splits", name) for name in document.value.get("splits") or ())]
    found: dict[str, Span] = {}
    for path in fields:
        mark = document.marks.get(path)
        if mark is None:
            continue
        line, column = mark.value.line, mark.value.column
        first = document.lines[line - 1][column - 1 : column]
        if first == ">":
            continue  # Its lines are joined, so that places in the text are none in the file.
        if first == "|":
            text = next((each for each in document.lines[line:] if each.strip()), "")
            line, column = line + 1, len(text) - len(text.lstrip()) + 1
        elif first in {"'", '"'}:
            column += 1
        found[".".join(map(str, path)) + ":"] = Span(line=line, column=column, end_column=column + 1)
    return found

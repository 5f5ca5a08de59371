"""What a dataset is made of, as `spec` reads it and `dataset.builds` makes it; both may import this, not each other."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

import msgspec

SOURCE_ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
COMPRESSED_ENDINGS = (".gz", ".zst")
"""May follow any of SOURCE_ENDINGS but Parquet's, which is compressed within."""

SHARE = re.compile(r"(?P<percent>\d{1,3}(?:\.\d{1,4})?)\s*%")
"""How a split names the part of the rows that it gets."""

_PIECE = re.compile(r"\{\{|\}\}|\{(?P<column>[^{}]*)\}|[{}]")


class Template(msgspec.Struct, frozen=True, array_like=True):
    """A text with columns in it: literal texts at even positions, columns at odd ones, a literal first and last."""

    parts: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.parts[1::2]


class Chat(msgspec.Struct, frozen=True, kw_only=True, tag="chat"):
    """Rows `{"messages": [{"role": …, "content": …}, …]}`."""

    system: Template | None = None
    messages: str | None = None
    """A column that holds messages as JSON; they stand between `system` and `user`."""
    user: Template | None = None
    assistant: Template | None = None
    tools: str | None = None
    """A column that holds tools as JSON; a row where it is NULL has none."""


class Preference(msgspec.Struct, frozen=True, kw_only=True, tag="preference"):
    """Rows of a question and two answers, one preferred to the other."""

    system: Template | None = None
    user: Template
    preferred: Template
    non_preferred: Template


class Completion(msgspec.Struct, frozen=True, kw_only=True, tag="completion"):
    """Rows `{"prompt": …, "completion": …}`, the format of models that go on from a text."""

    prompt: Template
    completion: Template
    """A space is put before it, if none is there: models count it as part of the first word."""
    separator: str
    """Follows each prompt, so that the model sees where it ends."""


Form: TypeAlias = Chat | Preference | Completion


class Sorted(msgspec.Struct, frozen=True, kw_only=True):
    """Rows in the order of an SQL expression, the least first; what is equal, by hash."""

    by: str


Order: TypeAlias = Literal["shuffled", "as given"] | Sorted


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides which bytes are built of given sources."""

    sources: dict[str, tuple[str, ...]]
    """Paths and globs relative to the repository, by the name under which SQL knows their rows."""
    sql: str | None = None
    filter: str | None = None
    dedupe: tuple[str, ...] | None = None
    """Columns whose values make rows alike; none of them: what makes the same example; None: nothing is dropped."""
    limit: int | None = None
    form: Form
    splits: dict[str, str]
    """Shares such as `80%`, which add up to 100 %, or SQL conditions."""
    split_by: tuple[str, ...] = ()
    """Columns whose values keep rows together in one split; those of the question if none."""
    stratify_by: str | None = None
    order: Order = "shuffled"
    seed: int = 0


class TemplateError(ValueError):
    """A template has a brace that opens or closes nothing, or names no column."""

    def __init__(self, offset: int, summary: str) -> None:
        super().__init__(summary)
        self.offset = offset
        """Where in the template, in characters from 0."""


def parse_template(text: str) -> Template:
    """Read a template: `{column}` stands for a column, `{{` and `}}` for braces.

    Raises:
        TemplateError: A brace stands alone, or the braces hold nothing.
    """
    parts = [""]
    end = 0
    for found in _PIECE.finditer(text):
        parts[-1] += text[end : found.start()]
        end = found.end()
        match found[0], found["column"]:
            case ("{{" | "}}") as braces, None:
                parts[-1] += braces[0]
            case brace, None:
                raise TemplateError(found.start(), f"`{brace}` stands alone")
            case _, column if not column.strip():
                raise TemplateError(found.start(), "the braces name no column")
            case _, column:
                parts += [column.strip(), ""]
    parts[-1] += text[end:]
    return Template(tuple(parts))


def templates_of(form: Form) -> dict[str, Template]:
    """The templates of *form* by field, and the columns that hold JSON as templates of nothing else."""
    found: dict[str, Template] = {}
    for field in form.__struct_fields__:
        value = getattr(form, field)
        if isinstance(value, Template):
            found[field] = value
        elif value is not None and field in {"messages", "tools"}:
            found[field] = Template(("", value, ""))
    return found


def question_columns(form: Form) -> tuple[str, ...]:
    """The columns that make the question of an example, whatever the answer."""
    match form:
        case Chat(user=None, messages=str() as messages):
            return (messages,)
        case Chat(user=Template() as user, messages=messages):
            return tuple(dict.fromkeys((*((messages,) if messages else ()), *user.columns)))
        case Preference(user=question) | Completion(prompt=question):
            return tuple(dict.fromkeys(question.columns))
    return ()

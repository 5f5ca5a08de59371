"""`ftops tokens`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ftops.cli import frame
from ftops.diagnostics import Diagnostic, Place, ProblemsError

if TYPE_CHECKING:
    from typing import BinaryIO

    from ftops.dataset.tokens.base import Base
    from ftops.report.tokens import Counted, RowCounted

USUAL_MODEL: Final = "gpt-4.1-mini-2025-04-14"


@click.command()
@click.argument("file")
@click.option("--row", type=click.IntRange(min=1), metavar="LINE", help="Show one row: spans, tokens, where it is cut.")
@click.option("--model", default=USUAL_MODEL, metavar="NAME", show_default=True, help="Base model that reads the rows.")
@frame.json_option
def tokens(file: str, row: int | None, model: str, *, as_json: bool) -> None:
    """Count the tokens of a data file: all, those that are trained, and the longest rows.

    With --row the row's content is shown: what is trained is underlined, or in [[double brackets]].
    """
    from ftops.report import tokens as report  # noqa: PLC0415  # commands load what they use
    from ftops.subjects import open_data  # noqa: PLC0415

    name, base = frame.base_of(model)
    with open_data(file, Path(file)) as stream:
        if row is None:
            counted = _counted(stream, file, name, base)
            frame.answer_json(report.counted_json(counted)) if as_json else frame.answer(
                report.render_counted(counted, colour=frame.colour())
            )
        else:
            looked_at = _row_counted(stream, file, row, name, base)
            frame.answer_json(report.row_json(looked_at)) if as_json else frame.answer(
                report.render_row(looked_at, colour=frame.colour())
            )


def _counted(stream: BinaryIO, file: str, model: str, base: Base) -> Counted:
    from ftops.dataset.guess import guess_format  # noqa: PLC0415  # commands load what they use
    from ftops.dataset.tokens.base import Counting, models_folder  # noqa: PLC0415
    from ftops.dataset.tokens.tokenizer import tokenizer  # noqa: PLC0415
    from ftops.dataset.tokens.totals import read_totals  # noqa: PLC0415
    from ftops.examine import unchanged  # noqa: PLC0415
    from ftops.plan.cost import training_cost  # noqa: PLC0415
    from ftops.report.tokens import Counted  # noqa: PLC0415

    method = guess_format(stream).method
    stream.seek(0)
    models = models_folder(os.environ)
    with unchanged(stream, file):
        totals = read_totals(stream, Path(file), method, Counting(base, models))
    if not totals.rows:
        _see_that_it_is_json_lines(stream, file)
    return Counted(
        path=file,
        model=model,
        base=base,
        tokenizer=tokenizer(base.tokenizer, models),
        totals=totals,
        cost=training_cost(base, method=method, rows=totals.rows, tokens_an_epoch=totals.tokens_an_epoch),
    )


def _see_that_it_is_json_lines(stream: BinaryIO, file: str) -> None:
    """Of a file in another format no tokens were counted, which is not to be taken for none.

    Raises:
        ProblemsError: It is in another format.
    """
    from ftops.dataset.lines import ROW_BYTES_MAX  # noqa: PLC0415  # only for a mistake
    from ftops.dataset.syntax import foreign_format  # noqa: PLC0415

    stream.seek(0)
    if problem := foreign_format(stream.readline(ROW_BYTES_MAX), Place(path=file)):
        raise ProblemsError(problem)


def _row_counted(stream: BinaryIO, file: str, line: int, model: str, base: Base) -> RowCounted:
    from ftops.dataset.formats import format_of  # noqa: PLC0415  # commands load what they use
    from ftops.dataset.guess import guess_format  # noqa: PLC0415
    from ftops.dataset.tokens.base import models_folder  # noqa: PLC0415
    from ftops.dataset.tokens.spans import spans_of  # noqa: PLC0415
    from ftops.dataset.tokens.stretches import sequences_in  # noqa: PLC0415
    from ftops.dataset.tokens.template import template_of  # noqa: PLC0415
    from ftops.dataset.tokens.tokenizer import tokenizer  # noqa: PLC0415
    from ftops.report.tokens import RowCounted  # noqa: PLC0415

    method = guess_format(stream).method
    stream.seek(0)
    row = _row_at(stream, file, line)
    format_ = format_of(row, method)
    found = tokenizer(base.tokenizer, models_folder(os.environ))
    template = template_of(base, found, format_)
    return RowCounted(
        path=file,
        line=line,
        model=model,
        base=base,
        tokenizer=found,
        format=format_,
        sequences=tuple(
            spans_of(sequence, tokenizer=found, template=template, tokens_max=base.row_tokens_max)
            for sequence in sequences_in(row, format_, base)
        ),
    )


def _row_at(stream: BinaryIO, file: str, line: int) -> dict[str, object]:
    """The row in *line*.

    Raises:
        ProblemsError: There is no such line, or it holds no JSON object.
    """
    import orjson  # noqa: PLC0415  # commands load what they use

    from ftops.dataset.lines import ROW_BYTES_MAX  # noqa: PLC0415
    from ftops.dataset.syntax import BOM  # noqa: PLC0415

    lines = 0
    content = b""
    while lines < line and (content := stream.readline(ROW_BYTES_MAX + 1)):
        while len(content) > ROW_BYTES_MAX and not content.endswith(b"\n") and (rest := stream.readline(ROW_BYTES_MAX)):
            content = content[:1] + rest  # too long to be looked at: it stays no JSON
        lines += 1
    if not content:
        raise ProblemsError(
            Diagnostic(
                code="tokens-row",
                summary=f"`{file}` has no line {line}",
                place=Place(path=file),
                why=f"it has {lines:,} line{'' if lines == 1 else 's'}",
                fix="name a line of the file, counted from 1",
            )
        )
    try:
        row = orjson.loads(content.removeprefix(BOM) if line == 1 else content)
    except orjson.JSONDecodeError:
        row = None
    if not isinstance(row, dict):
        raise ProblemsError(
            Diagnostic(
                code="tokens-row",
                summary="this line holds no row",
                place=Place(path=file, line=line),
                why="a row is a JSON object",
                fix="`ftops check` says what is wrong with it",
            )
        )
    return row

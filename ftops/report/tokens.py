"""What `ftops tokens` counted: a file's totals, or one row with what is learnt of it and where it is cut."""

from __future__ import annotations

from dataclasses import dataclass
from os.path import commonprefix
from typing import TYPE_CHECKING, Any

from ftops.dataset.masking import masked
from ftops.report.machine import FORMAT_VERSION
from ftops.report.terminal import BOLD, DIM, YELLOW, counted, paint, table, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.dataset.formats import Format
    from ftops.dataset.tokens.base import Base
    from ftops.dataset.tokens.spans import Span, Spans
    from ftops.dataset.tokens.tokenizer import Tokenizer
    from ftops.dataset.tokens.totals import Totals
    from ftops.plan.cost import Cost

_LEARNT = "4;32"
_CUT_HERE = ">>> cut here, at {:,} tokens: what follows is not read <<<"
_ANSWERS = ("preferred_output", "non_preferred_output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A file, as one base model reads it."""

    path: str
    model: str
    base: Base
    tokenizer: Tokenizer
    totals: Totals
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounted:
    """A row, as one base model reads it."""

    path: str
    line: int
    model: str
    base: Base
    tokenizer: Tokenizer
    format: Format
    sequences: tuple[Spans, ...]


def render_counted(found: Counted, *, colour: bool) -> str:
    totals = found.totals
    title = f"{visible(found.path)} · {totals.format} · {counted(totals.rows, 'row')}"
    lines = [paint(title, BOLD, colour=colour), _model_line(found), ""]
    mean = totals.tokens / max(1, totals.rows - totals.uncounted)
    share = totals.trained / max(1, totals.tokens)
    lines.append(f"{counted(totals.tokens, 'token')}, {mean:,.0f} a row; {totals.trained:,} trained ({share:.0%})")
    if totals.uncounted:
        lines.append(f"{counted(totals.uncounted, 'row')} not counted: `ftops check` says what is wrong")
    if totals.cut_rows:
        text = f"{counted(totals.cut_rows, 'row')} longer than {found.base.row_tokens_max:,} tokens, and cut there"
        lines.append(paint(text, YELLOW, colour=colour))
    lines += [_cost_line(found), ""]
    longest = [(f"{row.line:,}", f"{row.tokens:,}", f"{row.trained:,}") for row in totals.longest]
    lines += table(("LONGEST ROWS: LINE", "TOKENS", "TRAINED"), longest, colour=colour)
    return "\n".join(lines)


def render_row(found: RowCounted, *, colour: bool) -> str:
    """Render with the content of the row, secrets and personal data masked."""
    title = f"{visible(found.path)}:{found.line} · {found.format} · {_sum_line(found.sequences)}"
    lines = [paint(title, BOLD, colour=colour), _model_line(found)]
    shown: set[str] = set()
    for answer, sequence in zip(_ANSWERS, found.sequences, strict=False):
        if len(found.sequences) > 1:
            lines += ["", paint(f"with {answer}: {_sum_line((sequence,))}", BOLD, colour=colour)]
        lines += _sequence_lines(sequence, found.base.row_tokens_max, shown, colour=colour)
        shown |= {span.stretch.where for span in sequence.spans}
    return "\n".join(lines)


def counted_json(found: Counted) -> dict[str, Any]:
    totals, cost = found.totals, found.cost
    return {
        "format_version": FORMAT_VERSION,
        "path": found.path,
        **_reader_json(found),
        "format": totals.format,
        "rows": totals.rows,
        "rows_not_counted": totals.uncounted,
        "tokens": totals.tokens,
        "trained": totals.trained,
        "rows_cut": totals.cut_rows,
        "tokens_an_epoch": totals.tokens_an_epoch,
        "longest": [row._asdict() for row in totals.longest],
        "estimate": {
            "epochs": cost.epochs,
            "billed_tokens": cost.billed_tokens,
            "usd": cost.usd,
            "unknown": cost.unknown,
        },
    }


def row_json(found: RowCounted) -> dict[str, Any]:
    """Shape a row, its texts masked: what of each is read, and what is lost after the cut."""
    return {
        "format_version": FORMAT_VERSION,
        "path": found.path,
        "line": found.line,
        **_reader_json(found),
        "format": found.format,
        "sequences": [
            {
                "tokens": sequence.tokens,
                "trained": sequence.trained,
                "spans": [
                    {
                        "where": span.stretch.where or None,
                        "kind": span.stretch.kind,
                        **dict(zip(("read", "lost"), _shown(span), strict=True)),
                        "tokens": span.tokens,
                        "trained": span.trained,
                    }
                    for span in sequence.spans
                ],
            }
            for sequence in found.sequences
        ],
    }


def _reader_json(found: Counted | RowCounted) -> dict[str, Any]:
    return {
        "model": found.model,
        "tokenizer": found.tokenizer.name,
        "is_exact": found.tokenizer.is_exact,
        "caveat": found.tokenizer.caveat,
        "row_tokens_max": found.base.row_tokens_max,
    }


def _model_line(found: Counted | RowCounted) -> str:
    limit = f", rows are cut at {found.base.row_tokens_max:,} tokens" if found.base.row_tokens_max else ""
    caveat = f"\nestimate: {found.tokenizer.caveat}" if found.tokenizer.caveat else ""
    return f"as {found.model} reads it ({found.tokenizer.name}{limit}){caveat}"


def _cost_line(found: Counted) -> str:
    cost, base = found.cost, found.base
    epochs = f"estimate: {counted(cost.epochs, 'epoch')}, {counted(cost.billed_tokens, 'token')} billed"
    if cost.usd is None:
        return f"{epochs}; cost not known: {cost.unknown}"
    read = f", at the price of {base.price_read}" if base.price_read else ""
    return f"{epochs}, {cost.usd:,.2f} USD{read}"


def _sum_line(sequences: tuple[Spans, ...]) -> str:
    tokens, trained = sum(each.tokens for each in sequences), sum(each.trained for each in sequences)
    return f"{counted(tokens, 'token')}, {trained:,} trained"


def _sequence_lines(sequence: Spans, limit: int | None, shown: set[str], *, colour: bool) -> Iterator[str]:
    was_cut = False
    again = sum(span.tokens for span in sequence.spans if span.stretch.where in shown)
    if again:
        yield f"after the same input, {counted(again, 'token')}"
    for span in sequence.spans:
        if span.stretch.where not in shown or (span.is_cut and not was_cut):
            yield ""
            yield from _span_lines(span, None if was_cut else limit, colour=colour)
        was_cut = was_cut or span.is_cut


def _span_lines(span: Span, limit: int | None, *, colour: bool) -> Iterator[str]:
    """A heading, and the text; with the place of the cut, if it is in this span and *limit* is given."""
    stretch = span.stretch
    trained = f", {span.trained:,} trained" if span.trained else ""
    where = stretch.where or "added by the template"
    yield paint(f"{where} · {stretch.kind} · {counted(span.tokens, 'token')}{trained}", DIM, colour=colour)
    read, lost = _shown(span)
    if read:
        yield from _text_lines(read, is_trained=stretch.is_trained, colour=colour)
    if lost:
        if limit is not None:
            yield paint(_CUT_HERE.format(limit), YELLOW, colour=colour)
        yield from _text_lines(lost, is_trained=False, colour=colour)


def _shown(span: Span) -> tuple[str, str]:
    """The text before the cut and after it; a secret on the cut counts as lost, so that no half of it is shown."""
    whole = masked(span.stretch.text)
    if not span.is_cut:
        return whole, ""
    read = commonprefix([whole, masked(span.stretch.text[: span.kept])])  # noqa: RUF071  # of texts, no paths
    return read, whole[len(read) :]


def _text_lines(text: str, *, is_trained: bool, colour: bool) -> Iterator[str]:
    lines = [visible(line) for line in text.split("\n")]
    if is_trained and colour:
        lines = [paint(line, _LEARNT, colour=True) for line in lines]
    elif is_trained:
        lines[0] = f"[[{lines[0]}"
        lines[-1] += "]]"
    yield from (f"  {line}" for line in lines)

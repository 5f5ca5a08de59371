"""A data diff as a comment on a pull request: Markdown in which no text of the data can do anything.

Whatever comes from the data, and the names of files, stands in code spans or in fences: there GitHub links no names,
renders no markup, and ends neither before a longer run of backticks than any that is inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ftops.report.datadiff import (
    MINUS,
    change_title,
    label_text,
    marked,
    not_shown,
    one_row,
    sample_title,
    signed,
    totals,
)
from ftops.report.markdown import code, fence, folded
from ftops.report.terminal import counted, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftops.compare import Comparison
    from ftops.dataset.samples import Change, Sample

LABELS_SHOWN: Final = 20
NAME_WIDTH: Final = 100
CUT: Final = "\n\nMore does not fit here: `ftops diff-data` shows it."


def render_markdown(found: Comparison, *, bytes_max: int) -> str:
    """Render what changed, the most important first, without a final line break.

    Args:
        found: What to tell.
        bytes_max: Of the text as UTF-8; what does not fit is left out by whole blocks.
    """
    names = (shortened(one_row(source.name), NAME_WIDTH) for source in (found.old, found.new))
    old, new = (code(name, in_table=False) for name in names)
    text = f"{old} → {new}"
    for block in _blocks(found):
        longer = f"{text}\n\n{block}"
        if len((longer + CUT).encode()) > bytes_max:
            return text + CUT
        text = longer
    return text


def _blocks(found: Comparison) -> Iterable[str]:
    """Each a whole: a paragraph, a table, or a row that can be unfolded."""
    diff, samples = found.diff, found.samples
    yield _counts(found)
    if lines := totals(diff):
        yield " · ".join(lines)
    if diff.labels and not diff.is_empty:
        yield _labels(found)
    for symbol, some in (("~", samples.edited), (MINUS, samples.removed), ("+", samples.added)):
        for sample in some:
            yield _sample(sample, symbol)
    if hidden := not_shown(found):
        yield hidden


def _counts(found: Comparison) -> str:
    diff = found.diff
    if diff.is_empty:
        return f"No changes: {counted(diff.unchanged, 'row')}."
    parts = (
        (f"+{counted(diff.added, 'row')}", diff.added),
        (f"{MINUS}{counted(diff.removed, 'row')}", diff.removed),
        (f"~{diff.edited:,} edited", diff.edited),
        (f"↕ {diff.moved:,} moved", diff.moved),
    )
    changed = " · ".join(text for text, number in parts if number)
    return f"**{changed}** · {diff.unchanged:,} unchanged"


def _labels(found: Comparison) -> str:
    lines = ["| label | before | after | change |", "| --- | ---: | ---: | ---: |"]
    for text, label in list(zip(found.samples.labels, found.diff.labels, strict=True))[:LABELS_SHOWN]:
        change = signed(label.new_rows - label.old_rows)
        lines.append(f"| {code(label_text(text))} | {label.old_rows:,} | {label.new_rows:,} | {change} |")
    labels = [code(label_text(text), in_table=False) for text in found.samples.labels]
    ways = [
        f"- {counted(way.rows, 'row')}: {labels[way.before]} → {labels[way.after]}"
        for way in found.diff.relabelled[:LABELS_SHOWN]
    ]
    return "\n".join([*lines, *(["", *ways] if ways else [])])


def _sample(sample: Sample, symbol: str) -> str:
    lines = [line for change in sample.changes for line in _change(change)]
    return folded(f"{symbol} {sample_title(sample)}", fence(lines, "diff"))


def _change(change: Change) -> list[str]:
    """Lines that begin as those of a diff, so that GitHub colours them."""
    lines = [f"@@ {change_title(change)} @@"]
    kinds = {piece.kind for piece in change.pieces}
    if kinds <= {"same"}:
        return [*lines, "  " + "".join(map(marked, change.pieces))]
    for sign, kind in (("-", "gone"), ("+", "come")):
        words = [piece for piece in change.pieces if piece.kind in {"same", kind}]
        if any(piece.text for piece in words):
            # Of a text that is new or gone as a whole, the sign says enough.
            shown = (one_row(piece.text) if len(kinds) == 1 else marked(piece) for piece in words)
            lines.append(f"{sign} {''.join(shown)}")
    return lines

"""A data diff as people read it, like the diff of a code review; in one line; and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ftops.report.machine import FORMAT_VERSION
from ftops.report.terminal import BOLD, CYAN, DIM, GREEN, RED, YELLOW, counted, cut, paint, table, visible

if TYPE_CHECKING:
    from ftops.compare import Comparison
    from ftops.dataset.diff import DataDiff
    from ftops.dataset.edits import Reason
    from ftops.dataset.samples import Change, Sample
    from ftops.dataset.wording import Piece

REASONS: Final[dict[Reason, str]] = {
    "prompt": "same prompt",
    "text": "same text, and another system prompt or other tools",
    "answer": "same answer",
    "near": "much of the text is the same",
}
MARKS: Final = {"same": "{}", "gone": "[-{}-]", "come": "{{+{}+}}"}
"""As `git diff --word-diff` has them, so that nothing depends on colours."""
LABEL_WIDTH: Final = 40
WHERE_WIDTH: Final = 200
"""Of the way to a value within its row: its keys may be of any length."""
MINUS: Final = "\N{MINUS SIGN}"

_COLOURS: Final = {"gone": RED, "come": GREEN}
_LINE_ENDS: Final = str.maketrans({"\n": "↵", "\t": "⇥"})
_INDENT: Final = "    "


def one_line(diff: DataDiff) -> str:
    """What changed, such as `+120 ~14 rows, +3,201 tokens`."""
    signs = (("+", diff.added), (MINUS, diff.removed), ("~", diff.edited))
    changed = " ".join(f"{sign}{number:,}" for sign, number in signs if number)
    rows = f"{changed} rows" if changed else "same rows"
    moved = f"{diff.moved:,} moved" if diff.moved else ""
    tokens = diff.new.tokens - diff.old.tokens
    return ", ".join(part for part in (rows, moved, f"{signed(tokens)} tokens" if tokens else "") if part)


def render_comparison(found: Comparison, *, colour: bool, width: int) -> str:
    """Render what changed, without a final line break: counts, tokens, labels, then rows."""
    diff = found.diff
    head = [f"{visible(found.old.name)} → {visible(found.new.name)}", _counts(diff, colour=colour), *totals(diff)]
    blocks = ["\n".join(head)]
    if diff.labels and not diff.is_empty:
        blocks.append("\n".join([*_labels(found, colour=colour, width=width), *_relabelled(found)]))
    samples = found.samples
    for symbol, tint, some in (
        ("~", YELLOW, samples.edited),
        (MINUS, RED, samples.removed),
        ("+", GREEN, samples.added),
    ):
        blocks += ["\n".join(_sample(sample, symbol, tint, colour=colour)) for sample in some]
    if hidden := not_shown(found):
        blocks.append(hidden)
    return "\n\n".join(blocks)


def totals(diff: DataDiff) -> list[str]:
    """Lines about tokens and system prompts; none where there is nothing to say."""
    lines = []
    for name, before, after in (
        ("tokens", diff.old.tokens, diff.new.tokens),
        ("trained tokens", diff.old.trained_tokens, diff.new.trained_tokens),
    ):
        if before != after:
            lines.append(f"{name} {before:,} → {after:,} ({signed(after - before)})")
    if diff.edited_system:
        lines.append(f"the system prompt changed in {counted(diff.edited_system, 'row')}")
    return lines


def _relabelled(found: Comparison) -> list[str]:
    """How many rows went from which label to which."""
    labels = found.samples.labels
    return [
        f"{counted(way.rows, 'row')}: {label_text(labels[way.before])} → {label_text(labels[way.after])}"
        for way in found.diff.relabelled
    ]


def not_shown(found: Comparison) -> str:
    """What there is besides the rows that are shown; empty if nothing is."""
    diff, samples = found.diff, found.samples
    kinds = (
        ("edited", diff.edited - len(samples.edited)),
        ("removed", diff.removed - len(samples.removed)),
        ("added", diff.added - len(samples.added)),
    )
    more = ", ".join(f"{number:,} {kind}" for kind, number in kinds if number)
    return f"not shown: {more}" if more else ""


def sample_title(sample: Sample) -> str:
    """Which row it is, and why it is taken for one that was edited."""
    if sample.reason is None:
        return f"line {sample.old_line or sample.new_line}"
    return f"line {sample.old_line} → {sample.new_line} ({REASONS[sample.reason]})"


def change_title(change: Change) -> str:
    note = ", differs only in what is masked" if change.is_masked else ""
    role = f" ({label_text(change.role)})" if change.role else ""
    return f"{cut(one_row(change.where), WHERE_WIDTH)}{role}{note}"


def marked(piece: Piece) -> str:
    return MARKS[piece.kind].format(one_row(piece.text))


def one_row(text: str) -> str:
    """Text in which nothing breaks the line, moves the cursor or hides what is there."""
    return visible(text.translate(_LINE_ENDS))


def label_text(text: str) -> str:
    return cut(one_row(text), LABEL_WIDTH)


def signed(number: int) -> str:
    return f"{number:+,}".replace("-", MINUS)


def comparison_json(found: Comparison) -> dict[str, Any]:
    """Shape *found* for scripts; a piece of text is `same`, `gone` or `come`, and texts are masked and shortened."""
    diff = found.diff
    kinds = {"edited": found.samples.edited, "added": found.samples.added, "removed": found.samples.removed}
    return {
        "format_version": FORMAT_VERSION,
        "old": {"name": found.old.name, **_totals_json(diff, "old")},
        "new": {"name": found.new.name, **_totals_json(diff, "new")},
        "differs": not diff.is_empty,
        "added": diff.added,
        "removed": diff.removed,
        "edited": diff.edited,
        "edited_system": diff.edited_system,
        "moved": diff.moved,
        "unchanged": diff.unchanged,
        "labels": [
            {"label": text, "old_rows": label.old_rows, "new_rows": label.new_rows}
            for text, label in zip(found.samples.labels, diff.labels, strict=True)
        ],
        "relabelled": [{"before": way.before, "after": way.after, "rows": way.rows} for way in diff.relabelled],
        "rows": {kind: [_sample_json(sample) for sample in some] for kind, some in kinds.items()},
    }


def _totals_json(diff: DataDiff, side: str) -> dict[str, int]:
    totals = diff.old if side == "old" else diff.new
    return {"rows": totals.rows, "tokens": totals.tokens, "trained_tokens": totals.trained_tokens}


def _sample_json(sample: Sample) -> dict[str, Any]:
    return {
        "old_line": sample.old_line,
        "new_line": sample.new_line,
        "reason": sample.reason,
        "changes": [
            {
                "where": change.where,
                "role": change.role or None,
                "is_masked": change.is_masked,
                "pieces": [{"kind": piece.kind, "text": piece.text} for piece in change.pieces],
            }
            for change in sample.changes
        ],
    }


def _counts(diff: DataDiff, *, colour: bool) -> str:
    if diff.is_empty:
        return paint(f"no changes: {counted(diff.unchanged, 'row')}", BOLD, colour=colour)
    parts = (
        (f"+{counted(diff.added, 'row')}", GREEN, diff.added),
        (f"{MINUS}{counted(diff.removed, 'row')}", RED, diff.removed),
        (f"~{diff.edited:,} edited", YELLOW, diff.edited),
        (f"↕{diff.moved:,} moved", CYAN, diff.moved),
        (f"{diff.unchanged:,} unchanged", DIM, diff.unchanged),
    )
    return "  ".join(paint(text, tint, colour=colour) for text, tint, number in parts if number)


def _labels(found: Comparison, *, colour: bool, width: int) -> list[str]:
    rows = [
        (label_text(text), f"{label.old_rows:,}", f"{label.new_rows:,}", signed(label.new_rows - label.old_rows))
        for text, label in zip(found.samples.labels, found.diff.labels, strict=True)
    ]
    return table(("LABEL", "BEFORE", "AFTER", "CHANGE"), rows, colour=colour, width=width)


def _sample(sample: Sample, symbol: str, tint: str, *, colour: bool) -> list[str]:
    lines = [paint(f"{symbol} {sample_title(sample)}", tint, colour=colour)]
    for change in sample.changes:
        lines.append(_INDENT + paint(change_title(change), DIM, colour=colour))
        lines.append(_INDENT * 2 + "".join(_words(piece, sample, colour=colour) for piece in change.pieces))
    return lines


def _words(piece: Piece, sample: Sample, *, colour: bool) -> str:
    """Marked in an edited row; of a row that is new or gone as a whole, the symbol before it says enough."""
    shown = marked(piece) if sample.reason else one_row(piece.text)
    return shown if piece.kind == "same" else paint(shown, _COLOURS[piece.kind], colour=colour)

"""The changes of a plan file as rows of a Markdown table, the dearest first, and what changed in each, to be unfolded.

A plan file is anybody's: names, reasons and values go through `ftops.report.markdown`, and numbers are bounded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ftops.digest import SHORT_DIGITS, short
from ftops.plan.changes import PAID, Kind
from ftops.plan.diff import NO_JOB
from ftops.report.datadiff import MINUS, signed
from ftops.report.figures import dollars, span
from ftops.report.markdown import code, fence, folded, html_code, plain, sentence
from ftops.report.terminal import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ftops.report.planfile import Cause, DataChange, Inputs, Line

KINDS: Final[dict[Kind, tuple[str, str]]] = {
    Kind.CREATE: ("train", "to train"),
    Kind.REPLACE: ("train again", "to train"),
    Kind.CANCEL: ("cancel", "to cancel"),
    Kind.FORGET: ("forget", "to forget"),
    Kind.DRIFT: ("gone", "gone at the provider"),
    Kind.SELECT: ("select", "to select"),
    Kind.BLOCKED: ("blocked", "blocked"),
    Kind.PAUSED: ("paused", "paused"),
    Kind.UNRECORDED: ("unrecorded", "unrecorded"),
    Kind.ADOPT: ("adopt", "to adopt"),
    Kind.COLLECT: ("collect", "to collect"),
    Kind.AWAIT: ("in training", "in training"),
    Kind.NONE: ("unchanged", "unchanged"),
}
"""How a row and how the verdict call it, in the order of importance: what costs or drops first."""
SPENDS_OR_DROPS: Final = frozenset({Kind.CREATE, Kind.REPLACE, Kind.CANCEL, Kind.FORGET})
METHODS: Final = frozenset({"supervised", "dpo", "reinforcement"})
MOST: Final = 10**12
SECONDS_MOST: Final = 10**9
"""Of any number, and of any time: beyond it, a plan file is forged."""

_RANK: Final = {kind: rank for rank, kind in enumerate(KINDS)}
_CHANGED: Final = "its inputs changed"
_NAMES_IN_ROW, _CAUSES_IN_ROW, _CAUSES_MAX, _REPLACED_SHOWN = 3, 2, 50, 10
_DATA: Final = frozenset({"training_file", "validation_file"})
_LONG_DIGEST: Final = re.compile("[0-9a-f]{40,64}")
_VALUE_WIDTH, _REASON_WIDTH, _WHOLE_WIDTH = 24, 200, 100


def kind_of(line: Line) -> Kind | None:
    """What is to be done; None if no ftops wrote it."""
    return Kind(line.kind) if line.kind in set(Kind) else None


def is_paid(line: Line) -> bool:
    return kind_of(line) in PAID


def usd_of(line: Line) -> float | None:
    """What training is estimated to cost; None if that is not known."""
    return line.cost.usd if line.cost else None


def by_importance(lines: Iterable[Line]) -> list[Line]:
    """All that are not as they should be: what costs or drops first, of that what is dearest or of unknown cost."""
    return sorted(
        (line for line in lines if kind_of(line) is not Kind.NONE), key=lambda line: (*_rank([line]), line.name)
    )


def table(lines: Sequence[Line], *, trains: bool, is_grouped: bool) -> tuple[str, list[str]]:
    """The head of a table of *lines*, and its rows in the order of importance.

    Args:
        lines: All but those that are as they should be.
        trains: With the columns about training.
        is_grouped: Those of which all but name and cost is the same share a row.
    """
    head = "| spec | action | why | base&nbsp;→&nbsp;method | data | cost |\n| --- | --- | --- | --- | --- | ---: |\n"
    groups: dict[tuple[str, ...], list[Line]] = {}
    for line in by_importance(lines):
        cells = tuple(_cells(line, trains=trains))
        groups.setdefault(cells if is_grouped else (line.name, *cells), []).append(line)
    rows = [_row(alike, trains=trains) for alike in sorted(groups.values(), key=_rank_of_group)]
    return head if trains else "| spec | action | why |\n| --- | --- | --- |\n", rows


def details(lines: Sequence[Line]) -> list[str]:
    """Every field that changed, and what is known of the data, to be unfolded; once for those that are alike."""
    groups: dict[tuple[object, ...], list[Line]] = {}
    for line in by_importance(lines):
        if line.causes:
            groups.setdefault((line.causes, tuple(sorted(line.data_changes.items()))), []).append(line)
    return [_detail(alike) for alike in sorted(groups.values(), key=_rank_of_group)]


def number(value: float, most: int = MOST) -> int:
    """*value* as a whole number within bounds."""
    return int(min(max(value, -most), most))


def seconds_of(line: Line) -> int:
    """How long it trains; 0 if that is not known."""
    return number(line.seconds or 0, SECONDS_MOST)


def whole(text: str) -> str:
    """*text* of ours, not to be broken in two lines."""
    return text.replace(" ", "&nbsp;")


def price(usd: float) -> str:
    """An amount; what costs nothing is said to."""
    return dollars(min(usd, MOST)) if usd > 0 else "free"


def _rank(alike: Sequence[Line]) -> tuple[int, float]:
    kind = kind_of(alike[0])
    # Training again is as dear as training.
    place = _RANK[Kind.CREATE if kind in PAID else kind] if kind else 0
    return place, -sum(MOST if (usd := usd_of(line)) is None else usd for line in alike)


def _rank_of_group(alike: Sequence[Line]) -> tuple[int, float, str]:
    return (*_rank(alike), alike[0].name)


def _row(alike: Sequence[Line], *, trains: bool) -> str:
    """One row, for one change or for several that are alike."""
    names = _listed([line.name for line in alike], _NAMES_IN_ROW, code)
    cost = [_cost(alike) if is_paid(alike[0]) else ""] if trains else []
    return f"| {' | '.join([names, *_cells(alike[0], trains=trains), *cost])} |"


def _cells(line: Line, *, trains: bool) -> list[str]:
    """What is to be done, why, from what, and with which data."""
    kind = kind_of(line)
    action = whole(KINDS[kind][0]) if kind else code(line.kind)
    cells = [f"**{action}**" if kind in SPENDS_OR_DROPS else action, _why(line)]
    if not trains:
        return cells
    inputs = line.inputs if is_paid(line) else None
    return [*cells, _start(inputs), _data(line, inputs)] if inputs else [*cells, "", ""]


def _why(line: Line) -> str:
    if line.causes:
        first = [_cause(cause) for cause in line.causes[:_CAUSES_IN_ROW]]
        more = len(line.causes) - len(first)
        parts = [", ".join(first) + (f" and {more:,} more" if more else "")]
        rest = line.reason.removeprefix(_CHANGED).lstrip("; ")
    else:
        parts, rest = [], "new" if line.reason == NO_JOB else line.reason
    if rest:
        parts.append(sentence(rest, most=_REASON_WIDTH))
    if line.attempt > 1:
        parts.append(f"attempt {number(line.attempt):,}")
    if line.waits_for:
        is_base = line.inputs and line.inputs.parent == line.waits_for
        parts.append("after its base" if is_base else f"after {code(line.waits_for)}")
    return "; ".join(parts)


def _cause(cause: Cause) -> str:
    """The field, and its values where they are short and say something."""
    field = code(cause.field)
    if cause.field in _DATA or max(len(cause.before), len(cause.after)) > _VALUE_WIDTH:
        return field
    return f"{field}: {code(cause.before)} → {code(cause.after)}"


def _start(inputs: Inputs) -> str:
    method = inputs.method or ""
    shown = method if method in METHODS else code(method)
    return f"{code(inputs.base_model or inputs.parent or '')} →&nbsp;{shown}"


def _data(line: Line, inputs: Inputs) -> str:
    """Rows and tokens of the training data, how they changed, and the digest of the file."""
    change = line.data_changes.get("training_file")
    parts = []
    if inputs.training_rows is not None:
        parts.append(counted(number(inputs.training_rows), "row") + (_rows(change) if change else ""))
    if inputs.training_tokens is not None:
        tokens = counted(number(inputs.training_tokens), "token")
        parts.append(tokens + (f" ({signed(number(change.tokens))})" if change and change.tokens else ""))
    # What changed needs the room of a line.
    said = [whole(("<br>" if change else ", ").join(parts))] if parts else []
    return "<br>".join([*said, *([code(inputs.training_sha256[:SHORT_DIGITS])] if inputs.training_sha256 else [])])


def _rows(change: DataChange) -> str:
    signs = (("+", change.added), (MINUS, change.removed), ("~", change.edited), ("↕", change.moved))
    changed = " ".join(f"{sign}{number(count):,}" for sign, count in signs if count)
    return f" ({changed})" if changed else ""


def _cost(alike: Sequence[Line]) -> str:
    """What all of them cost, and how long the longest takes."""
    known = [usd for usd in map(usd_of, alike) if usd is not None]
    seconds = [seconds_of(line) for line in alike if line.seconds is not None]
    parts = [price(sum(known)) if len(known) == len(alike) else "not known"]
    if seconds:
        parts.append(whole(("up to " if len(set(seconds)) > 1 else "") + span(max(seconds))))
    return "<br>".join(parts)


def _detail(alike: Sequence[Line]) -> str:
    first = alike[0]
    shown = first.causes[:_CAUSES_MAX]
    lines = [text for cause in shown for text in _before_and_after(cause)]
    if len(first.causes) > len(shown):
        lines.append(f"@@ {counted(len(first.causes) - len(shown), 'more field')} @@")
    said = [_changed_data(field, data) for field, data in first.data_changes.items() if field in _DATA]
    if replaced := [line.replaces.model_id or line.replaces.job_id for line in alike if line.replaces]:
        said.append(f"- takes the place of {_listed(replaced, _REPLACED_SHOWN, code)}, which stays at the provider")
    names = _listed([line.name for line in alike], _NAMES_IN_ROW, html_code)
    body = "\n\n".join(filter(None, [fence(lines, "diff"), "\n".join(said)]))
    return folded(f"{names}: {counted(len(first.causes), 'field')} changed", body)


def _listed(texts: Sequence[str], most: int, shown: Callable[[str], str]) -> str:
    """The first of *texts*, and how many more there are."""
    more = f" and {len(texts) - most:,} more" if len(texts) > most else ""
    return ", ".join(map(shown, texts[:most])) + more


def _before_and_after(cause: Cause) -> tuple[str, str]:
    field = plain(cause.field)
    before, after = (plain(_digest_shortened(value), _WHOLE_WIDTH) for value in (cause.before, cause.after))
    return f"- {field}: {before}", f"+ {field}: {after}"


def _digest_shortened(value: str) -> str:
    return short(value) if _LONG_DIGEST.fullmatch(value) else value


def _changed_data(field: str, data: DataChange) -> str:
    kinds = (("added", data.added), ("removed", data.removed), ("edited", data.edited), ("moved", data.moved))
    parts = [f"{number(count):,} {kind}" for kind, count in kinds if count]
    parts.append(f"{number(data.unchanged):,} unchanged")
    tokens = f"; {signed(number(data.tokens))} tokens" if data.tokens else ""
    return f"- rows of `{field}`: {', '.join(parts)}{tokens}"

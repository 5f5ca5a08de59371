"""What `ftops check` found, for people: a block a file, then what is wrong between files. Never content of a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ftops.diagnostics import Severity
from ftops.report.groups import Group, grouped
from ftops.report.plot import bars, in_ascii
from ftops.report.problems import COLOURS, FIX_COLOUR
from ftops.report.terminal import BOLD, DIM, GREEN, counted, paint, visible, width_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from ftops.check import Checked, Estimate, Report
    from ftops.dataset.lengths import Lengths
    from ftops.mend import NewFile

PLOT_WIDTH: Final = 78
"""Columns at most: a bar that is longer says no more."""
LINES_SHOWN: Final = 8
INDENT: Final = "  "

_FORMATS: Final = {
    "chat": "chat, as for supervised",
    "preference": "preference, as for dpo",
    "reinforcement": "reinforcement",
    "completion": "prompt/completion",
    "unknown": "format not recognised",
}
_UNITS: Final = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How the text shall look."""

    width: int
    """Columns of the terminal."""
    colour: bool = False
    is_ascii: bool = False
    """The report's own signs are such that every encoding has."""


def render_report(report: Report, look: Look, *, today: date) -> str:
    """Render all, without a final line break.

    Args:
        report: What was found.
        look: How it shall look.
        today: Models that are shut down by then are marked.
    """
    lines: list[str] = []
    for file in report.files:
        body = list(_body(file, look, today))
        # Files of which there is no more to say than a line stand close together.
        lines += ["", *_head(file, look), *body, ""] if body else _head(file, look)
    for group in grouped(report.problems):
        lines += ["", *_group(group, look, "")]
    lines += ["", _verdict(report, look)]
    text = "\n".join(line for line, before in zip(lines, ["", *lines], strict=False) if line or before)
    return in_ascii(text) if look.is_ascii else text


def render_mended(new: NewFile, look: Look) -> str:
    """Render what `--fix` did to a file, by kind, with the first places of each; without a final line break."""
    head = paint(visible(f"{new.old.path} → {new.new.path}"), BOLD, colour=look.colour)
    lines = [head]
    for kind in new.mended:
        times = f" ×{kind.count:,}" if kind.count > 1 else ""  # noqa: RUF001  # the sign for times
        code = paint(f"fixed[{kind.code}]{times}", FIX_COLOUR, colour=look.colour)
        lines.append(f"{INDENT}{code}: {kind.meaning}, {_lines_text(kind.lines)}")
        lines += [
            f"{INDENT * 2}{paint(f'line {line}', DIM, colour=look.colour)} {visible(f'`{found.where}` {found.what}')}"
            for line, found in kind.examples[:3]
        ]
    return in_ascii("\n".join(lines)) if look.is_ascii else "\n".join(lines)


def groups_of(report: Report) -> tuple[Group, ...]:
    """All groups of problems, errors first."""
    groups = [group for file in report.files for group in grouped(file.problems, file.counts)]
    rank = list(Severity)
    return tuple(sorted((*groups, *grouped(report.problems)), key=lambda group: rank.index(group.first.severity)))


def counts_of(report: Report) -> dict[Severity, int]:
    """How many problems there are, also of those that are not listed."""
    counts = dict.fromkeys(Severity, 0)
    for group in groups_of(report):
        counts[group.first.severity] += group.count
    return counts


def _head(file: Checked, look: Look) -> Iterator[str]:
    path = visible(file.subject.path)
    yield from _flowing([path, *_facts(file)], look, paint(path, BOLD, colour=look.colour))


def _body(file: Checked, look: Look, today: date) -> Iterator[str]:
    if file.lengths:
        yield from _plot(file.lengths, look)
    if file.estimates:
        yield from _costs(file.estimates, look, today)
    for group in grouped(file.problems, file.counts):
        yield from _group(group, look, INDENT)


def _facts(file: Checked) -> Iterator[str]:
    yield _FORMATS[file.format]
    yield f"{'taken as ' if file.subject.is_use_assumed else ''}{file.subject.role} data"
    yield counted(file.rows, "row")
    yield _size(file.bytes)
    if lengths := file.lengths:
        yield f"{counted(lengths.total, 'token')}, {lengths.trained:,} trained"
        yield f"longest row {lengths.longest:,} (line {lengths.longest_line:,})"


def _flowing(parts: Sequence[str], look: Look, head: str | None = None) -> Iterator[str]:
    """Lines of *parts* with dots between them, as many as fit on each; all but the first are indented.

    Args:
        parts: In their order.
        look: How wide.
        head: The first part as it is shown, painted.
    """
    line, shown = parts[0], head or parts[0]
    for part in parts[1:]:
        if width_of(f"{line} · {part}") <= look.width:
            line, shown = f"{line} · {part}", f"{shown} · {part}"
        else:
            yield shown
            line = shown = INDENT + part
    yield shown


def _plot(lengths: Lengths, look: Look) -> Iterator[str]:
    labels = [f"{each.least:,}–{each.most:,}" for each in lengths.bins]  # noqa: RUF001  # an en dash, for a range
    yield INDENT + paint("rows by tokens", DIM, colour=look.colour)
    width = min(look.width, PLOT_WIDTH) - len(INDENT)
    drawn = bars(labels, [each.rows for each in lengths.bins], width=width, is_ascii=look.is_ascii)
    yield from (INDENT + line for line in drawn)


def _costs(estimates: Sequence[Estimate], look: Look, today: date) -> Iterator[str]:
    """What training costs, once for each number of epochs and of tokens."""
    alike: dict[tuple[int, int], list[Estimate]] = {}
    for each in estimates:
        alike.setdefault((each.cost.epochs, each.cost.billed_tokens), []).append(each)
    for (epochs, tokens), group in alike.items():
        said = f"estimate: {counted(epochs, 'epoch')}, {counted(tokens, 'token')} billed{_dated(group)}"
        yield INDENT + paint(said, DIM, colour=look.colour)
        first, *others = (_price(each, today) for each in group)
        yield from _flowing([INDENT + first, *others], look)


def _price(estimate: Estimate, today: date) -> str:
    cost, gone = estimate.cost, estimate.base.shut_down
    price = f"${cost.usd:,.2f}" if cost.usd is not None else f"? ({cost.unknown})"
    return f"{estimate.alias} {price}" + (f" (shut down {gone})" if gone and gone <= today else "")


def _dated(estimates: Sequence[Estimate]) -> str:
    read = dict.fromkeys(each.base.price_read for each in estimates if each.base.price_read)
    return f" at prices of {' and '.join(read)}" if read else ""


def _group(group: Group, look: Look, indent: str) -> Iterator[str]:
    problem = group.first
    times = f" ×{group.count:,}" if group.count > 1 else ""  # noqa: RUF001  # the sign for times
    head = paint(f"{problem.severity}[{problem.code}]{times}", COLOURS[problem.severity], colour=look.colour)
    yield indent + head + paint(f": {visible(group.summary)}", BOLD, colour=look.colour)
    if where := _where(group, with_path=not indent):
        yield f"{indent}{INDENT}{paint(visible(where), DIM, colour=look.colour)}"
    for title, text, tint in (("why:", problem.why, BOLD), ("fix:", problem.fix, FIX_COLOUR)):
        if text:
            yield f"{indent}{INDENT}{paint(title, tint, colour=look.colour)} {visible(text)}"


def _where(group: Group, *, with_path: bool) -> str:
    place = group.first.place
    if group.count == 1 and place:
        at = ":".join(str(number) for number in (place.line, place.column) if number is not None)
        return f"{place.path}:{at}".rstrip(":") if with_path else f"line {at}" if at else ""
    lines = _lines_text(group.lines, more=group.count > len(group.problems)) if group.lines else ""
    return f"{place.path}: {lines}".rstrip(": ") if with_path and place else lines


def _lines_text(lines: Sequence[int], *, more: bool = False) -> str:
    """The first lines, such as `lines 3, 9, 14, …`; several problems of one line are in that line only.

    Args:
        lines: Each once.
        more: There are problems that *lines* are not of.
    """
    shown = ", ".join(str(line) for line in lines[:LINES_SHOWN])
    rest = ", …" if more or len(lines) > LINES_SHOWN else ""
    return f"line{'s' if len(lines) > 1 or rest else ''} {shown}{rest}"


def _size(number: int) -> str:
    for unit, size in _UNITS:
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return counted(number, "byte")


def _verdict(report: Report, look: Look) -> str:
    counts = counts_of(report)
    files = counted(len(report.files), "file")
    if not any(counts.values()):
        return paint(f"{files}, nothing to mend", GREEN, colour=look.colour)
    worst = next(severity for severity in Severity if counts[severity])
    told = ", ".join(counted(number, str(severity)) for severity, number in counts.items() if number)
    return paint(f"{files}: {told}", COLOURS[worst], colour=look.colour)

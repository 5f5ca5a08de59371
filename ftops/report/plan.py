"""A plan as people read it: the verdict first, then a block a change, then what to run next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from ftops.digest import short
from ftops.lockfile import ParentInput
from ftops.plan.changes import PAID, Kind
from ftops.plan.diff import NO_JOB
from ftops.plan.policy import limit_shown
from ftops.report.datadiff import one_line
from ftops.report.figures import dollars
from ftops.report.terminal import BOLD, CYAN, DIM, GREEN, RED, YELLOW, counted, cut, padded, paint, visible, width_of

if TYPE_CHECKING:
    from ftops.lockfile import Inputs
    from ftops.plan.changes import Cause, Change
    from ftops.plan.cost import Cost
    from ftops.plan.plan import Plan
    from ftops.spec.model import Budget

SYMBOLS = {
    Kind.CREATE: ("+", GREEN),
    Kind.REPLACE: ("±", YELLOW),
    Kind.ADOPT: ("←", CYAN),
    Kind.COLLECT: ("↓", CYAN),
    Kind.SELECT: ("→", CYAN),
    Kind.CANCEL: ("x", RED),
    Kind.FORGET: ("-", RED),
    Kind.AWAIT: ("…", DIM),
    Kind.PAUSED: ("‖", YELLOW),
    Kind.BLOCKED: ("✗", RED),
    Kind.DRIFT: ("!", RED),
    Kind.UNRECORDED: ("?", YELLOW),
    Kind.NONE: ("=", DIM),
}

# In the order in which the header counts them: what costs money first.
_COUNTED = (
    ("to train", {Kind.CREATE, Kind.REPLACE}),
    ("to adopt", {Kind.ADOPT}),
    ("to collect", {Kind.COLLECT}),
    ("to select", {Kind.SELECT}),
    ("to cancel", {Kind.CANCEL}),
    ("to forget", {Kind.FORGET}),
    ("drifted", {Kind.DRIFT}),
    ("in training", {Kind.AWAIT}),
    ("paused", {Kind.PAUSED}),
    ("blocked", {Kind.BLOCKED}),
    ("unrecorded", {Kind.UNRECORDED}),
    ("unchanged", {Kind.NONE}),
)
_SPENDS_OR_DROPS = {Kind.CREATE, Kind.REPLACE, Kind.CANCEL, Kind.FORGET}
_RECORDS = {Kind.ADOPT, Kind.COLLECT, Kind.SELECT, Kind.AWAIT}
_INDENT = " " * 6
_LONG_DIGEST = re.compile("[0-9a-f]{40,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a plan was asked for with: the command that goes on from it must repeat that, or it does something else."""

    selectors: tuple[str, ...] = ()
    target: str | None = None
    retry_failed: bool = False

    @property
    def at_target(self) -> str:
        return f" --target {quote(self.target)}" if self.target else ""

    @property
    def scope(self) -> str:
        return "".join(f" {quote(selector)}" for selector in self.selectors) + self.at_target

    @property
    def apply(self) -> str:
        """The command that carries out this plan."""
        return f"ftops apply{self.scope}{' --retry-failed' if self.retry_failed else ''}"


PLAINLY = Asked()


def render_plan(
    plan: Plan,
    *,
    colour: bool,
    width: int = 100,
    verbose: bool = False,
    next_step: bool = True,
    asked: Asked = PLAINLY,
) -> str:
    """Render *plan*, without a final line break; its warnings are problems and rendered as such elsewhere.

    Args:
        plan: What is to be done.
        colour: Use a terminal's colours; without them the symbols say the same.
        width: Columns of a block, whose longer lines end in `…`; header and commands are always whole.
        verbose: Show unchanged models as well.
        next_step: Say which command goes on from here.
        asked: What that command must repeat.
    """
    shown = [change for change in plan.changes if verbose or change.kind is not Kind.NONE]
    # A long name is cut rather than leaving no room for what it is.
    name_width = min(max((width_of(visible(change.name)) for change in shown), default=0), width // 3)
    blocks = [line for change in shown for line in _block(change, plan, name_width, colour=colour, width=width)]
    parts = [[paint(_header(plan), BOLD, colour=colour)], blocks, _footer(plan, asked) if next_step else []]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _header(plan: Plan) -> str:
    counts, target = plan.counts, visible(plan.target)
    if not counts:
        return f"No changes. No spec asks for a model on target {target}."
    if counts.keys() == {Kind.NONE}:
        models = (
            "1 model matches its spec" if counts[Kind.NONE] == 1 else f"{counts[Kind.NONE]:,} models match their specs"
        )
        return f"No changes. {models} on target {target}."
    numbers = ((sum(counts[kind] for kind in kinds), words) for words, kinds in _COUNTED)
    tally = ", ".join(f"{number:,} {words}" for number, words in numbers if number)
    cost = f", about {dollars(plan.cost_usd)}{_limit(plan.limit_usd)}" if plan.cost_usd else ""
    return f"{'Plan' if plan.pending else 'No changes'}: {tally} on target {target}{cost}"


def _block(change: Change, plan: Plan, name_width: int, *, colour: bool, width: int) -> list[str]:
    symbol, tint = SYMBOLS[change.kind]
    name = padded(visible(change.name), name_width)
    what = cut(visible(_what(change)), width - name_width - len(_INDENT))
    lines = [f"  {paint(f'{symbol} {name}', tint, colour=colour)}  {what}".rstrip()]
    # That there is no job yet is what the symbol says.
    if change.reason not in {"", NO_JOB}:
        lines.append(_INDENT + cut(visible(change.reason), width - len(_INDENT)))
    for cause in change.causes:
        lines.append(f"{_INDENT}  {_cause(cause, width - len(_INDENT) - 2)}")
        if data := plan.data_changes.get((change.name, cause.field)):
            lines.append(f"{_INDENT}    {one_line(data)}")
    if change.kind in PAID and change.desired and change.desired.cost:
        lines.append(_INDENT + _cost(change.desired.cost, change.desired.spec.budget))
    return lines


def _cost(cost: Cost, budget: Budget | None) -> str:
    """What training is estimated to take and to cost, such as `about 81,000 tokens in 3 epochs, $0.41 of $5.00`."""
    if cost.unknown and not cost.billed_tokens:
        return cost.unknown
    price = f", {dollars(cost.usd)}{_limit(budget.max_usd if budget else None)}" if cost.usd else ""
    return f"about {counted(cost.billed_tokens, 'token')} in {counted(cost.epochs, 'epoch')}{price}"


def _limit(usd: float | None) -> str:
    return "" if usd is None else f" of {limit_shown(usd)}"


def _what(change: Change) -> str:
    """What is trained, from what: `base · method · rows`."""
    inputs = change.desired.inputs if change.desired else change.recorded.inputs if change.recorded else None
    if inputs:
        parts = [_start(inputs), str(inputs.method.get("type")), _rows(inputs)]
    elif change.seen:
        parts = [change.seen.model, str(change.seen.method.get("type", ""))]
    else:
        parts = []
    if change.desired is None and change.kind in {Kind.AWAIT, Kind.PAUSED, Kind.COLLECT}:
        parts.append("superseded")
    if change.waits_for:
        parts.append(f"after {change.waits_for}")
    return " · ".join(part for part in parts if part)


def _start(inputs: Inputs) -> str:
    return inputs.model.spec if isinstance(inputs.model, ParentInput) else inputs.model


def _rows(inputs: Inputs) -> str:
    rows = counted(inputs.training_file.rows, "row")
    return f"{rows} (+{inputs.validation_file.rows:,} validation)" if inputs.validation_file else rows


def _cause(cause: Cause, width: int) -> str:
    """The field and both its values; where they do not fit, each gets half of the room."""
    field = visible(cause.field)
    before, after = (visible(_digest_shortened(value)) for value in (cause.before, cause.after))
    room = width - width_of(field) - len("  → ")
    before = cut(before, max(room // 2, room - width_of(after)))
    return cut(f"{field} {before} → {cut(after, room - width_of(before))}", width)


def _digest_shortened(value: str) -> str:
    return short(value) if _LONG_DIGEST.fullmatch(value) else value


def _footer(plan: Plan, asked: Asked) -> list[str]:
    kinds = plan.counts.keys()
    lines = [f"checksum {plan.checksum}"] if plan.pending else []
    if plan.refusals:
        lines.append(f"next: mend what is refused; until then `{asked.apply}` carries out nothing of this")
    elif kinds & _SPENDS_OR_DROPS:
        lines.append(f"next: `{asked.apply}`, or in CI `{asked.apply} --checksum {plan.checksum}`")
    elif kinds & _RECORDS:
        lines.append(f"next: `ftops reconcile{asked.scope}` records what is there; it trains nothing new")
    elif Kind.DRIFT in kinds:
        lines.append(f"next: if what is gone is wanted, `ftops apply{asked.scope} --retry-failed` trains it again")
    elif Kind.BLOCKED in kinds:
        retry = f"ftops apply{asked.scope} --retry-failed"
        lines.append(f"next: mend the spec or its data, or try again as it is with `{retry}`")
    elif Kind.UNRECORDED in kinds:
        lines.append(f"next: `ftops lock rebuild{asked.at_target}` records what is recorded nowhere")
    elif not kinds:
        lines.append("next: `ftops init` writes a first spec")
    return lines

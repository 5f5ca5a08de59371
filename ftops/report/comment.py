"""A plan file as Markdown: the comment on a pull request, and the page of a run. The verdict, money and time first."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from ftops.digest import SHORT_DIGITS
from ftops.plan.changes import PAID, Kind
from ftops.plan.policy import limit_shown
from ftops.report.figures import HOUR, SMALLEST_PRICE, ago, span
from ftops.report.markdown import Part, code, fitted, folded, sentence
from ftops.report.planrows import (
    KINDS,
    MOST,
    SECONDS_MOST,
    by_importance,
    details,
    is_paid,
    kind_of,
    number,
    price,
    seconds_of,
    table,
    usd_of,
)
from ftops.report.terminal import counted, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftops.report.planfile import Line, PlanFile, Problem

COMMENT_BYTES_MAX: Final = 60_000
"""Of a comment: GitHub takes 65,536 characters."""
ROWS_ALONE, ROWS_OPEN = 10, 25
"""Of the table: from how many on those that are alike share one, and how many are not folded."""
PROBLEMS_OPEN, DETAILS_OPEN = 10, 3
"""Of warnings, and of what changed in a spec: the others are folded, all in one."""
COLLECTED_LATE: Final = 6 * HOUR
"""Workflows on a schedule are hours late at times, and not more."""
_PLACES_SHOWN, _PATH_WIDTH, _CHAIN_MAX = 2, 60, 100


def render_comment(
    plan: PlanFile,
    *,
    now: int,
    run_url: str,
    bytes_max: int,
    commit: str | None = None,
    since: str | None = None,
) -> str:
    """Render *plan* without a final line break, in at most *bytes_max* bytes of UTF-8, of which it needs 4,000.

    Args:
        plan: What is to be done. Nothing in it is trusted.
        now: Unix time, to say how long ago results were collected.
        run_url: Where all of it is to be seen, if not here.
        bytes_max: What does not fit is left out by whole rows and blocks, the least important first, and told of.
        commit: The one that the plan is of, where that is not the one that was checked out.
        since: The commit from which on the actions have been the same.
    """
    foot = _foot(plan, commit or plan.commit, run_url, since)
    missing = f"Left out here: {{}}. [The run]({run_url}) has the whole plan."
    if _is_nothing(plan):
        folds = _problems("WARNING", plan.warnings, rank=3, opened=0)
        return fitted([Part(blocks=[f"{_verdict(plan)} · {foot}"], rank=0), *folds], bytes_max, missing)
    parts = [
        Part(blocks=[_verdict(plan)], rank=0),
        *_problems("CAUTION", (*plan.problems, *plan.refusals), rank=1),
        *_table(plan),
        *_notes(plan, now),
        *_problems("WARNING", plan.warnings, rank=3),
        *_details(plan),
        *_outlook(plan),
        Part(blocks=[f"<sub>{foot}</sub>"], rank=0),
    ]
    return fitted(parts, bytes_max, missing)


def _is_nothing(plan: PlanFile) -> bool:
    """Whether one line says it all."""
    return not (plan.problems or plan.refusals) and all(kind_of(line) is Kind.NONE for line in plan.changes)


def _verdict(plan: PlanFile) -> str:
    target = f" on {code(plan.target, in_table=False)}" if plan.target else ""
    title = "ftops plan" + (f" of {code(plan.scope.folder, in_table=False)}" if plan.scope.folder else "")
    if plan.problems:
        return f"### {title}: none, {counted(len(plan.problems), 'problem')} to be mended first"
    if _is_nothing(plan):
        models = len(plan.changes)
        match = "1 model matches its spec" if models == 1 else f"{models:,} models match their specs"
        return f"**{title}: nothing to do.** {match if models else 'No spec asks for a model'}{target}"
    tally = Counter(kind_of(line) for line in plan.changes)
    numbers: Counter[str] = Counter()
    for kind, (_, words) in KINDS.items():
        numbers[words] += tally[kind]
    if tally[None]:
        numbers["of a kind that is not known"] = tally[None]
    counts = ", ".join(f"{count:,} {words}" for words, count in numbers.items() if count)
    state = " blocked by policy:" if plan.refusals else ":" if _does_anything(plan) else ": nothing to do,"
    return " · ".join(filter(None, [f"### {title}{state} {counts}{target}", _money(plan), _time(plan)]))


def _does_anything(plan: PlanFile) -> bool:
    return any(line.pending for line in plan.changes)


def _money(plan: PlanFile) -> str:
    """What all that is to be trained costs, and of what limit."""
    costs = [usd_of(line) for line in plan.changes if is_paid(line)]
    if not costs:
        return ""
    known = [usd for usd in costs if usd is not None]
    total, unknown = sum(known), len(costs) - len(known)
    if not known or (unknown and not total):
        said = "cost not known"
    elif unknown:
        said = f"at least {price(total)}, {unknown:,} of unknown cost"
    else:
        said = f"about {price(total)}" if total >= SMALLEST_PRICE else price(total)
    if plan.limit_usd is None:
        return said
    limit = limit_shown(min(max(plan.limit_usd, 0), MOST))
    return f"{said}, over the limit of {limit}" if total > plan.limit_usd else f"{said} of at most {limit}"


def _time(plan: PlanFile) -> str:
    """How long training takes if all that can goes on side by side."""
    paid = [line for line in plan.changes if is_paid(line)]
    known = [line for line in paid if line.seconds is not None]
    if not paid:
        return ""
    if not known:
        return "training time not known yet"
    return f"{'about' if len(known) == len(paid) else 'at least'} {span(_longest(paid))} of training"


def _longest(paid: Iterable[Line]) -> float:
    """The longest chain of models that go on from each other, in seconds."""
    lines = {line.name: line for line in paid}
    longest = 0
    for name in lines:
        total, seen = 0, set[str]()
        at: str | None = name
        while at in lines and at not in seen and len(seen) < _CHAIN_MAX:
            seen.add(at)
            total += seconds_of(lines[at])
            at = lines[at].waits_for
        longest = max(longest, total)
    return longest


def _table(plan: PlanFile) -> Iterable[Part]:
    """The table; of many specs with a row for those that are alike, and all of them one by one below, folded."""
    lines = by_importance(plan.changes)
    trains = any(map(is_paid, lines))
    head, rows = table(lines, trains=trains, is_grouped=len(lines) > ROWS_ALONE)
    yield Part(blocks=rows[:ROWS_OPEN], rank=2, noun="row", before=head, between="\n")
    if len(rows) < len(lines) or len(rows) > ROWS_OPEN:
        _, rows = table(lines, trains=trains, is_grouped=False)
        before = f"<details><summary>All {len(lines):,}, one by one</summary>\n\n{head}"
        yield Part(blocks=rows, rank=5, noun="row", before=before, between="\n", after="\n\n</details>")


def _problems(alert: str, problems: Iterable[Problem], *, rank: int, opened: int = PROBLEMS_OPEN) -> Iterable[Part]:
    """What is refused or warned of: what has one cause and one cure, once; the first ones open."""
    groups: dict[tuple[str, str | None, str | None], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.code, problem.why, problem.fix), []).append(problem)
    items = [_problem(alike) for alike in groups.values()]
    noun = "warning" if alert == "WARNING" else "problem"
    blocks = [f"> {item}" for item in items[:opened]]
    yield Part(blocks=blocks, rank=rank, noun=noun, before=f"> [!{alert}]\n", between="\n")
    if more := items[opened:]:
        said = counted(len(more), f"more {noun}" if opened else noun)
        before = f"<details><summary>{said}</summary>\n\n"
        yield Part(blocks=more, rank=rank + 4, noun=noun, before=before, between="\n", after="\n\n</details>")


def _problem(alike: Sequence[Problem]) -> str:
    """What is wrong; why, and how to mend it; what that is called, and where."""
    first = alike[0]
    places = [_place(problem) for problem in alike if problem.path]
    more = f" and {len(places) - _PLACES_SHOWN:,} more" if len(places) > _PLACES_SHOWN else ""
    where = ", ".join(places[:_PLACES_SHOWN]) + more
    why = f"{_said(first.why)}." if first.why else ""
    fix = f"**Fix:** {sentence(first.fix, in_table=False)}." if first.fix else ""
    lines = [f"- **{_said(first.summary)}**", " ".join(filter(None, [why, fix])), code(first.code, in_table=False)]
    return "<br>".join(filter(None, lines)) + (f" at {where}" if where else "")


def _said(text: str) -> str:
    """A sentence of the program, as it stands in prose."""
    said = sentence(text, in_table=False) or code("", in_table=False)
    return said[:1].upper() + said[1:]


def _place(problem: Problem) -> str:
    line = "" if problem.line is None else f":{number(problem.line)}"
    return code(shortened(problem.path or "", _PATH_WIDTH) + line, in_table=False)


def _notes(plan: PlanFile, now: int) -> Iterable[Part]:
    """What is no problem of this plan, and yet worth a line."""
    notes = []
    unknown = {line.cost.unknown for line in plan.changes if is_paid(line) and line.cost and line.cost.unknown}
    if unknown:
        reasons = "; ".join(sentence(reason, in_table=False) for reason in sorted(unknown)[:_PLACES_SHOWN])
        notes.append(f"Cost that is not known: {reasons}.")
    if plan.collected_at is not None:
        passed = number(now - plan.collected_at, SECONDS_MOST)
        said = f"Results were last collected {ago(0, passed)}"
        is_late = passed > COLLECTED_LATE
        notes.append(f"**{said}**: see whether the workflow that collects them still runs." if is_late else f"{said}.")
    yield Part(blocks=notes, rank=1, noun="note")


def _details(plan: PlanFile) -> Iterable[Part]:
    """What changed in each spec; of many specs, folded once more."""
    blocks, specs = details(plan.changes), sum(bool(line.causes) for line in plan.changes)
    if len(blocks) <= DETAILS_OPEN:
        yield Part(blocks=blocks, rank=6, noun="list of changed fields")
    else:
        before = f"<details><summary>What changed in {specs:,} specs</summary>\n\n"
        yield Part(blocks=blocks, rank=6, noun="list of changed fields", before=before, after="\n\n</details>")


def _outlook(plan: PlanFile) -> Iterable[Part]:
    """What carrying it out does, and how to undo it."""
    kinds = {kind_of(line) for line in plan.changes}
    lines = list(_steps(kinds, plan))
    if lines and not plan.problems:
        body = "\n".join(f"- {line}" for line in lines)
        yield Part(blocks=[folded("What applying this does, and how to undo it", body)], rank=4, noun="note")


def _steps(kinds: set[Kind | None], plan: PlanFile) -> Iterable[str]:
    if plan.refusals:
        yield "Nothing of it is carried out as long as policy refuses it."
    elif plan.actions:
        yield (
            "After the merge, a run on the branch plans once more, and `ftops ci apply` carries out what that plan "
            "holds and nothing beyond it."
        )
    if kinds & PAID:
        paid = [line for line in plan.changes if is_paid(line)]
        yield (
            "Training: the data is uploaded and the jobs are submitted; no run waits for them. A later run records "
            "models and metrics in the lockfile." + _side_by_side(paid)
        )
    if Kind.REPLACE in kinds:
        yield (
            "What is replaced stays: models at the provider, records in the lockfile as history. A job of it that "
            "still trains goes on, unless its spec says `on_change: cancel`."
        )
    if Kind.FORGET in kinds:
        yield "What is forgotten becomes history in the lockfile; its models stay, and a job that still trains goes on."
    if Kind.CANCEL in kinds:
        yield "What is cancelled ends where it is; checkpoints that it has made are recorded."
    if Kind.BLOCKED in kinds or Kind.DRIFT in kinds:
        yield "What failed or is gone is not trained again unless its spec changes, or `--retry-failed` says so."
    if Kind.UNRECORDED in kinds:
        yield "What is unrecorded is only reported: `ftops lock rebuild` records it."
    if kinds & (PAID | {Kind.FORGET, Kind.SELECT}):
        yield (
            "To undo it, revert the pull request: models that were there before are taken up again without training, "
            "as long as the provider has them. Nothing is deleted, and what training costs is spent."
        )


def _side_by_side(paid: Sequence[Line]) -> str:
    known = [seconds_of(line) for line in paid if line.seconds is not None]
    longest, whole = _longest(paid), sum(known)
    if len(known) < len(paid) or whole <= longest:
        return ""
    return f" It takes about {span(longest)} if all train side by side, {span(whole)} one after another."


def _foot(plan: PlanFile, commit: str | None, run_url: str, since: str | None) -> str:
    parts = [f"checksum {code(plan.checksum[:64], in_table=False)}"] if _does_anything(plan) else []
    if commit:
        parts.append(f"as of {code(commit[:SHORT_DIGITS], in_table=False)}")
    if since and since != commit:
        parts.append(f"the same actions since {code(since[:SHORT_DIGITS], in_table=False)}")
    return " · ".join([*parts, f"[run]({run_url})"])

"""What is said of rows that a model is trained on and measured with: across files, specs and generations."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from ftops.dataset.rule import Fault
from ftops.dataset.whole.alike import LIKENESS_MIN
from ftops.dataset.whole.leaks import UNREAD_AGREEING_MIN, Leak, NamedFile, find_leaks
from ftops.dataset.whole.runs import SHARED_PROMPT_MAX, counted, line_of, share
from ftops.diagnostics import Diagnostic, Place, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAKAGE = Fault(
    code="data-leakage",
    meaning="Rows that a spec's model is measured with are also rows that it is trained on.",
    why="a model knows these answers by heart, so that its figures are better than it will be in use",
    fix="remove them from the training file, or hold out others",
    severity=Severity.WARNING,
    threshold=(
        f"equal rows; equal prompts that at most {SHARED_PROMPT_MAX} training rows have; near duplicates: Jaccard "
        f"similarity ≥ {LIKENESS_MIN}, or {UNREAD_AGREEING_MIN} of 16 sketch values if a file cannot be read any more"
    ),
    applies_to="files of a project",
)
LEAKAGE_ACROSS = Fault(
    code="data-leakage-across",
    meaning="Rows that are held out by one spec or generation are trained on by another.",
    why="models that are compared on these rows, or go on from each other, are not measured alike",
    fix="hold out the same rows everywhere, for example with one `kind: Dataset` that splits by a key",
    severity=Severity.NOTE,
    threshold=LEAKAGE.threshold,
    applies_to="files of a project and of the generations in its lockfile",
)


def leakage_problems(files: Sequence[NamedFile]) -> tuple[Diagnostic, ...]:
    """Say which held-out files leak: for each the training file that matters most, and how many others there are.

    What two earlier generations share is left out: nobody can mend it any more.
    """
    problems = []
    found = (leak for leak in find_leaks(files) if not leak.is_past)
    leaks = sorted(found, key=lambda leak: (leak.held_out.path, leak.relation[0], -leak.rows))
    for _, group in groupby(leaks, key=lambda leak: leak.held_out.path):
        worst, *others = group
        problems.append(_problem(worst, others))
    return tuple(problems)


def _problem(leak: Leak, others: Sequence[Leak]) -> Diagnostic:
    rank, trained, held = leak.relation
    held_row, trained_row = leak.first
    held_line, trained_line = line_of(leak.held_out.columns, held_row), line_of(leak.training.columns, trained_row)
    whole = leak.held_out.columns.rows
    kinds = (
        (leak.same_row, "the same"),
        (leak.same_prompt, "with the same prompt"),
        (leak.near_duplicate, "nearly the same"),
    )
    told = ", ".join(f"{number:,} {kind}" for number, kind in kinds if number)
    summary = (
        f"rows that stand in `{leak.training.path}` too: {leak.rows:,} of {whole:,} ({share(leak.rows, whole)}), "
        f"{told}, such as line {trained_line:,} there; this is {held}, that is {trained}"
    )
    if others:
        summary += f"; likewise {counted(len(others), 'other training file')}"
    place = Place(path=leak.held_out.path, line=held_line)
    return (LEAKAGE if rank == 0 else LEAKAGE_ACROSS).at(place, summary)

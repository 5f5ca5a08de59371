"""Rows that say the same, and rows that ask the same and answer differently."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ftops.dataset.rule import Fault
from ftops.dataset.whole.runs import SHARED_PROMPT_MAX, line_of, lines_of, runs_of, share
from ftops.diagnostics import Diagnostic, Place, Severity

if TYPE_CHECKING:
    from ftops.dataset.columns import Columns

BY_DESIGN_SHARE = 0.2
"""From this share of the rows on, several answers to one prompt are the way in which the data was made."""
SHOWN = 3

DUPLICATE = Fault(
    code="data-duplicate",
    meaning="Rows repeat an earlier row of the file.",
    why="what stands there twice is learnt twice as hard, paid for twice, and a random split puts it on both sides",
    fix="keep one of each; if repeating is meant as weight, ignore this check in the spec and say so",
    severity=Severity.WARNING,
    threshold="rows are equal in meaning, whatever the order of keys and the escapes",
    applies_to="a file",
)
CONTRADICTION = Fault(
    code="data-contradiction",
    meaning="Rows ask the same, word by word, and answer differently.",
    why="the model can learn only one of two answers to one prompt, or a guess between them",
    fix="decide for one answer, or put into the prompt what makes the difference",
    severity=Severity.WARNING,
    threshold=f"equal prompts, system prompt and tools included, of up to {SHARED_PROMPT_MAX} rows; different answers",
    applies_to="a file of chats or completions",
)
SEVERAL_ANSWERS = Fault(
    code="data-several-answers",
    meaning="Many prompts have several answers each.",
    why="several good answers keep a model varied, but where one is right they teach it to guess",
    fix="if one answer is right, keep one row for each prompt",
    severity=Severity.NOTE,
    threshold=f"at least {BY_DESIGN_SHARE:.0%} of the rows share their prompt with another answer",
    applies_to="a file of chats or completions",
)


def duplicates(columns: Columns, path: str) -> tuple[Diagnostic, ...]:
    """Find rows that are equal to an earlier one."""
    runs = runs_of(columns.read("row"), least=2)
    if not runs.sizes.size:
        return ()
    extra = int((runs.sizes - 1).sum())
    most = int(runs.sizes.max())
    rows = runs.rows_of(int(runs.firsts.argmin()))[:SHOWN].tolist()
    summary = (
        f"rows that repeat an earlier one: {extra:,} of {columns.rows:,} ({share(extra, columns.rows)}), "
        f"up to {most:,} of the same, such as {lines_of(columns, rows)}"
    )
    return (DUPLICATE.at(Place(path=path, line=line_of(columns, rows[1])), summary),)


def contradictions(columns: Columns, path: str) -> tuple[Diagnostic, ...]:
    """Find prompts that have different answers."""
    runs = runs_of(columns.read("prompt"), least=2)
    if not runs.sizes.size:
        return ()
    answers = columns.read("answer")[runs.order]
    least, most = np.minimum.reduceat(answers, runs.begins), np.maximum.reduceat(answers, runs.begins)
    torn = np.flatnonzero((least != most) & (runs.sizes <= SHARED_PROMPT_MAX))
    if not torn.size:
        return ()
    rows = int(runs.sizes[torn].sum())
    if rows >= BY_DESIGN_SHARE * columns.rows and torn.size > 1:
        summary = f"prompts with several answers: {torn.size:,}, in {rows:,} rows ({share(rows, columns.rows)})"
        return (SEVERAL_ANSWERS.at(Place(path=path), summary),)
    first = int(torn[runs.firsts[torn].argmin()])
    begin = int(runs.begins[first])
    other = int(np.flatnonzero(answers[begin : begin + runs.sizes[first]] != answers[begin])[0])
    pair = (int(runs.order[begin]), int(runs.order[begin + other]))
    summary = (
        f"prompts with different answers: {torn.size:,}, in {rows:,} rows ({share(rows, columns.rows)}), "
        f"such as {lines_of(columns, pair)}"
    )
    return (CONTRADICTION.at(Place(path=path, line=line_of(columns, pair[1])), summary),)

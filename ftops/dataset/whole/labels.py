"""Files whose answers are labels: how even they are, which are rare, which are one label spelt in two ways."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ftops.dataset.rule import Fault
from ftops.dataset.whole.likeness import texts_of
from ftops.dataset.whole.runs import counted, distinct, line_of, lines_of, runs_of, share
from ftops.diagnostics import Diagnostic, Place, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ftops.dataset.columns import Column, Columns
    from ftops.dataset.whole.likeness import ReadRow

LABELS_MAX: Final = 50
LABEL_CHARS_MAX: Final = 40
ROWS_A_LABEL_MIN: Final = 5
COVERED_MIN: Final = 0.95
"""Answers are labels if so few and so short ones make up so many of the rows, with so many rows each on average."""
MAJORITY_SHARE: Final = 0.8
RARE_ROWS_MAX: Final = 9
SHOWN: Final = 3

_KIND = f"up to {LABELS_MAX} answers of up to {LABEL_CHARS_MAX} characters make up {COVERED_MIN:.0%} of the rows"
IMBALANCE = Fault(
    code="data-label-imbalance",
    meaning="One label has most of the rows.",
    why="a model that always gives this label is right as often, so accuracy tells little and training may end there",
    fix="add rows of the other labels, or judge the model by a measure for each label",
    severity=Severity.WARNING,
    threshold=f"{_KIND}; one has at least {MAJORITY_SHARE:.0%}",
    applies_to="a file of labels",
)
RARE = Fault(
    code="data-label-rare",
    meaning="A label has few rows.",
    why="from a handful of rows a model learns that a label hardly occurs, and little of what it means",
    fix="add rows with these labels, or join them with others",
    severity=Severity.WARNING,
    threshold=f"{_KIND}; a label has 1 to {RARE_ROWS_MAX} of them",
    applies_to="a file of labels",
)
SPELLING = Fault(
    code="data-label-spelling",
    meaning="Labels differ only in case, blanks, punctuation or Unicode form.",
    why="they are different labels for the model, and for whoever compares its answers with what was expected",
    fix="spell each label in one way",
    severity=Severity.WARNING,
    threshold=f"{_KIND}; two are the same in lower case, without blanks and punctuation",
    applies_to="a file of labels",
)
UNKNOWN = Fault(
    code="data-label-unknown",
    meaning="Rows that a model is measured with have labels that it is not trained on.",
    why="the model cannot give a label that it has never seen, so these rows only lower its figures",
    fix="add rows with these labels to the training file, or correct the labels",
    severity=Severity.WARNING,
    threshold=f"in both files, {_KIND}",
    applies_to="training and held-out files of one spec",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The labels of a file, the most frequent first."""

    hashes: Column
    """As in the column `answer`."""
    counts: NDArray[np.int64]
    firsts: NDArray[np.int64]
    """The first row of each."""


def labels_of(columns: Columns) -> Labels | None:
    """Give the labels of a file, or None if its answers are none."""
    answers = columns.read("answer")
    if distinct(answers) > LABELS_MAX + (1 - COVERED_MIN) * columns.rows:
        return None
    runs = runs_of(answers)
    most_first = np.lexsort((runs.firsts, -runs.sizes))[:LABELS_MAX]
    counts, firsts = runs.sizes[most_first], runs.firsts[most_first]
    chars = columns.take("answer_chars", firsts)
    is_label = (chars > 0) & (chars <= LABEL_CHARS_MAX)
    counts, firsts = counts[is_label], firsts[is_label]
    is_covered = counts.sum() >= COVERED_MIN * columns.rows
    if len(counts) < 2 or not is_covered or columns.rows < ROWS_A_LABEL_MIN * len(counts):  # noqa: PLR2004  # a choice
        return None
    return Labels(hashes=columns.take("answer", firsts), counts=counts, firsts=firsts)


def label_problems(columns: Columns, path: str, read_row: ReadRow) -> tuple[Diagnostic, ...]:
    """Look at a file of labels; nothing is said of any other."""
    labels = labels_of(columns)
    if labels is None:
        return ()
    return (
        *_imbalance(columns, path, labels),
        *_rare(columns, path, labels),
        *_spellings(columns, path, labels, read_row),
    )


def unknown_labels(training: Columns, held_out: Columns, *, path: str, training_path: str) -> tuple[Diagnostic, ...]:
    """Find labels of the held-out file at *path* that the training file has not."""
    labels = labels_of(held_out)
    if labels is None or labels_of(training) is None:
        return ()
    unknown = np.flatnonzero(~np.isin(labels.hashes, training.read("answer")))
    if not unknown.size:
        return ()
    rows, firsts = int(labels.counts[unknown].sum()), np.sort(labels.firsts[unknown]).tolist()
    summary = (
        f"labels that do not occur in `{training_path}`: {unknown.size} of {len(labels.counts)}, "
        f"in {counted(rows, 'row')}, first in {lines_of(held_out, firsts[:SHOWN])}"
    )
    return (UNKNOWN.at(Place(path=path, line=line_of(held_out, firsts[0])), summary),)


def _imbalance(columns: Columns, path: str, labels: Labels) -> tuple[Diagnostic, ...]:
    most = int(labels.counts[0])
    if most < MAJORITY_SHARE * columns.rows:
        return ()
    summary = (
        f"one of {len(labels.counts)} labels has {most:,} of {columns.rows:,} rows ({share(most, columns.rows)}), "
        f"first in {lines_of(columns, [int(labels.firsts[0])])}"
    )
    return (IMBALANCE.at(Place(path=path), summary),)


def _rare(columns: Columns, path: str, labels: Labels) -> tuple[Diagnostic, ...]:
    rare = np.flatnonzero(labels.counts <= RARE_ROWS_MAX)
    # In a small file every label is rare, and that it is small is said elsewhere.
    if not rare.size or rare.size == len(labels.counts):
        return ()
    firsts = np.sort(labels.firsts[rare]).tolist()
    summary = (
        f"labels with {RARE_ROWS_MAX} rows or fewer: {rare.size} of {len(labels.counts)}, "
        f"first in {lines_of(columns, firsts[:SHOWN])}"
    )
    return (RARE.at(Place(path=path, line=line_of(columns, firsts[0])), summary),)


def _spellings(columns: Columns, path: str, labels: Labels, read_row: ReadRow) -> tuple[Diagnostic, ...]:
    alike: defaultdict[str, list[int]] = defaultdict(list)
    for at, first in enumerate(labels.firsts.tolist()):
        learnt = [each.text for each in texts_of(read_row(first)) if each.is_trained]
        alike[_plain(learnt[-1]) if learnt else ""].append(at)
    problems = []
    for plain, found in alike.items():
        if len(found) > 1 and plain:
            firsts = [int(labels.firsts[at]) for at in found]
            counts = ", ".join(f"{labels.counts[at]:,}" for at in found)
            summary = f"one label seems to be spelt in {len(found)} ways: {lines_of(columns, firsts)} ({counts} rows)"
            problems.append(SPELLING.at(Place(path=path, line=line_of(columns, firsts[-1])), summary))
    return tuple(problems)


def _plain(label: str) -> str:
    """What is left if two spellings of one label are made the same; signs such as + and - stay."""
    plain = unicodedata.normalize("NFKC", label).casefold()
    return re.sub(r"[\s\"'`.,;:!?_*()\[\]{}]+", "", plain)

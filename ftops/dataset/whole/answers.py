"""Answers that look unlike the others: cut off, or in another script; none that is learnt; and too many images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ftops.dataset.rule import Fault
from ftops.dataset.traits import Ending, Script
from ftops.dataset.whole.runs import line_of, lines_of, share
from ftops.diagnostics import Diagnostic, Place, Severity

if TYPE_CHECKING:
    from ftops.dataset.columns import Columns

LONG_CHARS: Final = 200
"""Shorter answers may be titles, names or items."""
ANSWERS_MIN: Final = 50
"""A statistic over fewer answers tells nothing."""
FINISHED_SHARE: Final = 0.9
SAME_LENGTH_SHARE: Final = 0.01
SAME_LENGTH_MIN: Final = 5
SCRIPT_SHARE: Final = 0.95
SCRIPT_CHARS: Final = 20
IMAGE_ROWS_MAX: Final = 50_000
"""Source: OpenAI's guide to vision fine-tuning."""
SHOWN: Final = 3

UNFINISHED = Fault(
    code="data-answer-unfinished",
    meaning="A few long answers stop in the middle of a sentence.",
    why="answers that were cut, by a token limit for example, teach the model to stop early",
    fix="complete these answers, or remove the rows; if they end as they should, ignore this check in the spec",
    severity=Severity.WARNING,
    threshold=(
        f"answers of {LONG_CHARS} characters or more, {ANSWERS_MIN} or more in one script, of which at least "
        f"{FINISHED_SHARE:.0%} do not end in a letter, a digit, a comma or the like"
    ),
    applies_to="a file",
)
SAME_LENGTH = Fault(
    code="data-answer-cut",
    meaning="Many answers have exactly the same length, and none is longer.",
    why="text has this length by chance hardly ever: it was cut there",
    fix="make the data again without this limit",
    severity=Severity.WARNING,
    threshold=(
        f"the longest answer has {LONG_CHARS} characters or more, and at least {SAME_LENGTH_SHARE:.0%} of the rows "
        f"and {SAME_LENGTH_MIN} of them have just as many"
    ),
    applies_to="a file",
)
OTHER_SCRIPT = Fault(
    code="data-answer-script",
    meaning="A few answers are in another script than other answers to prompts in the same script.",
    why="the model learns to change the language of the conversation",
    fix="translate these answers, or remove the rows; if they are meant, ignore this check in the spec and say so",
    severity=Severity.WARNING,
    threshold=(
        f"of {ANSWERS_MIN} or more answers to prompts in one script, at least {SCRIPT_SHARE:.0%} are in one script; "
        f"answers under {SCRIPT_CHARS} characters and without letters left out"
    ),
    applies_to="a file",
)
NOTHING_TRAINED = Fault(
    code="data-nothing-to-train",
    meaning="Every answer of the file has weight 0.",
    why="a model is trained on answers of weight 1 only: the run would be paid for, and change nothing",
    fix="leave `weight` out where an answer shall be learnt, or write 1",
    applies_to="a file of chats",
)
TOO_MANY_IMAGES = Fault(
    code="data-too-many-images",
    meaning="More than 50,000 rows have images.",
    why="the provider takes at most 50,000 examples with images in a file",
    fix="leave rows out, best by a random choice",
    applies_to="a file with images",
)

_IS_CUT = (Ending.WORD, Ending.OPEN)
_NAMES = {Script.HAN: "Chinese characters", Script.JAPANESE: "Japanese"}


def nothing_trained(columns: Columns, path: str) -> tuple[Diagnostic, ...]:
    """Say if no token is trained on, of a file of chats or completions whose tokens were counted."""
    if columns.read("trained").any() or not columns.read("tokens").any():
        return ()
    return (NOTHING_TRAINED.at(Place(path=path), f"nothing is trained: all {columns.rows:,} rows have weight 0"),)


def unfinished_answers(columns: Columns, path: str) -> tuple[Diagnostic, ...]:
    """Find long answers that stop where others of their script do not."""
    is_long = columns.read("answer_chars") >= LONG_CHARS
    is_cut = np.isin(columns.read("ending"), _IS_CUT)
    scripts = columns.read("answer_script")
    found = np.zeros(columns.rows, dtype=np.bool_)
    looked_at = 0
    for script in Script:  # Thai has no full stop, and lists of code have none either
        these = is_long & (scripts == script)
        count, cut = int(these.sum()), int((these & is_cut).sum())
        if count >= ANSWERS_MIN and 0 < cut <= (1 - FINISHED_SHARE) * count:
            found |= these & is_cut
            looked_at += count
    rows = np.flatnonzero(found)
    if not rows.size:
        return ()
    shown = rows[:SHOWN].tolist()
    summary = (
        f"long answers that end in the middle of a sentence: {rows.size:,} of {looked_at:,} "
        f"({share(rows.size, looked_at)}), such as {lines_of(columns, shown)}"
    )
    return (UNFINISHED.at(Place(path=path, line=line_of(columns, shown[0])), summary),)


def cut_answers(columns: Columns, path: str) -> tuple[Diagnostic, ...]:
    """Find a length at which answers seem to have been cut."""
    chars = columns.read("answer_chars")
    longest = int(chars.max(initial=0))
    rows = np.flatnonzero(chars == longest)
    # Equal answers are as long as each other for another reason.
    rows = rows[np.unique(columns.take("answer", rows), return_index=True)[1]] if rows.size else rows
    if longest < LONG_CHARS or rows.size < max(SAME_LENGTH_MIN, SAME_LENGTH_SHARE * columns.rows):
        return ()
    shown = np.sort(rows)[:SHOWN].tolist()
    summary = (
        f"answers of exactly {longest:,} characters, while none has more: {rows.size:,} "
        f"({share(rows.size, columns.rows)}), such as {lines_of(columns, shown)}"
    )
    return (SAME_LENGTH.at(Place(path=path, line=line_of(columns, shown[0])), summary),)


def foreign_answers(columns: Columns, path: str) -> tuple[Diagnostic, ...]:
    """Find answers in another script than nearly all other answers to prompts in the same script."""
    asked, answered = columns.read("prompt_script"), columns.read("answer_script")
    is_told = (columns.read("answer_chars") >= SCRIPT_CHARS) & (answered != Script.NONE)
    problems = []
    for script in Script:
        rows = np.flatnonzero(is_told & (asked == script))
        counts = np.bincount(answered[rows], minlength=len(Script))
        usual = Script(int(counts.argmax()))
        others = rows[answered[rows] != usual]
        if script == Script.NONE or len(rows) < ANSWERS_MIN or not 0 < others.size <= (1 - SCRIPT_SHARE) * len(rows):
            continue
        shown = others[:SHOWN].tolist()
        summary = (
            f"answers to prompts in {_name(script)} that are not in {_name(usual)}: {others.size:,} of {len(rows):,} "
            f"({share(others.size, len(rows))}), such as {lines_of(columns, shown)}"
        )
        problems.append(OTHER_SCRIPT.at(Place(path=path, line=line_of(columns, shown[0])), summary))
    return tuple(problems)


def image_problems(rows_with_images: int, path: str) -> tuple[Diagnostic, ...]:
    """Say if a file has more rows with images than the provider takes."""
    if rows_with_images <= IMAGE_ROWS_MAX:
        return ()
    summary = f"{rows_with_images:,} rows have images, and at most {IMAGE_ROWS_MAX:,} may"
    return (TOO_MANY_IMAGES.at(Place(path=path), summary),)


def _name(script: Script) -> str:
    return _NAMES.get(script, script.name.capitalize())

"""The legacy format of prompts and completions, which a few providers still take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.dataset.rule import Fault, Finding, breaches, did_you_mean, kind_of, rule, shown
from ftops.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

ROW_KEYS = ("prompt", "completion")

Row = dict[str, object]


@rule(
    "data-completion-text",
    why="the model is trained to go on from the prompt with the completion, and both are plain text",
    fix='write `{"prompt": "…", "completion": "…"}`',
)
def both_are_text(row: Row) -> Iterator[Finding]:
    """A row has a prompt and a completion, both strings, and the completion is not empty."""
    for key in ROW_KEYS:
        match row.get(key, ...):
            case str() as text:
                if not text and key == "completion":
                    yield Finding(key, "is empty")
            case found if found is ...:
                yield Finding(key, "is missing")
            case found:
                yield Finding(key, f"must be a string, and is {kind_of(found)}")


@rule(
    "data-completion-blank",
    why="it most often comes from an empty field; only a model that shall write unasked is trained without prompts",
    fix="write the text, or remove the row",
    severity=Severity.WARNING,
)
def neither_is_blank(row: Row) -> Iterator[Finding]:
    """The prompt is not empty, and neither text is only blanks and line feeds."""
    for key in ROW_KEYS:
        text = row.get(key)
        if isinstance(text, str) and (text.isspace() or (not text and key == "prompt")):
            yield Finding(key, "holds nothing but blanks" if text else "is empty")


@rule(
    "data-completion-key",
    why="this format has no other keys: OpenAI's old tools for it dropped them",
    fix="remove the key; notes about a row belong outside the training file",
    severity=Severity.WARNING,
)
def keys_are_known(row: Row) -> Iterator[Finding]:
    """A row of this format has only `prompt` and `completion`."""
    for key in row:
        if key not in ROW_KEYS:
            missing = [known for known in ROW_KEYS if known not in row]
            yield Finding("row", f"has the unknown key {shown(key)}", did_you_mean(key, missing))


COMPLETION_RULES = (both_are_text, neither_is_blank, keys_are_known)


def completion_breaches(row: Row) -> Iterator[tuple[Fault, Finding]]:
    return breaches(COMPLETION_RULES, row)

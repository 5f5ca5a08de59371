"""The formats of training rows: which one a row has, which one a method takes, and the rules of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ftops.dataset.chat import chat_breaches
from ftops.dataset.completion import completion_breaches
from ftops.dataset.plain import is_plain_chat, is_plain_completion, is_plain_preference, is_plain_reinforcement
from ftops.dataset.preference import MISNAMED, OUTPUTS, preference_breaches
from ftops.dataset.reinforcement import reinforcement_breaches
from ftops.dataset.rule import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftops.dataset.rule import Finding
    from ftops.diagnostics import Diagnostic, Place

Format = Literal["chat", "preference", "reinforcement", "completion", "unknown"]

WRONG_FORMAT = Fault(
    code="data-wrong-format",
    meaning="Rows are in the format of another method than the spec's.",
    why="the provider fails such a job after the upload, when it validates the file",
    fix="choose the method that takes these rows, or write the rows in the format of the method",
)

FORMAT_OF_METHOD: dict[str, Format] = {
    "supervised": "chat",
    "dpo": "preference",
    "reinforcement": "reinforcement",
    "completion": "completion",
}
"""`completion` is no method: it stands for files of prompts with completions, which older models were trained on."""
_METHOD_OF_FORMAT = {"chat": "supervised", "preference": "dpo"}
_SHAPE = {
    "chat": '`{"messages": […]}` that ends with the assistant\'s answer',
    "preference": '`{"input": {"messages": […]}, "preferred_output": […], "non_preferred_output": […]}`',
    "reinforcement": '`{"messages": […]}` that ends with the user\'s prompt, and keys for the grader',
    "completion": '`{"prompt": "…", "completion": "…"}`',
}
_BREACHES: dict[Format, Callable[[dict[str, object]], Iterator[tuple[Fault, Finding]]]] = {
    "chat": chat_breaches,
    "preference": preference_breaches,
    "reinforcement": reinforcement_breaches,
    "completion": completion_breaches,
}
_IS_PLAIN: dict[Format, Callable[[bytes], bool]] = {
    "chat": is_plain_chat,
    "preference": is_plain_preference,
    "reinforcement": is_plain_reinforcement,
    "completion": is_plain_completion,
}


def format_of(row: dict[str, object], method: str) -> Format:
    """Tell the format of a row by its keys; only *method* tells reinforcement rows from chat rows."""
    if "messages" in row:
        return "reinforcement" if method == "reinforcement" else "chat"
    if row.keys() & {*OUTPUTS, *MISNAMED} or isinstance(row.get("input"), dict):
        return "preference"
    if "prompt" in row and "completion" in row:
        return "completion"
    return "unknown"


def format_breaches(row: dict[str, object], format_: Format) -> Iterator[tuple[Fault, Finding]]:
    """Hold *row* against the rules of a format that is not `unknown`."""
    return _BREACHES[format_](row)


def is_plain_of(format_: Format) -> Callable[[bytes], bool]:
    """Give the fast test for good rows of a format that is not `unknown`."""
    return _IS_PLAIN[format_]


def wrong_format(found: Format, method: str, place: Place) -> Diagnostic:
    """Say that the row at *place*, and perhaps others, has a format that *method* does not take."""
    wanted = _SHAPE[FORMAT_OF_METHOD[method]]
    if method == "completion":
        summary = f"row is in the {found} format, and others of the file are prompts with completions"
        fix = f"write each row as {wanted}, or all in the other format"
    elif found == "completion":
        summary = f"row is in the legacy prompt and completion format, and method `{method}` does not take it"
        fix = f"write each row as {wanted}: the models that took prompts and completions are gone"
    else:
        summary = f"row is in the {found} format, and method `{method}` does not take it"
        fix = f"set `method.type: {_METHOD_OF_FORMAT[found]}`, or write each row as {wanted}"
    return WRONG_FORMAT.at(place, summary, fix=fix)

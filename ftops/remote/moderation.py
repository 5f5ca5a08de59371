"""Ask a provider's moderation about training rows before its screening does, which fails the job.

Texts go to the provider, as they would with the upload. What comes back is told by line and category, never by content.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from ftops.dataset.rule import Fault
from ftops.diagnostics import Place
from ftops.remote.errors import unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from ftops.diagnostics import Diagnostic

    Ask: TypeAlias = Callable[[Sequence[str]], Sequence[tuple[str, ...]]]
    """Gives the categories that each text is flagged for, such as `Provider.moderate`."""

MODERATION_MODEL: Final = "omni-moderation-latest"
MODERATION_RETRIES: Final = 5
"""Asking twice changes nothing there, and its rate limits are low: the SDK waits as long as the provider asks it to."""
TEXTS_A_REQUEST: Final = 32
TEXT_CHARACTERS_MAX: Final = 20_000
"""A longer row is asked about in pieces: the model reads 32,768 tokens, and hardly any text has more than one a
character."""

FLAGGED: Final = Fault(
    code="data-moderation-flagged",
    meaning="The provider's moderation flags a row.",
    why="a training file with flagged rows `failed moderation safety checks`, and its job with it",
    fix="read the row, and remove it or say it in another way",
)


def moderation_problems(rows: Iterable[tuple[int, str]], path: str, ask: Ask) -> Iterator[Diagnostic]:
    """Ask about all texts of a file, in batches; yields a problem for each row that is flagged, in their order.

    Args:
        rows: Lines, from 1, and all that is said in each.
        path: As diagnostics name the file.
        ask: The provider.

    Raises:
        RemoteError: It does not answer, or not so.
    """
    pieces = ((line, piece) for line, text in rows for piece in _pieces(text))
    last, found = 0, dict[str, None]()
    while batch := list(islice(pieces, TEXTS_A_REQUEST)):
        for (line, _), categories in zip(batch, ask([text for _, text in batch]), strict=True):
            if line != last and found:
                yield _flagged(path, last, found)
                found = {}
            last = line
            found |= dict.fromkeys(categories)
    if found:
        yield _flagged(path, last, found)


def categories_flagged(answer: Mapping[str, object], count: int) -> tuple[tuple[str, ...], ...]:
    """Read an answer to *count* texts: the categories of each, none of one that is not flagged.

    Raises:
        RemoteError: It is no such answer.
    """
    match answer.get("results"):
        case list(results) if len(results) == count:
            return tuple(_categories(result) for result in results)
        case _:
            raise unreadable("it does not have a result for each text")


def _categories(result: object) -> tuple[str, ...]:
    match result:
        case {"flagged": False}:
            return ()
        case {"flagged": True, "categories": dict(categories)}:
            # A provider may flag a text for a reason that has no name yet.
            return tuple(sorted(str(name) for name, applies in categories.items() if applies is True)) or ("unnamed",)
        case _:
            raise unreadable("a result does not say whether it is flagged")


def _pieces(text: str) -> Iterator[str]:
    if text and not text.isspace():  # which the endpoint refuses
        yield from (text[start : start + TEXT_CHARACTERS_MAX] for start in range(0, len(text), TEXT_CHARACTERS_MAX))


def _flagged(path: str, line: int, categories: Iterable[str]) -> Diagnostic:
    return FLAGGED.at(
        Place(path=path, line=line), f"row is flagged for {', '.join(f'`{each}`' for each in categories)}"
    )

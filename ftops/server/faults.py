"""Faults that a test asks for: requests that fail, and answers that are lost after their effect."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, Literal, get_args

from ftops.server.fields import Fields, wrong_type

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["lost-response", "drop-before", "status", "delay", "html", "empty-list"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with a request."""

    match: str
    """Method and path, such as `POST /v1/fine_tuning/jobs`; `*`, `?` and `[…]` as in a shell."""
    kind: Kind
    """`lost-response`: the effect happens, the connection is cut without an answer. `drop-before`: cut at once.
    `status`: an error answer. `delay`: a late answer. `html`: a gateway's error page. `empty-list`: a list that
    lags behind, as if nothing were there yet."""
    status: int
    code: str | None
    message: str
    retry_after: float | None
    """Seconds, told in a header."""
    seconds: float
    """How late a delayed answer is."""


class Faults:
    """Those still to come, each a number of times, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._left: list[tuple[Fault, int]] = []

    def add(self, items: Sequence[object]) -> int:
        """Ask for more faults; returns how many are asked for now.

        Raises:
            ApiError: One is wrong (400), in which case none is added.
        """
        self._left += [_read(item, f"[{number}]") for number, item in enumerate(items)]
        return len(self._left)

    def clear(self) -> None:
        self._left.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The first fault that fits a request; it has one time less."""
        for place, (fault, times) in enumerate(self._left):
            if fnmatchcase(f"{method} {path}", fault.match):
                self._left[place : place + 1] = [(fault, times - 1)] if times > 1 else []
                return fault
        return None


def _read(item: object, place: str) -> tuple[Fault, int]:
    if not isinstance(item, dict):
        raise wrong_type(place, "an object", item)
    fields = Fields(item, place)
    wanted = fields.required_text("kind", choices=KINDS)
    fault = Fault(
        match=fields.required_text("match"),
        kind=next(kind for kind in KINDS if kind == wanted),
        status=fields.whole("status", least=400, most=599) or 500,
        code=fields.text("code"),
        message=fields.text("message") or "A fault that was asked for",
        retry_after=fields.number("retry_after", least=0),
        seconds=fields.number("seconds", least=0) or 0.0,
    )
    times = fields.whole("times", least=1) or 1
    fields.finish()
    return fault, times

"""What must not be in training data, as patterns: how each is recognised, and how it is hidden when a row is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ftops.dataset.rule import Finding

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Iterator

    from ftops.dataset.said import Said


class Pattern(NamedTuple):
    """One kind of secret or of personal data."""

    kind: str
    """As people are told, such as `OpenAI key`."""
    expression: re.Pattern[str]
    source: str
    """Where its form is documented."""
    marks: tuple[str, ...] = ()
    """In ASCII; any text that it matches holds one of them, which is looked for first. None if it has no mark."""
    is_real: Callable[[str], bool] = bool
    """Tells a match from an example of documentation and from chance, such as by check digits."""

    def found_in(self, text: str) -> Iterator[re.Match[str]]:
        if not self.marks or any(mark in text for mark in self.marks):
            yield from (match for match in self.expression.finditer(text) if self.is_real(match.group()))


def findings(patterns: Iterable[Pattern], said: tuple[Said, ...]) -> Iterator[Finding]:
    """Say of each text which kinds it holds, and how many; never what they are."""
    for each in said:
        for pattern in patterns:
            if count := sum(1 for _ in pattern.found_in(each.text)):
                what = f"what looks like {pattern.kind}"
                yield Finding(each.where, f"holds {what}" if count == 1 else f"holds {what}, {count} times")


def is_varied(text: str) -> bool:
    """Whether *text* is as varied as chance makes it: placeholders such as `xxxxxxxx` or `EXAMPLE` are not."""
    body = text[-16:]
    return len(set(body)) >= min(len(body), 16) // 2 and "EXAMPLE" not in text.upper()

"""Times, spans and losses as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.clock import in_utc

if TYPE_CHECKING:
    from collections.abc import Mapping

MINUTE, HOUR, DAY = 60, 3600, 86_400
SMALLEST_PRICE = 0.005
SMALLEST_LOSS = 0.1
"""Below it two decimals would say too little."""


def moment(seconds: int) -> str:
    """Unix time in UTC, to the second; a number that is no time comes back as it is."""
    return in_utc(seconds, "%Y-%m-%d %H:%M:%S UTC")


def span(seconds: float) -> str:
    """How long, in the largest unit of which there are at least two, or in seconds."""
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"


def ago(seconds: int, now: int) -> str:
    """How long before *now*; clocks of two machines differ, so a little in the future counts as now."""
    return "just now" if now - seconds < 1 else f"{span(now - seconds)} ago"


def dollars(usd: float) -> str:
    """An amount, to the cent; what is less than half of one is said to be."""
    return f"${usd:,.2f}" if usd >= SMALLEST_PRICE else "less than $0.01"


def loss(value: float) -> str:
    return f"{value:.2f}" if value >= SMALLEST_LOSS or value <= 0 else f"{value:.2g}"


def best_known_loss(metrics: Mapping[str, float]) -> str:
    """The loss that says most about a model, and which one it is; empty if none was measured."""
    for key, name in (("full_valid_loss", "validation"), ("valid_loss", "validation"), ("train_loss", "training")):
        if key in metrics:
            return f"{loss(metrics[key])} {name}"
    return ""

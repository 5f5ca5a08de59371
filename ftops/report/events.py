"""What a job said, a line an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.report.figures import moment
from ftops.report.terminal import visible

if TYPE_CHECKING:
    from ftops.remote.provider import Event


def render_event(event: Event) -> str:
    """Time in UTC, level unless it is `info`, and message, such as `2025-06-15 15:06:40 UTC  warn: 2 rows skipped`."""
    level = "" if event.level == "info" else f"{visible(event.level)}: "
    return f"{moment(event.created_at)}  {level}{visible(event.message)}"

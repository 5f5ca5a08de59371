from __future__ import annotations

import pytest

from ftops.remote.provider import Event
from ftops.report.events import render_event


@pytest.mark.parametrize(
    ("level", "message", "line"),
    [
        ("info", "Step 1/72: training loss=2.31", "2025-06-15 15:06:40 UTC  Step 1/72: training loss=2.31"),
        ("warn", "2 rows were skipped", "2025-06-15 15:06:40 UTC  warn: 2 rows were skipped"),
        ("error\n", "a\nb\x1b]0;title\x07", r"2025-06-15 15:06:40 UTC  error\u{a}: a\u{a}b\u{1b}]0;title\u{7}"),
    ],
)
def test_an_event_is_a_line(level: str, message: str, line: str) -> None:
    assert render_event(Event(id="e", created_at=1_750_000_000, level=level, message=message, data={})) == line

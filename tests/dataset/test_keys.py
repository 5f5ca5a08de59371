"""Keys that stand twice, which parsers read in silence."""

from __future__ import annotations

import pytest

from ftops.dataset.keys import duplicate_keys


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"a":1,"a":2}', ["`row` has the key `a` more than once"]),
        (
            b'{"messages":[{"role":"user","content":"x"},{"role":"user","content":"x","content":"y"}]}',
            ["`messages[1]` has the key `content` more than once"],
        ),
        (b'{"a":{"b":{"c":1,"c":1,"c":1}}}', ["`a.b` has the key `c` more than once"] * 2),
        (b'{"private words":{"x":1,"x":2}}', ["`…` has the key `x` more than once"]),
        (b'{"private words":1,"private words":2}', ["`row` has the key a value that is not shown here more than once"]),
        (b'{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":"\\"x\\":"}]}', []),
        (b'[{"a":1},"a",null]', []),
        (b'{"a":1,"a"', []),
        (b"[" * 100_000, []),
    ],
)
def test_every_object_is_looked_at_and_named(line: bytes, found: list[str]) -> None:
    assert [finding.summary for finding in duplicate_keys(line)] == found

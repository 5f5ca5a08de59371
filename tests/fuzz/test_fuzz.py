"""Fuzzing within bounds: every committed input, and some hundred that Hypothesis makes of the seeds of each target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.__main__ import CORPUS_BYTES_MAX, CORPUS_FILES_MAX
from tests.fuzz.promises import KEY, ROW, harmless, secretive
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

pytestmark = pytest.mark.timeout(60)
"""An input that hangs is a finding: all of a target together take seconds."""

EXAMPLES = {"data": 30, "source": 15, "answer": 15}
"""How many inputs are made of each target; of those that are not listed, 60."""
JUNK = (
    b"", b"\0", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\xef\xbb\xbf", b"\xff\xfe", b"\r\n", b"\n", b"\t", b"\x1b[2J",
    b"\xe2\x80\xae", b"\xe2\x80\xa8", b"::error::x", b"1e999", b"-1", b"NaN", b"9" * 400, b"0x1", b"1e-7", b"null",
    b"true", b"[]", b"{}", b"[" * 300, b'{"a":' * 300, b"&a ", b"*a", b"!!x ", b"? ", b"- ", b"../", b"/etc",
    b"{matrix}", b"{{item.a}}", b"'", b'"', b"\\", b",", b": ", b"#", b"%",
)  # fmt: skip
"""What readers stumble over."""


def damaged(seed: bytes) -> SearchStrategy[bytes]:
    """*seed* with pieces cut out, doubled or replaced by junk, a few times."""
    edits = st.lists(
        st.tuples(st.integers(0, len(seed)), st.integers(0, 40), st.sampled_from(JUNK) | st.binary(max_size=8)),
        min_size=1,
        max_size=4,
    )

    def edited(changes: list[tuple[int, int, bytes]]) -> bytes:
        content = seed
        for at, length, junk in changes:
            content = content[:at] + junk + content[at + length :]
        return content

    return edits.map(edited)


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_kept_holds_every_promise(name: str) -> None:
    target = TARGETS[name]
    for seed in target.seeds:
        target.run(seed)
    for path in target.corpus(name):
        target.run(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_made_up_holds_every_promise(name: str) -> None:
    target = TARGETS[name]

    @settings(
        max_examples=EXAMPLES.get(name, 60), deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.one_of([damaged(seed) for seed in target.seeds]) | st.binary(max_size=100))
    def holds(content: bytes) -> None:
        target.run(content)

    holds()


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_stays_small(name: str) -> None:
    corpus = TARGETS[name].corpus(name)
    assert len(corpus) <= CORPUS_FILES_MAX
    assert sum(path.stat().st_size for path in corpus) <= CORPUS_BYTES_MAX


@pytest.mark.parametrize("text", ["\x1b[2J", "a\u202eb", "a\n::error::b", "a\ud800", f"a {KEY}"])
def test_what_breaks_a_promise_is_seen(text: str) -> None:
    with pytest.raises(AssertionError):
        harmless(text, b"")


def test_a_row_in_a_message_is_seen_and_its_key_is_not_taken_for_it() -> None:
    with pytest.raises(AssertionError):
        secretive(ROW, b'{"content": "%b"}' % ROW.encode())
    secretive(ROW, b'{"%b": 1}' % ROW.encode())

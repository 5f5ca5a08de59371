"""Fuzzing within bounds: every committed input, and some hundred that Hypothesis makes of the seeds of each target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.__main__ import CORPUS_BYTES_MAX, CORPUS_FILES_MAX
from tests.fuzz.mutations import other_bytes, other_value
from tests.fuzz.promises import KEY, ROW, harmless, secretive
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from random import Random

pytestmark = pytest.mark.timeout(60)
"""An input that hangs is a finding: all of a target together take seconds."""

EXAMPLES = {"data": 30, "source": 15, "answer": 15}
"""How many inputs are made of each target; of those that are not listed, 60."""


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
    @given(st.sampled_from(target.seeds), st.randoms(use_true_random=False), st.integers(1, 3))
    def holds(content: bytes, chance: Random, edits: int) -> None:
        for _ in range(edits):
            other = other_value(content, chance) if chance.randrange(3) else None
            content = other or other_bytes(content, chance)
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

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftops.server.train.run import ModelSource
from ftops.server.train.sampler import ContextExceededError, Ended, Sampler, Token

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[[str], list[dict[str, str]]]


@pytest.fixture(scope="module")
def untrained() -> Sampler:
    return Sampler(ModelSource(base="tiny-byte-90k"))


def answer(sampler: Sampler, messages: list[dict[str, str]], **options: object) -> tuple[list[Token], Ended]:
    *tokens, ended = sampler.complete(messages, **options)
    assert isinstance(ended, Ended)
    assert all(isinstance(token, Token) for token in tokens)
    return tokens, ended


def text(tokens: list[Token]) -> str:
    return "".join(token.text for token in tokens)


def test_an_answer_comes_token_by_token_and_then_its_end(tuned: Sampler, ask: Ask) -> None:
    tokens, ended = answer(tuned, ask("ping"), temperature=0)
    assert [token.text for token in tokens] == ["p", "o", "n", "g"]
    assert ended == Ended(reason="stop", prompt_tokens=len("<user\nping>\n<assistant\n"), completion_tokens=4)


def test_characters_are_never_split(tuned: Sampler, ask: Ask) -> None:
    tokens, ended = answer(tuned, ask("unicode"), temperature=0)
    assert [token.text for token in tokens if token.text] == ["é", "€", "😀", "!"]
    assert b"".join(token.chosen.spelling for token in tokens) == "é€😀!".encode()
    assert ended.completion_tokens == 10


def test_a_character_that_is_cut_off_is_left_out(tuned: Sampler, ask: Ask) -> None:
    tokens, ended = answer(tuned, ask("unicode"), temperature=0, max_tokens=3)
    assert text(tokens) == "é"
    assert ended == Ended(reason="length", prompt_tokens=26, completion_tokens=3)


def test_an_answer_ends_at_the_limit(tuned: Sampler, ask: Ask) -> None:
    tokens, ended = answer(tuned, ask("hello"), temperature=0, max_tokens=2)
    assert (text(tokens), ended.reason, ended.completion_tokens) == ("wo", "length", 2)


@pytest.mark.parametrize(
    ("stop", "expected", "count"),
    [
        (["n"], "po", 3),
        (["on"], "p", 3),
        (["ng", "o"], "p", 2),
        (["onx", "ng"], "po", 4),
        (["pong"], "", 4),
        (["ongs"], "pong", 4),
        ([], "pong", 4),
    ],
)
def test_an_answer_ends_before_a_stop_text(
    tuned: Sampler, ask: Ask, stop: list[str], expected: str, count: int
) -> None:
    tokens, ended = answer(tuned, ask("ping"), temperature=0, stop=stop)
    assert (text(tokens), ended.reason, ended.completion_tokens) == (expected, "stop", count)


def test_the_most_probable_token_has_the_log_probability_that_is_told(tuned: Sampler, ask: Ask) -> None:
    tokens, _ = answer(tuned, ask("ping"), temperature=0, top_logprobs=3)
    for token in tokens:
        assert len(token.top) == 3
        assert token.top[0] == token.chosen
        assert token.chosen.log_probability > math.log(0.5)
        ordered = [each.log_probability for each in token.top]
        assert ordered == sorted(ordered, reverse=True)


def test_all_alternatives_together_are_certain(untrained: Sampler, ask: Ask) -> None:
    (token,), _ = answer(untrained, ask("ping"), temperature=0, max_tokens=1, top_logprobs=259)
    assert sum(math.exp(each.log_probability) for each in token.top) == pytest.approx(1, abs=1e-4)


def test_alternatives_are_told_only_if_asked_for(untrained: Sampler, ask: Ask) -> None:
    (token,), _ = answer(untrained, ask("ping"), temperature=0, max_tokens=1)
    assert token.top == ()


def test_the_same_seed_gives_the_same_answer_and_another_another(untrained: Sampler, ask: Ask) -> None:
    one, same, other = (
        b"".join(token.chosen.spelling for token in answer(untrained, ask("x"), seed=seed, max_tokens=20)[0])
        for seed in (1, 1, 2)
    )
    assert one == same != other


def test_a_small_top_p_leaves_only_the_most_probable(untrained: Sampler, ask: Ask) -> None:
    greedy, _ = answer(untrained, ask("x"), temperature=0, max_tokens=10)
    for top_p in (0.0, 0.001):
        tokens, _ = answer(untrained, ask("x"), seed=3, top_p=top_p, max_tokens=10)
        assert [token.chosen for token in tokens] == [token.chosen for token in greedy]


def test_temperature_flattens_the_choice(tuned: Sampler, ask: Ask) -> None:
    assert text(answer(tuned, ask("ping"), temperature=0.01, seed=1)[0]) == "pong"
    assert text(answer(tuned, ask("ping"), temperature=100.0, seed=1, max_tokens=8)[0]) != "pong"


def test_a_prompt_that_fills_the_context_is_refused_at_once(untrained: Sampler, ask: Ask) -> None:
    with pytest.raises(ContextExceededError) as caught:
        untrained.complete(ask("x" * 5000))
    assert (caught.value.prompt_tokens, caught.value.context_tokens) == (5019, 4096)


def test_an_answer_never_outgrows_the_context(ask: Ask) -> None:
    narrow = Sampler(ModelSource(base="tiny-byte-90k"))
    narrow._base = replace(narrow._base, description=replace(narrow._base.description, context_tokens=30))
    _, ended = answer(narrow, ask("x"), temperature=0, max_tokens=100)
    assert ended == Ended(reason="length", prompt_tokens=20, completion_tokens=10)


def test_samplers_of_one_base_share_its_weights(untrained: Sampler) -> None:
    again = Sampler(ModelSource(base="tiny-byte-90k"))
    assert again._model.embedding is untrained._model.embedding


def test_tools_are_told_to_the_model(untrained: Sampler, ask: Ask) -> None:
    _, without = answer(untrained, ask("x"), temperature=0, max_tokens=1)
    _, told = answer(untrained, ask("x"), temperature=0, max_tokens=1, tools=[{"name": "f"}])
    assert told.prompt_tokens > without.prompt_tokens

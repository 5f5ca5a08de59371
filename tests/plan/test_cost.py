"""Epochs, billed tokens and USD, before anything is paid."""

from __future__ import annotations

import pytest

from ftops.dataset.tokens.base import Base
from ftops.plan.cost import auto_epochs, training_cost
from ftops.server.train.schedule import auto_epochs as auto_epochs_of_the_server

MINI = Base(tokenizer="o200k_base", row_tokens_max=65_536, training_usd_per_million=5.0)
REINFORCED = Base(tokenizer="o200k_base", training_usd_per_hour=100.0)
UNPRICED = Base(tokenizer="o200k_base")


@pytest.mark.parametrize(
    ("rows", "epochs"),
    [(0, 3), (1, 25), (4, 25), (5, 20), (10, 10), (33, 3), (34, 3), (100, 3), (8_333, 3), (8_334, 2), (12_501, 1)],
)
def test_auto_epochs_see_neither_too_few_nor_too_many_examples(rows: int, epochs: int) -> None:
    assert auto_epochs(rows) == epochs


def test_the_local_server_chooses_the_same_epochs() -> None:
    for rows in [*range(1, 200), 8_333, 8_334, 25_000, 25_001, 1_000_000]:
        assert auto_epochs(rows) == auto_epochs_of_the_server(rows)


def test_every_epoch_is_billed() -> None:
    cost = training_cost(MINI, method="supervised", rows=100, tokens_an_epoch=50_000, epochs=4)
    assert (cost.epochs, cost.are_epochs_estimated, cost.billed_tokens) == (4, False, 200_000)
    assert cost.usd == pytest.approx(1.0)
    assert cost.unknown is None


def test_epochs_that_are_left_to_the_provider_are_estimated() -> None:
    cost = training_cost(MINI, method="dpo", rows=10, tokens_an_epoch=1_000)
    assert (cost.epochs, cost.are_epochs_estimated, cost.billed_tokens) == (10, True, 10_000)


def test_local_training_costs_nothing_which_is_known() -> None:
    local = Base(tokenizer="tiny-byte-90k", template="chatml", training_usd_per_million=0.0)
    assert training_cost(local, method="supervised", rows=10, tokens_an_epoch=1_000).usd == 0


@pytest.mark.parametrize(
    ("base", "method", "why"),
    [
        (None, "supervised", "the base model is not known"),
        (UNPRICED, "supervised", "no price is known"),
        (REINFORCED, "reinforcement", "by the time that training takes, 100.00 USD an hour"),
        (None, "reinforcement", "by the time that training takes, and"),
    ],
)
def test_a_cost_that_is_not_known_says_why(base: Base | None, method: str, why: str) -> None:
    cost = training_cost(base, method=method, rows=10, tokens_an_epoch=1_000)
    assert cost.usd is None
    assert why in (cost.unknown or "")

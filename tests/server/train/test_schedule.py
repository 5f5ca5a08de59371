from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftops.server.train.models import CATALOGUE
from ftops.server.train.run import Hyperparameters
from ftops.server.train.schedule import auto_epochs, make_schedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftops.server.train.run import TrainingRun

SMOLLM2 = CATALOGUE["smollm2-135m-instruct"]


@pytest.mark.parametrize(
    ("examples", "epochs"), [(1, 25), (10, 10), (33, 3), (34, 3), (100, 3), (8334, 2), (20_000, 1), (99_999, 1)]
)
def test_auto_epochs_are_those_of_the_cookbook(examples: int, epochs: int) -> None:
    assert auto_epochs(examples) == epochs


def test_auto_is_what_was_measured_to_work(make_run: Callable[..., TrainingRun]) -> None:
    schedule = make_schedule(make_run(hyperparameters=Hyperparameters()), SMOLLM2, 100)
    assert (schedule.n_epochs, schedule.batch_size, schedule.learning_rate_multiplier) == (3, 2, 1.8)
    assert schedule.learning_rate == pytest.approx(1e-3)
    assert schedule.beta is None
    assert schedule.total_steps == 150


def test_what_is_asked_for_is_done(make_run: Callable[..., TrainingRun]) -> None:
    asked = Hyperparameters(n_epochs=2, batch_size=3, learning_rate_multiplier=0.3, beta=0.5)
    schedule = make_schedule(make_run(method="dpo", hyperparameters=asked), SMOLLM2, 10)
    assert (schedule.n_epochs, schedule.batch_size, schedule.learning_rate_multiplier) == (2, 3, 0.3)
    assert schedule.beta == 0.5
    assert (schedule.steps_an_epoch, schedule.total_steps) == (4, 8)


def test_the_rate_falls_in_a_straight_line(make_run: Callable[..., TrainingRun]) -> None:
    schedule = make_schedule(make_run(hyperparameters=Hyperparameters(n_epochs=2)), SMOLLM2, 4)
    assert [schedule.rate(step) / schedule.learning_rate for step in (1, 2, 3, 4)] == [1, 0.75, 0.5, 0.25]


def test_each_epoch_goes_through_all_examples_in_an_order_of_its_own(make_run: Callable[..., TrainingRun]) -> None:
    schedule = make_schedule(make_run(hyperparameters=Hyperparameters(n_epochs=2, batch_size=3)), SMOLLM2, 20)
    first, second = ([index for step in range(start, start + 7) for index in schedule.batch(step)] for start in (1, 8))
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second


def test_validation_goes_round_the_data(make_run: Callable[..., TrainingRun]) -> None:
    schedule = make_schedule(make_run(hyperparameters=Hyperparameters(n_epochs=1, batch_size=2)), SMOLLM2, 100)
    assert [step for step in range(1, 51) if schedule.validates(step)] == [10, 20, 30, 40, 50]
    assert [schedule.validation_batch(step, 5) for step in (10, 20, 30)] == [[2, 3], [4, 0], [1, 2]]
    assert schedule.validation_batch(10, 1) == [0]

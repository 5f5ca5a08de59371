from __future__ import annotations

import pytest

from ftops.report.figures import ago, best_known_loss, loss, moment, span


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_199, "120 min"),
        (7_200, "2 h"),
        (172_799, "48 h"),
        (172_800, "2 d"),
    ],
)
def test_a_span_is_told_in_the_largest_unit_that_fits_twice(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_a_clock_that_goes_ahead_says_just_now() -> None:
    assert [ago(at, 1_000) for at in (2_000, 1_000, 990)] == ["just now", "just now", "10 s ago"]


@pytest.mark.parametrize("seconds", [10**12, 10**30, -(10**30)])
def test_a_number_that_is_no_time_comes_back(seconds: int) -> None:
    assert moment(seconds) == str(seconds)


@pytest.mark.parametrize(("value", "said"), [(2.309, "2.31"), (0.1, "0.10"), (7.3e-06, "7.3e-06"), (0.0, "0.00")])
def test_a_small_loss_keeps_two_digits_that_count(value: float, said: str) -> None:
    assert loss(value) == said


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ({"train_loss": 1.0, "valid_loss": 2.0, "full_valid_loss": 3.0}, "3.00 validation"),
        ({"train_loss": 1.0, "valid_loss": 2.0}, "2.00 validation"),
        ({"train_loss": 1.0}, "1.00 training"),
        ({"train_mean_token_accuracy": 0.5}, ""),
    ],
)
def test_the_loss_on_what_was_not_learnt_says_most(metrics: dict[str, float], said: str) -> None:
    assert best_known_loss(metrics) == said

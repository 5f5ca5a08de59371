"""What training will cost, as far as that can be known before it: epochs, billed tokens, USD before tax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftops.dataset.tokens.base import Base

_EPOCHS, _EPOCHS_MAX = 3, 25
_EXAMPLES_SEEN_MIN, _EXAMPLES_SEEN_MAX = 100, 25_000
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """An estimate: what is billed is the provider's count of the tokens, at its price of the day."""

    epochs: int
    are_epochs_estimated: bool
    """They were left to the provider."""
    billed_tokens: int
    """Of all epochs."""
    usd: float | None
    """None if not known."""
    unknown: str | None = None
    """Why `usd` is not known: half a sentence."""


def auto_epochs(rows: int) -> int:
    """How many epochs a provider probably chooses for so many examples, where `n_epochs` is `auto`.

    Three, but so that at least 100 and at most 25,000 examples are seen, and 25 epochs at most.

    Source: openai-cookbook, Chat_finetuning_data_prep.ipynb. It fits what was seen: 3 for 100 examples, 10 for 10. The
    local server does the same.
    """
    if 0 < rows * _EPOCHS < _EXAMPLES_SEEN_MIN:
        return min(_EPOCHS_MAX, _EXAMPLES_SEEN_MIN // rows)
    if rows * _EPOCHS > _EXAMPLES_SEEN_MAX:
        return max(1, _EXAMPLES_SEEN_MAX // rows)
    return _EPOCHS


def training_cost(
    base: Base | None, *, method: str, rows: int, tokens_an_epoch: int, epochs: int | None = None
) -> Cost:
    """Estimate what one job costs.

    Args:
        base: None if the base model is not known.
        method: `supervised`, `dpo` or `reinforcement`.
        rows: Examples of the training file; validation is not billed.
        tokens_an_epoch: Of all rows, each cut at the limit of the base model.
        epochs: As the spec asks; None leaves them to the provider.
    """
    actual = auto_epochs(rows) if epochs is None else epochs
    billed = actual * tokens_an_epoch
    usd, unknown = None, None
    if method == "reinforcement":
        hourly = base.training_usd_per_hour if base else None
        price = f", {hourly:.2f} USD an hour" if hourly else ""
        unknown = f"reinforcement is billed by the time that training takes{price}, and for the graders' tokens"
    elif base is None:
        unknown = "the base model is not known here"
    elif base.training_usd_per_million is None:
        unknown = "no price is known for training this base model"
    else:
        usd = billed * base.training_usd_per_million / _MILLION
    return Cost(epochs=actual, are_epochs_estimated=epochs is None, billed_tokens=billed, usd=usd, unknown=unknown)

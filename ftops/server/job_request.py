"""What `POST /fine_tuning/jobs` asks for, checked, with the limits as data (published description of 2026-08-21)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from ftops.server.errors import bad_request
from ftops.server.fields import Fields

if TYPE_CHECKING:
    from random import Random

Method = Literal["supervised", "dpo"]
Value = int | float | Literal["auto"]

HYPERPARAMETERS: Final[dict[Method, tuple[str, ...]]] = {
    "supervised": ("n_epochs", "batch_size", "learning_rate_multiplier"),
    "dpo": ("beta", "batch_size", "learning_rate_multiplier", "n_epochs"),
}
"""Of each method, in the order in which a job shows them."""
MAX_SEED: Final = 2**31 - 1
_LARGEST: Final = {"n_epochs": 50, "batch_size": 256, "beta": 2}
_WHOLE: Final = ("n_epochs", "batch_size")
_METHODS: Final = ("supervised", "dpo", "reinforcement")


class JobRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One job as requested; `model` may still be an alias."""

    model: str
    training_file: str
    validation_file: str | None
    suffix: str | None
    seed: int
    metadata: dict[str, str] | None
    method: Method
    hyperparameters: dict[str, Value]
    """Those of the method, all of them."""


def read_job_request(fields: Fields, chance: Random) -> JobRequest:
    """Check the fields of a request, and draw the seed if there is none.

    Raises:
        ApiError: A field is unknown, missing or wrong, or this server cannot do what it asks for (400).
    """
    model = fields.required_text("model")
    training_file = fields.required_text("training_file")
    validation_file = fields.text("validation_file", least=1)
    suffix = fields.text("suffix", least=1, most=64)
    seed = fields.whole("seed", least=0, most=MAX_SEED)
    metadata = read_labels(fields)
    if fields.items("integrations", most=5):
        raise bad_request("This server reports to no other services.", param="integrations", code="unsupported_value")
    method, hyperparameters = _method(fields.within("method"), fields.within("hyperparameters"))
    fields.finish()
    return JobRequest(
        model=model,
        training_file=training_file,
        validation_file=validation_file,
        suffix=suffix,
        seed=chance.randint(0, MAX_SEED) if seed is None else seed,
        metadata=metadata,
        method=method,
        hyperparameters=hyperparameters,
    )


def read_labels(fields: Fields) -> dict[str, str] | None:
    """The metadata: as much as a job may have, and a list of jobs may ask for.

    Raises:
        ApiError: It is too much or too long, or no map of texts (400).
    """
    return fields.labels("metadata", most=16, key_length=64, value_length=512)


def _method(fields: Fields | None, legacy: Fields | None) -> tuple[Method, dict[str, Value]]:
    """Method and hyperparameters; the deprecated top-level ones count where the method tells none."""
    kind = "supervised" if fields is None else fields.required_text("type", choices=_METHODS)
    if kind == "reinforcement":
        raise bad_request(
            "This server trains with the methods 'supervised' and 'dpo'; 'reinforcement' is not available.",
            param="method.type",
            code="unsupported_value",
        )
    method: Method = "dpo" if kind == "dpo" else "supervised"
    if method == "dpo" and legacy is not None:
        raise bad_request(
            "'hyperparameters' is deprecated and belongs to 'supervised': use 'method.dpo.hyperparameters'.",
            param="hyperparameters",
        )
    inner = None if fields is None else fields.within(method)
    if fields is not None:
        fields.ignore(*_METHODS)
        fields.finish()
    own = None if inner is None else inner.within("hyperparameters")
    if inner is not None:
        inner.finish()
    empty = Fields({})
    names = HYPERPARAMETERS[method]
    given = {name: _value(own or empty, name) for name in names}
    older = {name: _value(legacy or empty, name) for name in names}
    for source in (own, legacy):
        if source is not None:
            source.finish()
    return method, {name: given[name] or older[name] or "auto" for name in names}


def _value(fields: Fields, name: str) -> Value | None:
    if fields.is_text(name, "auto"):
        return "auto"
    if name in _WHOLE:
        return fields.whole(name, least=1, most=_LARGEST[name])
    return fields.number(name, least=0, most=_LARGEST.get(name), above=True)

"""Dialect profiles: what differs between providers, as data."""

from __future__ import annotations

import tomllib
from datetime import date  # noqa: TC003  # msgspec reads the annotations
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from ftops.dataset.tokens.base import Base  # noqa: TC001  # msgspec reads the annotations

OPENAI, LOCAL = "openai", "local"


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider's dialect; the fields are explained in profiles.toml."""

    base_url: str
    api_key_env: str
    hyperparameters: Literal["method", "top-level"]
    metadata: bool
    metadata_filter: bool
    methods: tuple[str, ...]
    models: tuple[str, ...] = ()
    poll_seconds: float
    upload_bytes_max: int
    file_bytes_max: int
    workload_identity: bool = False
    closed_from: date | None = None
    aliases: dict[str, str] = {}
    bases: dict[str, Base] = {}


@cache
def profile(name: str) -> Profile:
    """The profile called *name*; the schema of ftops.yaml lets no other name through."""
    tables = tomllib.loads(files("ftops.remote").joinpath("profiles.toml").read_text(encoding="utf-8"))
    return msgspec.convert(tables[name], Profile)


def base_named(model: str, profile_name: str | None = None) -> tuple[str, Base] | None:
    """What is known of the base model of *model*: its full name, and the facts; None if nothing is.

    Args:
        model: Its name, an alias that the provider takes for it, or the id of a model that was tuned from it.
        profile_name: Of the target's profile; OpenAI's and the local models if None. What other providers offer under
            OpenAI's names is counted as OpenAI's models are, and its price is not known here.
    """
    model = model.split(":")[1] if model.startswith("ft:") and model.count(":") > 1 else model
    for name in (profile_name,) if profile_name else (OPENAI, LOCAL):
        is_known = bool(profile(name).bases)
        known = profile(name if is_known else OPENAI)
        full = known.aliases.get(model, model)
        if base := known.bases.get(full):
            return full, base if is_known else msgspec.structs.replace(base, **_UNPRICED)
    return None


_UNPRICED: dict[str, None] = dict.fromkeys(
    ("training_usd_per_million", "training_usd_per_hour", "price_read", "price_source", "shut_down")
)

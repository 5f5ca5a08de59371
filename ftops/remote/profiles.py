"""Dialect profiles: what differs between providers, as data."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec


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


@cache
def profile(name: str) -> Profile:
    """The profile called *name*; the schema of ftops.yaml lets no other name through."""
    tables = tomllib.loads(files("ftops.remote").joinpath("profiles.toml").read_text(encoding="utf-8"))
    return msgspec.convert(tables[name], Profile)

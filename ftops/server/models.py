"""Models: bases from the catalogue, and what training has made of them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from ftops.server.errors import bad_request, no_such_model
from ftops.server.ids import ORGANISATION
from ftops.server.train.models import CATALOGUE
from ftops.server.train.run import ModelSource

if TYPE_CHECKING:
    import sqlite3

    from ftops.server.state import State

ALIASES: Final = {
    "smollm2": "smollm2-135m-instruct",
    "smollm2-135m": "smollm2-135m-instruct",
    "tiny-byte": "tiny-byte-90k",
}
"""Short names, resolved once when a request comes, as the real API resolves `gpt-4o-mini`."""
_BASES_CREATED_AT: Final = 1_763_769_600
"""2025-11-22: bases have a date, but here it means nothing."""


def list_all(state: State) -> dict[str, object]:
    bases = [_spell_base(name) for name in CATALOGUE]
    tuned = state.database.rows("SELECT * FROM models WHERE NOT deleted ORDER BY created_at, rowid")
    return {"object": "list", "data": bases + [_spell(row) for row in tuned]}


def retrieve(state: State, name: str) -> dict[str, object]:
    base = ALIASES.get(name, name)
    return _spell_base(base) if base in CATALOGUE else _spell(_tuned(state, name))


def delete(state: State, name: str) -> dict[str, object]:
    """Forget a fine-tuned model; its job stays as it is, and so does its name there.

    Raises:
        ApiError: There is no such model (404), or it is a base (400).
    """
    if ALIASES.get(name, name) in CATALOGUE:
        raise bad_request(f"The model `{name}` is a base model and cannot be deleted.", param="model")
    row = _tuned(state, name)
    with state.database.transaction():
        state.database.execute("UPDATE models SET deleted = 1 WHERE id = ?", name)
    if not _is_needed(state, name):
        shutil.rmtree(state.weights(row["folder"]), ignore_errors=True)
    return {"id": name, "object": "model", "deleted": True}


def resolve_for_training(state: State, name: str) -> str:
    """The full name of a model that can be trained.

    Raises:
        ApiError: There is no such base (400, `model_not_available`) or fine-tuned model (404, `model_not_found`).
    """
    base = ALIASES.get(name, name)
    if base in CATALOGUE:
        return base
    if not name.startswith("ft:"):
        message = f"Model {name} is not available for fine-tuning or does not exist."
        raise bad_request(message, param="model", code="model_not_available")
    return str(_tuned(state, name)["id"])


def source(state: State, name: str) -> ModelSource:
    """Base and weights of a model by its full name or an alias.

    Raises:
        ApiError: There is no such model (404).
    """
    base = ALIASES.get(name, name)
    if base in CATALOGUE:
        return ModelSource(base=base)
    return source_of_active_job(state, _tuned(state, name)["id"])


def source_of_active_job(state: State, name: str) -> ModelSource:
    """Likewise, of a model that a job has begun with: it may have been deleted since."""
    row = state.database.row("SELECT * FROM models WHERE id = ?", name)
    return (
        ModelSource(base=name) if row is None else ModelSource(base=row["base"], weights=state.weights(row["folder"]))
    )


def base_of(state: State, name: str) -> str:
    return source_of_active_job(state, name).base


def unneeded_folders(state: State) -> set[str]:
    """Folders of deleted models that no unfinished job goes on from."""
    deleted = state.database.rows("SELECT id, folder FROM models WHERE deleted")
    return {row["folder"] for row in deleted if not _is_needed(state, row["id"])}


def _is_needed(state: State, name: str) -> bool:
    query = "SELECT 1 FROM jobs WHERE model = ? AND status NOT IN ('succeeded', 'failed', 'cancelled')"
    return state.database.row(query, name) is not None


def _tuned(state: State, name: str) -> sqlite3.Row:
    row = state.database.row("SELECT * FROM models WHERE id = ? AND NOT deleted", name)
    if row is None:
        raise no_such_model(name)
    return row


def _spell_base(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": _BASES_CREATED_AT, "owned_by": "system", "shutdown_date": None}


def _spell(row: sqlite3.Row) -> dict[str, object]:
    return {
        "id": row["id"],
        "object": "model",
        "created": row["created_at"],
        "owned_by": ORGANISATION,
        "shutdown_date": None,
    }

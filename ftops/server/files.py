"""Files: kept whole or not at all, in the order in which they came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from ftops.server.errors import bad_request, no_such_file
from ftops.server.fields import Fields, wrong_choice
from ftops.server.pages import listed, page
from ftops.server.state import settle_into

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from pathlib import Path

    from ftops.server.state import State

PURPOSES: Final = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
"""What a file may be uploaded for."""
RESULTS: Final = "fine-tune-results"
MAX_BYTES: Final = 512 * 1024 * 1024
"""Of one file by `/files`; larger ones come by `/uploads`."""

MAX_FILENAME_CHARACTERS: Final = 512

_ALIVE: Final = "(expires_at IS NULL OR expires_at > ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What is told about a file beside its content."""

    filename: str
    purpose: str
    expires_after: int | None = None
    """Seconds after its creation."""


def describe(fields: Fields, *, filename: str) -> Description:
    """Check what a request says about a file.

    Raises:
        ApiError: The purpose, the name or the expiry is wrong (400).
    """
    purpose = fields.required_text("purpose", choices=PURPOSES)
    Fields({"filename": filename}).text("filename", most=MAX_FILENAME_CHARACTERS)
    if not filename:
        raise bad_request("Invalid 'file': a file name is needed.", param="file")
    if purpose == "fine-tune" and not filename.endswith(".jsonl"):
        raise bad_request(
            f"Invalid file format for fine-tuning: '{filename}'. Supported formats are: .jsonl", param="file"
        )
    expiry = fields.within("expires_after")
    if expiry is None:
        return Description(filename=filename, purpose=purpose)
    expiry.required_text("anchor", choices=("created_at",))
    seconds = expiry.required_whole("seconds", least=3600, most=2_592_000)
    expiry.finish()
    return Description(filename=filename, purpose=purpose, expires_after=seconds)


def add(state: State, written: Path, description: Description) -> dict[str, object]:
    """Keep the file *written*, which is moved away; it is on the disk when this returns.

    Raises:
        ApiError: It is empty (400).
    """
    if written.stat().st_size == 0:
        raise bad_request("The file is empty.", param="file", code="empty_file")
    file_id = settle(state, written)
    with state.database.transaction():
        record(state, file_id, description)
    return retrieve(state, file_id)


def settle(state: State, written: Path) -> str:
    """Move *written* among the blobs, under the id that this returns; it is no file yet."""
    file_id = state.new_id("file-")
    settle_into(written, state.blob(file_id))
    return file_id


def record(state: State, file_id: str, description: Description) -> None:
    """Make a settled blob a file, inside a transaction."""
    now = state.now()
    state.database.insert(
        "files",
        id=file_id,
        created_at=now,
        expires_at=None if description.expires_after is None else now + description.expires_after,
        bytes=state.blob(file_id).stat().st_size,
        filename=description.filename,
        purpose=description.purpose,
    )


def find(state: State, file_id: str) -> sqlite3.Row | None:
    return state.database.row(f"SELECT * FROM files WHERE id = ? AND {_ALIVE}", file_id, state.now())  # noqa: S608 ours


def retrieve(state: State, file_id: str) -> dict[str, object]:
    return spell(_existing(state, file_id))


def content(state: State, file_id: str) -> tuple[BinaryIO, sqlite3.Row]:
    """The bytes of a file, opened, so that they can be read to their end whoever deletes it meanwhile; and its row."""
    row = _existing(state, file_id)
    return state.blob(file_id).open("rb"), row


def list_page(state: State, query: Mapping[str, str]) -> dict[str, object]:
    order = query.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise wrong_choice("order", order, ("asc", "desc"))
    purpose = query.get("purpose")
    found = page(
        state.database,
        "files",
        query,
        limit=10_000,
        most=10_000,
        condition=_ALIVE if purpose is None else f"{_ALIVE} AND purpose = ?",
        values=(state.now(),) if purpose is None else (state.now(), purpose),
        descending=order == "desc",
    )
    return listed(found, spell, with_ends=True)


def delete(state: State, file_id: str) -> dict[str, object]:
    """Forget a file; jobs that began with it have their own hold on its content."""
    _existing(state, file_id)
    with state.database.transaction():
        state.database.execute("DELETE FROM files WHERE id = ?", file_id)
    state.blob(file_id).unlink(missing_ok=True)
    return {"id": file_id, "object": "file", "deleted": True}


def spell(row: sqlite3.Row) -> dict[str, object]:
    """A file as the API spells it."""
    return {
        "id": row["id"],
        "object": "file",
        "bytes": row["bytes"],
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
        "filename": row["filename"],
        "purpose": row["purpose"],
        "status": "processed",
        "status_details": None,
    }


def _existing(state: State, file_id: str) -> sqlite3.Row:
    row = find(state, file_id)
    if row is None:
        raise no_such_file(file_id)
    return row

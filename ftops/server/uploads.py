"""Uploads: a large file that comes in parts, within the hour."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Final

from ftops.server import files
from ftops.server.errors import bad_request, no_such_upload, too_large
from ftops.server.fields import missing, wrong_type
from ftops.server.state import settle_into

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from ftops.server.fields import Fields
    from ftops.server.state import State

MAX_BYTES: Final = 8 * 1024**3
MAX_PART_BYTES: Final = 64 * 1024**2
MAX_PARTS: Final = 10_000
"""Of one upload, those that are not used in the end included; all of them together have at most `MAX_BYTES`."""
_LIFETIME_SECONDS: Final = 3600
_CHUNK_BYTES: Final = 1024 * 1024


def create(state: State, fields: Fields) -> dict[str, object]:
    filename = fields.required_text("filename")
    length = fields.required_whole("bytes", least=1, most=MAX_BYTES)
    fields.required_text("mime_type")
    description = files.describe(fields, filename=filename)
    fields.finish()
    upload_id, now = state.new_id("upload_"), state.now()
    with state.database.transaction():
        state.database.insert(
            "uploads",
            id=upload_id,
            created_at=now,
            expires_at=now + _LIFETIME_SECONDS,
            bytes=length,
            filename=filename,
            purpose=description.purpose,
            file_expires_after=description.expires_after,
            status="pending",
        )
    return spell(state, _existing(state, upload_id))


def add_part(state: State, upload_id: str, written: Path) -> dict[str, object]:
    """Keep one part, the file *written*, which is moved away."""
    _require_pending(state, upload_id)
    part_id, now = state.new_id("part_"), state.now()
    length = written.stat().st_size
    if length == 0:
        raise bad_request("The part is empty.", param="data", code="empty_file")
    _check_room(state, upload_id, length)
    folder = state.parts(upload_id)
    folder.mkdir(mode=0o700, exist_ok=True)
    settle_into(written, folder / part_id)
    with state.database.transaction():
        _require_pending(state, upload_id)
        state.database.insert("parts", id=part_id, upload=upload_id, created_at=now, bytes=length)
    return {"id": part_id, "object": "upload.part", "created_at": now, "upload_id": upload_id}


def complete(state: State, upload_id: str, fields: Fields) -> dict[str, object]:
    """Join the parts, in the order asked for, into a file.

    Raises:
        ApiError: The upload is not pending, a part is unknown, or length or checksum differ (400).
    """
    part_ids = fields.items("part_ids", most=MAX_PARTS)
    if part_ids is None:
        raise missing("part_ids")
    expected = fields.text("md5")
    fields.finish()
    upload = _require_pending(state, upload_id)
    parts = [_part(state, upload_id, number, part_id) for number, part_id in enumerate(part_ids)]
    length = sum(part["bytes"] for part in parts)
    if length != upload["bytes"]:
        message = f"The parts have {length} bytes in all, but {upload['bytes']} were announced."
        raise bad_request(message, param="part_ids")
    written = state.incoming()
    try:
        found = _join([state.parts(upload_id) / part["id"] for part in parts], written)
        if expected is not None and expected.lower() != found:
            message = f"The md5 checksum of the parts is {found}, but {expected} was expected."
            raise bad_request(message, param="md5")
        file_id = files.settle(state, written)
    finally:
        written.unlink(missing_ok=True)
    description = files.Description(
        filename=upload["filename"], purpose=upload["purpose"], expires_after=upload["file_expires_after"]
    )
    with state.database.transaction():
        _end(state, upload_id, "completed")
        files.record(state, file_id, description)
        state.database.execute("UPDATE uploads SET file = ? WHERE id = ?", file_id, upload_id)
    shutil.rmtree(state.parts(upload_id), ignore_errors=True)
    return spell(state, _existing(state, upload_id))


def cancel(state: State, upload_id: str) -> dict[str, object]:
    _require_pending(state, upload_id)
    with state.database.transaction():
        _end(state, upload_id, "cancelled")
    shutil.rmtree(state.parts(upload_id), ignore_errors=True)
    return spell(state, _existing(state, upload_id))


def require_pending(state: State, upload_id: str) -> None:
    """Refuse before anything is sent.

    Raises:
        ApiError: There is no such upload (404), or it is over (400).
    """
    _require_pending(state, upload_id)


def spell(state: State, row: sqlite3.Row) -> dict[str, object]:
    """An upload as the API spells it."""
    file = None if row["file"] is None else files.find(state, row["file"])
    return {
        "id": row["id"],
        "object": "upload",
        "bytes": row["bytes"],
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
        "filename": row["filename"],
        "purpose": row["purpose"],
        "status": _status(state, row),
        "file": None if file is None else files.spell(file),
    }


def _existing(state: State, upload_id: str) -> sqlite3.Row:
    row = state.database.row("SELECT * FROM uploads WHERE id = ?", upload_id)
    if row is None:
        raise no_such_upload(upload_id)
    return row


def _status(state: State, row: sqlite3.Row) -> str:
    status: str = row["status"]
    return "expired" if status == "pending" and row["expires_at"] <= state.now() else status


def _require_pending(state: State, upload_id: str) -> sqlite3.Row:
    row = _existing(state, upload_id)
    if (status := _status(state, row)) != "pending":
        raise bad_request(f"Upload {upload_id} is {status}, and no longer pending.", param="upload_id")
    return row


def _check_room(state: State, upload_id: str, length: int) -> None:
    """Refuse a part that would be one too many, or of which there is too much already."""
    count, total = state.database.rows("SELECT count(*), total(bytes) FROM parts WHERE upload = ?", upload_id)[0]
    if count >= MAX_PARTS:
        raise bad_request(f"Upload {upload_id} has {MAX_PARTS} parts already, the most that are allowed.", param="data")
    if total + length > MAX_BYTES:
        raise too_large(f"The parts of upload {upload_id} would have more than {MAX_BYTES} bytes in all.")


def _part(state: State, upload_id: str, number: int, part_id: object) -> sqlite3.Row:
    if not isinstance(part_id, str):
        raise wrong_type(f"part_ids[{number}]", "a string", part_id)
    row = state.database.row("SELECT * FROM parts WHERE id = ? AND upload = ?", part_id, upload_id)
    if row is None:
        raise bad_request(f"Part '{part_id}' is none of upload {upload_id}.", param=f"part_ids[{number}]")
    return row


def _join(parts: Sequence[Path], target: Path) -> str:
    """Write *parts* one after the other to *target*; returns the md5."""
    digest = hashlib.md5(usedforsecurity=False)
    with target.open("wb") as whole:
        for part in parts:
            with part.open("rb") as content:
                while chunk := content.read(_CHUNK_BYTES):
                    whole.write(chunk)
                    digest.update(chunk)
    return digest.hexdigest()


def _end(state: State, upload_id: str, status: str) -> None:
    """Leave `pending`, inside a transaction, unless another request was faster."""
    changed = state.database.execute(
        "UPDATE uploads SET status = ? WHERE id = ? AND status = 'pending'", status, upload_id
    )
    if not changed:
        raise bad_request(f"Upload {upload_id} is no longer pending.", param="upload_id")

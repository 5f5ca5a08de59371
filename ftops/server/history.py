"""What a job has left behind so far: events and checkpoints, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from ftops.server.jobs import read_job
from ftops.server.pages import listed, page

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from ftops.server.state import State


def list_events(state: State, job_id: str, query: Mapping[str, str]) -> dict[str, object]:
    read_job(state, job_id)
    found = page(state.database, "events", query, limit=20, most=100, condition="job = ?", values=(job_id,))
    return listed(found, _spell_event)


def list_checkpoints(state: State, job_id: str, query: Mapping[str, str]) -> dict[str, object]:
    """Those that can be used: while a job runs, what it has saved is not among them."""
    read_job(state, job_id)
    condition = "job = ? AND model IS NOT NULL"
    found = page(state.database, "checkpoints", query, limit=10, most=100, condition=condition, values=(job_id,))
    return listed(found, _spell_checkpoint, with_ends=True)


def _spell_event(row: sqlite3.Row) -> dict[str, object]:
    return {
        "object": "fine_tuning.job.event",
        "id": row["id"],
        "created_at": row["created_at"],
        "level": row["level"],
        "message": row["message"],
        "type": row["type"],
        "data": None if row["data"] is None else orjson.loads(row["data"]),
    }


def _spell_checkpoint(row: sqlite3.Row) -> dict[str, object]:
    return {
        "object": "fine_tuning.job.checkpoint",
        "id": row["id"],
        "created_at": row["created_at"],
        "fine_tuned_model_checkpoint": row["model"],
        "fine_tuning_job_id": row["job"],
        "metrics": orjson.loads(row["metrics"]),
        "step_number": row["step"],
    }

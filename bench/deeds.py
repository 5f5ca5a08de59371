"""What clients do with a server that may be killed at any moment: each is in the ledger once it is acknowledged."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bench.soak import EXAMPLES

if TYPE_CHECKING:
    from random import Random

    from bench.caller import Caller

SEEDS: Final = (1, 2, 3)
"""Of jobs: each trains another model."""


@dataclass(kw_only=True)
class Ledger:
    """What was acknowledged, and what is in doubt because the answer never came."""

    files: dict[str, str] = field(default_factory=dict)
    """By id, the sha256 of the content."""
    contents: set[str] = field(default_factory=set)
    """All that was ever sent: an unknown file must be one of these, whole."""
    deleted: set[str] = field(default_factory=set)
    jobs: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    uploads: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Pending ones, by id: the only part, and the sha256 of the content."""
    gone: set[str] = field(default_factory=set)
    """Deleted models."""
    doubtful: set[str] = field(default_factory=set)
    """Ids that a request was about whose answer never came."""
    calls: Counter[str] = field(default_factory=Counter)


class Broken(Exception):  # noqa: N818  # what a server must not do, and no error of ours
    """Something that was acknowledged is not there, or something is that must not be."""


async def act(caller: Caller, ledger: Ledger, chance: Random) -> None:
    """One client's deeds until the server is gone: each is in the ledger once it was acknowledged."""
    uploading = (_upload, _upload, _begin_upload, _end_upload, _delete_file)
    deeds = (*uploading, _create_job, _create_job, _cancel, _chat, _delete_model)
    try:
        while True:
            deed = chance.choice(deeds)
            if await deed(caller, ledger, chance):
                ledger.calls[deed.__name__.removeprefix("_")] += 1
            await asyncio.sleep(chance.random() / 10)
    finally:
        await caller.close()


async def _upload(caller: Caller, ledger: Ledger, chance: Random) -> bool:
    content = _content(ledger, chance)
    file = await expect(caller, "POST", "/files", form=(content, "fine-tune"))
    ledger.files[file["id"]] = sha256(content)
    return True


async def _begin_upload(caller: Caller, ledger: Ledger, chance: Random) -> bool:
    content = _content(ledger, chance)
    asked = {"filename": "a.jsonl", "bytes": len(content), "purpose": "fine-tune", "mime_type": "text/jsonl"}
    upload = await expect(caller, "POST", "/uploads", json=asked)
    part = await expect(caller, "POST", f"/uploads/{upload['id']}/parts", form=(content, None))
    ledger.uploads[upload["id"]] = (part["id"], sha256(content))
    return True


async def _end_upload(caller: Caller, ledger: Ledger, _: Random) -> bool:
    """The oldest that is pending, mostly of an earlier server."""
    if not ledger.uploads:
        return False
    upload = next(iter(ledger.uploads))
    part, content = ledger.uploads.pop(upload)  # if the answer is lost, its file is one of those that are not known
    done = await expect(caller, "POST", f"/uploads/{upload}/complete", json={"part_ids": [part]})
    ledger.files[done["file"]["id"]] = content
    return True


async def _delete_file(caller: Caller, ledger: Ledger, chance: Random) -> bool:
    if len(ledger.files) < 10:
        return False
    file = chance.choice(list(ledger.files))
    ledger.doubtful.add(file)
    del ledger.files[file]
    await expect(caller, "DELETE", f"/files/{file}")
    ledger.deleted.add(file)
    return True


async def _create_job(caller: Caller, ledger: Ledger, chance: Random) -> bool:
    file = await expect(caller, "POST", "/files", form=(EXAMPLES, "fine-tune"))
    ledger.contents.add(sha256(EXAMPLES))
    job = await expect(
        caller, "POST", "/fine_tuning/jobs", json=job_request(file["id"], chance.choice(SEEDS)), also=429
    )
    await expect(caller, "DELETE", f"/files/{file['id']}")
    if "id" in job:
        ledger.jobs.add(job["id"])
    return "id" in job


async def _cancel(caller: Caller, ledger: Ledger, chance: Random) -> bool:
    """Rarely, for most jobs are to come to their end."""
    left = sorted(ledger.jobs - ledger.cancelled - ledger.doubtful)
    if not left or chance.random() < 0.85:
        return False
    job = left[-1]
    ledger.doubtful.add(job)
    answer = await expect(caller, "POST", f"/fine_tuning/jobs/{job}/cancel", also=400)
    ledger.doubtful.discard(job)
    if answer.get("status") == "cancelled":
        ledger.cancelled.add(job)
    return "id" in answer


async def _delete_model(caller: Caller, ledger: Ledger, chance: Random) -> bool:
    """The oldest, if there are many."""
    models = (await expect(caller, "GET", "/models"))["data"]
    tuned = [model["id"] for model in models if model["id"].startswith("ft:")]
    if len(tuned) < 6 or chance.random() < 0.5:
        return False
    ledger.doubtful.add(tuned[0])
    answer = await expect(caller, "DELETE", f"/models/{tuned[0]}", also=404)  # another client may have been faster
    if "deleted" in answer:
        ledger.gone.add(tuned[0])
    return True


async def _chat(caller: Caller, _: Ledger, __: Random) -> bool:
    """The process that answers may be killed meanwhile, which is told, or the model deleted."""
    models = (await expect(caller, "GET", "/models"))["data"]
    asked = {"model": models[-1]["id"], "messages": [{"role": "user", "content": "hello"}], "max_tokens": 20}
    status, body = await caller.call("POST", "/chat/completions", json=asked)
    is_killed = status == 500 and b"ended unexpectedly" in body
    require(status in (200, 404) or is_killed, f"a question was answered {status}: {body[:300]!r}")
    return status == 200


def _content(ledger: Ledger, chance: Random) -> bytes:
    content = chance.randbytes(chance.choice((10, 10_000, 3_000_000)))
    ledger.contents.add(sha256(content))
    return content


def job_request(file: str, seed: int) -> dict[str, object]:
    """Seven epochs of twelve steps: one epoch is short enough to be done between two kills, a job is not."""
    hyperparameters = {"n_epochs": 7, "batch_size": 1}
    return {
        "model": "tiny-byte",
        "training_file": file,
        "seed": seed,
        "method": {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
    }


async def expect(caller: Caller, method: str, path: str, *, also: int = 200, **options: Any) -> dict[str, Any]:
    status, body = await caller.call(method, path, **options)
    require(status in (200, also), f"{method} {path} was answered {status}: {body[:300]!r}")
    value: dict[str, Any] = json.loads(body)
    return value


def require(is_so: bool, otherwise: str) -> None:  # noqa: FBT001  # as assert has it
    if not is_so:
        raise Broken(otherwise)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

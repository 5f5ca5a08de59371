"""From the SDK's objects, which are not validated, to ours, which are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, TypeVar

from ftops.lockfile import CheckpointRecord, JobError
from ftops.plan.observed import JobSeen, Labels
from ftops.remote.errors import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

T = TypeVar("T")

SECONDS_MAX = 253_402_300_800
"""The year 10000: a greater time is no time, but perhaps milliseconds."""

LABEL_SPEC = "ftops.spec"
LABEL_DIGEST = "ftops.digest"
LABEL_ATTEMPT = "ftops.attempt"
LABEL_REPO = "ftops.repo"


def job_seen(answer: object) -> JobSeen:
    """Read a job.

    Raises:
        RemoteError: It has no id, status or creation time: this is not the dialect.
    """
    value = as_dict(answer)
    method = value.get("method")
    return JobSeen(
        id=_text(value, "id"),
        status=_text(value, "status"),
        model=_text(value, "model"),
        created_at=_moment(value, "created_at"),
        finished_at=_optional(value, "finished_at", int),
        fine_tuned_model=_optional(value, "fine_tuned_model", str),
        error=_error(value.get("error")),
        hyperparameters=_hyperparameters(value),
        trained_tokens=_optional(value, "trained_tokens", int),
        training_file=_optional(value, "training_file", str) or "",
        validation_file=_optional(value, "validation_file", str),
        method=method if isinstance(method, dict) else {},
        suffix=_optional(value, "user_provided_suffix", str) or _optional(value, "suffix", str),
        seed=_optional(value, "seed", int),
        labels=_labels(value.get("metadata")),
    )


def checkpoint_record(answer: object) -> CheckpointRecord:
    """Read a checkpoint; metrics that are not numbers are left out."""
    value = as_dict(answer)
    metrics = value.get("metrics")
    numbers = metrics.items() if isinstance(metrics, dict) else ()
    return CheckpointRecord(
        model=_text(value, "fine_tuned_model_checkpoint"),
        step=_whole(value, "step_number"),
        metrics={
            str(key): float(number)
            for key, number in numbers
            if isinstance(number, int | float) and not isinstance(number, bool) and key != "step"
        },
    )


def chat_texts(chunk: object) -> Iterator[str]:
    """Read the pieces of text of one chunk of a streamed answer.

    Raises:
        RemoteError: It is no such chunk.
    """
    match as_dict(chunk):
        case {"choices": list(choices)}:
            for choice in choices:
                match choice:
                    case {"delta": {"content": str(text)}}:
                        yield text
                    case {"delta": dict()}:
                        pass
                    case _:
                        raise unreadable("a choice without a `delta`")
        case _:
            raise unreadable("`choices` is missing")


def as_dict(answer: object) -> dict[str, object]:
    """Give the answer as JSON has it; the SDK hands on a string where a server sent HTML."""
    dump = getattr(answer, "model_dump", None)
    if dump is None:
        _not_the_dialect(answer)
    try:
        # warnings: unknown enum values and extra fields are ordinary states of the dialect, not worth a warning.
        value = dump(mode="json", warnings=False)
    except (RecursionError, ValueError):
        _not_the_dialect(answer)
    if not isinstance(value, dict):
        _not_the_dialect(answer)
    return value


def _not_the_dialect(answer: object) -> NoReturn:
    raise unreadable(f"it is a {type(answer).__name__}, not an object of the API")


def _text(value: Mapping[str, object], key: str) -> str:
    match value.get(key):
        case str(text) if text:
            return text
        case _:
            raise unreadable(f"`{key}` is missing")


def _whole(value: Mapping[str, object], key: str) -> int:
    match value.get(key):
        case int(number):
            return number
        case _:
            raise unreadable(f"`{key}` is missing or no whole number")


def _moment(value: Mapping[str, object], key: str) -> int:
    seconds = _whole(value, key)
    if not 0 <= seconds < SECONDS_MAX:
        raise unreadable(f"`{key}` is no time in unix seconds")
    return seconds


def _optional(value: Mapping[str, object], key: str, kind: type[T]) -> T | None:
    found = value.get(key)
    return found if isinstance(found, kind) else None


def _error(value: object) -> JobError | None:
    """No error has three spellings: null, `{}`, and an object of nulls."""
    if not isinstance(value, dict) or not any(value.get(key) for key in ("code", "message")):
        return None
    texts = {key: value[key] for key in ("code", "message", "param") if isinstance(value.get(key), str)}
    return JobError(**texts)


def _hyperparameters(job: Mapping[str, object]) -> dict[str, object]:
    """As resolved: of the method, or, where a provider has none there, at the top level."""
    method = job.get("method")
    body = method.get(str(method.get("type"))) if isinstance(method, dict) else None
    inner = body.get("hyperparameters") if isinstance(body, dict) else None
    top = job.get("hyperparameters")
    found = inner if isinstance(inner, dict) else top if isinstance(top, dict) else {}
    return {str(key): value for key, value in found.items() if value is not None}


def _labels(metadata: object) -> Labels | None:
    if not isinstance(metadata, dict):
        return None
    spec, digest = metadata.get(LABEL_SPEC), metadata.get(LABEL_DIGEST)
    if not (isinstance(spec, str) and isinstance(digest, str)):
        return None
    attempt = str(metadata.get(LABEL_ATTEMPT, ""))
    return Labels(
        spec=spec,
        digest=digest,
        attempt=int(attempt) if attempt.isdecimal() else 1,
        repo=str(metadata.get(LABEL_REPO, "")),
    )

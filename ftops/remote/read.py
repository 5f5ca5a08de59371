"""From the SDK's objects, which are not validated, to ours, which are."""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING, NoReturn, TypeVar

from ftops.lockfile import CheckpointRecord, JobError
from ftops.plan.observed import JobSeen, Labels
from ftops.remote.errors import clean, redact, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

T = TypeVar("T")

WHOLE_MIN, WHOLE_MAX = -(2**63), 2**64 - 1
"""No lockfile holds a whole number beyond these."""
SECONDS_MAX = 253_402_300_800
"""The year 10000: a greater time is no time, but perhaps milliseconds."""

LABEL_SPEC = "ftops.spec"
LABEL_DIGEST = "ftops.digest"
LABEL_ATTEMPT = "ftops.attempt"
LABEL_REPO = "ftops.repo"
_ATTEMPT = re.compile("[0-9]{1,9}")


def job_seen(answer: object, key: str) -> JobSeen:
    """Read a job; *key* is ours, and stays out of what the provider says of it.

    Raises:
        RemoteError: It has no id, status or creation time: this is not the dialect.
    """
    value = as_dict(answer, key)
    method = value.get("method")
    return JobSeen(
        id=_text(value, "id"),
        status=_text(value, "status"),
        model=_text(value, "model"),
        created_at=_moment(value, "created_at"),
        finished_at=_optional(value, "finished_at", int),
        fine_tuned_model=_optional(value, "fine_tuned_model", str),
        error=_error(value.get("error"), key),
        hyperparameters=_hyperparameters(value),
        trained_tokens=_optional(value, "trained_tokens", int),
        training_file=_optional(value, "training_file", str) or "",
        validation_file=_optional(value, "validation_file", str),
        method=method if isinstance(method, dict) else {},
        suffix=_suffix(value),
        seed=_optional(value, "seed", int),
        labels=labels_of(value),
    )


def labels_of(job: Mapping[str, object]) -> Labels | None:
    """What ftops wrote on a job, which may be unreadable otherwise; None if it did not."""
    metadata = job.get("metadata")
    if not isinstance(metadata, dict):
        return None
    spec, digest = metadata.get(LABEL_SPEC), metadata.get(LABEL_DIGEST)
    if not (isinstance(spec, str) and isinstance(digest, str)):
        return None
    attempt = str(metadata.get(LABEL_ATTEMPT, ""))
    return Labels(
        spec=spec,
        digest=digest,
        attempt=int(attempt) if _ATTEMPT.fullmatch(attempt) else 1,
        repo=str(metadata.get(LABEL_REPO, "")),
    )


def id_of(answer: object, key: str) -> str:
    """The id of whatever was made."""
    return _text(as_dict(answer, key), "id")


def mark_of(job: Mapping[str, object]) -> str:
    """The end of a job's suffix, where ftops puts its mark if there are no labels."""
    return (_suffix(job) or "").rpartition("-")[2]


def checkpoint_record(answer: object, key: str) -> CheckpointRecord:
    """Read a checkpoint; metrics that are not numbers are left out."""
    value = as_dict(answer, key)
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


def chat_texts(chunk: object, key: str) -> Iterator[str]:
    """Read the pieces of text of one chunk of a streamed answer.

    Raises:
        RemoteError: It is no such chunk.
    """
    match as_dict(chunk, key):
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


def as_dict(answer: object, key: str) -> dict[str, object]:
    """Give the answer as JSON has it, without *key*; the SDK hands on a string where a server sent HTML.

    What no lockfile and no terminal can hold is mended: halves of characters become U+FFFD, numbers beyond 64 bits and
    those that are none become null.
    """
    dump = getattr(answer, "model_dump", None)
    if dump is None:
        _not_the_dialect(answer)
    try:
        # warnings: unknown enum values and extra fields are ordinary states of the dialect, not worth a warning.
        value = _mended(dump(mode="json", by_alias=True, warnings=False), key)
    except (ArithmeticError, RecursionError, ValueError):
        _not_the_dialect(answer)
    if not isinstance(value, dict):
        _not_the_dialect(answer)
    return value


def _mended(value: object, key: str) -> object:
    match value:
        case str():
            return clean(value, key)
        case dict():
            return {_mended(name, key): _mended(item, key) for name, item in value.items()}
        case list():
            return [_mended(item, key) for item in value]
        case float() if not isfinite(value):
            return None
        case int() if not WHOLE_MIN <= value <= WHOLE_MAX:
            return None
        case _:
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


def _suffix(job: Mapping[str, object]) -> str | None:
    return _optional(job, "user_provided_suffix", str) or _optional(job, "suffix", str)


def _error(value: object, key: str) -> JobError | None:
    """No error has three spellings: null, `{}`, and an object of nulls."""
    if not isinstance(value, dict) or not any(value.get(field) for field in ("code", "message")):
        return None
    texts = {field: text for field in ("code", "message", "param") if isinstance(text := value.get(field), str)}
    return JobError(**{field: redact(text, key) for field, text in texts.items()})


def _hyperparameters(job: Mapping[str, object]) -> dict[str, object]:
    """As resolved: of the method, or, where a provider has none there, at the top level."""
    method = job.get("method")
    body = method.get(str(method.get("type"))) if isinstance(method, dict) else None
    inner = body.get("hyperparameters") if isinstance(body, dict) else None
    top = job.get("hyperparameters")
    found = inner if isinstance(inner, dict) else top if isinstance(top, dict) else {}
    return {str(key): value for key, value in found.items() if value is not None}

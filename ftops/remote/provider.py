"""The provider's jobs, files and models, through the real client."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import file_digest
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ftops.diagnostics import Diagnostic, Place
from ftops.plan.observed import JobSeen, Labels
from ftops.remote.dialect import mark, remote_name
from ftops.remote.errors import Effect, RemoteError, call, redact, unreadable
from ftops.remote.moderation import MODERATION_MODEL, MODERATION_RETRIES, categories_flagged
from ftops.remote.read import (
    LABEL_DIGEST,
    LABEL_REPO,
    as_dict,
    chat_texts,
    checkpoint_record,
    id_of,
    job_seen,
    labels_of,
    mark_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from openai import OpenAI

    from ftops.clock import Clock
    from ftops.lockfile import CheckpointRecord, DataFile
    from ftops.remote.profiles import Profile

P = ParamSpec("P")
R = TypeVar("R")

PAGE = 100
"""Jobs and events a page: the most that the API gives."""
PAGES_MAX = 10_000
"""No list is followed for ever: some gateways ignore `after`."""
NOT_FOUND, NOT_ALLOWED = 404, 405
PART_BYTES = 64 * 1024 * 1024
"""The most that one part of a large upload holds."""
PROCESSING_LOOKS = 60
"""How often a file is looked at until the provider has processed it, a second apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSeen:
    """A file at the provider."""

    id: str
    name: str
    bytes: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that a job said; *created_at* is unix time in seconds."""

    id: str
    created_at: int
    level: str
    message: str
    data: Mapping[str, object]


class Provider:
    """One target's API, spoken to for one project."""

    def __init__(
        self,
        client: OpenAI,
        profile: Profile,
        *,
        repo: str,
        clock: Clock,
        newest_key: Callable[[], str] | None = None,
    ) -> None:
        """Speak through *client*, whose key is *newest_key* if it changes; its only use here is to be blanked out."""
        self._client = client
        self._newest_key = newest_key or (lambda: client.api_key)
        # A create is never sent twice by the transport: the API has no idempotency key.
        self._once = client.with_options(max_retries=0)
        self.profile = profile
        self.repo = repo
        self._clock = clock

    @property
    def _key(self) -> str:
        return self._newest_key()

    def jobs(self, known: Iterable[tuple[str, str]], *, digest: str | None = None) -> tuple[JobSeen, ...]:
        """This project's jobs, newest first; with *digest*, those that ask for just that.

        Args:
            known: The pairs of spec and digest that this project may have asked for. Only needed where a provider
                keeps no labels: there the suffix carries a mark, which has to be recognised.
            digest: Of one job that is looked for.

        Raises:
            RemoteError: Also if one of ours cannot be read; of others that is nothing to us.
        """
        query: dict[str, Any] = {"limit": PAGE}
        if self.profile.metadata_filter:
            query["metadata"] = {LABEL_REPO: self.repo} | ({LABEL_DIGEST: digest} if digest else {})
        asked = (Labels(spec=spec, digest=each, attempt=1, repo=self.repo) for spec, each in known)
        marks = {mark(labels): labels for labels in asked}
        found: list[JobSeen] = []
        for answer in self._list(self._client.fine_tuning.jobs, query):
            value = as_dict(answer, self._key)
            labels = labels_of(value) if self.profile.metadata else marks.get(mark_of(value))
            if labels and labels.repo == self.repo and digest in {None, labels.digest}:
                found.append(replace(self._seen(answer), labels=labels))
        return tuple(found)

    def models(self) -> dict[str, str | None]:
        """All models, with the date on which each is shut down, if any."""
        found: dict[str, str | None] = {}
        page = self._call(self._client.models.list)
        for model in _data(page):
            value = as_dict(model, self._key)
            shutdown = value.get("shutdown_date")
            found[str(value.get("id"))] = shutdown if isinstance(shutdown, str) else None
        return found

    def has_model(self, name: str) -> bool:
        """Whether there is such a model, whatever the list says, which may lag."""
        try:
            as_dict(self._call(self._client.models.retrieve, name), self._key)
        except RemoteError as error:
            if error.status in {NOT_FOUND, NOT_ALLOWED}:
                return False
            raise
        return True

    def files(self) -> dict[str, FileSeen]:
        """Files for fine-tuning, by name; of equal names the newest."""
        found: dict[str, FileSeen] = {}
        for answer in self._list(self._client.files, {"purpose": "fine-tune", "limit": 10_000}):
            file = _file(answer, self._key)
            found.setdefault(file.name, file)
        return found

    def upload(self, file: DataFile, stream: BinaryIO) -> FileSeen:
        """Upload *file*, whose bytes *stream* gives; `processed` says when the provider has taken it in.

        What carries a content's digest in its name holds that content: if the bytes changed while they were read, the
        copy at the provider is deleted.

        Raises:
            RemoteError: It was refused, its outcome is not known and it is not found, or its bytes changed.
        """
        try:
            seen = self._sent(file, stream)
        except RemoteError:
            if _holds(stream, file.sha256):
                raise
            raise RemoteError(_changed(file.path, None), effect=Effect.NO) from None
        if _holds(stream, file.sha256):
            return seen
        try:
            self._call(self._client.files.delete, seen.id)
        except RemoteError:
            raise RemoteError(_changed(file.path, seen.id), effect=Effect.NO) from None
        raise RemoteError(_changed(file.path, None), effect=Effect.NO)

    def _sent(self, file: DataFile, stream: BinaryIO) -> FileSeen:
        try:
            return self._send(file, stream)
        except RemoteError as error:
            # An upload costs nothing, so one look is enough: a second copy would do no harm.
            found = self.files().get(remote_name(file)) if error.effect is Effect.UNKNOWN else None
            if found is None or found.bytes != file.bytes:
                raise
            return found

    def _send(self, file: DataFile, stream: BinaryIO) -> FileSeen:
        name, kind = remote_name(file), "application/jsonl"
        if file.bytes <= self.profile.upload_bytes_max:
            answer = self._call(self._once.files.create, file=(name, stream, kind), purpose="fine-tune")
            return _file(answer, self._key)
        uploads = self._client.uploads
        begun = self._call(uploads.create, filename=name, bytes=file.bytes, mime_type=kind, purpose="fine-tune")
        upload_id = id_of(begun, self._key)
        parts: list[str] = []
        while block := stream.read(PART_BYTES):
            parts.append(id_of(self._call(uploads.parts.create, upload_id, data=block), self._key))
        upload = self._call(uploads.complete, upload_id, part_ids=parts)
        return _file(getattr(upload, "file", None), self._key)

    def processed(self, file: FileSeen) -> FileSeen:
        for _ in range(PROCESSING_LOOKS):
            if file.status == "processed":
                return file
            if file.status in {"error", "deleted"}:
                break
            self._clock.sleep(1)
            file = _file(self._call(self._client.files.retrieve, file.id), self._key)
        raise RemoteError(
            Diagnostic(
                code="remote-file",
                summary=f"the provider did not take in `{file.name}`: its status is `{file.status}`",
                why="only a processed file can be trained on",
                fix="run `ftops apply` again; if it stays so, check the data and the provider's status page",
            ),
            effect=Effect.NO,
        )

    def create_job(self, request: Mapping[str, object]) -> JobSeen:
        """Create a job. Never repeated: on a doubtful outcome look for it with `jobs(digest=…)`.

        Raises:
            RemoteError: With the effect that the failed call may have had.
        """
        return self._seen(self._call(self._once.fine_tuning.jobs.create, **dict(request)))  # type: ignore[arg-type]

    def job(self, job_id: str) -> JobSeen:
        return self._seen(self._call(self._client.fine_tuning.jobs.retrieve, job_id))

    def find_job(self, job_id: str) -> JobSeen | None:
        """The job, whatever lists say, which may lag; None only if the provider answers that there is none."""
        try:
            return self.job(job_id)
        except RemoteError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def cancel(self, job_id: str) -> JobSeen:
        return self._seen(self._call(self._client.fine_tuning.jobs.cancel, job_id))

    def pause(self, job_id: str) -> JobSeen:
        return self._seen(self._call(self._client.fine_tuning.jobs.pause, job_id))

    def resume(self, job_id: str) -> JobSeen:
        return self._seen(self._call(self._client.fine_tuning.jobs.resume, job_id))

    def checkpoints(self, job_id: str) -> tuple[CheckpointRecord, ...]:
        """A job's checkpoints, by step; none from a provider that does not know of any."""
        resource = self._client.fine_tuning.jobs.checkpoints
        try:
            answers = tuple(self._list(resource, {"limit": PAGE}, job_id))
        except RemoteError as error:
            if error.status in {NOT_FOUND, NOT_ALLOWED}:
                return ()
            raise
        found = (checkpoint_record(answer, self._key) for answer in answers)
        return tuple(sorted(found, key=lambda checkpoint: checkpoint.step))

    def events(self, job_id: str, *, since: str | None = None) -> tuple[Event, ...]:
        """What a job said, oldest first; with *since*, only what came after the event of that id."""
        found: list[Event] = []
        for answer in self._list(self._client.fine_tuning.jobs, {"limit": PAGE}, job_id, method="list_events"):
            event = _event(answer, self._key)
            if event.id == since:
                break
            found.append(event)
        return tuple(reversed(found))

    def chat(self, model: str, messages: list[dict[str, str]], *, tokens_max: int, temperature: float) -> Iterator[str]:
        """Ask *model*; yields its answer piece by piece."""
        stream = self._call(
            self._client.chat.completions.create,  # type: ignore[arg-type]  # dicts are what the SDK sends on
            model=model,
            messages=messages,
            max_completion_tokens=tokens_max,
            temperature=temperature,
            stream=True,
        )
        iterator = self._call(iter, stream)
        chunk = self._call(next, iterator, None)
        if chunk is None:
            raise unreadable("the stream holds nothing")
        while chunk is not None:
            yield from chat_texts(chunk, self._key)
            chunk = self._call(next, iterator, None)

    def moderate(self, texts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """The categories that the provider's moderation flags each of *texts* for; none where it flags nothing."""
        patient = self._client.with_options(max_retries=MODERATION_RETRIES)
        answer = self._call(patient.moderations.create, input=list(texts), model=MODERATION_MODEL)
        return categories_flagged(as_dict(answer, self._key), len(texts))

    def _list(self, resource: Any, query: dict[str, Any], *path: str, method: str = "list") -> Iterator[object]:
        """Follow a list page by page, until it ends or a page brings nothing new."""
        seen: set[str] = set()
        page = self._call(getattr(resource, method), *path, **query)
        for _ in range(PAGES_MAX):
            fresh = {key: item for item in _data(page) if (key := str(getattr(item, "id", None))) not in seen}
            yield from fresh.values()
            seen |= fresh.keys()
            if not fresh or not self._call(page.has_next_page):
                return
            page = self._call(page.get_next_page)

    def _seen(self, answer: object) -> JobSeen:
        return job_seen(answer, self._key)

    def _call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return call(self._newest_key, function, *args, **kwargs)


def _data(page: object) -> list[object]:
    data = getattr(page, "data", None)
    if not isinstance(data, list):
        raise unreadable(f"a list was expected, and a {type(page).__name__} came")
    return data


def _file(answer: object, key: str) -> FileSeen:
    value = as_dict(answer, key)
    size = value.get("bytes")
    if not isinstance(value.get("id"), str):
        raise unreadable("a file without an id")
    return FileSeen(
        id=str(value["id"]),
        name=str(value.get("filename", "")),
        bytes=size if isinstance(size, int) else -1,
        status=str(value.get("status") or "processed"),
    )


def _event(answer: object, key: str) -> Event:
    value = as_dict(answer, key)
    data, created = value.get("data"), value.get("created_at")
    return Event(
        id=str(value.get("id", "")),
        created_at=created if isinstance(created, int) else 0,
        level=str(value.get("level", "info")),
        message=redact(str(value.get("message", "")), key),
        data=data if isinstance(data, dict) else {},
    )


def _holds(stream: BinaryIO, sha256: str) -> bool:
    stream.seek(0)
    return file_digest(stream, "sha256").hexdigest() == sha256  # type: ignore[arg-type]  # every binary file fits


def _changed(path: str, copy: str | None) -> Diagnostic:
    return Diagnostic(
        code="file-changed",
        summary=f"`{path}` changed while it was uploaded",
        place=Place(path=path),
        why="its content is no longer what was planned"
        + (f", and the copy at the provider, file `{copy}`, could not be deleted" if copy else ""),
        fix=(f"delete the file `{copy}` at the provider, then " if copy else "")
        + "run `ftops plan` again, and look at what it says now",
    )

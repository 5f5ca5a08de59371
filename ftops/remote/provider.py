"""The provider's jobs, files and models, through the real client."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ftops.diagnostics import Diagnostic
from ftops.digest import short
from ftops.plan.observed import JobSeen, Labels, Observed
from ftops.remote.dialect import remote_name
from ftops.remote.errors import Effect, RemoteError, call, unreadable
from ftops.remote.read import LABEL_DIGEST, LABEL_REPO, as_dict, chat_texts, checkpoint_record, job_seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import BinaryIO

    from openai import OpenAI

    from ftops.clock import Clock
    from ftops.lockfile import CheckpointRecord, DataFile
    from ftops.remote.profiles import Profile

PAGE = 100
"""Jobs and events a page: the most that the API gives."""
PAGES_MAX = 10_000
"""No list is followed for ever: some gateways ignore `after`."""
NOT_FOUND = 404
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

    def __init__(self, client: OpenAI, profile: Profile, *, repo: str, clock: Clock) -> None:
        self._client = client
        # A create is never sent twice by the transport: the API has no idempotency key.
        self._once = client.with_options(max_retries=0)
        self.profile = profile
        self.repo = repo
        self._clock = clock

    def observe(self, known: Iterable[tuple[str, str]]) -> Observed:
        """Look at this project's jobs and at all models; *known* as in `jobs`."""
        return Observed(jobs=self.jobs(known), models=self.models())

    def jobs(self, known: Iterable[tuple[str, str]], *, digest: str | None = None) -> tuple[JobSeen, ...]:
        """This project's jobs, newest first; with *digest*, those of any project that ask for the same.

        Args:
            known: The pairs of spec and digest that this project may have asked for. Only needed where a provider
                keeps no labels: there the suffix carries a short digest, which has to be recognised.
            digest: Of one job that is looked for.
        """
        query: dict[str, Any] = {"limit": PAGE}
        if self.profile.metadata_filter:
            query["metadata"] = {LABEL_DIGEST: digest} if digest else {LABEL_REPO: self.repo}
        marks = {short(each): Labels(spec=spec, digest=each, attempt=1, repo=self.repo) for spec, each in known}
        jobs = (self._labelled(job_seen(answer), marks) for answer in self._list(self._client.fine_tuning.jobs, query))
        return tuple(job for job in jobs if self._is_wanted(job, digest))

    def models(self) -> dict[str, str | None]:
        """All models, with the date on which each is shut down, if any."""
        found: dict[str, str | None] = {}
        page = call(self._client.models.list)
        for model in _data(page):
            value = as_dict(model)
            shutdown = value.get("shutdown_date")
            found[str(value.get("id"))] = shutdown if isinstance(shutdown, str) else None
        return found

    def files(self) -> dict[str, FileSeen]:
        """Files for fine-tuning, by name; of equal names the newest."""
        found: dict[str, FileSeen] = {}
        for answer in self._list(self._client.files, {"purpose": "fine-tune", "limit": 10_000}):
            file = _file(answer)
            found.setdefault(file.name, file)
        return found

    def upload(self, file: DataFile, stream: BinaryIO) -> FileSeen:
        """Upload *file*, whose bytes *stream* gives, and wait until the provider has taken it in.

        Raises:
            RemoteError: It was refused, or its processing ended in an error.
        """
        name = remote_name(file)
        if file.bytes > self.profile.upload_bytes_max:
            upload = call(
                self._client.uploads.upload_file_chunked,
                file=stream.read(),
                mime_type="application/jsonl",
                purpose="fine-tune",
                filename=name,
                bytes=file.bytes,
            )
            seen = _file(getattr(upload, "file", None))
        else:
            answer = call(self._once.files.create, file=(name, stream, "application/jsonl"), purpose="fine-tune")
            seen = _file(answer)
        return self._processed(seen)

    def create_job(self, request: Mapping[str, object]) -> JobSeen:
        """Create a job. Never repeated: on a doubtful outcome look for it with `jobs(digest=…)`.

        Raises:
            RemoteError: With the effect that the failed call may have had.
        """
        return job_seen(call(self._once.fine_tuning.jobs.create, **dict(request)))  # type: ignore[arg-type]

    def job(self, job_id: str) -> JobSeen:
        return job_seen(call(self._client.fine_tuning.jobs.retrieve, job_id))

    def find_job(self, job_id: str) -> JobSeen | None:
        """The job, whatever lists say, which may lag; None only if the provider answers that there is none."""
        try:
            return self.job(job_id)
        except RemoteError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def cancel(self, job_id: str) -> JobSeen:
        return job_seen(call(self._client.fine_tuning.jobs.cancel, job_id))

    def pause(self, job_id: str) -> JobSeen:
        return job_seen(call(self._client.fine_tuning.jobs.pause, job_id))

    def resume(self, job_id: str) -> JobSeen:
        return job_seen(call(self._client.fine_tuning.jobs.resume, job_id))

    def checkpoints(self, job_id: str) -> tuple[CheckpointRecord, ...]:
        """A job's checkpoints, by step."""
        resource = self._client.fine_tuning.jobs.checkpoints
        found = (checkpoint_record(answer) for answer in self._list(resource, {"limit": PAGE}, job_id))
        return tuple(sorted(found, key=lambda checkpoint: checkpoint.step))

    def events(self, job_id: str, *, since: str | None = None) -> tuple[Event, ...]:
        """What a job said, oldest first; with *since*, only what came after the event of that id."""
        found: list[Event] = []
        for answer in self._list(self._client.fine_tuning.jobs, {"limit": PAGE}, job_id, method="list_events"):
            event = _event(answer)
            if event.id == since:
                break
            found.append(event)
        return tuple(reversed(found))

    def chat(self, model: str, messages: list[dict[str, str]], *, tokens_max: int, temperature: float) -> Iterator[str]:
        """Ask *model*; yields its answer piece by piece."""
        stream = call(
            self._client.chat.completions.create,  # type: ignore[arg-type]  # dicts are what the SDK sends on
            model=model,
            messages=messages,
            max_completion_tokens=tokens_max,
            temperature=temperature,
            stream=True,
        )
        iterator = call(iter, stream)
        chunk = call(next, iterator, None)
        if chunk is None:
            raise unreadable("the stream holds nothing")
        while chunk is not None:
            yield from chat_texts(chunk)
            chunk = call(next, iterator, None)

    def _list(self, resource: Any, query: dict[str, Any], *path: str, method: str = "list") -> Iterator[object]:
        """Follow a list page by page, until it ends or a page brings nothing new."""
        seen: set[str] = set()
        page = call(getattr(resource, method), *path, **query)
        for _ in range(PAGES_MAX):
            fresh = {key: item for item in _data(page) if (key := str(getattr(item, "id", None))) not in seen}
            yield from fresh.values()
            seen |= fresh.keys()
            if not fresh or not call(page.has_next_page):
                return
            page = call(page.get_next_page)

    def _labelled(self, job: JobSeen, marks: Mapping[str, Labels]) -> JobSeen:
        if self.profile.metadata or not job.suffix:
            return job
        mark = job.suffix.rpartition("-")[2]
        return replace(job, labels=marks.get(mark))

    def _is_wanted(self, job: JobSeen, digest: str | None) -> bool:
        if job.labels is None:
            return False
        return job.labels.digest == digest if digest else job.labels.repo == self.repo

    def _processed(self, file: FileSeen) -> FileSeen:
        for _ in range(PROCESSING_LOOKS):
            if file.status == "processed":
                return file
            if file.status in {"error", "deleted"}:
                break
            self._clock.sleep(1)
            file = _file(call(self._client.files.retrieve, file.id))
        raise RemoteError(
            Diagnostic(
                code="remote-file",
                summary=f"the provider did not take in `{file.name}`: its status is `{file.status}`",
                why="only a processed file can be trained on",
                fix="run `ftops apply` again; if it stays so, check the data and the provider's status page",
            ),
            effect=Effect.NO,
        )


def _data(page: object) -> list[object]:
    data = getattr(page, "data", None)
    if not isinstance(data, list):
        raise unreadable(f"a list was expected, and a {type(page).__name__} came")
    return data


def _file(answer: object) -> FileSeen:
    value = as_dict(answer)
    size = value.get("bytes")
    if not isinstance(value.get("id"), str):
        raise unreadable("a file without an id")
    return FileSeen(
        id=str(value["id"]),
        name=str(value.get("filename", "")),
        bytes=size if isinstance(size, int) else -1,
        status=str(value.get("status") or "processed"),
    )


def _event(answer: object) -> Event:
    value = as_dict(answer)
    data, created = value.get("data"), value.get("created_at")
    return Event(
        id=str(value.get("id", "")),
        created_at=created if isinstance(created, int) else 0,
        level=str(value.get("level", "info")),
        message=str(value.get("message", "")),
        data=data if isinstance(data, dict) else {},
    )

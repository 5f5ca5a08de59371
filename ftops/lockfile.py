"""The lockfile's content: what ftops asked for, what came of it, and the chain that proves both unchanged.

Pure: bytes to values and back. `lockstore` keeps it on disk.
"""

from __future__ import annotations

import re

import msgspec
import orjson

from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.digest import Digest, digest_of

VERSION = 1
"""A reader refuses a greater one. A new field raises it: a reader that dropped what it does not know would lose ids."""

REBUILD = "take the file from git (`git checkout HEAD -- {path}`), or run `ftops lock rebuild`"


class _Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A value of the lockfile: what is at its default is not written, what is unknown is refused."""


class DataFile(_Value, frozen=True, kw_only=True):
    """A training or validation file, as it was when its digest was taken."""

    path: str
    sha256: str
    """64 hexadecimal digits, of the bytes that are uploaded."""
    bytes: int
    rows: int
    tokens: int | None = None
    """Of all rows, uncut, as the base model's tokenizer counts them; None in what an older ftops recorded."""
    file_id: str | None = None
    """The provider's id, once uploaded."""


class ParentInput(_Value, frozen=True, kw_only=True):
    """The generation that a chained spec goes on from, and which of its checkpoints."""

    spec: str
    digest: Digest
    checkpoint: str


class Inputs(_Value, frozen=True, kw_only=True):
    """All that changes the trained model, and where it came from."""

    model: str | ParentInput
    method: dict[str, object]
    training_file: DataFile
    validation_file: DataFile | None = None
    seed: int | None = None
    suffix: str | None = None
    integrations: tuple[dict[str, object], ...] = ()

    def digest(self, target: str) -> Digest:
        """The identity of a training run on *target*: file names, rows and ids are not part of it."""
        return digest_of({"target": target, **self.identity()})

    def identity(self) -> dict[str, object]:
        """What the digest covers, by field."""
        match self.model:
            case ParentInput(digest=digest, checkpoint=checkpoint):
                model: object = {"parent": digest, "checkpoint": checkpoint}
            case name:
                model = name
        return {
            "model": model,
            "method": self.method,
            "seed": self.seed,
            "suffix": self.suffix,
            "integrations": list(self.integrations),
            "training_file": self.training_file.sha256,
            "validation_file": self.validation_file.sha256 if self.validation_file else None,
        }


class JobError(_Value, frozen=True, kw_only=True):
    """The API's own words on a failed job."""

    code: str | None = None
    message: str | None = None
    param: str | None = None


class JobRecord(_Value, frozen=True, kw_only=True):
    """A job at the provider, as last seen; times are unix seconds."""

    id: str
    status: str
    created_at: int
    finished_at: int | None = None
    error: JobError | None = None


class CheckpointRecord(_Value, frozen=True, kw_only=True):
    """A checkpoint that can be used as a model."""

    model: str
    step: int
    metrics: dict[str, float] = {}


class Chosen(_Value, frozen=True, kw_only=True):
    """Which checkpoint became the model, by which rule of the spec."""

    policy: str
    step: int


class Generation(_Value, frozen=True, kw_only=True):
    """One training run of a spec, from request to model."""

    digest: Digest
    inputs: Inputs | None = None
    """None for a generation that `lock rebuild` found, and that no spec asks for any more."""
    request: dict[str, object]
    """As sent, with the provider's file ids and model id."""
    job: JobRecord
    attempt: int = 1
    hyperparameters: dict[str, object] = {}
    """As the provider resolved them: `auto` replaced by numbers."""
    trained_tokens: int | None = None
    model: str | None = None
    checkpoint: Chosen | None = None
    checkpoints: tuple[CheckpointRecord, ...] = ()
    metrics: dict[str, float] = {}
    """Of the chosen checkpoint."""
    commit: str | None = None
    """The git commit that asked for it."""
    hash: str = ""
    """Over this content and the hash of the generation before it."""


class Intent(_Value, frozen=True, kw_only=True):
    """A create that is about to be sent, or whose outcome is not known yet."""

    digest: Digest
    inputs: Inputs
    request: dict[str, object]
    started_at: int
    attempt: int = 1
    commit: str | None = None


class Entry(_Value, frozen=True, kw_only=True):
    """All that is known of one spec: the newest generation last asked for, and those before it, oldest first."""

    generation: Generation | None = None
    history: tuple[Generation, ...] = ()
    intent: Intent | None = None

    @property
    def generations(self) -> tuple[Generation, ...]:
        """All, oldest first."""
        return (*self.history, self.generation) if self.generation else self.history

    def find(self, digest: Digest) -> Generation | None:
        """The newest earlier generation with *digest*."""
        return next((old for old in reversed(self.history) if old.digest == digest), None)


class Lockfile(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one target."""

    version: int = VERSION
    target: str
    models: dict[str, Entry] = {}


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    """The outer shape, decoded first: entries one by one after it, so that an error names its entry."""

    version: int
    target: str
    models: dict[str, msgspec.Raw] = {}


def encode(lock: Lockfile) -> bytes:
    """Canonical text: sorted names, two spaces, LF, a final newline. Equal content gives equal bytes."""
    return msgspec.json.format(msgspec.json.encode(lock, order="deterministic"), indent=2) + b"\n"


def decode(content: bytes, path: str) -> Lockfile:
    """Read the text of *path*.

    Raises:
        ProblemsError: It is not a lockfile, is damaged, or is of a newer ftops.
    """
    try:
        document = msgspec.json.decode(content, type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemsError(_malformed(content, path, str(error))) from None
    if document.version < 1:
        raise ProblemsError(_malformed(content, path, f"there is no version {document.version}"))
    if document.version > VERSION:
        raise ProblemsError(
            Diagnostic(
                code="lock-version",
                summary=f"`{path}` has version {document.version}, and this ftops reads up to version {VERSION}",
                place=Place(path=path),
                why="a newer ftops wrote it, and reading it halfway could lose model ids",
                fix="upgrade ftops, for example with `pip install --upgrade ftops`",
            )
        )
    models: dict[str, Entry] = {}
    problems: list[Diagnostic] = []
    for name, raw in document.models.items():
        try:
            models[name] = msgspec.json.decode(raw, type=Entry)
            # What canonical JSON does not have, has no digest: numbers beyond 64 bits, values nested hundreds deep.
            orjson.dumps(msgspec.to_builtins(models[name]))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError) as error:
            problems.append(_bad_entry(content, path, name, str(error)))
    if problems:
        raise ProblemsError(*problems)
    return Lockfile(version=document.version, target=document.target, models=models)


def verify(lock: Lockfile, path: str) -> tuple[Diagnostic, ...]:
    """Find every entry that was changed by anything but ftops: its hash or its digest does not match its content."""
    return tuple(
        Diagnostic(
            code="lock-edited",
            summary=f"the entry `{name}` was changed by hand: {what}",
            place=Place(path=path),
            why="every generation carries a hash of its content and of the generations before it",
            fix=REBUILD.format(path=path),
        )
        for name, found in broken(lock).items()
        for what in found
    )


def broken(lock: Lockfile) -> dict[str, list[str]]:
    """What does not match, by the name of the entry; empty if all is as ftops wrote it."""
    found = {name: _broken(name, entry, lock.target) for name, entry in sorted(lock.models.items())}
    return {name: what for name, what in found.items() if what}


def with_intent(lock: Lockfile, name: str, intent: Intent) -> Lockfile:
    """Record that a create is about to be sent."""
    entry = lock.models.get(name, Entry())
    return with_entry(lock, name, msgspec.structs.replace(entry, intent=intent))


def without_intent(lock: Lockfile, name: str) -> Lockfile:
    """Record that a create certainly had no effect."""
    entry = msgspec.structs.replace(lock.models[name], intent=None)
    if entry != Entry():
        return with_entry(lock, name, entry)
    return msgspec.structs.replace(lock, models={key: old for key, old in lock.models.items() if key != name})


def with_generation(lock: Lockfile, name: str, generation: Generation) -> Lockfile:
    """Record *generation* as the current one, and its intent as fulfilled; the one before becomes history.

    A generation that is taken back from history stands there no longer: each job has one record.
    """
    entry = lock.models.get(name, Entry())
    others = tuple(old for old in entry.generations if old.job.id != generation.job.id)
    intent = None if entry.intent and entry.intent.digest == generation.digest else entry.intent
    return with_entry(lock, name, Entry(generation=generation, history=others, intent=intent))


def with_outcome(lock: Lockfile, name: str, generation: Generation) -> Lockfile:
    """Record what came of a job, wherever its generation stands: a superseded job's model is kept as well."""
    entry = lock.models[name]
    same = generation.job.id
    assert any(old.job.id == same for old in entry.generations), "an outcome of a job that is not recorded"

    def updated(old: Generation) -> Generation:
        return generation if old.job.id == same else old

    current = updated(entry.generation) if entry.generation else None
    history = tuple(updated(old) for old in entry.history)
    return with_entry(lock, name, msgspec.structs.replace(entry, generation=current, history=history))


def with_superseded(lock: Lockfile, name: str, generation: Generation) -> Lockfile:
    """Record *generation* as history at once: its job was made, and is asked for no more."""
    entry = lock.models[name]
    others = tuple(old for old in entry.history if old.job.id != generation.job.id)
    return with_entry(lock, name, Entry(generation=entry.generation, history=(*others, generation)))


def with_entry(lock: Lockfile, name: str, entry: Entry) -> Lockfile:
    """Record *entry* whole, its chain hashed anew."""
    return msgspec.structs.replace(lock, models={**lock.models, name: _sealed(name, entry)})


def forgotten(lock: Lockfile, name: str) -> Lockfile:
    """Record that no spec asks for *name* any more: its generation becomes history, its model id stays readable.

    What was intended and never made leaves nothing behind.
    """
    history = lock.models[name].generations
    if history:
        return with_entry(lock, name, Entry(history=history))
    return msgspec.structs.replace(lock, models={key: old for key, old in lock.models.items() if key != name})


def _sealed(name: str, entry: Entry) -> Entry:
    """Hash the chain anew, oldest first; it begins with the entry's name."""
    before, sealed = name, []
    for generation in entry.generations:
        sealed.append(msgspec.structs.replace(generation, hash=_hash(generation, before)))
        before = sealed[-1].hash
    current = sealed.pop() if entry.generation else None
    return msgspec.structs.replace(entry, generation=current, history=tuple(sealed))


def _hash(generation: Generation, before: str) -> str:
    content = msgspec.to_builtins(msgspec.structs.replace(generation, hash=""))
    return digest_of({"before": before, "content": content})


def _broken(name: str, entry: Entry, target: str) -> list[str]:
    before, found = name, []
    for number, generation in enumerate(entry.generations, start=1):
        if generation.hash != _hash(generation, before):
            found.append(f"the hash of generation {number} does not match its content")
        elif generation.inputs and generation.digest != generation.inputs.digest(target):
            found.append(f"the digest of generation {number} does not match its inputs")
        before = generation.hash
    if entry.intent and entry.intent.digest != entry.intent.inputs.digest(target):
        found.append("the digest of its intent does not match its inputs")
    return found


def _malformed(content: bytes, path: str, message: str) -> Diagnostic:
    offset = re.search(r"\(byte (\d+)\)", message)
    line = content[: int(offset[1])].count(b"\n") + 1 if offset else None
    return Diagnostic(
        code="lock-malformed",
        summary=f"`{path}` is not a lockfile: {_lowered(message)}",
        place=Place(path=path, line=line),
        why="only ftops writes it; a merge conflict or an edit by hand leaves it unreadable",
        fix=REBUILD.format(path=path),
    )


def _bad_entry(content: bytes, path: str, name: str, message: str) -> Diagnostic:
    at = content.find(msgspec.json.encode(name) + b":")
    return Diagnostic(
        code="lock-malformed",
        summary=f"the entry `{name}` of `{path}` is damaged: {_lowered(message)}",
        place=Place(path=path, line=content[:at].count(b"\n") + 1 if at >= 0 else None),
        why="only ftops writes it; a merge conflict or an edit by hand leaves it unreadable",
        fix=REBUILD.format(path=path),
    )


def _lowered(message: str) -> str:
    """A sentence as the rest of one; `JSON` stays as it is."""
    return message if message[:2].isupper() else f"{message[:1].lower()}{message[1:]}"

"""What can happen, one value each: a schedule is a list of these, and says all that chance decided.

Their `repr` is how traces show them, and can be pasted into a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verb = Literal["apply", "retry", "reconcile", "rebuild", "push"]


@dataclass(frozen=True, slots=True)
class Write:
    """Main gets a spec, or another version of it."""

    spec: str
    epochs: int
    parent: str | None = None
    on_change: str = "keep"


@dataclass(frozen=True, slots=True)
class Comment:
    """A spec gets another comment, and asks for nothing else."""

    spec: str
    text: int


@dataclass(frozen=True, slots=True)
class Remove:
    """Main loses a spec."""

    spec: str


@dataclass(frozen=True, slots=True)
class Rename:
    """A spec gets another name."""

    spec: str
    to: str


@dataclass(frozen=True, slots=True)
class Data:
    """The data that a spec trains on changes."""

    spec: str
    version: int


@dataclass(frozen=True, slots=True)
class Configure:
    """The configuration changes in what is nothing to any model."""

    version: int


@dataclass(frozen=True, slots=True)
class Start:
    """A runner begins a command, if it has none under way; one of a workflow checks main out first."""

    runner: int
    verb: Verb


@dataclass(frozen=True, slots=True)
class GoOn:
    """A runner goes on, over so many boundaries."""

    runner: int
    boundaries: int


@dataclass(frozen=True, slots=True)
class Crash:
    """A runner dies where it is."""

    runner: int


@dataclass(frozen=True, slots=True)
class Pull:
    """A person brings a folder up to date with main, also while a command runs in it."""

    runner: int


@dataclass(frozen=True, slots=True)
class Break:
    """A person spoils the lockfile of a folder."""

    runner: int
    how: Literal["truncate", "edit"]


@dataclass(frozen=True, slots=True)
class Mend:
    """A person does what ftops' message says: brings a recovery copy back, or takes main's lockfile and rebuilds."""

    runner: int


@dataclass(frozen=True, slots=True)
class FailNetwork:
    """A runner's next requests go wrong."""

    runner: int
    door: str
    kind: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class FailDisk:
    """A runner's next saves go wrong."""

    runner: int
    kind: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class FailShared:
    """A runner's next looks at the claims or at main's lockfile, or changes of them, go wrong."""

    runner: int
    what: str
    kind: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Lag:
    """The provider's lists lag behind by so much from now on."""

    seconds: int


@dataclass(frozen=True, slots=True)
class SpoilPages:
    """Answers to come drop what is young, or repeat what was there."""

    how: Literal["drop", "repeat"]
    times: int


@dataclass(frozen=True, slots=True)
class SpoilUpload:
    """The next file uploaded ends in `error`."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes."""

    seconds: int


@dataclass(frozen=True, slots=True)
class SetClock:
    """A runner's clock is set, so far ahead of the time."""

    runner: int
    ahead: int


@dataclass(frozen=True, slots=True)
class Train:
    """The provider moves its jobs on by so many stages."""

    stages: int


@dataclass(frozen=True, slots=True)
class FailJob:
    """The provider's next job that runs, fails."""


@dataclass(frozen=True, slots=True)
class Steer:
    """A person steers a job on the provider's own page: the *job*-th, counted from the newest."""

    verb: Literal["pause", "resume", "cancel"]
    job: int


@dataclass(frozen=True, slots=True)
class LoseJob:
    """A job vanishes at the provider."""

    job: int


@dataclass(frozen=True, slots=True)
class DeleteModel:
    """A model is deleted, or shut down."""

    model: int


@dataclass(frozen=True, slots=True)
class PlantNamesake:
    """Another project creates a job under the name and digest of one of ours."""

    job: int


Step = (
    Write
    | Comment
    | Remove
    | Rename
    | Data
    | Configure
    | Start
    | GoOn
    | Crash
    | Pull
    | Break
    | Mend
    | FailNetwork
    | FailDisk
    | FailShared
    | Lag
    | SpoilPages
    | SpoilUpload
    | Wait
    | SetClock
    | Train
    | FailJob
    | Steer
    | LoseJob
    | DeleteModel
    | PlantNamesake
)

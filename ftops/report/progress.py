"""How jobs get on: figures from their events, a line or a bar for each."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Protocol

from ftops.report.figures import loss, span
from ftops.report.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from ftops.plan.observed import JobSeen
    from ftops.remote.provider import Event

PACE_EVENTS = 50
"""The pace is that of the newest steps: what went before a pause or a restart says nothing about what is left."""
LINES_A_JOB = 10
"""About as many plain lines as a job may fill a log with."""
STEPS_A_LINE = 10
"""Where a job does not say how many steps it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one job is."""

    name: str
    job_id: str
    status: str
    step: int | None = None
    total_steps: int | None = None
    train_loss: float | None = None
    valid_loss: float | None = None
    """On all validation data once that was measured, else on a batch of it."""
    eta_seconds: float | None = None
    """None before two steps are known, and unless it runs."""


class View(Protocol):
    """What shows progress, on a terminal or in a log."""

    def update(self, jobs: tuple[Progress, ...]) -> None:
        """Show *jobs*: all that have not ended."""
        ...

    def say(self, text: str) -> None:
        """Show a line that stays; whoever writes to the terminal past this view writes into its bars."""
        ...


def progress_of(name: str, job: JobSeen, events: Sequence[Event], now: int) -> Progress:
    """Read off how far *job* is.

    Args:
        name: The spec's.
        job: As last seen.
        events: Oldest first. Only their data is read: words differ between providers.
        now: Unix time in seconds.
    """
    steps = [event for event in events if _whole(event.data, "step") is not None]
    newest = steps[-1].data if steps else {}
    total = _whole(newest, "total_steps")
    return Progress(
        name=name,
        job_id=job.id,
        status=job.status,
        step=_whole(newest, "step"),
        total_steps=total,
        train_loss=_last(steps, "train_loss"),
        valid_loss=_first_known(_last(steps, "full_valid_loss"), _last(steps, "valid_loss")),
        eta_seconds=_seconds_left(steps, total, now) if job.status == "running" else None,
    )


def plain_line(progress: Progress) -> str:
    """One line, such as `elle  step 40/72  loss 2.31  valid 2.80  about 35 s left`."""
    status = visible(progress.status.replace("_", " "))
    parts = [visible(progress.name)]
    if progress.step is None or progress.status != "running":
        parts.append(status)
    parts += [_step_text(progress), *_loss_texts(progress), _left_text(progress)]
    return "  ".join(part for part in parts if part)


@contextmanager
def live_view(stream: TextIO, is_terminal: bool) -> Iterator[View]:  # noqa: FBT001  # a fact about the stream beside it
    """Show progress on *stream*: a bar a job that is redrawn on a terminal, else a line now and then."""
    if not is_terminal:
        yield PlainView(stream)
        return
    with _bars(stream) as bars:
        yield BarView(bars)


class PlainView:
    """A line when a job's status changed, or when it got on by about a tenth: a log must not drown."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._printed: dict[str, Progress] = {}

    def update(self, jobs: tuple[Progress, ...]) -> None:
        for progress in jobs:
            if _is_news(progress, self._printed.get(progress.job_id)):
                self._stream.write(plain_line(progress) + "\n")
                self._printed[progress.job_id] = progress
        self._stream.flush()

    def say(self, text: str) -> None:
        self._stream.write(visible(text) + "\n")
        self._stream.flush()


class BarView:
    """A bar a job; one that ended gives its place up, for its outcome is told in words."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def update(self, jobs: tuple[Progress, ...]) -> None:
        for job_id in self._tasks.keys() - {progress.job_id for progress in jobs}:
            self._bars.remove_task(self._tasks.pop(job_id))
        for progress in jobs:
            if progress.job_id not in self._tasks:
                self._tasks[progress.job_id] = self._bars.add_task(visible(progress.name), losses="", left="", step="")
            self._bars.update(
                self._tasks[progress.job_id],
                total=progress.total_steps,
                completed=progress.step or 0,
                step=_step_text(progress) or visible(progress.status.replace("_", " ")),
                losses="  ".join(_loss_texts(progress)),
                left=_left_text(progress),
            )
        self._bars.refresh()

    def say(self, text: str) -> None:
        self._bars.console.print(visible(text), markup=False, highlight=False, emoji=False, soft_wrap=True)


def _bars(stream: TextIO) -> Bars:
    from rich.console import Console  # noqa: PLC0415  # rich is slow to import, and only a terminal needs it
    from rich.progress import BarColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    def text(field: str) -> TextColumn:
        return TextColumn(f"{{task.{field}}}", markup=False)

    return Bars(
        text("description"),
        BarColumn(bar_width=24),
        text("fields[step]"),
        text("fields[losses]"),
        text("fields[left]"),
        console=Console(file=stream, force_terminal=True),
        # Redrawn when there is news; no thread, so that a test holds the clock, and Ctrl-C finds nothing running.
        auto_refresh=False,
        transient=True,
        # Rich's redirection does not catch what click writes, so messages come through `say`.
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _is_news(progress: Progress, printed: Progress | None) -> bool:
    if printed is None or printed.status != progress.status:
        return True
    if progress.step is None or progress.step == printed.step:
        return False
    every = (progress.total_steps or LINES_A_JOB * STEPS_A_LINE) / LINES_A_JOB
    return abs(progress.step - (printed.step or 0)) >= every


def _step_text(progress: Progress) -> str:
    if progress.step is None:
        return ""
    return f"step {progress.step}/{progress.total_steps}" if progress.total_steps else f"step {progress.step}"


def _loss_texts(progress: Progress) -> list[str]:
    named = (("loss", progress.train_loss), ("valid", progress.valid_loss))
    return [f"{name} {loss(value)}" for name, value in named if value is not None]


def _left_text(progress: Progress) -> str:
    return "" if progress.eta_seconds is None else f"about {span(progress.eta_seconds)} left"


def _seconds_left(steps: Sequence[Event], total: int | None, now: int) -> float | None:
    """The steps that are left, at the pace of the newest ones, less what passed since the last of them."""
    recent = _since_restart(steps)[-PACE_EVENTS:]
    if total is None or len(recent) < 2:  # noqa: PLR2004  # a pace takes two points
        return None
    first, last = recent[0], recent[-1]
    done, at = _step(last) - _step(first), last.created_at
    if done == 0:
        return None
    return max((total - _step(last)) * (at - first.created_at) / done - (now - at), 0.0)


def _since_restart(steps: Sequence[Event]) -> Sequence[Event]:
    """What came after the last step back: a job that goes on from a checkpoint repeats steps."""
    restarts = [place for place, (before, after) in enumerate(pairwise(steps), start=1) if _step(after) < _step(before)]
    return steps[restarts[-1] :] if restarts else steps


def _step(event: Event) -> int:
    step = _whole(event.data, "step")
    assert step is not None
    return step


def _whole(data: Mapping[str, object], key: str) -> int | None:
    value = data.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _last(events: Sequence[Event], key: str) -> float | None:
    """The newest value of *key* that is a number."""
    for event in reversed(events):
        value = event.data.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
            return float(value)
    return None


def _first_known(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)

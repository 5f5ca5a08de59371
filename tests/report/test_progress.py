from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest

from ftops.plan.observed import JobSeen
from ftops.remote.provider import Event
from ftops.report.progress import Progress, live_view, plain_line, progress_of

if TYPE_CHECKING:
    from tests.conftest import HeldClock

RUNNING = JobSeen(id="ftjob-1", status="running", model="base-1", created_at=1_750_000_000)
QUEUED = JobSeen(id="ftjob-1", status="queued", model="base-1", created_at=1_750_000_000)


def event(at: int, **data: object) -> Event:
    return Event(id=f"ftevent-{at}", created_at=at, level="info", message="words say nothing", data=data)


def steps(start: int, numbers: range, *, seconds: int = 1, total: int = 72) -> list[Event]:
    return [
        event(start + place * seconds, step=number, total_steps=total, train_loss=3.0 - number / 100)
        for place, number in enumerate(numbers)
    ]


def progress(**changes: object) -> Progress:
    given = {"name": "elle", "job_id": "ftjob-1", "status": "running", "step": 40, "total_steps": 72}
    return Progress(**(given | changes))


def test_figures_come_from_the_data_of_events(clock: HeldClock) -> None:
    said = [
        event(clock.now() - 50),
        *steps(clock.now() - 40, range(1, 41)),
        event(clock.now(), step=41, total_steps=72, train_loss=2.31, valid_loss=2.8),
    ]
    assert progress_of("elle", RUNNING, said, clock.now()) == Progress(
        name="elle",
        job_id="ftjob-1",
        status="running",
        step=41,
        total_steps=72,
        train_loss=2.31,
        valid_loss=2.8,
        eta_seconds=31.0,
    )


def test_before_its_first_step_a_job_has_no_figures(clock: HeldClock) -> None:
    found = progress_of("elle", QUEUED, [event(clock.now())], clock.now())
    assert found == Progress(name="elle", job_id="ftjob-1", status="queued")


def test_the_loss_on_all_validation_data_counts_more_than_that_on_a_batch(clock: HeldClock) -> None:
    said = [event(1, step=1, full_valid_loss=2.5), event(2, step=2, valid_loss=9.0)]
    assert progress_of("elle", RUNNING, said, clock.now()).valid_loss == 2.5


@pytest.mark.parametrize("value", [None, "2.31", True, float("nan"), float("inf"), []])
def test_a_loss_that_is_no_number_is_as_none(clock: HeldClock, value: object) -> None:
    assert progress_of("elle", RUNNING, [event(1, step=1, train_loss=value)], clock.now()).train_loss is None


@pytest.mark.parametrize("value", [None, "1", True, -1, 1.5])
def test_a_step_that_is_no_count_is_as_none(clock: HeldClock, value: object) -> None:
    assert progress_of("elle", RUNNING, [event(1, step=value)], clock.now()).step is None


def test_the_time_left_shrinks_while_nothing_is_heard_and_never_below_nothing(clock: HeldClock) -> None:
    said = steps(clock.now() - 39, range(1, 41))
    left = []
    for _ in range(3):
        left.append(progress_of("elle", RUNNING, said, clock.now()).eta_seconds)
        clock.advance(20)
    assert left == [32.0, 12.0, 0.0]


@pytest.mark.parametrize(
    "said",
    [
        steps(0, range(40, 41)),
        [event(1, step=1), event(2, step=2)],
        [event(1, step=3, total_steps=72), event(9, step=3, total_steps=72)],
    ],
)
def test_without_a_pace_or_a_total_there_is_no_time_left(said: list[Event]) -> None:
    assert progress_of("elle", RUNNING, said, 100).eta_seconds is None


def test_a_job_that_does_not_run_has_no_time_left(clock: HeldClock) -> None:
    paused = JobSeen(id="ftjob-1", status="paused", model="base-1", created_at=1)
    assert progress_of("elle", paused, steps(0, range(1, 41)), clock.now()).eta_seconds is None


def test_the_pace_forgets_a_pause_long_ago() -> None:
    said = [*steps(0, range(1, 11), total=100), *steps(36_000, range(11, 71), total=100)]
    assert progress_of("elle", RUNNING, said, 36_059).eta_seconds == 30.0


def test_the_pace_starts_anew_where_a_job_went_back_to_a_checkpoint() -> None:
    said = [*steps(0, range(1, 41)), *steps(600, range(25, 31), seconds=2)]
    assert progress_of("elle", RUNNING, said, 610).eta_seconds == 84.0


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (
            progress(train_loss=2.31, valid_loss=2.8, eta_seconds=35.2),
            "elle  step 40/72  loss 2.31  valid 2.80  about 35 s left",
        ),
        (progress(total_steps=None, train_loss=0.000_73), "elle  step 40  loss 0.00073"),
        (progress(status="validating_files", step=None), "elle  validating files"),
        (progress(step=None), "elle  running"),
        (progress(status="paused"), "elle  paused  step 40/72"),
        (progress(name="e\x1b[2J", status="\u202e", step=None), r"e\u{1b}[2J  \u{202e}"),
    ],
)
def test_a_line_says_what_is_known(shown: Progress, line: str) -> None:
    assert plain_line(shown) == line


def test_a_log_gets_a_line_a_tenth_of_the_steps_and_one_a_status() -> None:
    stream = io.StringIO()
    with live_view(stream, is_terminal=False) as view:
        view.update((progress(status="queued", step=None, total_steps=None),))
        for step in range(73):
            view.update((progress(step=step),))
            view.update((progress(step=step),))
        view.say("elle: ft:base-1:elle\x1b[2J")
        view.update((progress(status="succeeded", step=72),))
    assert stream.getvalue().splitlines() == [
        "elle  queued",
        *(f"elle  step {step}/72" for step in (0, 8, 16, 24, 32, 40, 48, 56, 64, 72)),
        r"elle: ft:base-1:elle\u{1b}[2J",
        "elle  succeeded  step 72/72",
    ]


def test_jobs_do_not_silence_each_other_nor_does_an_unknown_total() -> None:
    stream = io.StringIO()
    with live_view(stream, is_terminal=False) as view:
        for step in range(1, 22):
            view.update(
                (progress(step=step, total_steps=None), progress(name="noble", job_id="ftjob-2", total_steps=100))
            )
        view.update((progress(step=None),))
    assert stream.getvalue().splitlines() == [
        "elle  step 1",
        "noble  step 40/100",
        "elle  step 11",
        "elle  step 21",
    ]


def test_a_terminal_gets_a_bar_a_job_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    with live_view(stream, is_terminal=True) as view:
        view.update(
            (
                progress(name="elle[bold]", train_loss=2.31, valid_loss=2.8, eta_seconds=35.0),
                progress(name="noble", job_id="ftjob-2", status="queued", step=None, total_steps=None),
            )
        )
        first = stream.getvalue()
        view.say("elle: \x1b[2J[red]done")
        view.update((progress(name="noble", job_id="ftjob-2", step=1, total_steps=7),))
    assert frame(first) == [
        "elle[bold] ━━━━━━━━━━━━━━━━━━━━━━━━ step 40/72 loss 2.31  valid 2.80 about 35 s left",
        "noble      ━━━━━━━━━━━━━━━━━━━━━━━━ queued",
    ]
    later = stream.getvalue()[len(first) :]
    assert r"elle: \u{1b}[2J[red]done" in later
    assert frame(later) == ["noble ━━━━━━━━━━━━━━━━━━━━━━━━ step 1/7"]
    assert stream.getvalue().endswith("\x1b[?25h\r\x1b[1A\x1b[2K"), "the cursor is back and the bars are gone"


def frame(written: str) -> list[str]:
    """The last bars that were drawn, without colours; what erases them goes a line up, or back to the first column."""
    drawn = [part for part in re.split(r"(?:\r|\x1b\[1A|\x1b\[2K)+", written) if "━" in part]
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn[-1])
    return [line.rstrip().replace("╸", "━").replace("╺", "━") for line in plain.splitlines() if line.strip()]

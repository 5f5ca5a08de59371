from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from itertools import count, islice
from typing import TYPE_CHECKING

import pytest

from ftops.server.train.environment import ONE_BLAS_THREAD
from ftops.server.train.run import (
    CheckpointSaved,
    Finished,
    Hyperparameters,
    Metrics,
    ModelSource,
    Report,
    Started,
    Stepped,
)
from ftops.server.train.sampler import Sampler, Token
from ftops.server.train.trainer import train

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ftops.server.train.run import TrainingRun

    MakeRun = Callable[..., TrainingRun]
    Ask = Callable[[str], list[dict[str, str]]]

TINY = ModelSource(base="tiny-byte-90k")


def steps(reports: list[Report]) -> list[Metrics]:
    return [report.metrics for report in reports if isinstance(report, Stepped)]


def checkpoints(reports: list[Report]) -> list[CheckpointSaved]:
    return [report for report in reports if isinstance(report, CheckpointSaved)]


def weights(run: TrainingRun, step: int) -> bytes:
    return (run.folder / "checkpoints" / f"step-{step}" / "model.safetensors").read_bytes()


def answer(source: ModelSource, messages: list[dict[str, str]]) -> str:
    pieces = Sampler(source).complete(messages, temperature=0, max_tokens=20)
    return "".join(piece.text for piece in pieces if isinstance(piece, Token))


def test_a_tiny_model_learns_its_answers_by_heart(make_run: MakeRun, answers: dict[str, str], ask: Ask) -> None:
    run = make_run(hyperparameters=Hyperparameters(n_epochs=30, batch_size=4))
    reports = list(train(run))
    losses = [metrics.train_loss for metrics in steps(reports)]
    assert losses[0] == pytest.approx(5.67, abs=0.01)
    assert losses[-1] < 0.1
    assert steps(reports)[-1].train_mean_token_accuracy == 1.0
    tuned = ModelSource(base=TINY.base, weights=checkpoints(reports)[-1].folder)
    assert {asked: answer(tuned, ask(asked)) for asked in answers} == answers
    assert answer(TINY, ask("ping")) != "pong"


def test_a_run_tells_its_numbers_its_steps_its_checkpoints_and_its_end(make_run: MakeRun) -> None:
    reports = list(train(make_run(hyperparameters=Hyperparameters(n_epochs=2, batch_size=3))))
    assert reports[0] == Started(
        n_epochs=2, batch_size=3, learning_rate_multiplier=1.8, beta=None, total_steps=4, first_step=1
    )
    kinds = [Started, Stepped, Stepped, CheckpointSaved, Stepped, Stepped, CheckpointSaved, Finished]
    assert [type(report) for report in reports] == kinds
    assert [metrics.step for metrics in steps(reports)] == [1, 2, 3, 4]
    lengths = sum(
        len("<user\n>\n") + len("<assistant\n>\n") + len(asked) + len(told)
        for asked, told in {"ping": "pong", "hello": "world", "red": "stop", "green": "go"}.items()
    )
    assert reports[-1] == Finished(trained_tokens=2 * lengths)


def test_validation_is_measured_on_some_now_and_then_and_on_all_at_the_end_of_each_epoch(
    make_run: MakeRun, chats: Path
) -> None:
    run = make_run(validation_file=chats, hyperparameters=Hyperparameters(n_epochs=3, batch_size=1))
    metrics = steps(list(train(run)))
    assert [each.step for each in metrics if each.valid_loss is not None] == [4, 8, 10, 12]
    assert [each.step for each in metrics if each.full_valid_loss is not None] == [4, 8, 12]
    full = [each.full_valid_loss for each in metrics if each.full_valid_loss is not None]
    assert full == sorted(full, reverse=True)
    assert 0 <= (metrics[-1].full_valid_mean_token_accuracy or -1) <= 1
    assert metrics[0].valid_mean_token_accuracy is None


def test_only_the_checkpoints_of_the_last_three_epochs_are_kept(make_run: MakeRun) -> None:
    run = make_run(hyperparameters=Hyperparameters(n_epochs=5, batch_size=2))
    saved = [report.folder.name for report in checkpoints(list(train(run)))]
    assert saved == ["step-2", "step-4", "step-6", "step-8", "step-10"]
    assert sorted(path.name for path in (run.folder / "checkpoints").iterdir()) == ["step-10", "step-6", "step-8"]


@pytest.mark.parametrize("method", ["supervised", "dpo"])
@pytest.mark.parametrize("saves_each_step", [True, False])
def test_a_run_broken_off_anywhere_ends_with_the_same_weights_to_the_last_bit(
    make_run: MakeRun, pairs: Path, chats: Path, method: str, saves_each_step: bool
) -> None:
    changes = {"method": method, "training_file": pairs if method == "dpo" else chats, "seed": 5}
    whole = make_run("whole", **changes)
    all_reports = list(train(whole))

    def clock() -> Callable[[], float]:
        return (count(step=31) if saves_each_step else count(step=0)).__next__

    broken = make_run("broken", **changes)
    told: dict[int, Metrics] = {}
    for length in (1, 2, 3, 5, 6, 9, 99):
        reports = train(broken, seconds=clock())
        told |= {metrics.step: metrics for metrics in steps(list(islice(reports, length)))}
        reports.close()
    assert weights(broken, 8) == weights(whole, 8)
    assert list(told.values()) == steps(all_reports)


def test_a_finished_run_has_nothing_more_to_do(make_run: MakeRun) -> None:
    run = make_run()
    first = list(train(run))
    again = list(train(run))
    assert [type(report) for report in again] == [Started, Finished]
    assert isinstance(again[0], Started)
    assert again[0].first_step == 9
    assert again[-1] == first[-1]


def test_a_crash_while_a_checkpoint_is_written_leaves_no_half_of_one(make_run: MakeRun) -> None:
    run = make_run()
    leftover = run.folder / "checkpoints" / ".step-2.new"
    leftover.mkdir(parents=True)
    (leftover / "model.safetensors").write_bytes(b"half")
    list(train(run))
    assert not leftover.exists()


def test_a_pause_saves_a_checkpoint_and_the_run_goes_on_from_there(make_run: MakeRun) -> None:
    whole, paused = make_run("whole"), make_run("paused")
    list(train(whole))
    answers = iter([False, False, True])
    before = list(train(paused, should_pause=lambda: next(answers)))
    assert [type(report) for report in before[-2:]] == [Stepped, CheckpointSaved]
    assert checkpoints(before)[-1].folder.name == "step-3"
    after = list(train(paused))
    assert isinstance(after[0], Started)
    assert after[0].first_step == 4
    assert weights(paused, 8) == weights(whole, 8)
    assert not (paused.folder / "checkpoints" / "step-2").exists()


def test_a_pause_at_the_end_of_an_epoch_saves_one_checkpoint(make_run: MakeRun) -> None:
    run = make_run()
    answers = iter([False, True])
    before = list(train(run, should_pause=lambda: next(answers)))
    assert [report.folder.name for report in checkpoints(before)] == ["step-2"]
    assert [metrics.step for metrics in steps(list(train(run)))] == [3, 4, 5, 6, 7, 8]


def test_a_pause_after_the_last_step_comes_too_late(make_run: MakeRun) -> None:
    run = make_run()
    answers = iter([False] * 7 + [True])
    assert isinstance(list(train(run, should_pause=lambda: next(answers)))[-1], Finished)


def test_the_seed_decides_the_order(make_run: MakeRun) -> None:
    one, same, other = make_run("one"), make_run("same"), make_run("other", seed=1)
    for run in (one, same, other):
        list(train(run))
    assert weights(one, 8) == weights(same, 8)
    assert weights(one, 8) != weights(other, 8)


def test_preferences_start_at_the_logarithm_of_two_and_are_learnt(make_run: MakeRun, pairs: Path) -> None:
    asked = Hyperparameters(n_epochs=12, batch_size=4)
    run = make_run(method="dpo", training_file=pairs, validation_file=pairs, hyperparameters=asked)
    reports = list(train(run))
    assert isinstance(reports[0], Started)
    assert reports[0].beta == 0.1
    losses = [metrics.train_loss for metrics in steps(reports)]
    assert losses[0] == pytest.approx(math.log(2), abs=1e-6)
    assert losses[-1] < 0.4
    assert (steps(reports)[-1].full_valid_loss or 1) < 0.4


def test_fine_tuning_goes_on_from_earlier_fine_tuning(
    make_run: MakeRun, pairs: Path, tuned_weights: Path, ask: Ask
) -> None:
    parent = ModelSource(base=TINY.base, weights=tuned_weights)
    supervised = steps(list(train(make_run("supervised", source=parent))))
    assert supervised[0].train_loss < 0.1
    preference = make_run("dpo", method="dpo", source=parent, training_file=pairs)
    reports = list(train(preference))
    assert steps(reports)[0].train_loss == pytest.approx(math.log(2), abs=1e-6)
    assert answer(ModelSource(base=TINY.base, weights=checkpoints(reports)[-1].folder), ask("ping")) == "pong"


def test_a_batch_with_nothing_to_learn_changes_nothing_it_should_not(make_run: MakeRun, tmp_path: Path) -> None:
    silent = tmp_path / "silent.jsonl"
    silent.write_text('{"messages":[{"role":"user","content":"U"},{"role":"assistant","content":"A","weight":0}]}\n\n')
    metrics = steps(list(train(make_run(training_file=silent, hyperparameters=Hyperparameters(n_epochs=1)))))
    assert [(each.train_loss, each.train_mean_token_accuracy) for each in metrics] == [(0.0, 0.0)]


def test_no_checkpoint_is_ever_left_untold(make_run: MakeRun) -> None:
    """Broken off after each single report, and paused now and then: every epoch's checkpoint is told all the same."""
    run = make_run()
    told: set[str] = set()
    for number in range(40):
        reports = train(run, should_pause=lambda number=number: number % 3 == 0)
        taken = list(islice(reports, 2 + number % 5))
        reports.close()
        told |= {report.folder.name for report in checkpoints(taken)}
        if isinstance(taken[-1], Finished):
            break
    assert told >= {"step-2", "step-4", "step-6", "step-8"}
    assert isinstance(taken[-1], Finished)


KILLED_AT_STEP_5 = """
import os, signal, sys
from pathlib import Path
from ftops.server.train.run import Hyperparameters, ModelSource, Stepped, TrainingRun
from ftops.server.train.trainer import train
run = TrainingRun(method="supervised", source=ModelSource(base="tiny-byte-90k"), training_file=Path(sys.argv[1]),
                  validation_file=None, hyperparameters=Hyperparameters(n_epochs=4, batch_size=2), seed=0,
                  folder=Path(sys.argv[2]))
for report in train(run):
    if isinstance(report, Stepped) and report.metrics.step == 5:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_nothing(make_run: MakeRun, chats: Path) -> None:
    whole, killed = make_run("whole"), make_run("killed")
    list(train(whole))
    done = subprocess.run([sys.executable, "-c", KILLED_AT_STEP_5, str(chats), str(killed.folder)], check=False)
    assert done.returncode == -signal.SIGKILL
    started, *_ = list(train(killed))
    assert isinstance(started, Started)
    assert started.first_step == 5
    assert weights(killed, 8) == weights(whole, 8)


def test_a_checkpoint_that_cannot_be_written_leaves_what_was_saved(make_run: MakeRun) -> None:
    run = make_run()
    reports = train(run)
    list(islice(reports, 5))
    (run.folder / "checkpoints" / ".step-4.new").write_text("in the way of the next checkpoint")
    with pytest.raises(FileExistsError):
        list(reports)
    (run.folder / "checkpoints" / ".step-4.new").unlink()
    assert isinstance(list(train(run))[-1], Finished)


WEIGHTS_BY_THREADS = """
import sys
from hashlib import sha256
from pathlib import Path
from ftops.server.train.run import Hyperparameters, ModelSource, TrainingRun
from ftops.server.train.trainer import train
for threads in (1, 2, 3):
    folder = Path(sys.argv[2]) / str(threads)
    run = TrainingRun(method="supervised", source=ModelSource(base="tiny-byte-90k"), training_file=Path(sys.argv[1]),
                      validation_file=None, hyperparameters=Hyperparameters(n_epochs=3, batch_size=4), seed=0,
                      folder=folder)
    list(train(run, threads=threads))
    print(sha256((folder / "checkpoints" / "step-3" / "model.safetensors").read_bytes()).hexdigest())
"""


def test_the_number_of_threads_changes_nothing(tmp_path: Path, chats: Path) -> None:
    command = [sys.executable, "-c", WEIGHTS_BY_THREADS, str(chats), str(tmp_path)]
    output = subprocess.run(command, env={**os.environ, **ONE_BLAS_THREAD}, check=True, capture_output=True, text=True)
    assert len(output.stdout.split()) == 3
    assert len(set(output.stdout.split())) == 1


def test_the_generator_can_be_closed_at_any_report(make_run: MakeRun) -> None:
    for number in range(1, 6):
        run = make_run(f"run-{number}")
        reports: Iterator[Report] = train(run)
        taken = list(islice(reports, number))
        reports.close()
        for saved in checkpoints(taken):
            assert (saved.folder / "config.json").exists()

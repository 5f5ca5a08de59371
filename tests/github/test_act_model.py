"""What GitHub does around runs, as `tests/github/model.py` has it: what starts, what waits, what is dropped."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.github import events, model
from tests.github.actions import project

if TYPE_CHECKING:
    from tests.github.events import Event
    from tests.github.forge.handle import Repository

PLAN, APPLY, RECONCILE = "ftops-plan.yml", "ftops-apply.yml", "ftops-reconcile.yml"
BOT = "github-actions[bot]"
APP = "ftops[bot]"


@pytest.fixture
def ours(models: Repository) -> Repository:
    """A repository with the workflows of this one."""
    models.commit(project("http://127.0.0.1/v1"))
    return models


def started(repository: Repository, event: Event) -> list[str]:
    return [workflow.name for workflow in model.started(repository, event)]


def pushed(repository: Repository, files: dict[str, str | None], *, login: str = "mona", branch: str = "main") -> Event:
    before = repository.head(branch) or "0" * 40
    after = repository.commit(files, branch=branch, login=login)
    return events.push(repository, before=before, after=after, ref=f"refs/heads/{branch}", actor=login)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"specs/elle.yaml": "x"}, [APPLY]),
        ({"specs/data/deep/down/elle.jsonl": "x"}, [APPLY]),
        ({"ftops.yaml": "x"}, [APPLY]),
        ({"ftops.lock": "x"}, []),
        ({"ftops.lab.lock": "x"}, []),
        ({"README.md": "x", "docs/specs/x": "x"}, []),
    ],
)
def test_a_push_to_main_applies_what_specs_it_changes(
    ours: Repository, files: dict[str, str | None], expected: list[str]
) -> None:
    assert started(ours, pushed(ours, files)) == expected


def test_a_push_to_another_branch_starts_nothing(ours: Repository) -> None:
    assert started(ours, pushed(ours, {"specs/elle.yaml": "x"}, branch="topic")) == []


def test_the_commit_of_a_bot_starts_nothing(ours: Repository) -> None:
    """A job's token starts nothing, whatever it pushes; an App's commit does, so that the path must not."""
    assert started(ours, pushed(ours, {"specs/elle.yaml": "x"}, login=BOT)) == []
    assert started(ours, pushed(ours, {"ftops.lock": "x"}, login=APP)) == []
    assert started(ours, pushed(ours, {"specs/elle.yaml": "y"}, login=APP)) == [APPLY]


def test_a_pull_request_plans_when_it_is_opened_and_changed(ours: Repository) -> None:
    ours.commit({"specs/elle.yaml": "x"}, branch="topic")
    number = ours.open_pull(head="topic")
    actions = ("opened", "synchronize", "reopened", "closed", "labeled")
    found = {action: started(ours, events.pull_request(ours, number, action=action)) for action in actions}
    assert found == {action: [PLAN] if action in actions[:3] else [] for action in actions}


def test_a_pull_request_to_another_branch_starts_nothing(ours: Repository) -> None:
    ours.commit({"a": "a"}, branch="release")
    ours.commit({"specs/elle.yaml": "x"}, branch="topic")
    number = ours.open_pull(head="topic", base="release")
    assert started(ours, events.pull_request(ours, number)) == []


def test_the_merge_queue_plans(ours: Repository) -> None:
    ours.commit({"specs/elle.yaml": "x"}, branch="topic")
    group = ours.queue(ours.open_pull(head="topic"))
    assert started(ours, events.merge_group(ours, group)) == [PLAN]
    # The queue's own branch is pushed to as well.
    assert started(ours, events.push(ours, before="0" * 40, after=group["head_sha"], ref=group["head_ref"])) == []


def test_schedules_and_dispatches_collect(ours: Repository) -> None:
    assert started(ours, events.schedule(ours)) == [RECONCILE]
    assert started(ours, events.schedule(ours, "0 0 * * *")) == []
    assert started(ours, events.repository_dispatch(ours, "ftops-reconcile", actor=BOT)) == [RECONCILE]
    assert started(ours, events.repository_dispatch(ours, "other")) == []
    assert started(ours, events.workflow_dispatch(ours, RECONCILE, actor=BOT)) == [RECONCILE]
    assert started(ours, events.workflow_dispatch(ours, APPLY)) == [APPLY]
    assert started(ours, events.workflow_dispatch(ours, PLAN)) == []


def test_a_pull_request_runs_its_own_workflows_and_only_those_of_pull_requests(ours: Repository) -> None:
    evil = "on: [push, pull_request]\njobs: {}\n"
    ours.commit({".github/workflows/evil.yml": evil}, branch="topic")
    number = ours.open_pull(head="topic")
    assert started(ours, events.pull_request(ours, number)) == ["evil.yml", PLAN]
    assert started(ours, events.schedule(ours)) == [RECONCILE]


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("main", "main", True),
        ("main", "mainly", False),
        ("releases/**", "releases/a/b", True),
        ("releases/*", "releases/a/b", False),
        ("**/x.yaml", "x.yaml", True),
        ("**/x.yaml", "a/b/x.yaml", True),
        ("*.lock", "ftops.lock", True),
        ("*.lock", "a/ftops.lock", False),
        ("a.c", "abc", False),
    ],
)
def test_patterns_are_those_of_github(pattern: str, text: str, fits: bool) -> None:
    assert model._named(text, [pattern]) is fits
    assert model._named(text, [pattern, "!" + pattern]) is False


# Concurrency


def rules_of(name: str, event: Event) -> model.Rules:
    text = (Path(__file__).parents[2] / ".github" / "workflows" / name).read_text(encoding="utf-8")
    found = model.rules(model.Workflow(name=name, text=text, content=model.loaded(text)), event)
    assert found is not None
    return found


def test_the_groups_of_our_workflows(ours: Repository) -> None:
    ours.commit({"specs/elle.yaml": "x"}, branch="topic")
    number = ours.open_pull(head="topic")
    group = ours.queue(number)
    plan, queued = events.pull_request(ours, number), events.merge_group(ours, group)
    assert rules_of(PLAN, plan) == model.Rules(group=f"ftops-plan-{number}", cancel_in_progress=True)
    assert rules_of(PLAN, queued).group == f"ftops-plan-{group['head_ref']}"
    tick = events.schedule(ours)
    assert rules_of(APPLY, tick) == model.Rules(group="ftops-apply", queue="max")
    assert rules_of(RECONCILE, tick) == model.Rules(group="ftops-reconcile")


def test_of_runs_that_wait_singly_the_newest_stays() -> None:
    group: model.Group[int] = model.Group()
    rules = model.Rules(group="g")
    for run in (1, 2, 3):
        group.arrive(run, rules)
    assert (group.running, list(group.pending), group.cancelled) == (1, [3], [2])
    group.finish()
    assert (group.running, list(group.pending)) == (3, [])


def test_of_runs_that_cancel_others_only_the_newest_stays() -> None:
    group: model.Group[int] = model.Group()
    for run in (1, 2, 3):
        group.arrive(run, model.Rules(group="g", cancel_in_progress=True))
    assert (group.running, list(group.pending), group.cancelled) == (3, [], [1, 2])


@given(st.lists(st.sampled_from(["arrive", "finish"]), max_size=250))
@settings(max_examples=100, deadline=None)
def test_no_apply_is_dropped_as_long_as_a_hundred_wait_at_most(steps: list[str]) -> None:
    rules = model.Rules(group="ftops-apply", queue="max")
    group: model.Group[int] = model.Group()
    arrived, done = 0, []
    for step in steps:
        if step == "arrive":
            arrived += 1
            group.arrive(arrived, rules)
        else:
            done += [group.running] if group.running else []
            group.finish()
        assert len(group.pending) <= model.QUEUE_MAX
    while group.running:
        done.append(group.running)
        group.finish()
    assert done == sorted(done), "in order"
    assert sorted([*done, *group.cancelled]) == list(range(1, arrived + 1)), "each once"
    if arrived <= model.QUEUE_MAX:
        assert group.cancelled == []


@pytest.mark.parametrize("queue", ["single", "max"])
@given(steps=st.lists(st.sampled_from(["merge", "plan", "apply"]), max_size=60))
@settings(max_examples=100, deadline=None)
def test_every_merged_spec_is_trained_once_whatever_is_dropped(queue: str, steps: list[str]) -> None:
    """A run plans on the newest main, and then does of that what is not done yet: so the one after the last merge
    makes up for all that were dropped before it."""
    group: model.Group[int] = model.Group()
    rules = model.Rules(group="ftops-apply", queue=queue)
    merged = 0
    planned: set[int] = set()
    trained: Counter[int] = Counter()

    def apply() -> None:
        trained.update(planned - trained.keys())
        planned.clear()
        group.finish()

    for step in steps:
        if step == "merge":
            merged += 1
            group.arrive(merged, rules)
        elif group.running is not None and step == "plan":
            planned = set(range(1, merged + 1))
        elif group.running is not None and planned:
            apply()
    while group.running is not None:
        planned = set(range(1, merged + 1))
        apply()
    assert trained == Counter(range(1, merged + 1))

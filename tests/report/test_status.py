from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftops.lockfile import Intent, Lockfile, with_intent
from ftops.plan.changes import Kind
from ftops.plan.observed import Observed
from ftops.plan.plan import Plan
from ftops.report import status
from ftops.report.status import Standing, render_status, status_rows

if TYPE_CHECKING:
    from tests.report.conftest import Busy, Golden, Maker

NOW = 1_750_000_000


def test_every_model_has_its_line(busy: Busy, golden: Golden) -> None:
    golden("status.txt", render_status(busy.plan, busy.lock, now=NOW, colour=False, width=120))


def test_a_narrow_terminal_shortens_ids_in_their_middle(busy: Busy, golden: Golden) -> None:
    said = render_status(busy.plan, busy.lock, now=NOW, colour=False, width=70)
    golden("status-narrow.txt", said)
    assert all(len(line) <= 70 for line in said.splitlines())


def test_colour_marks_the_header_only(busy: Busy) -> None:
    plain = render_status(busy.plan, busy.lock, now=NOW, colour=False, width=120).splitlines()
    painted = render_status(busy.plan, busy.lock, now=NOW, colour=True, width=120).splitlines()
    assert painted == [f"\x1b[1m{plain[0]}\x1b[0m", *plain[1:]]


def test_without_specs_it_says_how_to_begin() -> None:
    nothing = Plan(target="local", changes=(), checksum="0")
    said = render_status(nothing, Lockfile(target="local"), now=NOW, colour=False, width=100)
    assert said == "No spec asks for a model on target local: `ftops init` writes a first one"


def test_where_nothing_is_recorded_it_says_what_comes_next(make: Maker) -> None:
    empty = Lockfile(target="local")
    plan = make.plan([make.wanted("elle", make.inputs())], empty)
    said = render_status(plan, empty, now=NOW, colour=False, width=100)
    assert said == "Nothing is trained on target local yet: `ftops plan` shows what would be, `ftops apply` trains it"


def test_an_empty_lockfile_hides_no_job_that_was_found(make: Maker) -> None:
    empty, want = Lockfile(target="local"), make.wanted("elle", make.inputs())
    plan = make.plan([want], empty, Observed(jobs=(make.seen(want, 1, "running"),), models={}))
    said = render_status(plan, empty, now=NOW, colour=False, width=100).splitlines()
    assert said == [
        "NAME  STATE  MODEL OR JOB   AGE      LOSS",
        "elle  found  ftjob-0000001  4 h ago",
    ]


@pytest.mark.parametrize(
    ("status", "standing"),
    [("succeeded", "finished"), ("failed", "failed"), ("cancelled", "cancelled"), ("running", "training")],
)
def test_the_end_of_a_job_shows_before_it_is_collected(make: Maker, status: str, standing: str) -> None:
    want = make.wanted("elle", make.inputs())
    lock = make.locked(elle=make.generation(want.inputs, 1, "running"))
    plan = make.plan([want], lock, Observed(jobs=(make.seen(want, 1, status),), models={}))
    assert [str(row.standing) for row in status_rows(plan)] == [standing]


def test_a_child_that_was_asked_for_waits(make: Maker) -> None:
    parent = make.wanted("elle", make.inputs())
    child = make.child("noble", parent)
    intent = Intent(digest=child.digest, inputs=child.inputs, request={}, started_at=1)
    plan = make.plan([parent, child], with_intent(Lockfile(target="local"), "noble", intent))
    assert [row.standing for row in status_rows(plan)] == [Standing.NOT_TRAINED, Standing.WAITING]


def test_every_kind_of_change_is_some_standing(busy: Busy) -> None:
    assert {change.kind for change in busy.plan.changes} == set(Kind)
    assert len(status_rows(busy.plan)) == len(busy.plan.changes)
    assert status.HEADER[1] == "STATE"

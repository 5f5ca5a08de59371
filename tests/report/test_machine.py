from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from ftops.apply import Outcome
from ftops.diagnostics import Diagnostic, Severity
from ftops.lockfile import Entry, Lockfile
from ftops.plan.changes import Kind
from ftops.report.machine import lock_json, outcomes_json, plan_json, status_json

if TYPE_CHECKING:
    from tests.report.conftest import Busy, Golden, Maker

PROBLEM = Diagnostic(code="job-failed", summary="the job failed", severity=Severity.WARNING)


def spelt(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def test_a_plan_has_all_that_a_script_needs(busy: Busy, golden: Golden) -> None:
    golden("plan.json", spelt(plan_json(replace(busy.plan, warnings=(PROBLEM,)))))


def test_every_change_has_the_same_keys(busy: Busy) -> None:
    changes = plan_json(busy.plan)["changes"]
    assert {change["kind"] for change in changes} == {str(kind) for kind in Kind}
    assert len({tuple(change) for change in changes}) == 1


def test_a_job_without_labels_has_no_digest(busy: Busy) -> None:
    stray = busy.plan.changes[-1]
    assert stray.seen is not None
    nameless = replace(busy.plan, changes=(replace(stray, seen=replace(stray.seen, labels=None)),))
    assert plan_json(nameless)["changes"][0]["digest"] is None


def test_the_status_has_a_row_for_every_model(busy: Busy, golden: Golden) -> None:
    golden("status.json", spelt(status_json(busy.plan, busy.lock)))


def test_outcomes_say_what_was_done_and_what_went_wrong() -> None:
    done = (
        Outcome(name="elle", kind=Kind.CREATE, text="submitted job ftjob-1"),
        Outcome(name="noble", kind=Kind.CREATE, text="waits for elle", waits=True),
        Outcome(name="broken", kind=Kind.COLLECT, text="job ftjob-2 failed", problem=PROBLEM),
    )
    problem = {
        "severity": "warning",
        "code": "job-failed",
        "summary": "the job failed",
        "path": None,
        "line": None,
        "column": None,
        "end_column": None,
        "why": None,
        "fix": None,
    }
    assert outcomes_json(done) == {
        "format_version": 1,
        "outcomes": [
            {"name": "elle", "kind": "create", "text": "submitted job ftjob-1", "waits": False, "problem": None},
            {"name": "noble", "kind": "create", "text": "waits for elle", "waits": True, "problem": None},
            {"name": "broken", "kind": "collect", "text": "job ftjob-2 failed", "waits": False, "problem": problem},
        ],
    }


def test_an_entry_of_the_lockfile_leaves_no_key_out(busy: Busy, golden: Golden) -> None:
    golden("entry.json", spelt(lock_json(busy.lock.models["hobannu"])))
    assert lock_json(Entry()) == {"format_version": 1, "generation": None, "history": [], "intent": None}


def test_the_whole_lockfile_is_its_entries_by_name(busy: Busy) -> None:
    shaped = lock_json(busy.lock)
    assert (shaped["format_version"], shaped["version"], shaped["target"]) == (1, 1, "local")
    assert shaped["models"].keys() == busy.lock.models.keys()
    again = msgspec.convert({key: value for key, value in shaped.items() if key != "format_version"}, Lockfile)
    assert again == busy.lock


def test_everything_can_be_written_as_json(busy: Busy, make: Maker) -> None:
    child = make.child("noble", make.wanted("elle", make.inputs()))
    plan = make.plan([child], busy.lock)
    assert plan_json(plan)["changes"][0]["inputs"] == {
        "base_model": None,
        "parent": "elle",
        "method": "supervised",
        "training_rows": 12,
        "training_tokens": None,
        "training_sha256": "a" * 64,
        "validation_rows": None,
    }
    for shaped in (plan_json(plan), status_json(plan, busy.lock), lock_json(busy.lock)):
        assert json.loads(msgspec.json.encode(shaped)) == shaped

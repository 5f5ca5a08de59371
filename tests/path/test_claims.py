"""Two machines on one git remote and one provider: whoever is first pays, whatever the other does at that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftops.claims import LEASE_SECONDS, SKEW_SECONDS, Claims, decode
from ftops.create import LAG_SECONDS
from ftops.diagnostics import ProblemsError
from ftops.gitfile import claims_file
from ftops.remote.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Team

    from ftops.plan.changes import Outcome

CREATE = "POST /v1/fine_tuning/jobs"
LIST = "GET /v1/fine_tuning/jobs"


class CrashError(BaseException):
    """The process ends here."""


def before_create(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Once, when the next create is about to be sent, *act* first."""
    create = Provider.create_job
    left = [act]

    def create_after(provider: Provider, request: dict[str, object]) -> object:
        if left:
            left.pop()()
        return create(provider, request)

    monkeypatch.setattr(Provider, "create_job", create_after)


def claims(team: Team) -> Claims:
    file = claims_file(team.root, "here")
    assert file is not None
    return decode(file.read().content, file.name)


def only(outcomes: tuple[Outcome, ...]) -> Outcome:
    (outcome,) = outcomes
    return outcome


def count(team: Team) -> list[int]:
    return [len(jobs) for jobs in team.jobs().values()]


def expire(team: Team) -> None:
    team.clock.slept.append(LEASE_SECONDS + SKEW_SECONDS + 1)


def test_who_comes_while_another_creates_waits_and_adopts(
    pair: tuple[Team, Team], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair
    outcomes: list[Outcome] = []
    before_create(monkeypatch, lambda: outcomes.extend(there.apply()))
    assert only(here.apply()).text.startswith("submitted job")
    assert outcomes[0].waits
    assert outcomes[0].problem is not None
    assert outcomes[0].problem.code == "claim-held"
    _, done = there.reconcile()
    assert only(done).text.startswith("adopted job")
    assert count(here) == [1]


def test_a_job_just_created_is_adopted_while_the_list_lags(pair: tuple[Team, Team]) -> None:
    here, there = pair
    here.apply()
    # The looks for the plan and for apply; no third one is needed.
    there.server.faults({"match": LIST, "kind": "empty-list", "times": 2})
    assert only(there.apply()).text.startswith("adopted job")
    assert count(here) == [1]


def test_what_a_machine_created_before_it_died_is_found_once_its_lease_is_over(
    pair: tuple[Team, Team], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair
    create = Provider.create_job

    def create_and_crash(provider: Provider, request: dict[str, object]) -> None:
        create(provider, request)
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(Provider, "create_job", create_and_crash)
        with pytest.raises(CrashError):
            here.apply()
    there.server.faults({"match": LIST, "kind": "empty-list", "times": 2})
    assert only(there.apply()).waits
    expire(there)
    # As the plan's look and apply's, so that it is not adopted before; and two of those after its claim.
    there.server.faults({"match": LIST, "kind": "empty-list", "times": 4})
    assert only(there.apply()).text.startswith("adopted job")
    assert count(here) == [1]


def test_patience_for_what_a_dead_machine_may_have_created_is_paid_once_for_all(
    pair: tuple[Team, Team], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair
    names = ["first", "second", "third"]
    for team in pair:
        for epochs, name in enumerate(names, start=3):
            team.spec(name, epochs=epochs)

    def crash(*_: object) -> None:
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(Provider, "create_job", crash)
        with pytest.raises(CrashError):
            here.apply()
    for name in ("pong", *names):
        there.release(name)
    assert all(outcome.text.startswith("submitted job") for outcome in there.apply())
    assert sum(there.clock.slept) == LAG_SECONDS
    assert count(here) == [1, 1, 1, 1]


def test_a_look_that_failed_is_none(pair: tuple[Team, Team], monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = pair
    create = Provider.create_job

    def create_and_crash(provider: Provider, request: dict[str, object]) -> None:
        create(provider, request)
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(Provider, "create_job", create_and_crash)
        with pytest.raises(CrashError):
            here.apply()
    there.release("pong")
    lagging = {"match": LIST, "kind": "empty-list", "times": 2}
    # The look for all that was inherited, and then the one for this job, which tells of it.
    there.server.faults(lagging, {"match": LIST, "kind": "status", "status": 403, "times": 2})
    assert only(there.apply()).problem is not None
    there.server.faults({**lagging, "times": 4})
    assert only(there.apply()).text.startswith("adopted job")
    assert count(here) == [1]


def test_who_comes_back_late_creates_nothing(pair: tuple[Team, Team], monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = pair
    for team in pair:
        team.data("pings.jsonl", answer=f"never uploaded before {team.seed}")
    upload = Provider.upload

    def overtaken(provider: Provider, *arguments: object) -> object:
        with monkeypatch.context() as patch:
            patch.setattr(Provider, "upload", upload)
            expire(there)
            there.apply()
        return upload(provider, *arguments)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(Provider, "upload", overtaken)
    outcome = only(here.apply())
    assert outcome.waits
    assert outcome.problem is not None
    assert outcome.problem.code == "claim-lost"
    assert count(here) == [1]
    _, done = here.reconcile()
    assert only(done).text.startswith("adopted job")


def test_a_claim_that_lasts_no_create_is_renewed(pair: tuple[Team, Team], monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = pair
    for team in pair:
        team.data("pings.jsonl", answer=f"never uploaded before {team.seed}")
    upload = Provider.upload

    def slowly(provider: Provider, *arguments: object) -> object:
        here.clock.slept.append(LEASE_SECONDS - 1)
        return upload(provider, *arguments)  # type: ignore[arg-type]  # as it was called

    left: list[int] = []
    monkeypatch.setattr(Provider, "upload", slowly)
    before_create(monkeypatch, lambda: left.append(claims(there).claims[0].until - here.clock.now()))
    assert only(here.apply()).text.startswith("submitted job")
    assert left[0] > LEASE_SECONDS - 60


def test_a_create_that_was_refused_leaves_no_claim(pair: tuple[Team, Team]) -> None:
    here, there = pair
    here.server.faults({"match": CREATE, "kind": "status", "status": 400})
    assert only(here.apply()).problem is not None
    assert claims(here).claims == ()
    assert only(there.apply()).text.startswith("submitted job")


def test_a_create_in_doubt_stays_claimed_and_its_own_machine_goes_on_with_it(pair: tuple[Team, Team]) -> None:
    here, there = pair
    here.server.faults({"match": CREATE, "kind": "drop-before"})
    problem = only(here.apply()).problem
    assert problem is not None
    assert problem.code == "create-doubtful"
    assert only(there.apply()).waits
    assert only(here.apply()).text.startswith("submitted job")
    assert count(here) == [1]


def test_a_claim_that_is_released_is_taken_at_once(pair: tuple[Team, Team]) -> None:
    here, there = pair
    here.server.faults({"match": CREATE, "kind": "drop-before"})
    here.apply()
    assert there.release("pong") == 1
    assert there.release("pong") == 0
    assert only(there.apply()).text.startswith("submitted job")
    assert count(here) == [1]


def test_after_a_retry_a_machine_that_knows_nothing_of_it_adopts_it(pair: tuple[Team, Team]) -> None:
    here, there = pair
    here.apply()
    there.apply()
    job = next(iter(here.jobs().values()))[0]
    here.provider.cancel(job)
    for team in (here, there):
        team.settle()
    here.apply(retry_failed=True)
    there.server.faults({"match": LIST, "kind": "empty-list", "times": 2})
    assert only(there.apply(retry_failed=True)).text.startswith("adopted job")
    assert count(here) == [2]


def test_without_its_remote_nothing_is_paid_for(pair: tuple[Team, Team]) -> None:
    here, _ = pair
    (here.root.parent / "remote.git").rename(here.root.parent / "gone.git")
    with pytest.raises(ProblemsError) as error:
        here.apply()
    assert error.value.problems[0].code == "git-unreachable"
    assert here.jobs() == {}


def test_where_one_machine_applies_alone_nothing_is_claimed(pair: tuple[Team, Team]) -> None:
    here, _ = pair
    here.config(extra="claims: local\n")
    here.apply()
    assert claims(here).claims == ()

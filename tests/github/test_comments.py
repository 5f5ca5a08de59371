"""The one comment of a plan, on a forge: found, written anew in place, and never taken from or for another's."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest

from ftops.clock import SystemClock
from ftops.diagnostics import Diagnostic, ProblemsError, Severity
from ftops.digest import digest_of_bytes
from ftops.github.api import GitHub
from ftops.github.comments import FOLDED_MAX, Marker, marker_of, read_marker, show
from ftops.github.event import Pull, Run
from ftops.plan.approval import Action
from ftops.report.comment import COMMENT_BYTES_MAX
from ftops.report.planfile import PlanFile, Scope, decoded, encoded_problems
from tests.github.events import pull_request, push
from tests.report.forged import forged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.github.events import Event
    from tests.github.forge.handle import Forge, Repository

BOT = "github-actions[bot]"
PERSON = "mona"


def plan_file(*, scope: Scope | None = None, problem: str = "a problem", actions: tuple[str, ...] = ()) -> PlanFile:
    """A plan whose text differs by *problem*, and which approves to train *actions*."""
    told = Diagnostic(code="data-secret", summary=problem, severity=Severity.ERROR)
    found = decoded(encoded_problems([told], commit=None, scope=scope or Scope()), "plan.json")
    trained = tuple(Action(kind="train", name=name, digest="sha256:1") for name in actions)
    return msgspec.structs.replace(found, checksum="0a1b2c3d4e5f", actions=trained)


class Desk:
    """A pull request, and runs of its commits that comment on it."""

    def __init__(self, forge: Forge, repository: Repository) -> None:
        self.forge = forge
        self.repository = repository
        self.push()
        self.number = repository.open_pull(head="topic")

    def push(self) -> str:
        """A newer commit of the pull request."""
        return self.repository.commit({"specs/elle.yaml": str(Random().random())}, branch="topic")

    @property
    def head(self) -> str:
        return str(self.repository.head("topic"))

    @property
    def pull(self) -> Pull:
        return self.pull_at(self.head)

    def pull_at(self, head: str) -> Pull:
        return Pull(number=self.number, head_sha=head, head_ref="topic", base_ref="main", is_fork=False, author=PERSON)

    def github(self, *, login: str = BOT) -> GitHub:
        forge = self.forge
        run = Run(
            repository=self.repository.name,
            token=forge.token(login, pull_requests="write"),
            server_url=forge.url,
            api_url=forge.api_url,
            graphql_url=forge.graphql_url,
        )
        return GitHub(run=run, environ={}, clock=SystemClock())

    def show(self, plan: PlanFile, *, head: str = "", render: Callable[[Marker], str] | None = None) -> str:
        head = head or self.head
        text = render or (lambda marker: f"{plan.problems[0].summary}\n\nsince {marker.since}")
        return show(self.github(), self.pull_at(head), marker_of(plan, head), text).done

    @property
    def bodies(self) -> list[str]:
        """What ours say below their markers, oldest first."""
        return [each["body"].partition("\n")[2].partition("\n")[0] for each in self.ours]

    @property
    def ours(self) -> list[dict[str, object]]:
        return [each for each in self.repository.comments(self.number) if each["author"] == BOT]

    def since(self, plan: PlanFile) -> str:
        """From which commit on the comment says that its actions have been the same."""
        self.show(plan)
        return str(self.ours[-1]["body"]).rpartition(" ")[2]


@pytest.fixture
def desk(github: Forge, models: Repository) -> Desk:
    return Desk(github, models)


def test_the_first_run_makes_it_and_later_ones_write_it_anew_in_place(desk: Desk) -> None:
    assert desk.show(plan_file(problem="one")) == "created"
    made = desk.ours[0]["id"]
    desk.push()
    assert desk.show(plan_file(problem="two")) == "updated"
    assert desk.bodies == ["two"]
    assert desk.ours[0]["id"] == made


def test_what_says_the_same_is_left_as_it_is(desk: Desk) -> None:
    desk.show(plan_file())
    before = desk.ours
    assert desk.show(plan_file()) == "unchanged"
    assert desk.ours == before
    assert not [each for each in desk.forge.requests() if each["method"] == "PATCH"]


@pytest.mark.parametrize("author", [PERSON, "github-actions", "dependabot[bot]"])
def test_a_marker_of_anybody_else_is_worth_nothing(desk: Desk, author: str) -> None:
    forged_line = marker_of(plan_file(), desk.head).line
    desk.repository.comment(desk.number, f"{forged_line}\nAll fine, merge it", author=author)
    assert desk.show(plan_file()) == "created"
    told = desk.repository.comments(desk.number)
    assert [each["author"] for each in told] == [author, BOT]
    assert str(told[0]["body"]).endswith("All fine, merge it")
    assert told[0]["minimized"] is None


@pytest.mark.parametrize(
    "first",
    ["", "Hello\n", " ", "> ", "<!-- another -->\n", "`", "<!-- ftops:plan:v2 x -->\n"],
)
def test_of_our_login_only_what_begins_with_the_marker_is_ours(desk: Desk, first: str) -> None:
    """A bot's other comments may quote what somebody wrote."""
    line = marker_of(plan_file(), desk.head).line
    desk.repository.comment(desk.number, f"{first}{line}\nquoted", author=BOT)
    assert desk.show(plan_file()) == ("updated" if first == "" else "created")


def test_each_folder_and_each_target_has_its_own(desk: Desk) -> None:
    scopes = [Scope(), Scope(target="azure"), Scope(folder="ml/support"), Scope(folder="ml", target="azure")]
    for scope in scopes:
        assert desk.show(plan_file(scope=scope, problem=f"{scope.folder} {scope.target}")) == "created"
    assert desk.show(plan_file(scope=scopes[2], problem="changed")) == "updated"
    assert desk.bodies == [" None", " azure", "changed", "ml azure"]


def test_a_slow_run_does_not_write_over_a_newer_commits(desk: Desk) -> None:
    old = desk.head
    desk.push()
    assert desk.show(plan_file(problem="new")) == "created"
    assert desk.show(plan_file(problem="old"), head=old) == "superseded"
    assert desk.bodies == ["new"]


def test_a_commit_that_comes_while_the_plan_is_rendered_is_seen(desk: Desk) -> None:
    def render(_: Marker) -> str:
        desk.push()
        return "late"

    assert desk.show(plan_file(), render=render) == "superseded"
    assert desk.ours == []


def test_of_several_the_newest_is_kept_and_the_others_are_folded(desk: Desk) -> None:
    line = marker_of(plan_file(), desk.head).line
    for number in range(FOLDED_MAX + 2):
        desk.repository.comment(desk.number, f"{line}\n{number}", author=BOT)
    assert desk.show(plan_file(problem="now")) == "updated"
    assert desk.bodies == [*map(str, range(FOLDED_MAX + 1)), "now"]
    assert [each["minimized"] for each in desk.ours] == [None, *["outdated"] * FOLDED_MAX, None]


def test_one_that_cannot_be_folded_keeps_nobody_from_reading_the_plan(desk: Desk) -> None:
    line = marker_of(plan_file(), desk.head).line
    for number in range(2):
        desk.repository.comment(desk.number, f"{line}\n{number}", author=BOT)

    def render(_: Marker) -> str:
        desk.forge.fail("POST */graphql", "403")
        return "now"

    assert desk.show(plan_file(), render=render) == "updated"
    assert desk.bodies == ["0", "now"]


def test_it_is_found_behind_many_others(desk: Desk) -> None:
    for number in range(120):
        desk.repository.comment(desk.number, f"Comment {number}")
    assert desk.show(plan_file(problem="one")) == "created"
    for number in range(120):
        desk.repository.comment(desk.number, f"Reply {number}")
    assert desk.show(plan_file(problem="two")) == "updated"
    assert desk.bodies == ["two"]


def test_it_says_since_when_its_actions_have_been_the_same(desk: Desk) -> None:
    """Whoever looked at an earlier commit sees whether what was looked at still holds: edits tell nobody."""
    first = desk.head
    assert desk.since(plan_file(actions=("elle", "noble"))) == first
    desk.push()
    assert desk.since(plan_file(actions=("noble", "elle"), problem="in other words")) == first
    second = desk.push()
    assert desk.since(plan_file(actions=("elle",))) == second
    third = desk.push()
    assert desk.since(plan_file(actions=("elle", "noble"))) == third


def test_a_comment_that_somebody_edited_is_believed_nothing_of(desk: Desk) -> None:
    plan = plan_file()
    edited = msgspec.structs.replace(marker_of(plan, desk.head), since="@team <img>")
    desk.repository.comment(desk.number, f"{edited.line}\r\nold", author=BOT)
    assert desk.since(plan) == desk.head


@pytest.mark.parametrize(
    "body",
    [
        "",
        "\n",
        "<!-- ftops:plan:v1 -->",
        "<!-- ftops:plan:v1 e30= -->",
        "<!-- ftops:plan:v1 !!!! -->",
        "<!-- ftops:plan:v1 eyJ -->",
        f"<!-- ftops:plan:v1 {base64.b64encode(b'[' * 1_200).decode()} -->",
        "<!-- ftops:plan:v1 " + base64.b64encode(b'{"x": ' + b"[" * 1_200).decode() + " -->",
        f"<!-- ftops:plan:v1 {base64.b64encode(json.dumps({'scope': 'x' * 9_000}).encode()).decode()} -->",
        "<!-- ftops:plan:v1 //79 -->",
    ],
)
def test_what_is_no_marker_is_none(body: str) -> None:
    assert read_marker(body) is None


@pytest.mark.parametrize("seed", range(50))
def test_a_marker_comes_back_and_ends_where_it_ends(seed: int) -> None:
    marker = marker_of(forged(Random(seed)), "c" * 40)
    assert read_marker(f"{marker.line}\r\nrest") == marker
    assert len(marker.line) < 2_000
    assert "--" not in marker.line.removeprefix("<!--").removesuffix("-->")


def step(desk: Desk, event: Event, content: bytes, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """`ftops ci comment` as a step of a job on *event*."""
    (folder / "plan.json").write_bytes(content)
    (folder / "event.json").write_text(json.dumps(event.payload), encoding="utf-8")
    environment = {
        **os.environ,
        **desk.forge.environment(desk.repository.name),
        "GITHUB_EVENT_NAME": event.name,
        "GITHUB_EVENT_PATH": str(folder / "event.json"),
        "GITHUB_REF": event.ref,
        "GITHUB_SHA": event.sha,
        "GITHUB_RUN_ID": "7",
        "GITHUB_ACTOR": event.actor,
        "GITHUB_TOKEN": desk.forge.token(pull_requests="write"),
        **more,
    }
    command = [sys.executable, "-m", "ftops", "ci", "comment", "--plan", "plan.json", "--checksum"]
    digest = more.get("CHECKSUM", digest_of_bytes(content))
    return subprocess.run(
        [*command, digest], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_command_prints_the_address_of_the_comment(desk: Desk, tmp_path: Path) -> None:
    content = encoded_problems([Diagnostic(code="data-secret", summary="a key in row 3")], commit=None)
    done = step(desk, pull_request(desk.repository, desk.number), content, tmp_path)
    assert (done.returncode, done.stderr) == (0, "created the comment\n")
    comment = desk.ours[0]["id"]
    assert done.stdout == f"{desk.repository.url}/pull/{desk.number}#issuecomment-{comment}\n"
    assert "### ftops plan: none, 1 problem to be mended first" in str(desk.ours[0]["body"])
    assert f"as of `{desk.head[:12]}`" in str(desk.ours[0]["body"])
    again = step(desk, pull_request(desk.repository, desk.number), content, tmp_path)
    assert (again.stderr, again.stdout) == ("unchanged the comment\n", done.stdout)


def test_a_plan_of_any_size_makes_a_comment_that_github_takes(desk: Desk, tmp_path: Path) -> None:
    every = [Diagnostic(code=f"data-{n}", summary=f"é {n} " * 200, why="点" * 500) for n in range(900)]
    content = encoded_problems(every, commit=None)
    assert len(content) > 1_000_000
    done = step(desk, pull_request(desk.repository, desk.number), content, tmp_path)
    assert done.returncode == 0, done.stderr
    body = str(desk.ours[0]["body"])
    assert 50_000 < len(body.encode()) <= COMMENT_BYTES_MAX
    assert "Left out here: " in body


def test_another_file_than_the_plan_jobs_is_not_shown(desk: Desk, tmp_path: Path) -> None:
    content = encoded_problems([], commit=None)
    event = pull_request(desk.repository, desk.number)
    done = step(desk, event, content + b" ", tmp_path, CHECKSUM=digest_of_bytes(content))
    assert done.returncode == 3
    assert "error[plan-file-altered]" in done.stderr
    assert desk.ours == []


def test_where_no_comment_can_be_written_the_plan_is_on_the_runs_page(desk: Desk, tmp_path: Path) -> None:
    content = encoded_problems([], commit=None)
    page = f"{desk.repository.url}/actions/runs/7"
    fork = desk.forge.repository("mona/models", fork_of=desk.repository)
    fork.commit({"specs/elle.yaml": "a"}, branch="mine")
    number = desk.repository.open_pull(head="mine", source=fork)
    head = desk.head
    events = {
        "a fork": pull_request(desk.repository, number),
        "Dependabot": pull_request(desk.repository, desk.number, actor="dependabot[bot]"),
        "no pull request": push(desk.repository, before=head, after=head),
    }
    for words, event in events.items():
        done = step(desk, event, content, tmp_path)
        assert (done.returncode, done.stdout) == (0, "")
        assert words in done.stderr
        assert done.stderr.endswith(f"; the plan is on {page}\n")
    assert desk.ours == []
    assert desk.repository.comments(number) == []


def test_a_run_of_an_old_commit_says_that_a_newer_one_is_there(desk: Desk, tmp_path: Path) -> None:
    event = pull_request(desk.repository, desk.number)
    old = desk.head
    desk.push()
    done = step(desk, event, encoded_problems([], commit=None), tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"no comment: the pull request has a newer commit than {old[:12]}, whose run writes it\n"


def test_a_token_that_may_not_write_is_told_so(desk: Desk, tmp_path: Path) -> None:
    event = pull_request(desk.repository, desk.number)
    token = desk.forge.token(pull_requests="read")
    done = step(desk, event, encoded_problems([], commit=None), tmp_path, GITHUB_TOKEN=token)
    assert done.returncode == 1
    assert "pull-requests: write" in done.stderr
    assert token not in done.stderr + done.stdout


def test_a_lost_answer_makes_no_second_comment(desk: Desk) -> None:
    desk.forge.fail("POST */comments", "lost")
    with pytest.raises(ProblemsError):
        desk.show(plan_file())
    assert desk.show(plan_file(problem="again")) == "updated"
    assert desk.bodies == ["again"]

"""The real workflow files on every path of events: what a pull request may reach, who pays, who commits."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.github import events, lint
from tests.github.actions import spec

if TYPE_CHECKING:
    from pathlib import Path

    from tests.github.act import Result
    from tests.github.actions import Actions
    from tests.github.forge.handle import Forge

BOT = "github-actions[bot]"
APP = "ftops[bot]"
ALL = {"plan": "success", "comment": "success", "required": "success"}


def only(results: list[Result]) -> Result:
    (result,) = results
    return result


def merge_one(actions: Actions, name: str = "elle") -> Result:
    """Merge a spec, and run what comes of that."""
    actions.repository.commit(spec(name), message=f"Train {name}")
    return only(actions.react())


# Pull requests


def test_a_pull_request_is_planned_and_commented(actions: Actions) -> None:
    repository = actions.repository
    repository.commit(spec("elle"), branch="topic")
    number = repository.open_pull(head="topic")
    result = only(actions.react())
    assert result.jobs == ALL, result
    (comment,) = repository.comments(number)
    assert comment["author"] == BOT
    assert "1 to train" in comment["body"]
    assert "1 to train" in result.summaries["plan"]
    assert actions.provider.door.asked == [], "a plan asks no provider"


def test_a_pull_request_of_a_fork_is_planned_without_any_right_to_write(actions: Actions, github: Forge) -> None:
    repository = actions.repository
    fork = github.repository("eve/models", fork_of=repository)
    fork.commit(spec("elle"), branch="topic", login="eve")
    number = repository.open_pull(head="topic", author="eve", source=fork)
    result = only(actions.react())
    assert result.jobs == {**ALL, "comment": "skipped"}, result
    assert repository.comments(number) == []
    assert "1 to train" in result.summaries["plan"]


def test_a_pull_request_that_breaks_a_spec_is_not_let_through(actions: Actions) -> None:
    repository = actions.repository
    repository.commit({"specs/elle.yaml": "kind: FineTune\nmodle: base\n"}, branch="topic")
    number = repository.open_pull(head="topic")
    result = only(actions.react())
    assert (result.jobs["plan"], result.jobs["required"]) == ("failure", "failure"), result
    assert "::error file=specs/elle.yaml,line=2" in result.log
    assert "modle" in repository.comments(number)[0]["body"]


def test_what_a_contributor_writes_is_never_run(actions: Actions, tmp_path: Path) -> None:
    """Branch, title, names of specs and files, texts in them: as shell, as a command to the runner, as an output."""
    repository = actions.repository
    planted = tmp_path / "planted"
    code = f"$(touch${{IFS}}{planted})"
    tick = f"`touch {planted}`"
    description = f"{tick} {code}\n::set-output name=checksum::0\n::error::forged\n::add-mask::a"
    repository.commit(spec("elle", description=description), branch=f"topic-{code.replace('/', '-')}")
    number = repository.open_pull(
        head=f"topic-{code.replace('/', '-')}", title=f"{tick} {code} '; touch {planted}; '", body=code
    )
    result = only(actions.react())
    assert result.jobs == ALL, result
    assert not planted.exists()
    assert not list(tmp_path.rglob("*planted*"))
    assert "::error::forged" not in result.log
    assert len(repository.comments(number)) == 1


def test_a_pull_request_that_gives_itself_rights_reaches_nothing(actions: Actions, github: Forge) -> None:
    """Its author decides what its workflow says; environment and mapping decide what that is worth."""
    repository = actions.repository
    actions.settings.environment_secrets["ftops-production"] = {"OPENAI_API_KEY": "sk-stored"}
    show = "env | sort; echo 'the key is ${{ secrets.OPENAI_API_KEY }}.'"
    ask = (
        'curl -s -H "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" '
        '"$ACTIONS_ID_TOKEN_REQUEST_URL&audience=https://api.openai.com/v1" | tee token.json'
    )
    base = {"runs-on": "ubuntu-24.04", "permissions": {"id-token": "write", "contents": "write"}}
    evil = {
        "on": "pull_request",
        "jobs": {
            "inside": {**base, "environment": "ftops-production", "steps": [{"run": show, "shell": "bash"}]},
            "outside": {**base, "steps": [{"run": f"{show}\n{ask}", "shell": "bash"}]},
        },
    }
    repository.commit({".github/workflows/evil.yml": json.dumps(evil)}, branch="topic")
    repository.open_pull(head="topic")
    inner = actions.react()[0]
    assert inner.workflow == "evil.yml"
    assert inner.jobs == {"inside": "failure", "outside": "success"}, inner
    assert "is not allowed to deploy to ftops-production" in inner.log
    assert "sk-stored" not in inner.log
    assert "the key is ." in inner.log
    # The identity that it gets is that of a pull request, which is good for nothing at OpenAI.
    token = json.loads(inner.log[inner.log.index('{"count"') :].splitlines()[0])["value"]
    accounts = [row.account for row in actions.provider.exchange.rows]
    assert [actions.provider.exchanged(token, account) for account in accounts] == [403, 403]

    fork = github.repository("eve/models", fork_of=repository)
    fork.commit({".github/workflows/evil.yml": json.dumps(evil)}, branch="topic", login="eve")
    repository.open_pull(head="topic", author="eve", source=fork)
    outer = actions.react()[0]
    assert "ACTIONS_ID_TOKEN" not in outer.log
    assert "sk-stored" not in outer.log


def test_the_merge_queue_plans_and_comments_nothing(actions: Actions) -> None:
    repository = actions.repository
    repository.commit(spec("elle"), branch="topic")
    number = repository.open_pull(head="topic")
    actions.forget()
    group = repository.queue(number)
    result = only(actions.react())
    assert result.jobs == {**ALL, "comment": "skipped"}, result
    assert repository.comments(number) == []
    repository.land(number, group)
    assert [each.workflow for each in actions.react()] == ["ftops-apply.yml"]
    assert [job["metadata"]["ftops.spec"] for job in actions.provider.jobs()] == ["elle"]


# On main


def test_a_merge_is_applied_and_recorded_without_a_stored_key(actions: Actions) -> None:
    result = merge_one(actions)
    assert result.jobs == {"plan": "success", "apply": "success"}, result
    (job,) = actions.provider.jobs()
    assert job["id"].encode() in (actions.repository.file("ftops.lock") or b"")
    assert actions.repository.log()[0][0] == BOT
    claims = actions.repository.bare.git("for-each-ref", "--format=%(refname)", "refs/ftops/claims")
    assert claims == "refs/ftops/claims/openai"
    accounts = {token for _, _, token in actions.provider.door.asked}
    assert accounts <= set(actions.provider.exchange.given)


def test_no_token_is_shown_or_kept_anywhere(actions: Actions, github: Forge) -> None:
    result = merge_one(actions)
    texts = [str(result), *result.summaries.values()]
    texts += [path.read_text(errors="replace") for path in result.artifacts.rglob("*") if path.is_file()]
    texts += [actions.repository.bare.git("log", "-p", "--all")]
    secrets = [*actions.provider.exchange.given, *github.call("secrets")]
    assert len(secrets) >= 3
    assert [secret for secret in secrets for text in texts if secret in text] == []


def test_a_tick_of_the_schedule_with_nothing_to_collect_costs_next_to_nothing(actions: Actions) -> None:
    result = only(actions.run(events.schedule(actions.repository)))
    assert result.jobs == {"pending": "success", "collect": "skipped"}, result
    assert actions.provider.door.asked == []


@pytest.mark.parametrize("how", ["schedule", "workflow_dispatch", "repository_dispatch"])
def test_a_model_is_collected(actions: Actions, how: str) -> None:
    merge_one(actions)
    actions.provider.wait_until_ended()
    repository = actions.repository
    event = {
        "schedule": lambda: events.schedule(repository),
        "workflow_dispatch": lambda: events.workflow_dispatch(repository, "ftops-reconcile.yml"),
        "repository_dispatch": lambda: events.repository_dispatch(repository, "ftops-reconcile"),
    }[how]()
    result = only(actions.run(event))
    assert result.jobs == {"pending": "success", "collect": "success"}, result
    (job,) = actions.provider.jobs()
    assert job["fine_tuned_model"].encode() in (repository.file("ftops.lock") or b"")
    assert actions.react() == [], "what the bot committed starts nothing"


def test_a_person_applies_by_hand(actions: Actions) -> None:
    actions.repository.commit(spec("elle"))
    actions.forget()
    result = only(actions.run(events.workflow_dispatch(actions.repository, "ftops-apply.yml")))
    assert result.jobs == {"plan": "success", "apply": "success"}, result
    assert len(actions.provider.jobs()) == 1


# Between the plan and its approval


def test_a_plan_that_somebody_replaced_is_not_applied(actions: Actions) -> None:
    actions.between = 'sed -i s/elle/evil/ "$FORGE_ARTIFACTS/ftops-apply-plan/plan.json"'
    result = merge_one(actions)
    assert result.jobs == {"plan": "success", "apply": "failure"}, result
    assert actions.provider.door.asked == []
    assert actions.provider.jobs() == []


def test_what_was_merged_after_the_plan_is_not_applied_with_it(actions: Actions, tmp_path: Path) -> None:
    """Neither another version of the spec, nor one more; the run of the later merge does both."""
    later = {**spec("elle", epochs=2), **spec("noble")}
    for path, text in later.items():
        (tmp_path / "later" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "later" / path).write_text(text)
    actions.between = (
        f"git clone -q {actions.repository.path} {tmp_path}/work && cp -R {tmp_path}/later/. {tmp_path}/work && "
        f"cd {tmp_path}/work && git add -A && git -c user.name=m -c user.email=m@x commit -qm Later && git push -q"
    )
    result = merge_one(actions)
    assert result.jobs == {"plan": "success", "apply": "failure"}, result
    assert "plan-unapproved" in result.log
    assert actions.provider.jobs() == []
    actions.between = ""
    repository = actions.repository
    before, after = repository.bare.git("rev-parse", "main^", "main").splitlines()
    result = only(actions.run(events.push(repository, before=before, after=after)))
    assert result.jobs == {"plan": "success", "apply": "success"}, result
    assert {job["metadata"]["ftops.spec"] for job in actions.provider.jobs()} == {"elle", "noble"}
    assert len(actions.provider.jobs()) == 2


# A protected main


def test_a_protected_main_is_offered_the_lockfile(actions: Actions) -> None:
    """With the job's own token, which may not pass the rule: a branch, and how to go on; the jobs are not lost."""
    repository = actions.repository
    repository.commit(spec("elle"))
    repository.protect("main", bypass=[APP])
    result = only(actions.react())
    assert result.jobs == {"plan": "success", "apply": "failure"}, result
    (job,) = actions.provider.jobs()
    assert repository.file("ftops.lock") is None
    assert job["id"].encode() in (repository.file("ftops.lock", at="ftops/lock") or b"")
    assert "compare/main...ftops/lock" in result.log


def test_an_app_commits_to_a_protected_main_and_starts_no_loop(actions: Actions, github: Forge, tmp_path: Path) -> None:
    """The files as a user has them: written by `ftops init --github`, with what their comments offer of the App."""
    repository = actions.repository
    action = "ftops-dev/ftops@0123456789abcdef0123456789abcdef01234567"
    command = [
        sys.executable,
        "-m",
        "ftops",
        "init",
        "--github",
        "--action",
        f"{action} # v1.0.0",
        "--target",
        "openai",
    ]
    written = tmp_path / "written"
    written.mkdir()
    (written / "ftops.yaml").write_bytes(repository.file("ftops.yaml") or b"")
    subprocess.run(["git", "init", "-q", "-b", "main", str(written)], check=True)
    subprocess.run(command, cwd=written, check=True)
    lint.uncomment(written)
    workflows = {str(path.relative_to(written)): path.read_text() for path in lint.workflows(written)}
    assert len(workflows) == 3
    repository.commit(workflows)
    for environment in ("ftops-production", "ftops-collect"):
        actions.settings.environment_variables[environment]["FTOPS_APP_CLIENT_ID"] = "Iv1.ftops"
        actions.settings.environment_secrets[environment] = {"FTOPS_APP_PRIVATE_KEY": "key of Iv1.ftops"}
    actions.app_token = github.token(APP, repository=repository.name, contents="write")
    repository.commit(spec("elle"))
    repository.protect("main", bypass=[APP])
    result = only(actions.react())
    assert result.jobs == {"plan": "success", "apply": "success"}, result
    assert repository.log()[0][0] == APP
    assert [event["actor"] for event in repository.events() if event["event"] == "push"][-1] == APP
    assert len(actions.runs) == 1

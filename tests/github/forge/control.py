"""What a test may do that no client can: make repositories and tokens, merge, set rules, let requests fail, look."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tests.github.forge import jobs
from tests.github.forge.comments import add_comment
from tests.github.forge.objects import EMPTY, Bare
from tests.github.forge.pulls import open_pull
from tests.github.forge.wire import json_answer
from tests.github.forge.world import Fault, Protection, Pull, Refusal, Repository, user_id

if TYPE_CHECKING:
    from tests.github.forge.issuer import Issuer
    from tests.github.forge.wire import Answer, Request
    from tests.github.forge.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Each public method is a call of its own name, with JSON in and out."""

    world: World
    issuer: Issuer

    def answer(self, request: Request) -> Answer:
        asked = json.loads(request.body)
        try:
            return json_answer(200, {"value": getattr(self, asked["call"])(**asked["with"])})
        except Refusal as refusal:
            return json_answer(refusal.status, {"message": refusal.message})

    def reset(self) -> None:
        """Forget everything, as a new forge at the same address."""
        self.world.reset()
        self.issuer.jobs.clear()

    # Tokens, faults, what was asked

    def token(self, login: str, permissions: dict[str, str], repository: str | None) -> str:
        return self.world.token(login, permissions, repository).secret

    def revoke(self, token: str) -> None:
        del self.world.tokens[token]

    def secrets(self) -> list[str]:
        """All tokens there ever were."""
        return self.world.issued

    def fail(self, request: str, kind: str, times: int, seconds: float) -> None:
        with self.world.lock:
            self.world.faults.append(Fault(request=request, kind=kind, times=times, seconds=seconds))

    def requests(self) -> list[dict[str, Any]]:
        return self.world.requests

    def invalid(self) -> list[str]:
        """What was asked against the published descriptions; it is forgotten by telling."""
        with self.world.lock:
            found, self.world.invalid = self.world.invalid, []
        return found

    # Repositories

    def repository(self, name: str, private: bool, parent: str | None) -> dict[str, Any]:  # called by name
        path = self.world.folder / str(self.world.life) / f"{name}.git"
        path.parent.mkdir(parents=True, exist_ok=True)
        bare = Bare.create(path)
        if parent:
            bare.git("fetch", "-q", str(self._known(parent).bare.path), "refs/heads/*:refs/heads/*")
        made = Repository(
            name=name,
            id=self.world.number(),
            bare=bare,
            private=private,
            events=path.with_suffix(".events"),
            parent=parent,
        )
        self.world.repositories[name] = made
        return {"id": made.id, "path": str(path)}

    def allow_actions_to_open_pulls(self, repository: str) -> None:
        self._known(repository).actions_may_open_pulls = True

    def protect(self, repository: str, pattern: str, kind: str, bypass: list[str]) -> None:
        self._known(repository).protections[pattern] = Protection(kind=kind, bypass=tuple(bypass))

    def unprotect(self, repository: str, pattern: str) -> None:
        del self._known(repository).protections[pattern]

    def environment(self, repository: str, name: str, branches: list[str]) -> None:
        self._known(repository).environments[name] = branches

    def commit(
        self,
        *,
        repository: str,
        branch: str,
        files: dict[str, str | None],
        message: str,
        login: str,
        onto: str | None,
    ) -> str:
        """A push of *login*, who may do anything: contents in base64, None deletes; a new branch starts at *onto*."""
        found, ref = self._known(repository), f"refs/heads/{branch}"
        before = found.bare.head(ref)
        commit = found.bare.committed(
            before or onto,
            additions={path: base64.b64decode(content) for path, content in files.items() if content is not None},
            deletions=[path for path, content in files.items() if content is None],
            message=message,
            author=(login, f"{user_id(login)}+{login}@users.noreply.github.com"),
        )
        assert found.bare.move(ref, commit, before), "somebody else was faster"
        found.pushed(ref, before or EMPTY, commit, login)
        self._refresh_forked(found, login)
        return commit

    def events(self, repository: str) -> list[dict[str, Any]]:
        return self._known(repository).happened()

    # Pull requests

    def open_pull(self, repository: str, source: str, **facts: str) -> int:
        pull = open_pull(self.world, self._known(repository), self._known(source), **facts)
        return pull.number

    def pull(self, repository: str, number: int) -> dict[str, Any]:
        found, pull = self._pull(repository, number)
        refs = {"head_sha": found.bare.head(pull.head_ref), "merge_sha": found.bare.head(pull.merge_ref)}
        return asdict(pull) | refs

    def pulls(self, repository: str) -> list[int]:
        return sorted(self._known(repository).pulls)

    def merge(self, repository: str, number: int, login: str) -> str:
        """Press the button: a merge commit on the base branch."""
        found, pull = self._pull(repository, number)
        ref = f"refs/heads/{pull.base}"
        before, head = found.bare.head(ref), found.bare.head(pull.head_ref)
        assert before is not None
        assert head is not None
        author = (login, f"{user_id(login)}+{login}@users.noreply.github.com")
        source = f"{pull.head_repository.partition('/')[0]}/{pull.head}"
        commit = found.bare.merged(before, head, f"Merge pull request #{number} from {source}\n\n{pull.title}", author)
        if commit is None:
            raise Refusal(405, "Pull Request is not mergeable")
        self._land(found, pull, commit, before, login)
        return commit

    def queue(self, repository: str, number: int) -> dict[str, str]:
        """Put into the merge queue: a branch with the merge commit that is to be checked."""
        found, pull = self._pull(repository, number)
        before, head = found.bare.head(f"refs/heads/{pull.base}"), found.bare.head(pull.head_ref)
        assert before is not None
        assert head is not None
        commit = found.bare.merged(before, head, f"Merge pull request #{number}")
        if commit is None:
            raise Refusal(405, "Pull Request is not mergeable")
        ref = f"refs/heads/gh-readonly-queue/{pull.base}/pr-{number}-{before}"
        assert found.bare.move(ref, commit, None)
        group = {"head_ref": ref, "head_sha": commit, "base_ref": f"refs/heads/{pull.base}", "base_sha": before}
        found.note("merge_group", "github-merge-queue[bot]", action="checks_requested", number=number, **group)
        return group

    def land(self, repository: str, number: int, group: dict[str, str]) -> None:
        """The checks of the queue passed: its commit becomes the branch."""
        found, pull = self._pull(repository, number)
        self._land(found, pull, group["head_sha"], group["base_sha"], "github-merge-queue[bot]")
        found.bare.git("update-ref", "-d", group["head_ref"])

    def comment(self, repository: str, number: int, author: str, body: str) -> int:
        found, _ = self._pull(repository, number)
        return add_comment(self.world, found, number, author, body).id

    def comments(self, repository: str, number: int) -> list[dict[str, Any]]:
        found, _ = self._pull(repository, number)
        return [asdict(comment) for comment in found.comments.values() if comment.pull == number]

    # Jobs

    def start_job(self, repository: str, **facts: Any) -> dict[str, str]:
        return jobs.start(self.world, self.issuer, self._known(repository), jobs.Job(**facts))

    def end_run(self, repository: str, run_id: int) -> None:
        self.world.end_run(self._known(repository).name, run_id)

    # Helpers

    def _known(self, name: str) -> Repository:
        found = self.world.repository(name)
        if found is None:
            raise Refusal(404, f"there is no repository {name}")
        return found

    def _pull(self, repository: str, number: int) -> tuple[Repository, Pull]:
        found = self._known(repository)
        return found, found.pulls[number]

    def _land(self, found: Repository, pull: Pull, commit: str, before: str, login: str) -> None:
        ref = f"refs/heads/{pull.base}"
        assert found.bare.move(ref, commit, before), "somebody else was faster"
        pull.state, pull.merged = "closed", commit
        facts = {"action": "closed", "number": pull.number, "merged": True, "merge_commit": commit}
        found.note("pull_request", login, **facts)
        found.pushed(ref, before, commit, login)

    def _refresh_forked(self, source: Repository, login: str) -> None:
        """Let pull requests from a fork follow its branches."""
        if source.parent is None:
            return
        parent = self._known(source.parent)
        for pull in parent.pulls.values():
            head = source.bare.head(f"refs/heads/{pull.head}")
            is_new = head and head != parent.bare.head(pull.head_ref)
            if pull.state == "open" and pull.head_repository == source.name and head and is_new:
                parent.bare.git("fetch", "-q", str(source.bare.path), head)
                parent.bare.git("update-ref", pull.head_ref, head)
                parent.test_merge(pull)
                parent.note("pull_request", login, action="synchronize", number=pull.number, head=head)

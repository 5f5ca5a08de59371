"""The forge in a test's hand.

    with forge(tmp_path / "forge") as github:
        models = github.repository("acme/models")              # private, empty
        models.commit({"ftops.yaml": "…"})                     # a push of its owner to main
        token = github.token("github-actions[bot]", contents="write", pull_requests="write")
        number = models.open_pull(head="topic", title="…")     # after models.commit(…, branch="topic")
        models.protect("main", bypass=["ftops[bot]"])
        github.fail("POST */comments", "lost")                 # the next one works, and its answer gets lost
        …
        models.comments(number), models.file("ftops.lock"), github.requests()

A request that GitHub's published description does not allow fails the test at the end of the block.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.github.forge.objects import Bare
from tests.github.forge.world import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[3]
START_SECONDS = 60
PERSON = "mona"


class RefusedError(Exception):
    """The forge says no to the test itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forge:
    """A running forge."""

    url: str
    """What GITHUB_SERVER_URL is."""
    secret: str

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/v3"

    @property
    def graphql_url(self) -> str:
        return f"{self.url}/api/graphql"

    @property
    def issuer(self) -> str:
        """`iss` of identities; `/.well-known/openid-configuration` and `/.well-known/jwks` are under it."""
        return f"{self.url}/_services/token"

    def environment(self, repository: str = "") -> dict[str, str]:
        """What tells a program that it runs in Actions of this forge, and where."""
        found = {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": self.url, "GITHUB_API_URL": self.api_url}
        return found | {"GITHUB_GRAPHQL_URL": self.graphql_url, "GITHUB_REPOSITORY": repository}

    def token(self, login: str = ACTIONS, *, repository: str | None = None, **permissions: str) -> str:
        """A new token: `contents`, `issues`, `pull_requests` … are "read" or "write"; for one *repository*, or all."""
        granted = {name.replace("_", "-"): level for name, level in permissions.items()}
        secret = self.call("token", login=login, permissions=granted, repository=repository)
        assert isinstance(secret, str)
        return secret

    def revoke(self, token: str) -> None:
        self.call("revoke", token=token)

    def repository(self, name: str, *, private: bool = True, fork_of: Repository | None = None) -> Repository:
        made = self.call("repository", name=name, private=private, parent=fork_of.name if fork_of else None)
        return Repository(forge=self, name=name, id=made["id"], path=Path(made["path"]))

    def fail(self, request: str, kind: str, *, times: int = 1, seconds: float = 0) -> None:
        """Let the next requests that fit a pattern such as `POST */comments` fail.

        Kinds: `lost` (done, but the connection breaks), `cut` (breaks before anything is done), `slow` (by *seconds*),
        `secondary` (rate limit, Retry-After *seconds*), `primary` (no requests left until in *seconds*), or a status.
        """
        self.call("fail", request=request, kind=kind, times=times, seconds=seconds)

    def requests(self) -> list[dict[str, Any]]:
        """All that clients asked so far: method, path with query, login, status (0: cut), body."""
        return list(self.call("requests"))

    def invalid(self) -> list[str]:
        """What was asked against the published descriptions, forgotten by telling."""
        return list(self.call("invalid"))

    def reset(self) -> None:
        """Forget everything; the address stays."""
        self.call("reset")

    def call(self, name: str, /, **arguments: object) -> Any:
        request = urllib.request.Request(
            f"{self.url}/_forge",
            data=json.dumps({"call": name, "with": arguments}).encode(),
            headers={"Authorization": f"Bearer {self.secret}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RefusedError(json.load(error)["message"]) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """One on the forge."""

    forge: Forge
    name: str
    """`owner/name`."""
    id: int
    path: Path
    """The bare repository itself, to look at."""

    @property
    def url(self) -> str:
        """To clone from."""
        return f"{self.forge.url}/{self.name}"

    @property
    def owner(self) -> str:
        return self.name.partition("/")[0]

    def url_for(self, token: str) -> str:
        """To clone from with *token*."""
        return self.url.replace("://", f"://x-access-token:{token}@")

    # What people do

    def commit(
        self,
        files: Mapping[str, str | bytes | None],
        *,
        branch: str = "main",
        message: str = "Edit",
        login: str = PERSON,
        onto: str | None = None,
    ) -> str:
        """Push a commit, past all rules; None deletes a file, a new branch starts at main or at *onto*."""
        start = onto or (None if branch == "main" else self.head("main"))
        raw = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        encoded = {path: None if data is None else base64.b64encode(data).decode() for path, data in raw.items()}
        facts = {"branch": branch, "files": encoded, "message": message, "login": login, "onto": start}
        return str(self._call("commit", **facts))

    def open_pull(
        self,
        *,
        head: str,
        title: str = "A change",
        body: str = "",
        base: str = "main",
        author: str = PERSON,
        source: Repository | None = None,
    ) -> int:
        """A pull request of the branch *head*, of the fork *source* if given; gives its number."""
        facts = {"head": head, "base": base, "title": title, "body": body, "author": author}
        return int(self._call("open_pull", source=(source or self).name, **facts))

    def comment(self, number: int, body: str, *, author: str = PERSON) -> int:
        return int(self._call("comment", number=number, author=author, body=body))

    def merge(self, number: int, *, login: str = PERSON) -> str:
        """Merge a pull request; gives the commit."""
        return str(self._call("merge", number=number, login=login))

    def queue(self, number: int) -> dict[str, str]:
        """Put a pull request into the merge queue; gives its head_ref, head_sha, base_ref, base_sha."""
        return dict(self._call("queue", number=number))

    def land(self, number: int, group: dict[str, str]) -> None:
        """Merge what the queue has checked."""
        self._call("land", number=number, group=group)

    # Settings

    def protect(self, pattern: str = "main", *, kind: str = "ruleset", bypass: Sequence[str] = ()) -> None:
        """Let nobody but logins of *bypass* write to a branch; `ruleset` refuses with GH013, `classic` with GH006."""
        self._call("protect", pattern=pattern, kind=kind, bypass=list(bypass))

    def unprotect(self, pattern: str = "main") -> None:
        self._call("unprotect", pattern=pattern)

    def allow_actions_to_open_pulls(self) -> None:
        """GitHub's setting, which is off for new repositories."""
        self._call("allow_actions_to_open_pulls")

    def environment(self, name: str, *, branches: Sequence[str] = ()) -> None:
        """An environment, for these branches alone if any are given."""
        self._call("environment", name=name, branches=list(branches))

    # Looks

    def head(self, branch: str = "main") -> str | None:
        return self.bare.head(f"refs/heads/{branch}")

    def file(self, path: str, *, at: str = "main") -> bytes | None:
        return self.bare.blob(f"{at}:{path}")

    def log(self, branch: str = "main") -> list[tuple[str, str]]:
        """Author and subject of each commit, newest first, of the first parents."""
        lines = self.bare.git("log", "--first-parent", "--format=%an%x09%s", branch).splitlines()
        return [(author, subject) for author, _, subject in (line.partition("\t") for line in lines)]

    @property
    def bare(self) -> Bare:
        return Bare(self.path)

    def pull(self, number: int) -> dict[str, Any]:
        return dict(self._call("pull", number=number))

    def pulls(self) -> list[int]:
        return list(self._call("pulls"))

    def comments(self, number: int) -> list[dict[str, Any]]:
        """Oldest first: id, author, body, created, updated, minimized."""
        return list(self._call("comments", number=number))

    def events(self) -> list[dict[str, Any]]:
        """All that happened: event, actor, and what each has more."""
        return list(self._call("events"))

    # Jobs

    def start_job(self, **facts: Any) -> dict[str, str]:
        """What a job gets: GITHUB_TOKEN, and for `id-token: write` where it gets its identity; see `jobs.Job`.

        Raises:
            RefusedError: Its environment does not allow the branch.
        """
        return dict(self._call("start_job", **facts))

    def end_run(self, run_id: int) -> None:
        """The run has ended, and with it the tokens of its jobs."""
        self._call("end_run", run_id=run_id)

    def _call(self, name: str, /, **arguments: object) -> Any:
        return self.forge.call(name, repository=self.name, **arguments)


@contextmanager
def forge(folder: Path) -> Iterator[Forge]:
    """Start one in a process of its own, and end it; what it was asked must have been as GitHub describes it."""
    folder.mkdir(parents=True, exist_ok=True)
    card = folder / "forge.json"
    with (folder / "forge.log").open("wb") as log:
        command = [sys.executable, "-m", "tests.github.forge", str(folder)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not card.exists():
                assert process.poll() is None, (folder / "forge.log").read_text(encoding="utf-8")
                assert time.monotonic() < deadline, "the forge does not start"
                time.sleep(0.02)
            found = Forge(**json.loads(card.read_text(encoding="utf-8")))
            yield found
            assert found.invalid() == []
        finally:
            process.terminate()
            process.wait(30)

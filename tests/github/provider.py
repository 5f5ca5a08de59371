"""The provider that workflows train at: the local server in a process of its own, behind a door like OpenAI's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.github.exchange import Door, Exchange, Row, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.github.forge.handle import Forge

KEY = "key-of-the-provider"
ENDED = {"succeeded", "failed", "cancelled"}
APPLY, COLLECT = "svc-apply", "svc-collect"
PROVIDER_ID = "idp-github"


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A running one."""

    server: str
    """Of the server itself, which KEY opens."""
    url: str
    """Behind the door: for those that GitHub vouches for."""
    exchange: Exchange
    door: Door
    exchange_url: str

    def jobs(self) -> list[dict[str, Any]]:
        """All fine-tuning jobs, newest first."""
        return list(self.ask("GET", "/v1/fine_tuning/jobs?limit=100")["data"])

    def wait_until_ended(self, *, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while any(job["status"] not in ENDED for job in self.jobs()):
            assert time.monotonic() < deadline, self.jobs()
            time.sleep(0.1)

    def fail(self, *faults: dict[str, object]) -> None:
        """See ftops/server/faults.py."""
        self.ask("POST", "/ftops/faults", list(faults))

    def exchanged(self, token: str, account: str) -> int:
        """The status with which the exchange answers whoever hands over *token* for *account*."""
        asked = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "subject_token": token,
            "identity_provider_id": PROVIDER_ID,
            "service_account_id": account,
        }
        request = urllib.request.Request(self.exchange_url, data=json.dumps(asked).encode())
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.server + path, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


@contextmanager
def provider(folder: Path, forge: Forge, repository_id: int) -> Iterator[Provider]:
    """Start one in *folder* that trusts the issuer of *forge*, for the two environments of one repository."""
    claims = {"repository_id": str(repository_id), "ref": "refs/heads/main"}
    rows = [
        Row(account=APPLY, claims={**claims, "environment": "ftops-production"}),
        Row(account=COLLECT, claims={**claims, "environment": "ftops-collect"}),
    ]
    with ExitStack() as stack:
        server = stack.enter_context(running_server(folder))
        exchange = Exchange(issuer=forge.issuer, provider=PROVIDER_ID, rows=rows)
        door = Door(exchange=exchange, server=server, key=KEY)
        door_url = stack.enter_context(serving(door))
        exchange_url = stack.enter_context(serving(exchange))
        yield Provider(
            server=server,
            url=f"{door_url}/v1",
            exchange=exchange,
            door=door,
            exchange_url=f"{exchange_url}/oauth/token",
        )


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    state = folder / "state"
    card = state / "server.json"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ftops.server", "--state", str(state), "--allow-faults", "--max-active-jobs", "99"],
            env={**os.environ, "FTOPS_SERVER_TOKEN": KEY},
            stdout=log,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + 60
            while not card.exists():
                assert process.poll() is None, (folder / "server.log").read_text(encoding="utf-8")
                assert time.monotonic() < deadline, "the server does not start"
                time.sleep(0.05)
            yield json.loads(card.read_text(encoding="utf-8"))["url"].removesuffix("/v1")
        finally:
            process.terminate()
            process.wait(30)

"""A request of the REST API whose form is known to be right, and the parts that many answers have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.github.forge.world import Refusal, user_id

if TYPE_CHECKING:
    from tests.github.forge.described import Operation
    from tests.github.forge.world import Repository, Token, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request whose token, repository and form are known to be right."""

    world: World
    token: Token
    repository: Repository
    operation: Operation
    query: dict[str, str]
    body: dict[str, Any]

    def need(self, *permissions: str, level: str) -> None:
        """Refuse, unless the token has one of *permissions*."""
        repository = self.repository
        if level == "read" and not repository.private:
            return
        if not any(self.token.may(repository, permission, level) for permission in permissions):
            raise self.token.refusal

    @property
    def url(self) -> str:
        return f"{self.world.url}/api/v3/repos/{self.repository.name}"


def brief(repository: Repository) -> dict[str, Any]:
    owner = user(repository.owner)
    found = {"id": repository.id, "name": repository.short_name, "full_name": repository.name, "owner": owner}
    return found | {"private": repository.private, "fork": repository.parent is not None}


def user(login: str) -> dict[str, Any]:
    return {"login": login, "id": user_id(login), "type": "Bot" if login.endswith("[bot]") else "User"}


def failed(resource: str, name: str | None, code: str, **more: str) -> Refusal:
    error = {"resource": resource, "code": code, **({"field": name} if name else {}), **more}
    return Refusal(422, "Validation Failed", errors=[error])

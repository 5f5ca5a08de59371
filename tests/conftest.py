"""A world of its own for every test, and a clock that it holds."""

from __future__ import annotations

import os
import signal

import pytest

FOREIGN = (
    "ACTIONS_",
    "AZURE_",
    "CI",
    "FORCE_COLOR",
    "FTOPS_",
    "GH_",
    "GITHUB_",
    "GIT_",
    "NO_COLOR",
    "OPENAI_",
    "RUNNER_",
)
"""What begins the names of variables that change what ftops does: a test sets those that it is about."""

# A shell's background jobs ignore SIGINT, and so would every program that a test starts in order to interrupt it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class HeldClock:
    """A clock that moves only when it is told, or slept on."""

    def __init__(self, start: int) -> None:
        self.time: float = start
        self.slept: list[float] = []

    def now(self) -> int:
        return int(self.time)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def advance(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock(start=1_750_000_000)


@pytest.fixture(autouse=True)
def own_world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep the tests from the key, git identity and home folder of the person who runs them."""
    for name in os.environ:
        if name.startswith(FOREIGN):
            monkeypatch.delenv(name)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    # A slow test trains the small instruct model: fetched once, into the person's cache, and not anew for every test.
    if "slow" not in request.keywords:
        monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

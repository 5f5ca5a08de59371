"""A server that runs is found; whatever else stands in its folder is no server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftops.clock import SystemClock
from ftops.diagnostics import ProblemsError
from ftops.remote.local import Endpoint, local_endpoint

if TYPE_CHECKING:
    from pathlib import Path

KEY = "words-of-no-known-shape"


def written(state: Path, **entry: object) -> None:
    (state / "server.json").write_text(json.dumps({"pid": 1, "token": KEY} | entry))


def test_a_server_that_answers_is_found(tmp_path: Path, server_url: str) -> None:
    written(tmp_path, url=server_url)
    assert local_endpoint(tmp_path, {}, SystemClock()) == Endpoint(pid=1, url=server_url, token=KEY)


@pytest.mark.parametrize(
    "entry",
    [
        {"url": "http://127.0.0.1:99999999/v1"},
        {"url": "http://[bad/v1"},
        {"url": "http://127.0.0.1:1/v1", "token": "x\ny"},
        {"url": "http://127.0.0.1:1/v1", "token": "\u20ac"},
        {"url": "http://127.0.0.1:1/a b"},
        {"url": "file:///v1"},
        {"url": 7},
    ],
)
def test_what_nobody_can_call_is_no_running_server(tmp_path: Path, entry: dict[str, object]) -> None:
    written(tmp_path, **entry)
    (tmp_path / "start.lock").mkdir()  # so that none is started: looking is what is tested
    with pytest.raises(ProblemsError) as caught:
        local_endpoint(tmp_path, {}, SystemClock())
    assert caught.value.problems[0].code == "local-server"

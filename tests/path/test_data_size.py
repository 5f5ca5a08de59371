"""What a target's profile says about data holds before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from ftops.diagnostics import ProblemsError
from ftops.remote.profiles import profile

if TYPE_CHECKING:
    from conftest import Team


def test_data_that_the_target_would_refuse_for_its_size_is_found_by_the_plan(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = msgspec.structs.replace(profile("local"), file_bytes_max=100)
    monkeypatch.setattr("ftops.datafiles.profile", lambda _: small)
    team.spec("pong")
    with pytest.raises(ProblemsError) as caught:
        team.plan()
    assert [problem.code for problem in caught.value.problems] == ["data-file-too-large"]
    assert team.jobs() == {}

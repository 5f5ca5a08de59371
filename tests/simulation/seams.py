"""The places where a simulation takes the machine's part: waiting, the disk, and what is the same every time.

Everything else is the program as it is.
"""

from __future__ import annotations

import errno
import os
import random
import stat
import tempfile
import time
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import openai._base_client
import pytest

import ftops.lockstore
import ftops.project
import ftops.reconcile
import ftops.server.bodies
import ftops.server.routes.files
from ftops.datafiles import Data, read_data
from ftops.spec.config import parse_config
from ftops.spec.parse import parse_file
from tests.simulation.baton import boundary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.simulation.simulation import Simulation

DISK_FAULTS = ("disk full", "rename fails", "folder sync fails")


class _Proxy:
    """A module of which some functions are other ones."""

    def __init__(self, module: Any, **others: Callable[..., Any]) -> None:
        self._module = module
        self.__dict__.update(others)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


@contextmanager
def simulated_machine(simulation: Simulation) -> Iterator[None]:
    """Sleep on the running command's own clock, and save to a disk that fails when it is told to."""

    def sleep(seconds: float) -> None:
        simulation.running_clock().sleep(seconds)

    def fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        boundary("save: renamed" if is_folder else "save: to be renamed")
        if fault := simulation.take_disk_fault(after_rename=is_folder):
            raise OSError(errno.ENOSPC if fault == "disk full" else errno.EIO, fault)

    with pytest.MonkeyPatch.context() as patch:
        for module, name, replacement in (
            (ftops.lockstore, "time", _Proxy(time, sleep=sleep)),
            (ftops.lockstore, "os", _Proxy(os, fsync=fsync)),
            (openai._base_client, "time", _Proxy(time, sleep=sleep)),
            (openai._base_client, "random", lambda: 0.5),
            (ftops.server.bodies, "run_in_threadpool", _at_once),
            (ftops.server.routes.files, "run_in_threadpool", _at_once),
            (ftops.project, "parse_file", cache(parse_file)),
            (ftops.project, "parse_config", cache(parse_config)),
            (ftops.reconcile, "read_data", _read_data_once),
            (tempfile, "tempdir", str(simulation.scratch)),
        ):
            patch.setattr(module, name, replacement)
        yield


async def _at_once(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


_KNOWN: dict[object, Data] = {}
"""What was learnt of data, by all that it depends on: no simulation is about how data is read."""


def _read_data_once(project: Any, specs: Sequence[Any], built: dict[str, str], models: Path, recorded: Any) -> Data:
    contents = tuple(sorted({(each.training_file, (project.root / each.training_file).read_bytes()) for each in specs}))
    key = (tuple((each.name, each.training_file, str(each.model), str(each.method)) for each in specs), contents)
    if key not in _KNOWN:
        found = read_data(project, specs, built, models, recorded)
        # Without the rows, which lie in a folder that will be gone.
        _KNOWN[key] = Data(
            files=found.files, costs=found.costs, warnings=found.warnings, examiner=found.examiner, examined={}
        )
    return _KNOWN[key]


def seeded(seed: int, purpose: str) -> random.Random:
    """Chance of its own for each purpose, so that one draw more here changes nothing there."""
    return random.Random(f"{seed} {purpose}")

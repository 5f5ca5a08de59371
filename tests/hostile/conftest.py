"""A project on a real server, as the tests of the command line have it."""

from __future__ import annotations

from tests.cli.conftest import _stranger, program, run, server, shop, stranger, trained, trained_once

__all__ = ["_stranger", "program", "run", "server", "shop", "stranger", "trained", "trained_once"]

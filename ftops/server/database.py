"""The tables of the server's state, and one way to change them.

SQLite in WAL mode: what a durable transaction wrote survives a power cut, what any transaction wrote
survives the end of the process. The server and its workers write to the same file.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

from ftops.server.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION: Final = 1
"""Of the tables below; kept in the database as `user_version`."""

TABLES: Final = """
CREATE TABLE files (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL, expires_at INTEGER,
  bytes INTEGER NOT NULL, filename TEXT NOT NULL, purpose TEXT NOT NULL
);
CREATE TABLE uploads (
  id TEXT PRIMARY KEY, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
  bytes INTEGER NOT NULL, filename TEXT NOT NULL, purpose TEXT NOT NULL,
  file_expires_after INTEGER, status TEXT NOT NULL, file TEXT
);
CREATE TABLE parts (
  id TEXT PRIMARY KEY, upload TEXT NOT NULL, created_at INTEGER NOT NULL, bytes INTEGER NOT NULL
);
CREATE TABLE jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL, status TEXT NOT NULL,
  model TEXT NOT NULL, metadata TEXT, request BLOB NOT NULL,
  resolved BLOB, estimated_finish INTEGER, finished_at INTEGER,
  fine_tuned_model TEXT, trained_tokens INTEGER, result_file TEXT, error BLOB,
  crashes INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX jobs_by_status ON jobs (status, number);
CREATE TABLE events (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, job TEXT NOT NULL, created_at INTEGER NOT NULL,
  level TEXT NOT NULL, message TEXT NOT NULL, type TEXT NOT NULL, data BLOB
);
CREATE INDEX events_by_job ON events (job, number);
CREATE TABLE checkpoints (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, job TEXT NOT NULL, created_at INTEGER NOT NULL,
  step INTEGER NOT NULL, metrics BLOB NOT NULL, folder TEXT NOT NULL, model TEXT
);
CREATE INDEX checkpoints_by_job ON checkpoints (job, number);
CREATE TABLE models (
  id TEXT PRIMARY KEY, created_at INTEGER NOT NULL, job TEXT NOT NULL,
  base TEXT NOT NULL, folder TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0
);
"""

_SECONDS_TO_WAIT_FOR_A_WRITER: Final = 20


class Database:
    """One connection, which threads share in turn."""

    def __init__(self, path: Path) -> None:
        """Open the database at *path*, made if it is not there.

        Raises:
            StateError: It is no database, or a newer ftops made it.
        """
        self._lock = RLock()
        self._durable = False
        with ExitStack() as undo:
            try:
                # SQLite gives the files beside it, with what is not in it yet, the permissions of this one.
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
                path.chmod(0o600)
                self._connection = sqlite3.connect(
                    path, isolation_level=None, check_same_thread=False, timeout=_SECONDS_TO_WAIT_FOR_A_WRITER
                )
                undo.callback(self._connection.close)
                self._connection.row_factory = sqlite3.Row
                self._connection.execute("PRAGMA journal_mode = WAL")
                with self.transaction():
                    self._make_tables()
            except (OSError, sqlite3.DatabaseError, StateError) as error:
                raise StateError(f"`{path}` cannot be used as the server's database: {error}") from error
            undo.pop_all()

    def _make_tables(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise StateError(f"a newer ftops made it (its tables have version {version}, not {VERSION})")
        if version == 0:
            for statement in TABLES.split(";"):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {VERSION}")

    def require_sound(self) -> None:
        """Look through the whole database, some tens of milliseconds a hundred thousand events.

        Raises:
            StateError: It is damaged.
        """
        try:
            found = self.value("PRAGMA quick_check(1)")
        except sqlite3.DatabaseError as error:
            found = str(error)
        if found != "ok":
            raise StateError(
                f"its database is damaged ({found}): put a copy back, or move the folder away to start anew"
            )

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """All or nothing of what is executed inside; no other process writes meanwhile.

        Args:
            durable: Whether it must be on the disk, and not only with the kernel, when this returns.
        """
        with self._lock:
            if durable != self._durable:
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # On a full disk SQLite may have rolled back by itself; if it has not, the next one could not begin.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def execute(self, statement: str, *values: object) -> int:
        """Carry out one *statement* inside a transaction; returns how many rows it changed."""
        with self._lock:
            assert self._connection.in_transaction
            return self._connection.execute(statement, values).rowcount

    def insert(self, table: str, **values: object) -> None:
        """Add one row inside a transaction."""
        names = ", ".join(values)
        marks = ", ".join("?" for _ in values)
        self.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", *values.values())  # noqa: S608 names are ours

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def row(self, query: str, *values: object) -> sqlite3.Row | None:
        with self._lock:
            row: sqlite3.Row | None = self._connection.execute(query, values).fetchone()
            return row

    def value(self, query: str, *values: object) -> Any:
        """The first column of the only row, which must be there."""
        row = self.row(query, *values)
        assert row is not None
        return row[0]

    def close(self) -> None:
        with self._lock:
            self._connection.close()

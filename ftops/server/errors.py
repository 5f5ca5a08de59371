"""Errors as the API words them: `{"error": {"message", "type", "param", "code"}}`, all four keys always there.

Wording and codes are the real API's where they are known (reference of 2026-11-21, section 5.2).
"""

from __future__ import annotations

import errno
import sqlite3


class ApiError(Exception):
    """An answer other than 200."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.param = param
        self.code = code
        self.headers = headers

    def body(self) -> dict[str, dict[str, str | None]]:
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


class StateError(Exception):
    """The state folder cannot be used; the message says why."""


def bad_request(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    return ApiError(400, message, param=param, code=code)


def no_such_file(file_id: str) -> ApiError:
    return ApiError(404, f"No such File object: {file_id}", param="id")


def no_such_upload(upload_id: str) -> ApiError:
    return ApiError(404, f"No such Upload object: {upload_id}", param="upload_id")


def no_such_job(job_id: str) -> ApiError:
    return ApiError(404, f"Could not find fine tune: {job_id}", param="fine_tune_id", code="fine_tune_not_found")


def no_such_model(name: str) -> ApiError:
    """Unknown, deleted or another's: the real API tells them apart no better."""
    message = f"The model `{name}` does not exist or you do not have access to it."
    return ApiError(404, message, param="model", code="model_not_found")


def too_large(message: str) -> ApiError:
    return ApiError(413, message, code="request_too_large")


def too_slow() -> ApiError:
    """The connection ends with it, for the rest of the request may still come."""
    message = "The request did not come fast enough, and was given up."
    return ApiError(408, message, code="request_timeout", headers={"connection": "close"})


def overloaded() -> ApiError:
    message = "The server is overloaded: too many requests are under way. Please try again in a moment."
    return ApiError(503, message, kind="server_error", code="overloaded", headers={"retry-after": "1"})


def server_error(message: str = "The server had an error while processing your request. Sorry about that!") -> ApiError:
    return ApiError(500, message, kind="server_error")


def is_disk_full(error: BaseException) -> bool:
    """Whether the machine had no room for what was to be written, be it a file or a row."""
    if isinstance(error, sqlite3.Error):
        # Only for ENOSPC SQLite says that the disk is full; a quota's end is an I/O error to it.
        code = getattr(error, "sqlite_errorcode", None)
        return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

"""The server as an ASGI application, with or without processes behind it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from anyio.to_thread import current_default_thread_limiter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route

from ftops.server.bodies import read_value
from ftops.server.errors import ApiError
from ftops.server.faults import Faults
from ftops.server.fields import wrong_type
from ftops.server.gate import Gate, Traffic, is_loopback
from ftops.server.inference import Inference
from ftops.server.responses import json_response, on_api_error, on_disconnect, on_failure, on_http_error
from ftops.server.routes import files, jobs, models
from ftops.server.supervisor import Supervisor
from ftops.server.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.responses import Response

    from ftops.server.settings import Settings


MAX_THREADS: Final = 6
"""That wait for the disk; of forty, the framework's own number, each keeps some memory that it has used once."""


def create_app(settings: Settings) -> Starlette:
    """The application over the state folder of *settings*; `app.state.world` moves jobs on where no worker does.

    Raises:
        StateError: The state folder cannot be used.
    """
    world = World(settings)
    app = Starlette(
        routes=[*files.ROUTES, *jobs.ROUTES, *models.ROUTES, *(_FAULT_ROUTES if settings.allow_faults else ())],
        exception_handlers={
            ApiError: on_api_error,
            HTTPException: on_http_error,
            ClientDisconnect: on_disconnect,
            Exception: on_failure,
        },
        lifespan=_with_processes,
    )
    app.router.redirect_slashes = False
    app.state.world = world
    app.state.faults = Faults()
    app.state.supervisor = Supervisor(world.state) if settings.train else None
    app.state.inference = Inference(world.state)
    app.state.traffic = Traffic()
    app.add_middleware(
        Gate,
        state=world.state,
        token=settings.token,
        is_local=is_loopback(settings.host),
        faults=app.state.faults,
        traffic=app.state.traffic,
    )
    return app


@asynccontextmanager
async def _with_processes(app: Starlette) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = MAX_THREADS
    supervisor: Supervisor | None = app.state.supervisor
    if supervisor is not None:
        supervisor.start()
    try:
        yield
    finally:
        await app.state.inference.stop()
        if supervisor is not None:
            await supervisor.stop()


async def add_faults(request: Request) -> Response:
    items = await read_value(request)
    if not isinstance(items, list):
        raise wrong_type("body", "an array", items)
    return json_response({"faults": request.app.state.faults.add(items)})


async def clear_faults(request: Request) -> Response:
    request.app.state.faults.clear()
    return json_response({"faults": 0})


_FAULT_ROUTES = (
    Route("/ftops/faults", add_faults, methods=["POST"]),
    Route("/ftops/faults", clear_faults, methods=["DELETE"]),
)

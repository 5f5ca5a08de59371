"""`/v1/fine_tuning/jobs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from ftops.server import history, jobs
from ftops.server.bodies import read_fields
from ftops.server.responses import json_response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from ftops.server.state import State
    from ftops.server.supervisor import Supervisor


async def create_job(request: Request) -> Response:
    job = jobs.create(_state(request), await read_fields(request))
    _wake_workers(request)
    return json_response(job)


async def list_jobs(request: Request) -> Response:
    return json_response(jobs.list_page(_state(request), request.query_params))


async def retrieve_job(request: Request) -> Response:
    return json_response(jobs.retrieve(_state(request), request.path_params["job"]))


async def cancel_job(request: Request) -> Response:
    return json_response(jobs.cancel(_state(request), request.path_params["job"]))


async def pause_job(request: Request) -> Response:
    return json_response(jobs.pause(_state(request), request.path_params["job"]))


async def resume_job(request: Request) -> Response:
    job = jobs.resume(_state(request), request.path_params["job"])
    _wake_workers(request)
    return json_response(job)


async def list_events(request: Request) -> Response:
    return json_response(history.list_events(_state(request), request.path_params["job"], request.query_params))


async def list_checkpoints(request: Request) -> Response:
    return json_response(history.list_checkpoints(_state(request), request.path_params["job"], request.query_params))


def _state(request: Request) -> State:
    state: State = request.app.state.world.state
    return state


def _wake_workers(request: Request) -> None:
    supervisor: Supervisor | None = request.app.state.supervisor
    if supervisor is not None:
        supervisor.wake()


ROUTES = (
    Route("/v1/fine_tuning/jobs", create_job, methods=["POST"]),
    Route("/v1/fine_tuning/jobs", list_jobs, methods=["GET"]),
    Route("/v1/fine_tuning/jobs/{job}", retrieve_job, methods=["GET"]),
    Route("/v1/fine_tuning/jobs/{job}/cancel", cancel_job, methods=["POST"]),
    Route("/v1/fine_tuning/jobs/{job}/pause", pause_job, methods=["POST"]),
    Route("/v1/fine_tuning/jobs/{job}/resume", resume_job, methods=["POST"]),
    Route("/v1/fine_tuning/jobs/{job}/events", list_events, methods=["GET"]),
    Route("/v1/fine_tuning/jobs/{job}/checkpoints", list_checkpoints, methods=["GET"]),
)

"""`ftops serve`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

TOKEN_VARIABLE = "FTOPS_SERVER_TOKEN"  # noqa: S105  # the name of a variable


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on; any free one if not given.")
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=Path(".ftops/local"),
    show_default=True,
    help="Folder of all that it keeps.",
)
def serve(host: str, port: int, state: Path) -> int:
    """Run the local training server in the foreground, for any client of the API.

    Its address and token are written to STATE/server.json. The token is FTOPS_SERVER_TOKEN, or random.
    """
    # The one place where client and server meet: this command only starts it.
    from ftops.server.main import serve as listen  # noqa: PLC0415  # commands load what they use
    from ftops.server.settings import Settings  # noqa: PLC0415

    settings = Settings(state=state, host=host, port=port)
    token = os.environ.get(TOKEN_VARIABLE)
    return listen(replace(settings, token=token) if token else settings)

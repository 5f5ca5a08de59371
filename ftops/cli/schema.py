"""`ftops schema`."""

from __future__ import annotations

import click

from ftops.cli import frame


@click.command()
@click.argument("kind", type=click.Choice(["fine-tune", "dataset", "ftops"]), default="fine-tune")
def schema(kind: str) -> None:
    """Print the JSON Schema of specs ("fine-tune", the default), datasets ("dataset") or ftops.yaml ("ftops")."""
    from ftops.spec.schema import schema_text  # noqa: PLC0415  # commands load what they use

    frame.answer(schema_text(kind).decode().rstrip())  # type: ignore[arg-type]  # click has checked it

"""The one door for errors: whatever goes wrong becomes a message on stderr and an exit code."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

import click

from ftops.diagnostics import Diagnostic, Place, ProblemsError

if TYPE_CHECKING:
    from collections.abc import Sequence

PROBLEM = 1
REFUSED = 3
WRONG_USAGE = 64
OUR_BUG = 70
INTERRUPTED = 130
SUBMITTING = {"apply", "reconcile", "collect"}
"""Commands that submit jobs or follow them, also below `ci`."""


def run(command: click.Command, arguments: Sequence[str] | None) -> int:
    """Call *command* and give its exit code: no exception leaves here."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What a terminal's encoding has no letter for is shown as its code, as on stderr.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        result = command.main(arguments, prog_name="ftops", standalone_mode=False)
    except ProblemsError as error:
        show_problems(error.problems)
        return error.exit_code
    except click.UsageError as error:
        error.show()
        return WRONG_USAGE
    except click.ClickException as error:
        error.show()
        return PROBLEM
    except (KeyboardInterrupt, click.Abort):
        click.echo(f"stopped{_what_goes_on(sys.argv[1:] if arguments is None else arguments)}", err=True)
        return INTERRUPTED
    except SystemExit:
        # So click tells that the reader of a pipe went away, such as `head`: nobody is left to hear more, and it is
        # no success either, for the command may have stopped halfway.
        return PROBLEM
    except OSError as error:
        _show_traceback(error)
        show_problems((_system_refused(error),))
        _discard_output()
        return PROBLEM
    except Exception as error:  # noqa: BLE001  # a traceback is for us, not for the user
        _show_bug(error)
        return OUR_BUG
    return result if isinstance(result, int) else 0


def show_problems(problems: Sequence[Diagnostic]) -> None:
    """Write *problems* to stderr."""
    click.echo(as_shown(problems), err=True, nl=False)


def as_shown(problems: Sequence[Diagnostic]) -> str:
    """Give *problems* as they are written to stderr; nothing if there are none."""
    if not problems:
        return ""
    from ftops.report.problems import render_problems  # noqa: PLC0415  # only if something is wrong

    return render_problems(problems, colour=wants_colour(sys.stderr)) + "\n"


def wants_colour(stream: object) -> bool:
    """Whether *stream* is a terminal whose user has not set `NO_COLOR`."""
    is_terminal = getattr(stream, "isatty", lambda: False)()
    return bool(is_terminal) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _what_goes_on(arguments: Sequence[str]) -> str:
    if SUBMITTING.isdisjoint(arguments[:2]):
        return ""
    return "; what was submitted goes on by itself, and `ftops reconcile --wait` follows it"


def _system_refused(error: OSError) -> Diagnostic:
    """A full disk, a folder that may not be written: what nothing further down could say better."""
    return Diagnostic(
        code="system-refused",
        summary=f"the system refused: {(error.strerror or type(error).__name__).lower()}",
        place=Place(path=str(error.filename)) if error.filename else None,
        fix="mend that, and run the command again: it goes on where this one stopped",
    )


def _discard_output() -> None:
    """What could not be written must not fail once more when the interpreter ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_traceback(error: Exception) -> None:
    if os.environ.get("FTOPS_TRACEBACK"):
        import traceback  # noqa: PLC0415  # only for whoever looks for a bug

        traceback.print_exception(error)


def _show_bug(error: Exception) -> None:
    import traceback  # noqa: PLC0415  # only for a bug

    _show_traceback(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{os.path.basename(where.filename)}:{where.lineno}"  # noqa: PTH119  # text, not a path
    # The text of an exception may hold a row of data or a key, so only its type is shown.
    click.echo(f"error[bug]: ftops itself failed: {type(error).__name__} at {place}", err=True)
    click.echo("why: this is a mistake in ftops, not in your project; nothing that was sent is lost", err=True)
    click.echo("fix: please report it with the output of the same command under `FTOPS_TRACEBACK=1`", err=True)

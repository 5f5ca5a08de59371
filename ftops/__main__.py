"""The entry point: an unchanged plan is answered from memory, before anything is imported for the rest."""

from __future__ import annotations

import sys

from ftops.planmemo import recall


def main() -> int:
    """Run ftops; gives its exit code."""
    try:
        if sys.argv[1:2] == ["plan"] and (told := recall(sys.argv[1:])) and _is_written(*told):
            return 0
        from ftops.cli import main as command_line  # noqa: PLC0415  # imports click, which takes longer than the memo

        return command_line()
    except KeyboardInterrupt:
        # While all this was being imported: later ones are answered by the command line itself.
        return 130


def _is_written(warnings: str, answer: str) -> bool:
    """Write to stderr and to stdout; if that fails, the whole command follows, which tells why."""
    try:
        if warnings:
            sys.stderr.write(warnings)
            sys.stderr.flush()
        sys.stdout.write(answer)
        sys.stdout.flush()
    except (AttributeError, OSError, ValueError):
        # Closed from the beginning, full or gone, or without a letter for this.
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())

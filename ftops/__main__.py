"""The entry point: an unchanged plan is answered from memory, before anything is imported for the rest."""

from __future__ import annotations

import sys

from ftops.planmemo import recall


def main() -> int:
    """Run ftops; gives its exit code."""
    if sys.argv[1:2] == ["plan"] and (text := recall(sys.argv[1:])) is not None:
        sys.stdout.write(text)
        return 0
    from ftops.cli import main as command_line  # noqa: PLC0415  # imports click, which takes longer than the memo

    return command_line()


if __name__ == "__main__":
    sys.exit(main())

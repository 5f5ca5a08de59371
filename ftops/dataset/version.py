"""The version of all that is learnt from a data file."""

from typing import Final

RULES_VERSION: Final = "6"
"""Raised with every change of a rule, of columns, or of what an examination gives: no cache tells what older rules
found."""

"""Errors of tables and cost models."""

from __future__ import annotations

from collections.abc import Iterable

from spaces.errors import PathfitError


class MissingBlock(PathfitError):
    """A table lacks blocks that a space needs.

    Args:
        table: the table's name.
        space: the space's name.
        missing: the keys that are missing.
        how: what would give them.
    """

    def __init__(self, table: str, space: str, missing: Iterable[str]):
        self.table, self.space, self.missing = table, space, tuple(missing)
        more = f" and {len(self.missing) - 1} more" if len(self.missing) > 1 else ""
        super().__init__(
            f"the table {table!r} lacks the block '{self.missing[0]}'{more} of {space}; "
            f"measure them with: python -m profiler build --space '{space}'"
        )


class InvalidTable(PathfitError):
    """A lookup table whose content breaks the schema; the place and the value are named."""


class InvalidEvaluation(PathfitError):
    """A line of an evaluations file that cannot be used."""

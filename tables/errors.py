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


class MissingFigures(PathfitError):
    """A table cannot tell a metric.

    Args:
        table: the table's name.
        metric: what was asked for.
        reason: why it cannot.
    """

    def __init__(self, table: str, metric: str, reason: str):
        self.table, self.metric = table, metric
        super().__init__(f"the table {table!r} tells no {metric}: {reason}")


class MissingRow(PathfitError):
    """A published table lacks rows that a space needs.

    Args:
        source: the files.
        space: the space's name.
        missing: the keys, as the files would write them.
    """

    def __init__(self, source: str, space: str, missing: Iterable[str]):
        self.source, self.space, self.missing = source, space, tuple(missing)
        more = f" and {len(self.missing) - 1} more" if len(self.missing) > 1 else ""
        super().__init__(f"{source} has no row for '{self.missing[0]}'{more} of {space}")


class UnnamedBlock(PathfitError):
    """A block that a published format has no name for."""

    def __init__(self, source: str, block: str):
        self.source, self.block = source, block
        super().__init__(f"tables of {source} have no name for the block '{block}'")


class InvalidTable(PathfitError):
    """A lookup table whose content breaks the schema; the place and the value are named."""


class InvalidTransfer(PathfitError):
    """Measurements that no transfer to a new device can be fitted on; what is needed is named."""


class InvalidEvaluation(PathfitError):
    """A line of an evaluations file that cannot be used."""

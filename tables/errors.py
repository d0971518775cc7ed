"""Errors of lookup tables, cost models and evaluations."""

from __future__ import annotations

from collections.abc import Iterable

from spaces.errors import PathfitError


class MissingBlock(PathfitError):
    """A lookup table lacks blocks that a space needs.

    Args:
        table: Name of the table.
        space: Name of the space.
        missing: Keys of the missing blocks.
    """

    def __init__(self, table: str, space: str, missing: Iterable[str]):
        self.table = table
        self.space = space
        self.missing = tuple(missing)
        super().__init__(
            f"the table {table!r} lacks the block {_listed(self.missing)} of {space}; "
            f"measure them with: python -m profiler build --space '{space}'"
        )


class MissingFigures(PathfitError):
    """A lookup table has no figures of a metric.

    Args:
        table: Name of the table.
        metric: The requested metric.
        reason: Reason why the table has none.
    """

    def __init__(self, table: str, metric: str, reason: str):
        self.table = table
        self.metric = metric
        super().__init__(f"the table {table!r} has no {metric}: {reason}")


class MissingRow(PathfitError):
    """A published table lacks rows that a space needs.

    Args:
        source: The files, as text.
        space: Name of the space.
        missing: Keys of the missing rows, as the files would write them.
    """

    def __init__(self, source: str, space: str, missing: Iterable[str]):
        self.source = source
        self.space = space
        self.missing = tuple(missing)
        super().__init__(f"{source} has no row for {_listed(self.missing)} of {space}")


class UnnamedBlock(PathfitError):
    """A published format has no name for a block.

    Args:
        source: Name of the format.
        block: Key of the block.
    """

    def __init__(self, source: str, block: str):
        self.source = source
        self.block = block
        super().__init__(f"tables of {source} have no name for the block '{block}'")


class InvalidTable(PathfitError):
    """A lookup table breaks its schema; the message names the position and the value."""


class InvalidMeasurements(PathfitError):
    """Measurements of networks that cannot be read, or that a table cannot be compared with."""


class InvalidTransfer(PathfitError):
    """Measurements do not suffice for a transfer to a new device; the message names the need."""


class InvalidEvaluation(PathfitError):
    """A line of an evaluations file cannot be used; the message names the fault."""


def _listed(keys: tuple[str, ...]) -> str:
    others = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    return f"'{keys[0]}'{others}"

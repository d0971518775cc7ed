"""Errors of benchmarks."""

from __future__ import annotations

from collections.abc import Iterable

from spaces.errors import PathfitError


class InvalidBenchmark(PathfitError):
    """A benchmark's file that cannot be used; the path and the fault are named."""


class MissingBenchmark(PathfitError):
    """A benchmark none of whose files was found.

    Args:
        name: of the benchmark.
        official: the file that its project publishes.
        published: where.
        command: what makes a compact file of it.
        places: where was looked.
    """

    def __init__(
        self, name: str, official: str, published: str, command: str, places: Iterable[object]
    ):
        self.name, self.official, self.published, self.command = name, official, published, command
        self.places = tuple(map(str, places))
        super().__init__(
            f"no file of the benchmark {name} was found in {', '.join(self.places) or 'any place'}:"
            f" download {official} from {published} and run: {command}"
        )


class NotInBenchmark(PathfitError):
    """An architecture of which a benchmark does not know what was asked."""

"""Errors of benchmarks."""

from __future__ import annotations

from collections.abc import Iterable

from spaces.errors import PathfitError


class InvalidBenchmark(PathfitError):
    """A benchmark's file cannot be used; the message names the path and the fault."""


class MissingBenchmark(PathfitError):
    """None of a benchmark's files exists.

    Args:
        name: Name of the benchmark.
        official: The file that its project publishes.
        published: Address where the file is published.
        command: Command that makes a compact file of it.
        paths: Folders and files that were searched.
    """

    def __init__(
        self, name: str, official: str, published: str, command: str, paths: Iterable[object]
    ):
        self.name = name
        self.official = official
        self.published = published
        self.command = command
        self.paths = tuple(map(str, paths))
        searched = ", ".join(self.paths) or "any folder"
        super().__init__(
            f"no file of the benchmark {name} was found in {searched}:"
            f" download {official} from {published} and run: {command}"
        )


class NotInBenchmark(PathfitError):
    """A benchmark does not have an architecture, or not the requested value of it."""

"""Benchmarks: the results of training whole spaces, to look up in place of training."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from tables.benchmarks.isomorphism import classes as classes
    from tables.benchmarks.oracle import Benchmark as Benchmark
    from tables.benchmarks.registry import available as available

__all__ = ["Benchmark", "available", "classes"]

__getattr__, __dir__ = exports(
    __name__,
    {
        "Benchmark": ".oracle",
        "available": ".registry",
        "classes": ".isomorphism",
    },
)

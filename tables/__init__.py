"""Pathfit tables: lookup tables, cost models, evaluations and benchmarks."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from tables import evaluation as evaluation
    from tables.benchmarks.oracle import Benchmark as Benchmark
    from tables.benchmarks.registry import benchmark as benchmark
    from tables.cost.model import CostModel as CostModel
    from tables.evaluation import Evaluation as Evaluation
    from tables.lookup_table import LookupTable as LookupTable
    from tables.store import available as available
    from tables.store import load as load

__all__ = [
    "Benchmark",
    "CostModel",
    "Evaluation",
    "LookupTable",
    "available",
    "benchmark",
    "evaluation",
    "load",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "Benchmark": ".benchmarks.oracle",
        "CostModel": ".cost.model",
        "Evaluation": ".evaluation",
        "LookupTable": ".lookup_table",
        "available": ".store",
        "benchmark": ".benchmarks.registry",
        "evaluation": ".evaluation:",
        "load": ".store",
    },
)

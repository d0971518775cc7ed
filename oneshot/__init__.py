"""Pathfit oneshot: supernets, search, retraining and export."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from oneshot.search.charge import Charge as Charge
    from oneshot.search.charge import ChargedGuide as ChargedGuide
    from oneshot.search.constraint import Constraint as Constraint
    from oneshot.search.constraint import Limit as Limit
    from oneshot.search.finalists import compare_finalists as compare_finalists
    from oneshot.search.guide import BenchmarkGuide as BenchmarkGuide
    from oneshot.search.guide import Guide as Guide
    from oneshot.search.guide import PredictorGuide as PredictorGuide
    from oneshot.search.loop import run_search as run_search
    from oneshot.search.objective import Objective as Objective
    from oneshot.search.problem import SearchProblem as SearchProblem
    from oneshot.search.result import SearchResult as SearchResult
    from oneshot.strategies.base import Strategy as Strategy
    from oneshot.strategies.registry import register_strategy as register_strategy

__all__ = [
    "BenchmarkGuide",
    "Charge",
    "ChargedGuide",
    "Constraint",
    "Guide",
    "Limit",
    "Objective",
    "PredictorGuide",
    "SearchProblem",
    "SearchResult",
    "Strategy",
    "compare_finalists",
    "register_strategy",
    "run_search",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "BenchmarkGuide": ".search.guide",
        "Charge": ".search.charge",
        "ChargedGuide": ".search.charge",
        "Constraint": ".search.constraint",
        "Guide": ".search.guide",
        "Limit": ".search.constraint",
        "Objective": ".search.objective",
        "PredictorGuide": ".search.guide",
        "SearchProblem": ".search.problem",
        "SearchResult": ".search.result",
        "Strategy": ".strategies.base",
        "compare_finalists": ".search.finalists",
        "register_strategy": ".strategies.registry",
        "run_search": ".search.loop",
    },
)

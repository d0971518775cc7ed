"""Pathfit oneshot: supernets, search, retraining, export."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from oneshot.constraint import Constraint as Constraint
    from oneshot.constraint import Limit as Limit
    from oneshot.objective import Objective as Objective
    from oneshot.problem import SearchProblem as SearchProblem
    from oneshot.result import SearchResult as SearchResult
    from oneshot.search_loop import search as search

__getattr__, __dir__ = exports(
    __name__,
    {
        "Constraint": ".constraint",
        "Limit": ".constraint",
        "Objective": ".objective",
        "SearchProblem": ".problem",
        "SearchResult": ".result",
        "search": ".search_loop",
    },
)

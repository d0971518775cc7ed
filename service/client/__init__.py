"""The Python client of a service: requests searches and other jobs, and follows them.

It needs the standard library alone.
"""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from service.client.answers import Bounds as Bounds
    from service.client.answers import Guide as Guide
    from service.client.answers import Prediction as Prediction
    from service.client.answers import Range as Range
    from service.client.answers import RefinedTable as RefinedTable
    from service.client.answers import Space as Space
    from service.client.answers import Table as Table
    from service.client.answers import Uploaded as Uploaded
    from service.client.client import Client as Client
    from service.client.errors import ServiceProblem as ServiceProblem
    from service.client.errors import Unreachable as Unreachable
    from service.client.handles import JobHandle as JobHandle
    from service.client.handles import SearchHandle as SearchHandle
    from service.client.pipelines import PipelineHandle as PipelineHandle
    from service.client.status import JobProgress as JobProgress
    from service.client.status import JobStatus as JobStatus
    from service.client.status import SearchProgress as SearchProgress
    from service.client.status import SearchStatus as SearchStatus

__getattr__, __dir__ = exports(
    __name__,
    {
        "Bounds": ".answers",
        "Client": ".client",
        "Guide": ".answers",
        "JobHandle": ".handles",
        "JobProgress": ".status",
        "JobStatus": ".status",
        "PipelineHandle": ".pipelines",
        "Prediction": ".answers",
        "Range": ".answers",
        "RefinedTable": ".answers",
        "SearchHandle": ".handles",
        "SearchProgress": ".status",
        "SearchStatus": ".status",
        "ServiceProblem": ".errors",
        "Space": ".answers",
        "Table": ".answers",
        "Unreachable": ".errors",
        "Uploaded": ".answers",
    },
)

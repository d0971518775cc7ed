"""Pathfit service: run searches and trainings as durable jobs with an HTTP API."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from service.app import create_app as create_app
    from service.client import Client as Client
    from service.client import SearchHandle as SearchHandle
    from service.client import ServiceProblem as ServiceProblem
    from service.settings import Settings as Settings

__all__ = ["Client", "SearchHandle", "ServiceProblem", "Settings", "create_app"]

__getattr__, __dir__ = exports(
    __name__,
    {
        "Client": ".client",
        "SearchHandle": ".client",
        "ServiceProblem": ".client",
        "Settings": ".settings",
        "create_app": ".app",
    },
)

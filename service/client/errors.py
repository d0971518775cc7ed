"""Errors of the client: the service refused a request, or did not answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spaces.errors import PathfitError


class ServiceProblem(PathfitError):
    """The service refused a request, or a job failed or was cancelled.

    Args:
        detail: Message of the service.
        status: Status of the HTTP answer; None if there was none.
        body: The whole problem (RFC 9457); None if there was none.

    Attributes:
        field: Field of the request that the problem concerns; None if it concerns none.

    Example:
        >>> from service.client import ServiceProblem
        >>> problem = ServiceProblem("seed must not be negative", 422, {"field": "seed"})
        >>> problem.status, problem.field
        (422, 'seed')
    """

    def __init__(
        self, detail: str, status: int | None = None, body: Mapping[str, Any] | None = None
    ):
        self.status = status
        self.body = dict(body or {})
        self.field: str | None = self.body.get("field")
        super().__init__(detail)


class Unreachable(ServiceProblem):
    """No service answers at a URL.

    Example:
        >>> from service.client import Client, Unreachable
        >>> try:  # doctest: +ELLIPSIS
        ...     Client("http://127.0.0.1:9").request("GET", "/spaces", retries=0)
        ... except Unreachable as error:
        ...     print(error)
        no service answers at http://127.0.0.1:9: ...
    """

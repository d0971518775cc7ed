"""What a client raises: the service's own words, or that there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spaces.errors import PathfitError


class ServiceProblem(PathfitError):
    """The service refused a request, or a job did not end well.

    Args:
        detail: what the service says.
        status: of the HTTP answer, None where there was none.
        body: the whole problem.
    """

    def __init__(
        self, detail: str, status: int | None = None, body: Mapping[str, Any] | None = None
    ):
        self.status, self.body = status, dict(body or {})
        self.field: str | None = self.body.get("field")
        super().__init__(detail)


class Unreachable(ServiceProblem):
    """No service answers at a URL."""

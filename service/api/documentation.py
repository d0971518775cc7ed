"""What the OpenAPI file says of problems."""

from __future__ import annotations

from typing import Any, TypeAlias

from service.problems import MEDIA_TYPE
from service.schemas import ProblemBody

Answers: TypeAlias = dict[int | str, dict[str, str | dict[str, dict[str, Any]]]]
"""Status -> what the OpenAPI file says of the answer."""

TITLES = {
    400: "The request is not what HTTP or JSON call well-formed.",
    404: "There is no such search.",
    409: "The search is over already.",
    410: "The file of the candidates is gone.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "A value is not accepted, or a constraint cannot be met; `field` names it.",
    503: "The service cannot work at present.",
}


def problems(*statuses: int) -> Answers:
    """The documented problem answers of an operation, for `blueprint.doc(responses=...)`."""
    schema = ProblemBody.model_json_schema()
    return {status: {"description": TITLES[status], "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses}

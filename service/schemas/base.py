"""What several requests and answers share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.jobs import JobState

NAME = 200
"""Characters of a name at most."""

FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.@+-]*$"
"""What the name of an upload looks like."""


class Strict(BaseModel):
    """Base of requests: unknown fields and values of another kind are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Query(BaseModel):
    """Base of queries: unknown parameters are refused; their values are texts, which are read."""

    model_config = ConfigDict(extra="forbid")


def _digits(value: Any) -> Any:
    # Only what JSON would call an integer: int() takes "1_0", " 1" and the digits of every script.
    if isinstance(value, str) and not (value.isascii() and value.removeprefix("-").isdigit()):
        raise ValueError("should be an integer")
    return value


Whole = Annotated[int, BeforeValidator(_digits)]
"""An integer of a query."""


class Page(Query):
    """Which part of a list."""

    limit: Whole = Field(default=20, ge=1, le=100)
    offset: Whole = Field(default=0, ge=0, lt=1 << 31)


class JobQuery(Page):
    """Which jobs, and which part of their list."""

    state: JobState | None = Field(default=None, description="Only jobs in this state.")
    space: str | None = Field(default=None, max_length=NAME, description="Only jobs of this space.")


class ProblemBody(BaseModel):
    """What is wrong with a request (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="urn:pathfit:problem:KIND")
    title: str = Field(description="The kind of problem in words.")
    status: int
    detail: str = Field(description="This case in one sentence.")
    field: str | None = Field(
        default=None, description="The part of the request that is to blame, dotted."
    )


class Health(BaseModel):
    """Whether the service lives, or is ready to work."""

    status: str


class EngineInfo(BaseModel):
    """An engine as it described itself last."""

    id: str
    state: str
    detail: str | None
    age_s: float


class Readiness(Health):
    """That the service is ready to work, and by which engines."""

    engines: list[EngineInfo] = []

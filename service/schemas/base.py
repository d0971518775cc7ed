"""Models shared by several requests and answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from service.jobs import JobState, JsonObject
from service.store.tokens import MAX_NAME_LENGTH

NAME = 200
"""Greatest number of characters of a name."""

REFERENCE = NAME + 1 + MAX_NAME_LENGTH
"""Greatest number of characters of a file's name with its owner, `owner/name`."""

FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.@+-]*$"
"""Pattern of the names of uploads."""


class Strict(BaseModel):
    """Base of requests; unknown fields and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Query(BaseModel):
    """Base of queries, whose values are read from text; unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid")


class WithOwner(BaseModel):
    """Base of descriptions of files; the owner is left out on services without tokens."""

    owner: str | None = Field(
        default=None,
        description=(
            "Name of the token whose library has the file, or `shared`; absent without tokens."
        ),
    )

    @model_serializer(mode="wrap")
    def _leave_out_no_owner(self, handler: SerializerFunctionWrapHandler) -> JsonObject:
        value: JsonObject = handler(self)
        if value.get("owner") is None:
            value.pop("owner", None)
        return value


def _digits(value: Any) -> Any:
    # Only integers of JSON; int() also accepts "1_0", " 1" and the digits of every script.
    if isinstance(value, str) and not (value.isascii() and value.removeprefix("-").isdigit()):
        raise ValueError("should be an integer")
    return value


QueryInteger = Annotated[int, BeforeValidator(_digits)]
"""An integer of a query."""


class Page(Query):
    """Part of a list."""

    limit: QueryInteger = Field(default=20, ge=1, le=100)
    offset: QueryInteger = Field(default=0, ge=0, lt=1 << 31)


class JobQuery(Page):
    """Filter of jobs, and part of their list."""

    state: JobState | None = Field(default=None, description="Only jobs in this state.")
    space: str | None = Field(default=None, max_length=NAME, description="Only jobs of this space.")


class ProblemBody(BaseModel):
    """Description of an error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="urn:pathfit:problem:KIND")
    title: str = Field(description="Name of the kind of problem.")
    status: int
    detail: str = Field(description="Description of this case in one sentence.")
    field: str | None = Field(
        default=None, description="Dotted path of the faulty part of the request."
    )


class Health(BaseModel):
    """State of the service."""

    status: str


class EngineInfo(BaseModel):
    """Last report of an engine."""

    id: str
    state: str
    detail: str | None
    age_s: float


class Readiness(Health):
    """Readiness of the service, with its engines."""

    engines: list[EngineInfo] = []

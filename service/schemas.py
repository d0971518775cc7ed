"""What requests and answers look like; pydantic checks the former and the OpenAPI file shows both."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.jobs import JobState
from tables.cost_model import MARGIN

_NAME = 200


class Strict(BaseModel):
    """Base of requests: unknown fields and values of another kind are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Maximum(Strict):
    """An upper limit."""

    max: float = Field(gt=0, description="In the metric's unit.")


class Constraints(Strict):
    """Upper limits on costs; all are to be met."""

    latency_ms: Maximum | None = Field(default=None, description="Latency on the device, in milliseconds.")
    flops: Maximum | None = Field(default=None, description="Multiply-accumulates, which the papers call FLOPs.")
    macs: Maximum | None = Field(default=None, description="The same as flops.")
    params: Maximum | None = Field(default=None, description="Learned numbers.")

    def given(self) -> dict[str, float]:
        """Metric, as the user calls it -> maximum, of those that were given."""
        limits = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: limit.max for name, limit in limits if limit is not None}


class StrategyChoice(Strict):
    """How to search."""

    name: str = Field(default="evolution", max_length=_NAME, description="`spos` is another name of `evolution`.")
    options: dict[str, bool | int | float | str] = Field(default_factory=dict, max_length=32)


class GuideChoice(Strict):
    """What tells how good an architecture is."""

    kind: Literal["predictor"] = "predictor"
    name: str | None = Field(default=None, max_length=_NAME, description="Default: the only predictor of the space.")


class SearchRequest(Strict):
    """A search to be done."""

    space: str = Field(max_length=_NAME, description="A name of GET /spaces.")
    device: str | None = Field(
        None, max_length=_NAME, description="A name of GET /tables. Default, if latency is limited: the only table."
    )
    constraints: Constraints = Field(default_factory=Constraints)
    strategy: StrategyChoice = Field(default_factory=StrategyChoice)
    margin: float = Field(
        default=MARGIN, ge=0, le=100, description="Deviations kept between an estimate and its limit."
    )
    guide: GuideChoice = Field(default_factory=GuideChoice)
    count: int = Field(default=1, ge=1, le=1000, description="How many of the best networks are given in full.")
    seed: int = Field(default=0, ge=0, lt=1 << 63)


class Page(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=20, ge=1, le=100)
    offset: int = Field(default=0, ge=0, lt=1 << 31)


class Detail(BaseModel):
    """How much of a search is told."""

    model_config = ConfigDict(extra="forbid")

    candidates: bool = Field(default=False, description="Every evaluated candidate too, as codes.")


class Progress(BaseModel):
    """How far a search is."""

    evaluated: int
    planned: int
    best: float = Field(description="The guide's greatest score so far.")


class SearchStatus(BaseModel):
    """A search: where it stands and, once done, what it found."""

    id: str
    kind: str
    state: JobState
    attempt: int = Field(description="How often it was begun: more than once if a worker died.")
    created: str
    started: str | None
    finished: str | None
    request: dict[str, Any] = Field(description="As asked for, defaults filled in.")
    progress: Progress | None
    result: dict[str, Any] | None = Field(description="As `python -m oneshot search` writes it.")
    error: dict[str, Any] | None
    links: dict[str, str]


class SearchList(BaseModel):
    """Searches, newest first, without their results."""

    searches: list[SearchStatus]
    total: int
    limit: int
    offset: int


class Known(BaseModel):
    """One thing that a request may name; `error` tells why it cannot be used."""

    model_config = ConfigDict(extra="allow")

    name: str
    error: str | None = None


class KnownList(BaseModel):
    """What a request may name."""

    items: list[Known]


class Health(BaseModel):
    """Whether the service lives, or is ready to work."""

    status: str


class ProblemBody(BaseModel):
    """What is wrong with a request (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None

"""A search as it is asked for."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from service.schemas.base import NAME, Query, Strict, Whole
from tables.metrics import MARGIN

_MOST_BEST = 1000


class Maximum(Strict):
    """An upper limit."""

    max: float = Field(gt=0, description="In the metric's unit.")


class Constraints(Strict):
    """Upper limits on costs; all are to be met."""

    latency_ms: Maximum | None = Field(
        default=None, description="Latency on the device, in milliseconds."
    )
    flops: Maximum | None = Field(
        default=None, description="Multiply-accumulates, which the papers call FLOPs."
    )
    macs: Maximum | None = Field(default=None, description="The same as flops.")
    params: Maximum | None = Field(default=None, description="Learned numbers.")
    memory_bytes: Maximum | None = Field(
        default=None,
        description="Activations that a network holds at once, where the device's table tells.",
    )
    energy_mj: Maximum | None = Field(
        default=None, description="Energy of one run in millijoules, where the device reported it."
    )

    def to_limits(self) -> dict[str, float]:
        """Metric, as the user calls it -> maximum, of those that were given."""
        limits = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: limit.max for name, limit in limits if limit is not None}


class StrategyChoice(Strict):
    """How to search."""

    name: str = Field(
        default="evolution", max_length=NAME, description="`spos` is another name of `evolution`."
    )
    options: dict[str, bool | int | float | str] = Field(default_factory=dict, max_length=32)


class GuideChoice(Strict):
    """What tells how good an architecture is."""

    kind: Literal["predictor", "supernet", "benchmark"] = "predictor"
    name: str | None = Field(
        default=None, max_length=NAME, description="Default: the only one of the space."
    )
    metric: str | None = Field(
        default=None, max_length=NAME, description="Of a benchmark. Default: its own."
    )


class SearchRequest(Strict):
    """A search to be done."""

    space: str = Field(max_length=NAME, description="A name of GET /spaces.")
    device: str | None = Field(
        None,
        max_length=NAME,
        description=(
            "A name of GET /tables. Default, if what a device tells counts: the space's only one."
        ),
    )
    constraints: Constraints = Field(default_factory=Constraints)
    objectives: list[str] = Field(
        default_factory=list,
        max_length=8,
        description=(
            "Costs to be traded for accuracy. Default: the first that is limited, else MACs."
        ),
    )
    strategy: StrategyChoice = Field(default_factory=StrategyChoice)
    margin: float = Field(
        default=MARGIN,
        ge=0,
        le=100,
        description="Deviations kept between an estimate and its limit.",
    )
    guide: GuideChoice = Field(default_factory=GuideChoice)
    count: int = Field(
        default=1,
        ge=1,
        le=_MOST_BEST,
        description="How many of the best networks are given in full.",
    )
    seed: int = Field(default=0, ge=0, lt=1 << 63)


class Detail(Query):
    """How much of a search is told."""

    candidates: bool = Field(default=False, description="Every evaluated candidate too, as codes.")


class EventQuery(Query):
    """Where a stream of events begins."""

    after: Whole = Field(
        default=0,
        ge=0,
        lt=1 << 31,
        description="Events behind this one; the header Last-Event-ID wins.",
    )


class ArchitectureQuery(Query):
    """Which architecture of a search, and in which form."""

    format: str = Field(
        default="pathfit",
        max_length=NAME,
        description=(
            "A format of GET /formats, or svg (a drawing), onnx (the network), blocks (costs by"
            " block)."
        ),
    )
    weights: Literal["untrained", "supernet"] = Field(
        default="untrained",
        description="Of ONNX: as before training, or those of the supernet that guided the search.",
    )
    of: Literal["front", "candidates"] = Field(
        default="front",
        description="What counts from 0, best first: the front, or every candidate.",
    )


class Progress(BaseModel):
    """How far a search is."""

    evaluated: int
    planned: int
    best: float = Field(description="The guide's greatest score so far.")


QUERIES = (Detail, EventQuery, ArchitectureQuery)

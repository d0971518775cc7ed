"""Models of comparisons of two networks."""

from __future__ import annotations

from pydantic import BaseModel, Field

from service.jobs import JsonObject
from service.schemas.base import NAME, REFERENCE, Query

_NETWORK = (
    "`search:ID:RANK` (a candidate of a search; 0 is the best), `job:ID` (a trained network),"
    " `published:NAME` (a name of GET /published), or the JSON object of an architecture."
)


class ComparisonQuery(Query):
    """Two networks to compare."""

    a: str = Field(min_length=1, max_length=1 << 14, description=_NETWORK)
    b: str = Field(min_length=1, max_length=1 << 14, description=_NETWORK)
    device: str | None = Field(
        default=None,
        max_length=REFERENCE,
        description="A table; default: that of the first search among both, or none.",
    )
    predictor: str | None = Field(
        default=None,
        max_length=REFERENCE,
        description="A predictor; default: that of the first search among both, or none.",
    )


class ComparedNetwork(BaseModel):
    """One of two networks, with its costs in total and by block."""

    reference: str
    label: str = Field(description="What the reference is, in words.")
    architecture: JsonObject
    table: str | None
    score: float | None = Field(description="Predicted score, greater is better.")
    deviation: float | None
    macs: int
    params: int
    latency_ms: float | None = None
    prefill_ms: float | None = None
    decode_ms: float | None = None
    memory_bytes: float | None = None
    energy_mj: float | None = None
    blocks: list[JsonObject]


class ChoicePair(BaseModel):
    """A choice of both networks; null where a network's space lacks it."""

    choice: str
    a: str | None
    b: str | None
    differs: bool


class BlockPair(BaseModel):
    """Positions of two blocks that correspond; null where a network has no counterpart."""

    a: int | None
    b: int | None
    differs: bool


class Comparison(BaseModel):
    """Two networks side by side."""

    a: ComparedNetwork
    b: ComparedNetwork
    choices: list[ChoicePair]
    blocks: list[BlockPair]
    device: str | None
    predictor: str | None
    metric: JsonObject | None = Field(
        description="Name, unit and direction of the predicted metric; null if unknown."
    )


class PublishedNetwork(BaseModel):
    """A network of a paper."""

    name: str = Field(max_length=NAME)


class PublishedList(BaseModel):
    """The networks of papers."""

    items: list[PublishedNetwork]


QUERIES = (ComparisonQuery,)

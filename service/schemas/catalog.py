"""What there is: spaces, tables, guides, uploads; and predictions of given architectures."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from service.jobs import JsonObject
from service.schemas.base import FILE_NAME, NAME, Query, Strict

MOST_PREDICTED = 1000
MOST_EVALUATIONS = 100_000


class Known(BaseModel):
    """One thing that a request may name; `error` tells why it cannot be used."""

    model_config = ConfigDict(extra="allow")

    name: str
    error: str | None = None


class KnownList(BaseModel):
    """What a request may name."""

    items: list[Known]


class NoQuery(Query):
    """A query without parameters."""


class SpaceQuery(Query):
    """On which space."""

    space: str = Field(max_length=NAME, description="A name of GET /spaces.")


class MetricBounds(BaseModel):
    """What a space's architectures cost at least and at most."""

    least: float
    greatest: float
    unit: str
    sigma: float | None = Field(
        description="Deviation of measurements from estimates; null where it is not known."
    )
    exact: bool = Field(description="Whether no architecture costs less or more.")


class Bounds(BaseModel):
    """The bounds of every cost that a table and a space know."""

    table: str
    space: str
    metrics: dict[str, MetricBounds]


class TableUpload(BaseModel):
    """A lookup table as `python -m profiler build` writes it, by tables/schema.json."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(max_length=NAME, pattern=FILE_NAME, description="What searches will call it.")


class EvaluationUpload(Strict):
    """An architecture with its metrics and how they were obtained."""

    architecture: JsonObject
    metrics: dict[str, float] = Field(min_length=1, max_length=64)
    source: JsonObject = Field(default_factory=dict)


class EvaluationsUpload(Strict):
    """Evaluations of one space, such as `python -m oneshot evaluate` writes."""

    name: str = Field(
        max_length=NAME, pattern=FILE_NAME, description="What POST /predictors will call them."
    )
    evaluations: list[EvaluationUpload] = Field(min_length=1, max_length=MOST_EVALUATIONS)


class Uploaded(BaseModel):
    """One version of an upload; it never changes."""

    kind: str
    name: str
    version: int = Field(
        description="Counts from 1; the newest is the one that the name stands for."
    )
    sha256: str
    created: str


class PredictRequest(Strict):
    """Architectures of one space to be scored."""

    space: str = Field(max_length=NAME, description="A name of GET /spaces.")
    architectures: list[JsonObject | list[int]] = Field(
        min_length=1,
        max_length=MOST_PREDICTED,
        description="JSON objects of architectures, choices, or codes.",
    )
    predictor: str | None = Field(
        default=None, max_length=NAME, description="Default: the only one of the space."
    )
    device: str | None = Field(
        default=None, max_length=NAME, description="A table; without one latency is left out."
    )


class Prediction(BaseModel):
    """One architecture's predicted score and costs."""

    architecture: JsonObject
    score: float
    deviation: float
    costs: dict[str, float]


class Predictions(BaseModel):
    """Predictions in the order of the request's architectures."""

    space: str
    predictor: str
    device: str | None
    predictions: list[Prediction]


class SessionRequest(Strict):
    """A token that a browser is to be known by."""

    token: str = Field(min_length=1, max_length=NAME)


class SessionInfo(BaseModel):
    """Whom a browser is known as."""

    name: str
    expires_in_s: int


REQUESTS = (TableUpload, EvaluationsUpload, PredictRequest, SessionRequest, SpaceQuery)

"""Models of the catalog, of uploads, of predictions and of sessions."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from service.jobs import JsonObject
from service.schemas.base import FILE_NAME, NAME, REFERENCE, Query, QueryInteger, Strict, WithOwner

MAX_PREDICTED = 1000
MAX_EVALUATIONS = 100_000


_SHARED = "Add it to the shared library, which needs an administrator's token."

SHARED_FIELD = Field(default=False, description=_SHARED)
"""Field of requests that add to a library."""


class CatalogEntry(WithOwner):
    """One item that a request may name; `error` is the reason if it cannot be used."""

    model_config = ConfigDict(extra="allow")

    name: str
    error: str | None = None


class CatalogList(BaseModel):
    """Items that a request may name."""

    items: list[CatalogEntry]


class FilePage(Query):
    """Part of a list of files."""

    limit: QueryInteger = Field(default=100, ge=1, le=1000)
    offset: QueryInteger = Field(default=0, ge=0, lt=1 << 31)


class FileList(CatalogList):
    """Files that a request may name, and the number of all of them."""

    total: int
    limit: int
    offset: int


class SpaceQuery(Query):
    """A space."""

    space: str = Field(max_length=NAME, description="A name of GET /spaces.")


class MetricBounds(BaseModel):
    """Least and greatest cost of a space's architectures."""

    least: float
    greatest: float
    unit: str
    sigma: float | None = Field(
        description="Standard deviation of measurements from estimates; null if unknown."
    )
    exact: bool = Field(description="Whether architectures reach both bounds.")


class Bounds(BaseModel):
    """Bounds of every cost of a space on a device."""

    table: str
    space: str
    metrics: dict[str, MetricBounds]


class TableUpload(BaseModel):
    """A lookup table as `python -m profiler build` writes it, by tables/schema.json.

    Where `device` is the name of an agent, the request is for a table that is built there; its
    fields are those of `TableBuild`.
    """

    model_config = ConfigDict(extra="allow")

    name: str | None = Field(
        default=None,
        max_length=NAME,
        pattern=FILE_NAME,
        description="Name that searches use; an upload needs one.",
    )
    shared: bool = Field(default=False, strict=True, description=_SHARED)


class EvaluationUpload(Strict):
    """An architecture with its metrics and how they were obtained."""

    architecture: JsonObject
    metrics: dict[str, float] = Field(min_length=1, max_length=64)
    source: JsonObject = Field(default_factory=dict)


class EvaluationsUpload(Strict):
    """Evaluations of one space, as `python -m oneshot evaluate` writes them."""

    name: str = Field(
        max_length=NAME, pattern=FILE_NAME, description="Name that POST /predictors uses."
    )
    evaluations: list[EvaluationUpload] = Field(min_length=1, max_length=MAX_EVALUATIONS)
    shared: bool = SHARED_FIELD


class Uploaded(WithOwner):
    """An immutable version of an upload."""

    kind: str
    name: str
    version: int = Field(description="Counts from 1; the name refers to the newest.")
    sha256: str
    created: str


class Removed(WithOwner):
    """A file whose versions were removed."""

    kind: str
    name: str
    versions: int = Field(description="Number of removed versions.")


class PredictRequest(Strict):
    """Architectures of one space to score."""

    space: str = Field(max_length=NAME, description="A name of GET /spaces.")
    architectures: list[JsonObject | list[int]] = Field(
        min_length=1,
        max_length=MAX_PREDICTED,
        description="JSON objects of architectures, choices, or codes.",
    )
    predictor: str | None = Field(
        default=None, max_length=REFERENCE, description="Default: the only one of the space."
    )
    device: str | None = Field(
        default=None, max_length=REFERENCE, description="A table; without one there is no latency."
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
    metric: JsonObject | None = Field(
        default=None,
        description=(
            "Name, unit and direction of the predicted metric; scores of one of which lower is"
            " better are its values with their sign changed. Null if it is not recorded."
        ),
    )
    device: str | None
    predictions: list[Prediction]


class SessionRequest(Strict):
    """The token of a browser's new session."""

    token: str = Field(min_length=1, max_length=NAME)


class SessionInfo(BaseModel):
    """The session of a browser."""

    name: str
    expires_in_s: int
    administrator: bool


REQUESTS = (FilePage, TableUpload, EvaluationsUpload, PredictRequest, SessionRequest, SpaceQuery)

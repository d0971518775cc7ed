"""Jobs as they are shown, and those that are no searches as they are asked for."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from service.jobs import JobState, JsonObject
from service.schemas.base import FILE_NAME, NAME, JobQuery, Strict
from service.schemas.search import SearchRequest


class JobStatus(BaseModel):
    """A job: where it stands and, once done, what came of it."""

    id: str
    kind: str
    state: JobState
    attempt: int = Field(description="How often it was begun: more than once if a worker died.")
    created: str
    started: str | None
    finished: str | None
    request: JsonObject = Field(description="As asked for, defaults filled in.")
    progress: JsonObject | None
    result: JsonObject | None = Field(
        description="Of a search: as `python -m oneshot search` writes it."
    )
    error: JsonObject | None
    links: dict[str, str]


class SearchList(BaseModel):
    """Searches, newest first, without their results."""

    searches: list[JobStatus]
    total: int
    limit: int
    offset: int


class JobList(BaseModel):
    """Jobs of every kind, newest first, without their results."""

    jobs: list[JobStatus]
    total: int
    limit: int
    offset: int


class KindQuery(JobQuery):
    """Which jobs, of which kind."""

    kind: Literal["search", "predictor", "retrain"] | None = Field(
        default=None, description="Only jobs of this kind."
    )


class PredictorOptions(Strict):
    """How a predictor is trained, as `python -m predictor train` has it."""

    encoder: str | None = Field(default=None, max_length=NAME, description="The kind of predictor.")
    baseline: str | None = Field(
        default=None, max_length=NAME, description="Fitted on the same split, to compare."
    )
    metric: str | None = Field(default=None, max_length=NAME, description="What is predicted.")
    train_fraction: float | None = Field(default=None, gt=0, lt=1, description="Share to train on.")
    train: int | None = Field(
        default=None, ge=10, lt=1 << 31, description="How many to train on, in place of a share."
    )
    refit: bool | None = Field(
        default=None, description="After testing, fit again on all evaluations."
    )


class PredictorRequest(Strict):
    """A predictor to be trained from uploaded evaluations."""

    name: str = Field(max_length=NAME, pattern=FILE_NAME, description="What searches will call it.")
    evaluations: str = Field(max_length=NAME, description="The name of uploaded evaluations.")
    options: PredictorOptions = Field(default_factory=PredictorOptions)
    seed: int = Field(default=0, ge=0, lt=1 << 32)


class Found(Strict):
    """An architecture that a search found."""

    id: str = Field(max_length=NAME, description="The search's.")
    architecture: int = Field(
        default=0, ge=0, lt=1 << 31, description="Its place on the front; 0 is the best."
    )


class RetrainOptions(Strict):
    """How a network is trained, as `python -m oneshot retrain` has it."""

    epochs: int | None = Field(default=None, ge=1, le=100_000)
    steps: int | None = Field(
        default=None, ge=1, le=100_000_000, description="Updates, in place of epochs."
    )
    batch_size: int | None = Field(default=None, ge=1, le=1 << 16)
    learning_rate: float | None = Field(default=None, gt=0, le=1000)
    schedule: Literal["linear", "cosine", "constant"] | None = None
    warmup: int | None = Field(default=None, ge=0, le=100_000_000)
    momentum: float | None = Field(default=None, ge=0, lt=1)
    nesterov: bool | None = None
    weight_decay: float | None = Field(default=None, ge=0, le=10)
    label_smoothing: float | None = Field(default=None, ge=0, lt=1)
    clip: float | None = Field(default=None, gt=0, le=1e9)
    limit: int | None = Field(
        default=None, ge=1, lt=1 << 31, description="Images of each part at most."
    )
    validation: int | None = Field(default=None, ge=1, lt=1 << 31)
    accelerator: Literal["auto", "cpu", "gpu"] | None = None
    precision: Literal["fp32", "bf16", "fp16"] | None = None
    accumulate: int | None = Field(default=None, ge=1, le=1024)
    sync_batch_norm: bool | None = None
    checkpoint_every: int | None = Field(
        default=None,
        ge=1,
        lt=1 << 31,
        description="Updates after which what is done survives the death of a worker.",
    )
    augment: bool | None = None
    colour_jitter: float | None = Field(default=None, ge=0, le=1)
    cutout: int | None = Field(default=None, ge=0, le=4096)
    mixup: float | None = Field(default=None, ge=0, le=10)
    ema: float | None = Field(default=None, ge=0, lt=1)
    drop_path: float | None = Field(default=None, ge=0, lt=1)
    auxiliary: float | None = Field(default=None, ge=0, le=10)


class RetrainRequest(Strict):
    """The training of a network; exactly one of `architecture` and `search` is needed."""

    architecture: JsonObject | None = Field(
        default=None, description="An architecture's JSON object."
    )
    search: Found | None = Field(default=None, description="Or one that a search found.")
    data: str = Field(default="digits", max_length=NAME, description="A name of GET /data-sets.")
    supernet: str | None = Field(
        default=None, max_length=NAME, description="Begin with the weights of this one."
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description=(
            "Processes that train together, with a core or a GPU each, by Ray Train wherever there"
            " is room; the same as `--devices` of the command."
        ),
    )
    options: RetrainOptions = Field(default_factory=RetrainOptions)
    seed: int = Field(default=0, ge=0, lt=1 << 32)


REQUESTS = (SearchRequest, PredictorRequest, RetrainRequest)
QUERIES = (JobQuery, KindQuery)

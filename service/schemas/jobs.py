"""Models of jobs, and of the requests for trainings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from service.jobs import JobState, JsonObject
from service.schemas.base import FILE_NAME, NAME, REFERENCE, JobQuery, Query, Strict
from service.schemas.search import SearchRequest

TAG = 50
"""Greatest number of characters of a tag."""

# Without line breaks and other control characters.
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"


class JobStatus(BaseModel):
    """A job with its state and, once done, its result."""

    id: str
    kind: str
    name: str | None = Field(description="Name by PATCH; null without one.")
    tags: list[str] = Field(description="Tags by PATCH, in alphabetical order.")
    state: JobState
    attempt: int = Field(description="Number of attempts; more than 1 if a worker died.")
    created: str
    started: str | None
    finished: str | None
    elapsed_s: float | None = Field(
        description="Seconds since the present attempt began; null unless the job is running."
    )
    remaining_s: float | None = Field(
        description=(
            "Estimate of the seconds that a search, or a training of a network that was not"
            " resumed, still takes; null before 5% and 5 s, and of other jobs."
        )
    )
    request: JsonObject = Field(description="The request with all defaults filled in.")
    progress: JsonObject | None
    result: JsonObject | None = Field(
        description="A search's is as `python -m oneshot search` writes it."
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
    """Filter of jobs by kind."""

    kind: Literal["search", "predictor", "retrain", "pipeline", "measure"] | None = Field(
        default=None, description="Only jobs of this kind."
    )

    tag: str | None = Field(default=None, max_length=TAG, description="Only jobs with this tag.")
    text: str | None = Field(
        default=None,
        max_length=NAME,
        description=(
            "Only jobs whose name, tags, kind or request contain all of these words, or whose id"
            " begins with them; in any case."
        ),
    )


class RemovalQuery(Query):
    """Whether a deleted job is cancelled or removed."""

    remove: bool = Field(
        default=False,
        description="Remove an ended job with its files, instead of cancelling an unfinished one.",
    )


class JobLabels(Strict):
    """Name and tags of a job; fields that are left out do not change."""

    name: str | None = Field(
        default=None, max_length=NAME, pattern=_PRINTABLE, description='New name; "" removes it.'
    )
    tags: list[Annotated[str, Field(min_length=1, max_length=TAG, pattern=_PRINTABLE)]] | None = (
        Field(
            default=None,
            max_length=20,
            description="New tags, in place of all earlier ones; they are stored in lower case.",
        )
    )


_Metric = Annotated[str, Field(min_length=1, max_length=NAME)]
_Column = Annotated[str, Field(min_length=1, max_length=REFERENCE + 1 + NAME)]


class PredictorOptions(Strict):
    """Options of `python -m predictor train`."""

    encoder: str | None = Field(default=None, max_length=NAME, description="Kind of predictor.")
    baseline: str | None = Field(
        default=None,
        max_length=NAME,
        description="Kind of predictor to fit on the same split for comparison.",
    )
    metric: _Metric | Annotated[list[_Metric], Field(min_length=1, max_length=16)] | None = Field(
        default=None,
        description=(
            "Metric to predict. Several are learned by the steps of the encoder ta-gates, one each;"
            " the last is the score. Default: the score of the evaluations' task."
        ),
    )
    train_fraction: float | None = Field(
        default=None, gt=0, lt=1, description="Fraction for training."
    )
    train: int | None = Field(
        default=None, ge=10, lt=1 << 31, description="Number for training, instead of a fraction."
    )
    refit: bool | None = Field(
        default=None, description="Fit again on all evaluations after testing."
    )


class PredictorRequest(Strict):
    """The training of a predictor from uploaded evaluations, columns of evidence, or both."""

    name: str = Field(max_length=NAME, pattern=FILE_NAME, description="Name that searches use.")
    evaluations: str | None = Field(
        default=None,
        max_length=REFERENCE,
        description="Name of uploaded evaluations. Default, with columns: none; the columns vote.",
    )
    columns: list[_Column] = Field(
        default_factory=list,
        max_length=16,
        description=(
            "Names of uploaded evaluations or proxies, NAME or NAME:METRIC, which the evaluations"
            " weigh, or which vote without them; with the encoder dele an expert learns each before"
            " the evaluations. See `python -m predictor train --columns`."
        ),
    )
    space: str | None = Field(
        default=None,
        max_length=NAME,
        description=(
            "Space of the predictor; columns may be of the same choices in another form of it."
            " Default: the space of the evaluations, or of the first column."
        ),
    )
    shared: bool = Field(
        default=False,
        description=(
            "Add the predictor to the shared library, which needs an administrator's token."
        ),
    )
    options: PredictorOptions = Field(default_factory=PredictorOptions)
    seed: int = Field(default=0, ge=0, lt=1 << 32)


class SearchArchitecture(Strict):
    """An architecture on the front of a search."""

    id: str = Field(max_length=NAME, description="Id of the search.")
    architecture: int = Field(
        default=0, ge=0, lt=1 << 31, description="Position on the front; 0 is the best."
    )


class RetrainOptions(Strict):
    """Options of `python -m oneshot retrain`."""

    task: str | None = Field(
        default=None,
        min_length=1,
        max_length=NAME,
        description=(
            "Task, such as a plug-in's. Default: that of the search's guide, or of the networks'"
            " head, such as detection."
        ),
    )
    level: Literal["words", "characters"] | None = Field(
        default=None, description="Tokens of a text. Default: words."
    )
    epochs: int | None = Field(default=None, ge=1, le=100_000)
    steps: int | None = Field(
        default=None, ge=1, le=100_000_000, description="Updates, instead of epochs."
    )
    batch_size: int | None = Field(default=None, ge=1, le=1 << 16)
    learning_rate: float | None = Field(default=None, gt=0, le=1000)
    schedule: Literal["linear", "cosine", "constant"] | None = None
    warmup: int | None = Field(default=None, ge=0, le=100_000_000)
    optimizer: Literal["sgd", "adamw"] | None = None
    momentum: float | None = Field(default=None, ge=0, lt=1)
    nesterov: bool | None = None
    weight_decay: float | None = Field(default=None, ge=0, le=10)
    label_smoothing: float | None = Field(default=None, ge=0, lt=1)
    clip: float | None = Field(default=None, gt=0, le=1e9)
    limit: int | None = Field(
        default=None, ge=1, lt=1 << 31, description="Greatest number of images of each split."
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
        description="Updates between checkpoints, from which a job resumes if its worker dies.",
    )
    augment: bool | None = None
    colour_jitter: float | None = Field(default=None, ge=0, le=1)
    mosaic: float | None = Field(default=None, ge=0, le=1)
    cutout: int | None = Field(default=None, ge=0, le=4096)
    mixup: float | None = Field(default=None, ge=0, le=10)
    ema: float | None = Field(default=None, ge=0, lt=1)
    drop_path: float | None = Field(default=None, ge=0, lt=1)
    auxiliary: float | None = Field(default=None, ge=0, le=10)
    average_after: int | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="Epochs without a better validation score after which weights are averaged.",
    )


class RetrainRequest(Strict):
    """The training of a network; exactly one of `architecture` and `search` is needed."""

    architecture: JsonObject | None = Field(
        default=None, description="An architecture's JSON object."
    )
    search: SearchArchitecture | None = Field(
        default=None, description="Or an architecture of a search."
    )
    data: str = Field(default="digits", max_length=NAME, description="A name of GET /data-sets.")
    supernet: str | None = Field(
        default=None,
        max_length=NAME,
        description="Supernet whose weights the training begins with.",
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


class PipelineRequest(Strict):
    """A pipeline of stages, as `pathfit run` runs it."""

    name: str = Field(
        max_length=NAME,
        pattern=FILE_NAME,
        description=(
            "Name that the new table, evaluations and predictor get in the catalog; proxies get it"
            " with -proxies."
        ),
    )
    pipeline: str = Field(
        min_length=1,
        max_length=1 << 16,
        description=(
            "YAML of the pipeline. It has names of the catalog where a file has paths; `plugins`,"
            " paths, addresses and outputs are refused."
        ),
        examples=["space: spos-tiny\ndata: digits\ntrain: {epochs: 10}\nsearch: {}\n"],
    )
    shared: bool = Field(
        default=False,
        description="Add the files to the shared library, which needs an administrator's token.",
    )


REQUESTS = (JobLabels, SearchRequest, PredictorRequest, RetrainRequest, PipelineRequest)
QUERIES = (JobQuery, KindQuery, RemovalQuery)

"""Models of the requests for searches and for their results."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from service.schemas.base import NAME, REFERENCE, Query, QueryInteger, Strict
from service.store.tokens import MAX_NAME_LENGTH
from tables.metrics import MARGIN

_MAX_COUNT = 1000


class Maximum(Strict):
    """An upper limit."""

    max: float = Field(gt=0, description="In the metric's unit.")


class Constraints(Strict):
    """Upper limits on costs, all of which must be met."""

    latency_ms: Maximum | None = Field(
        default=None, description="Latency on the device, in milliseconds."
    )
    prefill_ms: Maximum | None = Field(
        default=None, description="Latency of a prompt in milliseconds, of networks of text."
    )
    decode_ms: Maximum | None = Field(
        default=None, description="Latency of a token in milliseconds, of networks of text."
    )
    flops: Maximum | None = Field(
        default=None, description="Multiply-accumulates, which the papers call FLOPs."
    )
    macs: Maximum | None = Field(default=None, description="The same as flops.")
    params: Maximum | None = Field(default=None, description="Parameters.")
    memory_bytes: Maximum | None = Field(
        default=None,
        description=(
            "Activations in memory at once, if the device's table has them; of networks of text"
            " weights and cache."
        ),
    )
    energy_mj: Maximum | None = Field(
        default=None, description="Energy of one run in millijoules, if the device reported it."
    )

    def to_limits(self) -> dict[str, float]:
        """Map the limited metrics, by their names in the request, to their maxima."""
        limits = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: limit.max for name, limit in limits if limit is not None}


class StrategyChoice(Strict):
    """Search strategy."""

    name: str = Field(
        default="evolution", max_length=NAME, description="`spos` is an alias of `evolution`."
    )
    options: dict[str, bool | int | float | str] = Field(default_factory=dict, max_length=32)


class GuideChoice(Strict):
    """Guide, which scores architectures."""

    kind: Literal["predictor", "lower-bound", "supernet", "benchmark"] = Field(
        default="predictor",
        description="`lower-bound` scores by the mean of a predictor less one deviation.",
    )
    name: str | None = Field(
        default=None, max_length=REFERENCE, description="Default: the only one of the space."
    )
    metric: str | None = Field(
        default=None, max_length=NAME, description="Metric of a benchmark. Default: its own."
    )
    rank_by: str | None = Field(
        default=None,
        min_length=1,
        max_length=NAME,
        description=(
            "Metric by which a supernet ranks networks, or several with weights, such as"
            " top1=1,top1_pgd=0.5. Default: the score of its task; cross_entropy for a"
            " classification."
        ),
    )
    under: list[Annotated[str, Field(min_length=1, max_length=NAME)]] = Field(
        default_factory=list,
        max_length=8,
        description=(
            "Perturbations under which a supernet's networks are evaluated, with their weights,"
            " such as clean=0.5. Default: none."
        ),
    )


class Finalists(Strict):
    """The best networks of a search, among which short trainings choose."""

    count: int = Field(default=8, ge=2, le=50, description="Number of networks.")
    data: str = Field(default="digits", max_length=NAME, description="A name of GET /data-sets.")
    training: dict[str, int | float] = Field(
        default_factory=dict,
        max_length=16,
        description=(
            "Settings of the trainings, such as steps, rungs and learning_rate; the same as"
            " `--training` of the command line."
        ),
    )


class SearchRequest(Strict):
    """A search."""

    space: str = Field(max_length=NAME, description="A name of GET /spaces.")
    device: str | None = Field(
        None,
        max_length=REFERENCE,
        description=(
            "A name of GET /tables, or a device on which a benchmark of the space records costs."
            " Default, if a measured cost is limited or an objective: the space's only table."
        ),
    )
    constraints: Constraints = Field(default_factory=Constraints)
    objectives: list[str] = Field(
        default_factory=list,
        max_length=8,
        description=("Costs to minimise. Default: the first limited one, else MACs."),
    )
    charges: list[Annotated[str, Field(min_length=1, max_length=NAME)]] = Field(
        default_factory=list,
        max_length=8,
        description=(
            "Costs that the guide's loss is multiplied by, (cost / budget)^exponent, such as"
            " macs=2e8^0.07; macs=2e8^0.07/0 does not reward costs below the budget. Measured costs"
            " are those on `device`."
        ),
    )
    strategy: StrategyChoice = Field(default_factory=StrategyChoice)
    margin: float = Field(
        default=MARGIN,
        ge=0,
        le=100,
        description="Standard deviations kept between an estimate and its limit.",
    )
    guide: GuideChoice = Field(default_factory=GuideChoice)
    count: int = Field(
        default=1,
        ge=1,
        le=_MAX_COUNT,
        description="Number of the best networks in full.",
    )
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    finalists: Finalists | None = Field(
        default=None,
        description=(
            "Best networks that are trained briefly, on a data set of the service; the result has"
            " these alone, in the order of their scores. Default: none is trained."
        ),
    )
    verify: int | None = Field(
        default=None,
        ge=1,
        le=50,
        description=(
            "Number of best networks to measure on the device, those within the limit of"
            " latency_ms. Default: none is measured."
        ),
    )
    measure_on: str | None = Field(
        default=None,
        max_length=MAX_NAME_LENGTH,
        description=(
            "A name of GET /agents. Default: the agent on the table's device, else the service's"
            " own machine."
        ),
    )
    verify_within_s: float = Field(
        default=600.0,
        ge=1,
        le=86400,
        description=(
            "Seconds that the search waits for an agent; after them it ends with what is"
            " predicted, and says so."
        ),
    )


class Detail(Query):
    """Extent of a search's report."""

    candidates: bool = Field(
        default=False, description="Include every evaluated candidate, as codes."
    )


class EventQuery(Query):
    """Start of a stream of events."""

    after: QueryInteger = Field(
        default=0,
        ge=0,
        lt=1 << 31,
        description="Only events after this one; the header Last-Event-ID precedes.",
    )


class ArchitectureQuery(Query):
    """Format of an architecture of a search."""

    format: str = Field(
        default="pathfit",
        max_length=NAME,
        description=(
            "A format of GET /formats, or svg (a drawing), onnx (the network), blocks (costs by"
            " block), found (a PNG of what a detector or segmenter finds in test images)."
        ),
    )
    weights: Literal["untrained", "supernet"] = Field(
        default="untrained",
        description="Weights of ONNX: untrained, or of the supernet that guided the search.",
    )
    of: Literal["front", "candidates"] = Field(
        default="front",
        description="Networks that `place` counts: the front, or every candidate.",
    )


class PositionQuery(Query):
    """The networks of a search that `place` counts."""

    of: Literal["front", "candidates"] = Field(
        default="front",
        description="Networks that `place` counts: the front, or every candidate.",
    )


class LimitReason(BaseModel):
    """How a network meets a limit."""

    metric: str
    device: str | None = Field(description="Lookup table of the limit; null for a count.")
    maximum: float
    estimate: float
    sigma: float = Field(description="Deviation of the estimate; 0 for counts and where unknown.")
    margin: float = Field(description="Number of deviations between the estimate and the limit.")
    upper: float = Field(description="The estimate plus the margin, which the limit bounds.")


class Reasons(BaseModel):
    """Why a network of a search was chosen."""

    limits: list[LimitReason]
    evidence: str = Field(description="What ranked the networks, and how well it is known to.")
    sentence: str = Field(description="Rank, limits and evidence in one sentence.")


class Progress(BaseModel):
    """Progress of a search."""

    evaluated: int
    planned: int
    best: float = Field(description="Greatest score so far.")
    metric: dict[str, Any] | None = Field(
        default=None,
        description="Name, unit and direction of the metric of the scores; null for several.",
    )
    finalists: dict[str, Any] | None = Field(
        default=None,
        description="share and state of the trainings of the finalists, once they have begun.",
    )


QUERIES = (Detail, EventQuery, ArchitectureQuery, PositionQuery)

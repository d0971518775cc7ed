"""Tasks of accepted jobs.

A task has everything that its job needs, with files pinned by their content, so that any worker at
any time gets the same result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from service.catalog.files import FileReference
from service.jobs import JsonObject, Resources
from spaces import __version__

EXPERT_ENCODER = "dele"
"""Kind of predictor whose experts learn a column each before the evaluations."""


@dataclass(frozen=True)
class RecordedDevice:
    """A device on which a benchmark records costs.

    Args:
        name: Name of the device.
        benchmark: Name of the benchmark.
        files: Files of the benchmark, in its own order.
    """

    name: str
    benchmark: str
    files: Sequence[FileReference]

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> RecordedDevice:
        """Read the JSON object of a task."""
        files = tuple(FileReference(**file) for file in value["files"])
        return cls(value["name"], value["benchmark"], files)


@dataclass(frozen=True)
class VerifyTask:
    """The measurement of a search's best networks.

    Args:
        count: Number of networks within the limit to find.
        table: Table under whose conditions they are measured.
        limit_ms: Greatest measured latency; None: there is no limit.
        agent: Id of the agent that measures. None: the service's own machine.
        agent_name: Name of the agent.
        within_s: Seconds that the search waits for the agent.
        rounds: Number of rounds.
        exports: Whether blocks are exported, for an agent without torch.
    """

    count: int
    table: FileReference
    limit_ms: float | None = None
    agent: str | None = None
    agent_name: str | None = None
    within_s: float = 600.0
    rounds: int = 20
    exports: bool = False

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> VerifyTask:
        """Read the JSON object of a task."""
        return cls(**_with_files(value, "table"))


@dataclass(frozen=True)
class FinalistsTask:
    """The short trainings of a search's best networks.

    Args:
        count: Number of networks.
        data: Data set: a name, `NAME:PATH`, or a folder.
        training: Settings of the trainings by name, such as `{"steps": 300}`.
    """

    count: int
    data: str
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchTask:
    """An accepted search, guided by exactly one of `predictor`, `supernet` and `benchmark`.

    Args:
        space: Canonical name of the space.
        table: Lookup table of the device; None if no measured metric is limited or an objective, or
            the device is a benchmark's.
        predictor: File of the predictor.
        limits: Metric -> maximum.
        margin: Standard deviations kept between an estimate and its limit.
        strategy: Name of the search strategy.
        options: Options of the strategy.
        count: Number of the best networks that the result has in full.
        seed: Seed of the search.
        objectives: Metrics to minimise while the score is maximised. Empty uses the first limited
            metric, or MACs without limits.
        charges: Costs that the loss is multiplied by, such as `macs=2e8^0.07`.
        supernet: Trained weights of the supernet's run.
        benchmark: `NAME` or `NAME:METRIC` of the benchmark.
        benchmark_files: Files of the benchmark, in its own order.
        rank_by: Metric by which the supernet ranks networks, or several with weights; None: the
            score of its task.
        under: Perturbations under which the supernet evaluates networks, with their weights.
        lower_bound: Whether the predictor scores by its mean less one deviation.
        device: Device of a benchmark, in place of a table.
        threads: Threads of torch; another number may change the last digit of a result.
        version: Version of Pathfit that accepted the search.
        finalists: Short trainings that choose among the best networks; None for none.
        verify: Measurement of the best networks; None for none.
        measuring: What an agent was to measure; None before the search waits for one.
        gave_up: Whether the search no longer waits for its agent.
    """

    space: str
    table: FileReference | None
    predictor: FileReference | None
    limits: Mapping[str, float]
    margin: float
    strategy: str
    options: Mapping[str, Any]
    count: int
    seed: int
    objectives: Sequence[str] = ()
    charges: Sequence[str] = ()
    supernet: FileReference | None = None
    benchmark: str | None = None
    benchmark_files: Sequence[FileReference] = ()
    rank_by: str | None = None
    under: Sequence[str] = ()
    lower_bound: bool = False
    device: RecordedDevice | None = None
    threads: int = 1
    version: str = __version__
    finalists: FinalistsTask | None = None
    verify: VerifyTask | None = None
    measuring: JsonObject | None = None
    gave_up: bool = False

    def to_dict(self) -> JsonObject:
        """Return the JSON object that `from_dict` reads."""
        return _json_object(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> SearchTask:
        """Read the JSON object that `to_dict` returned."""
        fields = _with_files(value, "table", "predictor", "supernet")
        # Tasks of older versions have no benchmark.
        files = value.get("benchmark_files", ())
        fields["benchmark_files"] = tuple(FileReference(**file) for file in files)
        device = value.get("device")
        fields["device"] = None if device is None else RecordedDevice.from_dict(device)
        # Tasks of older versions have no finalists, and are not verified.
        finalists = value.get("finalists")
        fields["finalists"] = None if finalists is None else FinalistsTask(**finalists)
        verify = value.get("verify")
        fields["verify"] = None if verify is None else VerifyTask.from_dict(verify)
        return cls(**_with_tuples(fields, "objectives", "charges", "under"))


@dataclass(frozen=True)
class ColumnFile:
    """Evaluations or proxies that a predictor weighs, that vote, or that an expert learns.

    Args:
        file: The evaluations, JSON lines.
        metric: Metric of the column; empty for those that the kind of the evaluations implies.
    """

    file: FileReference
    metric: str = ""

    def to_text(self, file: str | None = None) -> str:
        """Return `FILE` or `FILE:METRIC`.

        Args:
            file: Path of the file. None: its name in requests.
        """
        text = file or self.file.name
        return f"{text}:{self.metric}" if self.metric else text

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> ColumnFile:
        """Read the JSON object of a task."""
        return cls(FileReference(**value["file"]), value["metric"])


@dataclass(frozen=True)
class PredictorTask:
    """An accepted training of a predictor, as `python -m predictor train` does it.

    Args:
        space: Canonical name of the space.
        evaluations: JSON lines of evaluations; None where the columns vote without labels.
        name: Name of the new predictor.
        options: Options of the command by name, such as `{"encoder": "gates", "metric": "top1",
            "refit": true}`.
        seed: Seed of the split and of the fit.
        threads: Threads of torch.
        benchmark: Benchmark that the predictor is judged by; None if the space has none, or another
            task was evaluated.
        columns: Columns of evidence or of experts; empty for a predictor of the evaluations alone.
        version: Version of Pathfit that accepted the job.
    """

    space: str
    evaluations: FileReference | None
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int = 1
    benchmark: str | None = None
    columns: Sequence[ColumnFile] = ()
    version: str = __version__

    def to_dict(self) -> JsonObject:
        """Return the JSON object that `from_dict` reads."""
        return _json_object(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> PredictorTask:
        """Read the JSON object that `to_dict` returned."""
        # Tasks of older versions have no columns.
        columns = tuple(ColumnFile.from_dict(column) for column in value.get("columns", ()))
        return cls(**{**_with_files(value, "evaluations"), "columns": columns})


@dataclass(frozen=True)
class RetrainTask:
    """An accepted training of a network, as `python -m oneshot retrain` does it.

    Args:
        architecture: JSON object of the architecture.
        data: Data set: a name, `NAME:PATH`, or a folder.
        options: Options of the command by name, such as `{"epochs": 60, "learning_rate": 0.1}`.
        seed: Seed of the weights and of the batches.
        threads: Threads of torch in each process.
        supernet: Trained weights of a supernet's run to begin with. None begins at random.
        workers: Processes that train together; several are run by Ray Train.
        version: Version of Pathfit that accepted the job.
    """

    architecture: Mapping[str, Any]
    data: str
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int = 1
    supernet: FileReference | None = None
    workers: int = 1
    version: str = __version__

    def to_dict(self) -> JsonObject:
        """Return the JSON object that `from_dict` reads."""
        return _json_object(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> RetrainTask:
        """Read the JSON object that `to_dict` returned."""
        return cls(**_with_files(value, "supernet"))


@dataclass(frozen=True)
class LinkedFile:
    """A file that a pipeline reads by a link in the folder of the attempt.

    Args:
        reference: The file, pinned by its content.
        target: Path that the link points to: the file, or the folder that it is in.
        link: Path of the link below the folder of the attempt.
    """

    reference: FileReference
    target: str
    link: str

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> LinkedFile:
        """Read the JSON object of a task."""
        return cls(FileReference(**value["reference"]), value["target"], value["link"])


@dataclass(frozen=True)
class PipelineTask:
    """An accepted pipeline, as `pathfit run` runs it.

    Args:
        name: Name under which its table, evaluations and predictor are added to the catalog.
        text: The pipeline, with links in place of the names of files.
        stages: Names of its stages, in order.
        files: Files of the catalog that it reads.
        threads: Threads that a stage takes where it does not set their number.
        version: Version of Pathfit that accepted the job.
    """

    name: str
    text: str
    stages: Sequence[str]
    files: Sequence[LinkedFile] = ()
    threads: int = 1
    version: str = __version__

    def to_dict(self) -> JsonObject:
        """Return the JSON object that `from_dict` reads."""
        return _json_object(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> PipelineTask:
        """Read the JSON object that `to_dict` returned."""
        files = tuple(LinkedFile.from_dict(file) for file in value["files"])
        return cls(**{**_with_tuples(value, "stages"), "files": files})


@dataclass(frozen=True)
class MeasureTask:
    """An accepted measurement on a device elsewhere, whose agent builds or validates a table.

    Args:
        measuring: What the agent is to do; see `service.measuring`.
        name: Name of the table in the catalog.
        library: Id of the library that is to have it.
        export_for: Id of the agent for which an engine exports blocks first; None exports nothing.
        version: Version of Pathfit that accepted the job.
        gave_up: Whether the job no longer waits for its agent.
    """

    measuring: JsonObject
    name: str
    library: str
    export_for: str | None = None
    version: str = __version__
    gave_up: bool = False

    def to_dict(self) -> JsonObject:
        """Return the JSON object that `from_dict` reads."""
        return _json_object(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> MeasureTask:
        """Read the JSON object that `to_dict` returned."""
        return cls(**value)


Task: TypeAlias = SearchTask | PredictorTask | RetrainTask | PipelineTask | MeasureTask


@dataclass(frozen=True)
class Admission:
    """A checked request, ready to become a job.

    Args:
        kind: Kind of the job.
        request: Request with all defaults filled in, as the API reports it.
        task: Task for a worker.
        resources: Processor cores and GPUs that the job occupies.
        agent: Id of the agent that runs the job. None: an engine does.
    """

    kind: Literal["search", "predictor", "retrain", "pipeline", "measure"]
    request: JsonObject
    task: Task
    resources: Resources
    agent: str | None = None


def _json_object(task: Task) -> JsonObject:
    # Tuples become the lists that JSON has, so that what is written equals what is stored.
    value: JsonObject = json.loads(json.dumps(asdict(task)))
    return value


def _with_files(value: Mapping[str, Any], *names: str) -> JsonObject:
    # A file that is not set remains None.
    files = {name: value[name] and FileReference(**value[name]) for name in names}
    return {**value, **files}


def _with_tuples(value: Mapping[str, Any], *names: str) -> JsonObject:
    # JSON has lists; tasks have tuples, so that what is read equals what was written. Tasks of
    # older versions may lack a name.
    return {**value, **{name: tuple(value[name]) for name in names if name in value}}

"""Admission of trainings: of predictors from evaluations, and of networks."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from oneshot.retraining.source import deployed
from oneshot.tasks.registry import DEFAULT, default_task, with_task
from predictor.registry import DEFAULT as DEFAULT_ENCODER
from predictor.verdict.benchmark import benchmark_name
from service.admission.tasks import (
    EXPERT_ENCODER,
    Admission,
    ColumnFile,
    PredictorTask,
    RetrainTask,
)
from service.catalog.catalog import Catalog
from service.catalog.files import FileReference
from service.jobs import Job, JsonObject, Resources, state_phrase
from service.problems import Problem, blaming, invalid
from service.schemas.jobs import PredictorRequest, RetrainRequest
from spaces.architecture import Architecture
from spaces.errors import UnknownName
from spaces.registry import get
from spaces.space import SearchSpace
from tables.evaluation import Evaluation, default_metric, read, scores

MIN_TRAINED = 10
"""Networks that a predictor needs for training."""

STEPPED_ENCODER = "ta-gates"
"""Kind of predictor whose steps may learn a metric each."""


def admit_predictor(request: PredictorRequest, catalog: Catalog, library: str) -> Admission:
    """Check that a predictor can be trained.

    Args:
        request: The request.
        catalog: Evaluations and spaces that the request may name.
        library: Id of the library that is to have the predictor.

    Raises:
        Problem: The predictor cannot be trained. The problem names the field.
    """
    if catalog.is_hidden("predictor", request.name, library):
        detail = (
            f"name {request.name!r} is that of a predictor in a folder of the service;"
            " use another name"
        )
        raise Problem(409, "name-taken", "Name taken", detail, "name")

    has_experts = request.options.encoder == EXPERT_ENCODER
    if request.columns and not has_experts:
        # Imported on demand: few requests have columns.
        from service.admission.evidence import admit_evidence

        return admit_evidence(request, catalog)
    if request.evaluations is None:
        detail = "evaluations or columns are needed, names of uploads"
        if has_experts:
            detail = f"evaluations are needed: {EXPERT_ENCODER} predicts a metric of theirs"
        raise invalid(detail, "evaluations")

    with blaming("evaluations"):
        file = catalog.evaluations(request.evaluations)
        evaluations = read(file.path)
        space = evaluations[0].architecture.space
        catalog.space(space)
    if request.space not in (None, space):
        raise invalid(f"space: the evaluations are of {space}, not {request.space}", "space")

    # The command's own defaults apply to options that are not given.
    options = _non_default_options(request.options)
    metrics = _check_metrics(evaluations, options)

    _check_encoders(options)
    _check_split(options, [evaluation.architecture for evaluation in evaluations], request.seed)
    columns: tuple[ColumnFile, ...] = ()
    if request.columns:
        # Imported on demand, as above.
        from service.admission.columns import check_expert_columns, resolve_columns

        columns = resolve_columns(request.columns, catalog)
        check_expert_columns(columns, get(space), file, metrics[-1])

    benchmark = None
    if with_task(evaluations[0].source)["task"] == DEFAULT:
        # Benchmarks have accuracies, which say nothing about other tasks.
        benchmark = benchmark_name(get(space))
    task = PredictorTask(
        space, file, request.name, options, request.seed, benchmark=benchmark, columns=columns
    )

    return Admission(
        kind="predictor",
        request={
            # Only services with tokens have other libraries than the shared one.
            **request.model_dump(mode="json", exclude=None if request.shared else {"shared"}),
            # The names that were resolved, so that repeating the request uses the same files.
            "evaluations": file.name,
            "columns": [column.to_text() for column in columns],
            "space": space,
        },
        task=task,
        resources=Resources(cpus=float(task.threads)),
    )


def _check_metrics(evaluations: Sequence[Evaluation], options: JsonObject) -> list[str]:
    """Check and return the metrics that are learned, the last of which is predicted."""
    metric = options.get("metric") or default_metric(evaluations)
    if metric is None:
        names = list(dict.fromkeys(name for item in evaluations for name in item.metrics))
        raise invalid(
            f"options.metric is needed: the evaluations have {', '.join(names)}",
            "options.metric",
            known=names,
        )

    metrics = metric if isinstance(metric, list) else [metric]
    # Checked without importing torch, where the command has the same rule.
    encoder = options.get("encoder", DEFAULT_ENCODER)
    if len(metrics) > 1 and encoder != STEPPED_ENCODER:
        raise invalid(
            f"options.metric: several metrics teach the steps of {STEPPED_ENCODER}, not of"
            f" {encoder}; name one metric, or set options.encoder to {STEPPED_ENCODER}",
            "options.metric",
        )
    with blaming("options.metric"):
        for name in metrics:
            scores(evaluations, name)
    return metrics


def _check_split(options: JsonObject, architectures: Sequence[Architecture], seed: int) -> None:
    from predictor.errors import TooFewArchitectures
    from predictor.evaluated import network_numbers, split_by_network

    # The same rule as the command's, so that a job does not fail after it was accepted.
    total = len(architectures)
    count = options.get("train") or int(options.get("train_fraction", 0.8) * total)
    field = "options.train" if "train" in options else "evaluations"
    space = get(architectures[0].space)
    networks = network_numbers(space, space.encode(architectures))
    try:
        train_rows, _ = split_by_network(networks, count, seed)
    except TooFewArchitectures as error:
        raise invalid(f"{field}: {error}", field) from error

    num_trained = len(set(networks[train_rows].tolist()))
    if num_trained < MIN_TRAINED:
        raise invalid(
            f"{field}: of {total} evaluations {num_trained} networks would be for training; at"
            f" least {MIN_TRAINED} are needed",
            field,
        )


def _check_encoders(options: JsonObject) -> None:
    from predictor.registry import available

    kinds = available()
    for name in ("encoder", "baseline"):
        if name in options and options[name] not in kinds:
            with blaming(f"options.{name}"):
                raise UnknownName("kind of predictor", options[name], kinds)


def admit_retrain(request: RetrainRequest, catalog: Catalog, search: Job | None) -> Admission:
    """Check that a network can be trained.

    Args:
        request: The request.
        catalog: Spaces, supernets and data sets that the request may name.
        search: Search that the request names; None if it has an architecture.

    Raises:
        Problem: The network cannot be trained. The problem names the field.
    """
    # Of a search in a smaller network, the network that the search is for is trained.
    architecture = deployed(_resolve_architecture(request, catalog, search))
    with blaming("data"):
        data = catalog.data_set(request.data)

    supernet = _resolve_supernet(request, catalog, architecture.space)
    options = _non_default_options(request.options)
    _check_steps(options, request.workers)
    _set_task(options, get(architecture.space), search)
    task = RetrainTask(
        architecture.to_dict(),
        data,
        options,
        request.seed,
        supernet=supernet,
        workers=request.workers,
    )
    recorded = request.model_dump(mode="json")
    # `auto` takes no GPU, since the engine would not have reserved one.
    uses_gpu = options.get("accelerator") == "gpu"

    return Admission(
        kind="retrain",
        request={
            **recorded,
            "options": {**recorded["options"], "task": options.get("task")},
            "architecture": architecture.to_dict(),
            "space": architecture.space,
        },
        task=task,
        resources=Resources(
            cpus=float(task.threads * task.workers), gpus=float(task.workers if uses_gpu else 0)
        ),
    )


def _resolve_architecture(
    request: RetrainRequest, catalog: Catalog, search: Job | None
) -> Architecture:
    # The request names both, or neither.
    if (request.architecture is None) is (search is None):
        raise invalid("architecture or search is needed, and not both", "architecture")

    if search is not None and request.search is not None:
        if search.result is None:
            detail = f"the search {search.id} {state_phrase(search.state)} and has no result"
            raise Problem(409, "conflict", "Conflict", detail, "search.id", state=search.state)
        # The front is stored with the job; candidates are artifacts, which may have been removed.
        front = search.result["front"]
        index = request.search.architecture
        if index >= len(front):
            detail = (
                f"search.architecture must be less than {len(front)}, the length of the front,"
                f" not {index}"
            )
            raise invalid(detail, "search.architecture")
        return Architecture.from_dict(front[index]["architecture"])

    with blaming("architecture"):
        return catalog.architecture(request.architecture)


def _resolve_supernet(
    request: RetrainRequest, catalog: Catalog, space: str
) -> FileReference | None:
    if request.supernet is None:
        return None
    with blaming("supernet"):
        run, weights = catalog.supernet(request.supernet)
    if run.space != space:
        raise invalid(f"the supernet {run.name!r} is of {run.space}, not {space}", "supernet")

    return weights


def _set_task(options: JsonObject, space: SearchSpace, search: Job | None) -> None:
    """Set the task where a request names none, and check that it is one of the space's networks.

    It is the task of the search's guide, or else the one of the head of the networks.
    """
    result = (search.result if search is not None else None) or {}
    task = options.get("task") or result.get("guide", {}).get("task") or default_task(space.head)
    if task == DEFAULT and "task" not in options:
        return

    # Imported on demand: tasks import torch, which the web process does without.
    from oneshot.tasks.registry import make_task

    with blaming("options.task"):
        make_task(task, space)
    options["task"] = task


def _check_steps(options: JsonObject, workers: int) -> None:
    if "epochs" in options and "steps" in options:
        raise invalid("options: give epochs or steps, not both", "options.steps")

    # Each worker takes an equal part of each accumulated batch.
    divisor = workers * options.get("accumulate", 1)
    batch_size = options.get("batch_size", divisor)
    if batch_size % divisor:
        raise invalid(
            f"options.batch_size must be a multiple of workers x accumulate, {divisor},"
            f" not {batch_size}",
            "options.batch_size",
        )


def _non_default_options(options: BaseModel) -> JsonObject:
    return {name: value for name, value in options.model_dump().items() if value is not None}

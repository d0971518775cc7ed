"""Admission of trainings: of predictors from evaluations, and of networks."""

from __future__ import annotations

from typing import Any

from service.admission.tasks import PredictorTask, RetrainTask
from service.catalog.catalog import Catalog
from service.jobs import Job, JsonObject, Resources
from service.problems import Problem, blaming, invalid
from service.schemas.jobs import PredictorRequest, RetrainRequest
from spaces.architecture import Architecture
from spaces.errors import UnknownName
from tables.evaluation import read, scores

Admitted = tuple[JsonObject, JsonObject, Resources]
"""The request with its defaults filled in, the task, and the resources that it takes."""

FEWEST_TESTED = 5


def admit_predictor(request: PredictorRequest, catalog: Catalog) -> Admitted:
    """Check that a predictor can be trained; raises Problem that names the field."""
    if catalog.holds("predictor", request.name) is not None:
        detail = (
            f"the service has a predictor {request.name!r} in a folder of its own; choose another"
            " name"
        )
        raise Problem(409, "name-taken", "Name taken", detail, "name")
    with blaming("evaluations"):
        file = catalog.evaluations(request.evaluations)
        known = read(file.path)
        space = known[0].architecture.space
        catalog.space(space)
    options = {
        name: value for name, value in request.options.model_dump().items() if value is not None
    }
    with blaming("options.metric"):
        scores(known, options.get("metric", "cross_entropy"))
    _check_encoders(options)
    count = options.get("train") or int(options.get("train_fraction", 0.8) * len(known))
    if count < 10 or len(known) - count < FEWEST_TESTED:
        field = "options.train" if "train" in options else "evaluations"
        raise invalid(
            f"{field}: of {len(known)} evaluations {count} would be trained on and"
            f" {len(known) - count} tested on; at least 10 and {FEWEST_TESTED} are needed",
            field,
        )
    task = PredictorTask(space, file, request.name, options, request.seed)
    filled = {**request.model_dump(mode="json"), "space": space}
    return filled, task.to_dict(), Resources(cpus=float(task.threads))


def admit_retrain(request: RetrainRequest, catalog: Catalog, search: Job | None) -> Admitted:
    """Check that a network can be trained.

    Args:
        request: what is asked for.
        catalog: what there is.
        search: the one that the request names.

    Raises:
        Problem: it cannot be; the field is named.
    """
    architecture = _architecture(request, catalog, search)
    with blaming("data"):
        data = catalog.data_set(request.data)
    supernet = None
    if request.supernet is not None:
        with blaming("supernet"):
            run, supernet = catalog.supernet(request.supernet)
        if run.space != architecture.space:
            raise invalid(
                f"the supernet {run.name!r} is one of {run.space}, not {architecture.space}",
                "supernet",
            )
    options = {
        name: value for name, value in request.options.model_dump().items() if value is not None
    }
    if "epochs" in options and "steps" in options:
        raise invalid("options: give epochs or steps, not both", "options.steps")
    parts = request.workers * options.get("accumulate", 1)
    if (batch := options.get("batch_size", parts)) % parts:
        raise invalid(
            f"options.batch_size must be a multiple of workers x accumulate, {parts}, not {batch}",
            "options.batch_size",
        )
    task = RetrainTask(
        architecture.to_dict(),
        data,
        options,
        request.seed,
        supernet=supernet,
        workers=request.workers,
    )
    on_gpu = options.get("accelerator") == "gpu"
    resources = Resources(
        cpus=float(task.threads * task.workers), gpus=float(task.workers if on_gpu else 0)
    )
    filled = {
        **request.model_dump(mode="json"),
        "architecture": architecture.to_dict(),
        "space": architecture.space,
    }
    return filled, task.to_dict(), resources


def _architecture(request: RetrainRequest, catalog: Catalog, search: Job | None) -> Architecture:
    if (request.architecture is None) is (search is None):
        raise invalid("architecture or search is needed, and only one of them", "architecture")
    if search is not None and request.search is not None:
        if search.result is None:
            detail = f"the search {search.id} is {search.state} and has found nothing"
            raise Problem(409, "conflict", "Conflict", detail, "search.id", state=search.state)
        front, place = search.result["front"], request.search.architecture
        if place >= len(front):
            detail = (
                f"search.architecture must be less than {len(front)}, the length of the front, not"
                f" {place}"
            )
            raise invalid(detail, "search.architecture")
        return Architecture.from_dict(front[place]["architecture"])
    with blaming("architecture"):
        return catalog.architecture(request.architecture)


def _check_encoders(options: dict[str, Any]) -> None:
    from predictor.registry import available

    known = available()
    for name in ("encoder", "baseline"):
        if name in options and options[name] not in known:
            with blaming(f"options.{name}"):
                raise UnknownName("kind of predictor", options[name], known)

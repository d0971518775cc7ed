"""Admission of predictors that are trained on columns of evidence."""

from __future__ import annotations

from pathlib import Path

from predictor.evidence.labels import read_labels
from service.admission.columns import blaming_file, check_columns, check_count, resolve_columns
from service.admission.tasks import EXPERT_ENCODER, Admission, PredictorTask
from service.catalog.catalog import Catalog
from service.catalog.files import FileReference
from service.jobs import Resources
from service.problems import blaming, invalid
from service.schemas.jobs import PredictorRequest
from spaces.space import SearchSpace
from tables.evaluation import read

_OPTIONS = ("encoder", "metric")
_ENCODER = "evidence"


def admit_evidence(request: PredictorRequest, catalog: Catalog) -> Admission:
    """Check that a predictor can be trained on columns of evidence, with or without labels.

    Args:
        request: The request, which has columns.
        catalog: Evaluations and spaces that the request may name.

    Raises:
        Problem: The predictor cannot be trained. The problem names the field.
    """
    _check_options(request)
    columns = resolve_columns(request.columns, catalog)
    labels = None
    if request.evaluations is not None:
        with blaming("evaluations"):
            labels = catalog.evaluations(request.evaluations)

    space = _resolve_space(request, catalog, labels or columns[0].file)
    if labels is not None:
        _check_labels(labels, space, request.options.metric)
    check_columns(columns, space)

    metric = request.options.metric
    options = {} if metric is None else {"metric": metric}
    task = PredictorTask(space.name, labels, request.name, options, request.seed, columns=columns)
    return Admission(
        kind="predictor",
        request={
            # Only services with tokens have other libraries than the shared one.
            **request.model_dump(mode="json", exclude=None if request.shared else {"shared"}),
            # The names that were resolved, so that repeating the request uses the same files.
            "evaluations": None if labels is None else labels.name,
            "columns": [column.to_text() for column in columns],
            "space": space.name,
        },
        task=task,
        resources=Resources(cpus=float(task.threads)),
    )


def _check_options(request: PredictorRequest) -> None:
    options = request.options.model_dump(exclude_none=True)
    for name in options.keys() - set(_OPTIONS):
        raise invalid(
            f"options.{name} is of a training without columns; remove it", f"options.{name}"
        )
    if options.get("encoder", _ENCODER) != _ENCODER:
        raise invalid(
            f"options.encoder: columns are for {_ENCODER} and {EXPERT_ENCODER}, not for"
            f" {options['encoder']}",
            "options.encoder",
        )

    metric = options.get("metric")
    if isinstance(metric, list):
        raise invalid("options.metric: evidence is of one metric, not of several", "options.metric")
    if metric is not None and request.evaluations is None:
        raise invalid(
            "options.metric is one of evaluations, which the request does not name",
            "options.metric",
        )


def _resolve_space(
    request: PredictorRequest, catalog: Catalog, first: FileReference
) -> SearchSpace:
    if request.space is not None:
        with blaming("space"):
            return catalog.space(request.space)

    field = "columns.0" if request.evaluations is None else "evaluations"
    with blaming(field):
        return catalog.space(read(first.path)[0].architecture.space)


def _check_labels(file: FileReference, space: SearchSpace, metric: str | list[str] | None) -> None:
    assert not isinstance(metric, list)
    with blaming_file("evaluations", file):
        labels = read_labels(Path(file.path), space, metric)
    check_count(len(labels.codes), "evaluations", file.name)

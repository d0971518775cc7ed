"""Admission of pipelines: every fault is found before the job is accepted."""

from __future__ import annotations

from collections.abc import Sequence

from oneshot.pipeline.document import parse_document
from oneshot.pipeline.faults import Fault, InvalidPipeline
from service.admission.tasks import Admission, LinkedFile, PipelineTask
from service.catalog.catalog import Catalog
from service.concurrency import ConcurrencyLimit
from service.jobs import Resources
from service.pipelines.checking import NAME, CheckedPipeline, check
from service.pipelines.resolution import ResolvedPipeline, resolve
from service.pipelines.texts import relocate, runnable_text
from service.problems import Problem
from service.schemas.jobs import PipelineRequest

_PUBLISHED = ("table", "predictor")


def admit_pipeline(
    request: PipelineRequest, catalog: Catalog, library: str, checks: ConcurrencyLimit
) -> Admission:
    """Check a pipeline, and resolve its names to pinned files.

    Args:
        request: The request.
        catalog: Everything that the sender may name.
        library: Id of the library that is to have the table, the evaluations and the predictor.
        checks: Limit on the checks at once, each of which is a process.

    Raises:
        Problem: The pipeline has faults, all of which are in `errors`.
    """
    _refuse_hidden_names(request.name, catalog, library)
    try:
        resolved = resolve(parse_document(request.pipeline, NAME), catalog)
        checked = _checked(resolved, checks)
    except InvalidPipeline as error:
        raise invalid_pipeline(error.faults) from error

    links = {file.path: file.link for file in resolved.files}
    files = [LinkedFile(file.reference, file.path, file.link) for file in resolved.files]
    text = runnable_text(resolved.document, links)
    task = PipelineTask(request.name, text, list(checked.stages), files)

    return Admission(
        kind="pipeline",
        request={
            # Only services with tokens have other libraries than the shared one.
            **request.model_dump(mode="json", exclude=None if request.shared else {"shared"}),
            "space": checked.space,
            "stages": list(checked.stages),
        },
        task=task,
        resources=Resources(float(checked.threads), float(checked.uses_gpu)),
    )


def _refuse_hidden_names(name: str, catalog: Catalog, library: str) -> None:
    for kind in _PUBLISHED:
        if catalog.is_hidden(kind, name, library):
            detail = (
                f"name {name!r} is that of a {kind} in a folder of the service; use another name"
            )
            raise Problem(409, "name-taken", "Name taken", detail, "name")


def _checked(resolved: ResolvedPipeline, checks: ConcurrencyLimit) -> CheckedPipeline:
    """Check a resolved pipeline; messages name files as the request does."""
    names = {file.path: file.reference.name for file in resolved.files}
    with checks.slot():
        try:
            return check(resolved.document)
        except InvalidPipeline as error:
            faults = [
                Fault(fault.key, relocate(fault.message, names), fault.line)
                for fault in error.faults
            ]
            raise InvalidPipeline(error.path, faults) from error


def invalid_pipeline(faults: Sequence[Fault]) -> Problem:
    """Return the problem of a pipeline with faults (422); `errors` has all of them.

    Example:
        >>> problem = invalid_pipeline([Fault("train.epochs", "'many' is no integer", 4)])
        >>> str(problem), problem.field
        ("pipeline: line 4: train.epochs: 'many' is no integer", 'pipeline.train.epochs')
    """
    errors = [
        {"field": _field(fault), "line": fault.line, "detail": fault.message} for fault in faults
    ]
    detail = f"pipeline: {faults[0]}"
    if len(faults) > 1:
        detail = f"pipeline has {len(faults)} faults; the first: {faults[0]}"
    return Problem(
        422, "invalid-pipeline", "Invalid pipeline", detail, _field(faults[0]), errors=errors
    )


def _field(fault: Fault) -> str:
    return f"pipeline.{fault.key}" if fault.key else "pipeline"

"""Names for requests: spaces, tables, guides, evaluations, data sets, formats, strategies."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from apiflask import APIBlueprint

from oneshot.data.request import title
from service.api.documentation import reading
from service.catalog import costs
from service.catalog.catalog import Catalog, NamedFile
from service.catalog.files import (
    FileReference,
    metric_of_predictor,
    read_table,
    space_of_predictor,
    verdict_on_predictor,
)
from service.catalog.names import AmbiguousName
from service.context import current_service
from service.problems import Problem, ambiguous, blaming
from service.schemas.catalog import Bounds, CatalogEntry, CatalogList, SpaceQuery
from service.store import FileVersion
from spaces.errors import PathfitError, UnknownName

blueprint = APIBlueprint("catalog", __name__, tag="catalog")


@blueprint.get("/spaces")
@blueprint.output(CatalogList)
@blueprint.doc(summary="The search spaces", responses=reading())
def spaces() -> CatalogList:
    """List the search spaces."""
    return _list(current_service().sender_catalog().spaces(), _space)


@blueprint.get("/tables")
@blueprint.output(CatalogList)
@blueprint.doc(summary="The lookup tables: the devices that were measured", responses=reading())
def tables() -> CatalogList:
    """List the lookup tables."""
    catalog = current_service().sender_catalog()
    return _list_files(catalog.tables(), lambda file: _table(catalog, file))


@blueprint.get("/predictors")
@blueprint.output(CatalogList)
@blueprint.doc(summary="The predictors", responses=reading())
def predictors() -> CatalogList:
    """List the predictors."""
    catalog = current_service().sender_catalog()
    return _list_files(catalog.predictors(), lambda file: _predictor(catalog, file))


@blueprint.get("/supernets")
@blueprint.output(CatalogList)
@blueprint.doc(summary="The trained supernets", responses=reading())
def supernets() -> CatalogList:
    """List the trained supernets."""
    return _list(current_service().catalog.supernets(), _supernet)


@blueprint.get("/benchmarks")
@blueprint.output(CatalogList)
@blueprint.doc(summary="The benchmarks", responses=reading())
def benchmarks() -> CatalogList:
    """List the benchmarks."""
    from tables.benchmarks.registry import available

    return _list(available(), _benchmark)


@blueprint.get("/evaluations")
@blueprint.output(CatalogList)
@blueprint.doc(summary="The uploaded evaluations", responses=reading())
def evaluations() -> CatalogList:
    """List the uploaded evaluations."""
    catalog = current_service().sender_catalog()
    return _list_files(catalog.evaluation_files(), lambda file: _evaluations(catalog, file))


@blueprint.get("/data-sets")
@blueprint.output(CatalogList)
@blueprint.doc(summary="The data sets that a retraining may name", responses=reading())
def data_sets() -> CatalogList:
    """List the data sets."""
    return _list(current_service().catalog.data_sets(), _entry)


@blueprint.get("/formats")
@blueprint.output(CatalogList)
@blueprint.doc(summary="The formats of architectures", responses=reading())
def formats() -> CatalogList:
    """List the formats of architectures."""
    from spaces.formats.registry import available

    return _list(available(), _entry)


@blueprint.get("/strategies")
@blueprint.output(CatalogList)
@blueprint.doc(summary="The strategies of searches, with their options", responses=reading())
def strategies() -> CatalogList:
    """List the search strategies."""
    from oneshot.strategies.registry import available

    return _list(available(), _strategy)


@blueprint.get("/spaces/<name>")
@blueprint.output(CatalogEntry)
@blueprint.doc(
    summary="A search space: its choices, and the bounds of its counts",
    responses=reading(404, 409),
)
def space(name: str) -> CatalogEntry:
    """Describe one search space."""
    with _resolving_path("space"):
        entry = _space(name)
        canonical_name = current_service().sender_catalog().space(name).name
        # Without a table: the bounds on a device are at `/tables/{name}/bounds`.
        bounds = costs.bounds(canonical_name, None)
        return CatalogEntry.model_validate({**entry.model_dump(), "bounds": bounds})


@blueprint.get("/tables/<path:name>/bounds")
@blueprint.input(SpaceQuery, location="query", arg_name="query")
@blueprint.output(Bounds)
@blueprint.doc(
    summary="Least and greatest costs of a space's networks on a device",
    responses=reading(404, 409, 422),
)
def bounds(name: str, query: SpaceQuery) -> Bounds:
    """Bound the costs of a space's networks on a device."""
    catalog = current_service().sender_catalog()
    with _resolving_path("table"):
        _, reference = catalog.table(name)
    with blaming("space"):
        space = catalog.space(query.space).name
        return Bounds(table=name, space=space, metrics=costs.bounds(space, reference))


def _list(names: Iterable[str], describe: Callable[[str], CatalogEntry]) -> CatalogList:
    items = []
    for name in names:
        try:
            items.append(describe(name))
        except PathfitError as error:
            # One unusable file must not hide the others.
            items.append(CatalogEntry(name=name, error=str(error)))

    return CatalogList(items=items)


def _list_files(
    files: Iterable[NamedFile], describe: Callable[[NamedFile], dict[str, object]]
) -> CatalogList:
    items = []
    for file in files:
        try:
            items.append(_entry(file.name, owner=file.owner, **describe(file)))
        except PathfitError as error:
            items.append(CatalogEntry(name=file.name, owner=file.owner, error=str(error)))

    return CatalogList(items=items)


@contextmanager
def _resolving_path(kind: str) -> Iterator[None]:
    """Answer 404 for an unknown name in the path, and 409 for an unusable file of that name."""
    try:
        yield
    except AmbiguousName as error:
        raise ambiguous(error, "name") from error
    except UnknownName as error:
        raise Problem(
            404, f"unknown-{kind}", f"Unknown {kind}", str(error), "name", known=list(error.known)
        ) from error
    except PathfitError as error:
        raise Problem(409, "unusable-file", "Unusable file", str(error), "name") from error


def _entry(name: str, **fields: object) -> CatalogEntry:
    # Validated from a mapping, as the fields besides `name` and `error` depend on the kind.
    return CatalogEntry.model_validate({"name": name, **fields})


def _space(name: str) -> CatalogEntry:
    space = current_service().sender_catalog().space(name)
    return _entry(
        name,
        choices={choice.key: list(choice.candidates) for choice in space.choices},
        architectures=space.size,
        input_shape=list(space.input_shape),
        num_classes=space.num_classes,
    )


def _table(catalog: Catalog, file: NamedFile) -> dict[str, object]:
    reference = catalog.pin(file)
    table = read_table(reference)
    return {
        "space": table.space,
        "device": dict(table.device),
        "conditions": dict(table.conditions),
        "blocks": len(table.blocks),
        "networks": len(table.networks),
        "measured": table.created,
        "sha256": reference.sha256,
    }


def _predictor(catalog: Catalog, file: NamedFile) -> dict[str, object]:
    reference = catalog.pin(file)
    path = Path(reference.path)
    return {
        "space": space_of_predictor(path),
        "sha256": reference.sha256,
        **metric_of_predictor(path),
        "verdict": verdict_on_predictor(path),
    }


def _supernet(name: str) -> CatalogEntry:
    run = current_service().catalog.supernets()[name]
    data = title(str(run.data.get("name", "")))
    return _entry(name, space=run.space, data=data, task=run.task, verdict=run.verdict)


def _benchmark(name: str) -> CatalogEntry:
    from tables.benchmarks.registry import BENCHMARKS, find, import_command

    benchmark = BENCHMARKS.get(name)
    error = None
    if find(name) is None:
        error = f"its files are missing; make them with: {import_command(name)}"

    return _entry(name, space=benchmark.space, published=benchmark.published, error=error)


def _evaluations(catalog: Catalog, file: NamedFile) -> dict[str, object]:
    version = file.file
    # No folder of the service has evaluations.
    assert isinstance(version, FileVersion)
    return {
        "version": version.version,
        "sha256": version.sha256,
        **_summarise(catalog.pin(file)),
    }


@functools.lru_cache(maxsize=64)
def _summarise(file: FileReference) -> Mapping[str, object]:
    """Summarise evaluations: space, number of networks, task, and the metrics that all have."""
    from tables.evaluation import default_metric, find_metric, read

    evaluations = read(file.path)
    metrics = [
        name
        for name in evaluations[0].metrics
        if all(name in evaluation.metrics for evaluation in evaluations)
    ]
    definitions = {name: find_metric(evaluations, name) for name in metrics}

    return {
        "space": evaluations[0].architecture.space,
        "networks": len(evaluations),
        "task": evaluations[0].source.get("task"),
        "metrics": metrics,
        "default_metric": default_metric(evaluations),
        "definitions": {
            name: metric.to_dict() for name, metric in definitions.items() if metric is not None
        },
    }


def _strategy(name: str) -> CatalogEntry:
    from oneshot.strategies.registry import options_of

    return _entry(name, options=options_of(name))

"""Names for requests: spaces, tables, guides, evaluations, data sets, formats, strategies."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from apiflask import APIBlueprint
from flask import Response

from oneshot.data.request import title
from oneshot.tasks.registry import metrics_of
from service.api.documentation import reading
from service.catalog import costs
from service.catalog.names import AmbiguousName
from service.context import current_service
from service.jobs import JsonObject
from service.problems import Problem, ambiguous, blaming
from service.schemas.catalog import (
    Bounds,
    CatalogEntry,
    CatalogList,
    FileList,
    FilePage,
    SpaceQuery,
)
from service.store import FileVersion
from spaces.errors import PathfitError, UnknownName
from spaces.registry import SPACES, get

blueprint = APIBlueprint("catalog", __name__, tag="catalog")


@blueprint.get("/spaces")
@blueprint.output(CatalogList)
@blueprint.doc(summary="The search spaces", responses=reading())
def spaces() -> Response:
    """List the search spaces."""
    names = current_service().sender_catalog().spaces()
    factories = [SPACES.get(SPACES.parse(name)[0]) for name in names]
    return Response(_list_spaces(tuple(names), tuple(factories)), mimetype="application/json")


@blueprint.get("/tables")
@blueprint.input(FilePage, location="query", arg_name="query")
@blueprint.output(FileList)
@blueprint.doc(summary="The lookup tables: the devices that were measured", responses=reading(422))
def tables(query: FilePage) -> FileList:
    """List the lookup tables."""
    return _list_files("table", query)


@blueprint.get("/predictors")
@blueprint.input(FilePage, location="query", arg_name="query")
@blueprint.output(FileList)
@blueprint.doc(summary="The predictors", responses=reading(422))
def predictors(query: FilePage) -> FileList:
    """List the predictors."""
    return _list_files("predictor", query)


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
@blueprint.input(FilePage, location="query", arg_name="query")
@blueprint.output(FileList)
@blueprint.doc(summary="The uploaded evaluations", responses=reading(422))
def evaluations(query: FilePage) -> FileList:
    """List the uploaded evaluations."""
    return _list_files("evaluations", query)


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
    with resolving_path("space"):
        canonical_name = current_service().sender_catalog().space(name).name
        entry = _describe_space(name)
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
    with resolving_path("table"):
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


def _list_files(kind: str, query: FilePage) -> FileList:
    catalog = current_service().sender_catalog()
    entries, total = catalog.page(kind, query.limit, query.offset)
    items = []
    for entry, summary in zip(entries, catalog.describe(kind, entries), strict=True):
        fields = {"error": summary["error"]} if "error" in summary else summary
        if isinstance(entry.file, FileVersion):
            fields = {"version": entry.file.version, **fields}
        items.append(_entry(entry.name, owner=entry.owner, **fields))

    return FileList(items=items, total=total, limit=query.limit, offset=query.offset)


@contextmanager
def resolving_path(kind: str) -> Iterator[None]:
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


# By the factories as well, since a plug-in may be loaded again under the same name.
@functools.lru_cache(maxsize=16)
def _list_spaces(names: tuple[str, ...], _factories: tuple[object, ...]) -> str:
    """Return the JSON text of the list, which takes longer to make than all other lists."""
    return _list(names, _describe_space).model_dump_json()


def _describe_space(name: str) -> CatalogEntry:
    space = get(name)
    return _entry(
        name,
        choices={choice.key: list(choice.candidates) for choice in space.choices},
        architectures=space.size,
        input_shape=list(space.input_shape),
        num_classes=space.num_classes,
    )


def _supernet(name: str) -> CatalogEntry:
    run = current_service().catalog.supernets()[name]
    return _entry(
        name,
        space=run.space,
        data=title(str(run.data.get("name", ""))),
        task=run.task,
        definitions=_metric_definitions(run.task),
        verdict=run.verdict,
    )


def _metric_definitions(task: str) -> JsonObject:
    try:
        metrics = metrics_of(task)
    except PathfitError:
        # A supernet of a plug-in's task is listed where the plug-in is missing.
        return {}
    return {metric: definition.to_dict() for metric, definition in metrics.items()}


def _benchmark(name: str) -> CatalogEntry:
    from tables.benchmarks.registry import BENCHMARKS, find, import_command

    benchmark = BENCHMARKS.get(name)
    error = None
    if find(name) is None:
        error = f"its files are missing; make them with: {import_command(name)}"

    return _entry(name, space=benchmark.space, published=benchmark.published, error=error)


def _strategy(name: str) -> CatalogEntry:
    from oneshot.strategies.registry import options_of

    return _entry(name, options=options_of(name))

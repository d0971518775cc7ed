"""`GET /compare`: two networks side by side; `GET /published`: networks of papers by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from apiflask import APIBlueprint

from service.api.architectures import pinned_file, read_architecture
from service.api.documentation import reading
from service.api.job_requests import get_finished_search, get_owned_job
from service.catalog import costs, prediction
from service.catalog.catalog import Catalog
from service.catalog.files import FileReference, metric_of_predictor, space_of_predictor
from service.context import Service, current_service
from service.jobs import Job
from service.problems import blaming, invalid
from service.results.comparison import Scored, compare
from service.schemas.comparison import (
    Comparison,
    ComparisonQuery,
    PublishedList,
    PublishedNetwork,
)
from spaces.architecture import Architecture
from spaces.registry import get

blueprint = APIBlueprint("compare", __name__, tag="compare")


@dataclass(frozen=True)
class _Named:
    """A network that a request names, and the search that it is of."""

    reference: str
    label: str
    architecture: Architecture
    search: Job | None = None


@blueprint.get("/published")
@blueprint.output(PublishedList)
@blueprint.doc(summary="Networks of papers", responses=reading())
def published() -> PublishedList:
    """List the published networks."""
    from spaces.zoo.publications import published_names

    return PublishedList(items=[PublishedNetwork(name=name) for name in published_names()])


@blueprint.get("/compare")
@blueprint.input(ComparisonQuery, location="query", arg_name="query")
@blueprint.output(Comparison)
@blueprint.doc(
    summary="Two networks side by side",
    description=(
        "Their choices, blocks and costs; blocks that only one of them has are aligned with none."
    ),
    responses=reading(404, 409, 410, 422),
)
def show(query: ComparisonQuery) -> Comparison:
    """Compare two networks."""
    service = current_service()
    catalog = service.sender_catalog()
    networks = [
        _resolve(service, catalog, field, reference)
        for field, reference in (("a", query.a), ("b", query.b))
    ]
    search = next((network.search for network in networks if network.search), None)
    table = _find_table(catalog, query.device, search)
    predictor = _find_predictor(catalog, query.predictor, search)

    # A prediction holds a thread for seconds, as a request that waits for a job does.
    with service.waiting.slot(), blaming("device"):
        a, b = (_score(network, table, predictor) for network in networks)

    return compare(
        a,
        b,
        device=None if table is None else table.name,
        predictor=None if predictor is None else predictor.name,
        metric=None if predictor is None else metric_of_predictor(Path(predictor.path)) or None,
    )


def _resolve(service: Service, catalog: Catalog, field: str, reference: str) -> _Named:
    """Find a network by its reference; raises Problem that names the field."""
    if reference.lstrip().startswith("{"):
        return _Named(reference, "pasted", _read_json(catalog, field, reference))

    kind, _, name = reference.partition(":")
    resolvers: dict[str, Callable[[], _Named]] = {
        "search": lambda: _candidate(service, field, reference),
        "job": lambda: _trained(service, field, reference),
        "published": lambda: _published(field, reference),
    }
    if kind not in resolvers or not name:
        raise invalid(
            f"{field} must be search:ID:RANK, job:ID, published:NAME or the JSON object of an"
            f" architecture, not {reference!r:.80}",
            field,
        )
    return resolvers[kind]()


def _read_json(catalog: Catalog, field: str, text: str) -> Architecture:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid(
            f"{field} is not the JSON object of an architecture: {error}", field
        ) from error
    with blaming(field):
        return catalog.architecture(value)


def _candidate(service: Service, field: str, reference: str) -> _Named:
    _, _, name = reference.partition(":")
    job_id, _, rank = name.partition(":")
    rank = rank or "0"
    if not (rank.isascii() and rank.isdigit() and len(rank) < 10):
        raise invalid(f"{field}: the rank must be a number from 0, not {rank!r:.40}", field)

    job, result = get_finished_search(service, job_id)
    architecture = read_architecture(service, job, result, int(rank), "candidates", field)
    label = f"network {int(rank) + 1} of the search {job.name or job.id[:8]}"

    return _Named(reference, label, architecture, job)


def _trained(service: Service, field: str, reference: str) -> _Named:
    job_id = reference.partition(":")[2]
    job = get_owned_job(service, job_id)
    value = (job.result or {}).get("architecture")
    if value is None:
        raise invalid(f"{field}: the job {job.label} has trained no network", field)
    with blaming(field):
        return _Named(
            reference, f"trained by {job.name or job.id[:8]}", Architecture.from_dict(value)
        )


def _published(field: str, reference: str) -> _Named:
    from spaces.zoo.publications import published as get_published

    name = reference.partition(":")[2]
    with blaming(field):
        return _Named(reference, name, get_published(name))


def _find_table(catalog: Catalog, name: str | None, search: Job | None) -> FileReference | None:
    if name is None:
        return None if search is None else pinned_file(search, "table")
    with blaming("device"):
        return catalog.table(name)[1]


def _find_predictor(catalog: Catalog, name: str | None, search: Job | None) -> FileReference | None:
    if name is None:
        return None if search is None else pinned_file(search, "predictor")
    with blaming("predictor"):
        return catalog.predictor(name)[1]


def _score(network: _Named, table: FileReference | None, predictor: FileReference | None) -> Scored:
    network_costs = costs.by_block(network.architecture, table)
    space = get(network.architecture.space)
    # A predictor scores networks of its own space only.
    if predictor is None or space_of_predictor(Path(predictor.path)) != space.name:
        return Scored(network.reference, network.label, network_costs)

    scores, deviations = prediction.score(predictor, space.encode([network.architecture]))
    return Scored(
        network.reference, network.label, network_costs, float(scores[0]), float(deviations[0])
    )

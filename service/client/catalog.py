"""The part of a client that looks at the catalog of a service and adds files to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from service.client.answers import (
    Bounds,
    Guide,
    Prediction,
    RefinedTable,
    Space,
    Table,
    Uploaded,
)
from service.client.bodies import shared_field, without_none
from service.client.errors import ServiceProblem
from service.client.transport import Transport
from service.jobs import JsonObject

if TYPE_CHECKING:
    from spaces.architecture import Architecture
    from tables.lookup_table import LookupTable

_GUIDE_PATHS = {"predictor": "/predictors", "supernet": "/supernets", "benchmark": "/benchmarks"}

_UPLOAD_PATHS = {"table": "/tables", "evaluations": "/evaluations", "predictor": "/predictors"}


class CatalogClient:
    """Sends requests to one service that are about its catalog; see `Client` for the arguments."""

    def __init__(self, url: str, token: str | None = None, timeout: float = 10.0):
        self.transport = Transport(url, token, timeout)
        self.url = self.transport.url

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        retries: int = 3,
    ) -> Any:
        """Send a request, and return the JSON of the answer; see `Transport.request`.

        Raises:
            ServiceProblem: The service answers with a problem.
            Unreachable: The service does not answer.
        """
        return self.transport.json(method, path, body, headers, retries=retries)

    # The catalog

    def spaces(self) -> list[Space]:
        """List the search spaces."""
        return [Space.from_dict(item) for item in self.request("GET", "/spaces")["items"]]

    def tables(self) -> list[Table]:
        """List the lookup tables, each of a device that was measured."""
        return [Table.from_dict(item) for item in self._items("/tables")]

    def guides(self, kind: str = "predictor") -> list[Guide]:
        """List the guides of a kind: predictor, supernet or benchmark."""
        if kind not in _GUIDE_PATHS:
            raise ServiceProblem(
                f"unknown kind of guide {kind!r:.80}; available: {', '.join(_GUIDE_PATHS)}"
            )
        return [Guide.from_dict(kind, item) for item in self._items(_GUIDE_PATHS[kind])]

    def _items(self, path: str) -> list[dict[str, Any]]:
        """Return all items of a list that the service may answer in pages."""
        items: list[dict[str, Any]] = []
        while True:
            page = self.request("GET", f"{path}?offset={len(items)}" if items else path)
            items += page["items"]
            # Lists without a total are answered as a whole.
            if not page["items"] or len(items) >= page.get("total", 0):
                return items

    def predictors(self) -> list[Guide]:
        """List the predictors."""
        return self.guides("predictor")

    def bounds(self, table: str, space: str) -> Bounds:
        """Return the ranges of the costs of a space's architectures on a table's device."""
        path = f"/tables/{quote(table, safe='')}/bounds?{urlencode({'space': space})}"
        return Bounds.from_dict(self.request("GET", path))

    def predict(
        self,
        architectures: Sequence[Architecture],
        *,
        predictor: str | None = None,
        device: str | None = None,
    ) -> list[Prediction]:
        """Predict scores and costs of architectures of one space, in their order.

        Args:
            architectures: Architectures, at least one.
            predictor: Name of the predictor; None for the only one of the space.
            device: Name of a lookup table; None predicts no latency.

        Raises:
            ServiceProblem: There is no architecture, or the service refuses the request.
        """
        if not architectures:
            raise ServiceProblem("architectures: at least one is needed")

        body = {
            "space": architectures[0].space,
            "architectures": [architecture.to_dict() for architecture in architectures],
            "predictor": predictor,
            "device": device,
        }
        answer = self.request("POST", "/predict", without_none(body))

        return [Prediction.from_dict(item) for item in answer["predictions"]]

    def compare(
        self,
        a: str | Architecture,
        b: str | Architecture,
        *,
        device: str | None = None,
        predictor: str | None = None,
    ) -> JsonObject:
        """Compare two networks choice by choice and block by block.

        Args:
            a: First network: `search:ID:RANK`, `job:ID` of a trained network, `published:NAME`, or
                an architecture.
            b: Second network; it may be of another space.
            device: Table that the costs are of. None: that of the first search among both, or none.
            predictor: Predictor that scores them. None: that of the first search, or none.

        Returns:
            The networks `a` and `b` with costs and blocks, and the pairs of `choices` and `blocks`
            with whether each `differs`.

        Raises:
            ServiceProblem: There is no such network, table or predictor.
        """
        query = {
            "a": a if isinstance(a, str) else a.to_json(),
            "b": b if isinstance(b, str) else b.to_json(),
            "device": device,
            "predictor": predictor,
        }
        path = "/compare?" + urlencode({name: value for name, value in query.items() if value})
        answer: JsonObject = self.request("GET", path)
        return answer

    # Uploads

    def upload_table(
        self, table: LookupTable | str | Path, name: str | None = None, *, shared: bool = False
    ) -> Uploaded:
        """Upload a lookup table; other content under the same name becomes a new version.

        Args:
            table: The table or its file.
            name: Name by which requests will refer to it; None for the table's own.
            shared: Whether the table becomes everybody's; needs an administrator's token.

        Raises:
            InvalidTable: The file is not a lookup table.
            ServiceProblem: The service refuses the table.
        """
        from tables.lookup_table import LookupTable

        content = table if isinstance(table, LookupTable) else LookupTable.read(table)
        if name is not None:
            content = replace(content, name=name)
        # `to_json`, not `to_dict`, as its numbers have no NaN.
        body = {**json.loads(content.to_json()), **shared_field(shared)}
        return Uploaded.from_dict(self.request("POST", "/tables", body))

    def design_networks(self, sources: Sequence[str], networks: int = 10) -> list[Architecture]:
        """Choose the networks to measure on a new device for `adapt_table`.

        Args:
            sources: Names of tables of other devices, all of one space.
            networks: Number of networks.

        Raises:
            ServiceProblem: There is no such table, or they are of several spaces.
        """
        from spaces.architecture import Architecture

        body = {"sources": list(sources), "networks": networks}
        answer = self.request("POST", "/tables/design", body)
        return [Architecture.from_dict(item) for item in answer["architectures"]]

    def adapt_table(
        self,
        name: str,
        sources: Sequence[str],
        measured: Sequence[tuple[Architecture, float]],
        *,
        device: str,
        conditions: Mapping[str, Any] | None = None,
        shared: bool = False,
    ) -> Uploaded:
        """Make a new device's table from a few measured networks and other devices' tables.

        Args:
            name: Name by which requests will refer to the table.
            sources: Names of tables of other devices, all of one space.
            measured: Networks with their latencies in milliseconds; best those of
                `design_networks`.
            device: The new device in words.
            conditions: `backend`, `batch`, `precision` and `threads` of the measurement. None: one
                image in fp32 by one thread.
            shared: Whether the table becomes everybody's; needs an administrator's token.

        Raises:
            ServiceProblem: The service refuses a table or a network.
        """
        networks = [
            {"architecture": architecture.to_dict(), "latency_ms": latency_ms}
            for architecture, latency_ms in measured
        ]
        body = {
            "name": name,
            "sources": list(sources),
            "device": device,
            "conditions": dict(conditions or {}),
            "measured": networks,
            **shared_field(shared),
        }
        return Uploaded.from_dict(self.request("POST", "/tables/adapt", body))

    def refine_table(
        self, table: str, search: str, name: str | None = None, *, shared: bool = False
    ) -> RefinedTable:
        """Add the networks that a search measured to a table, as a new version.

        Args:
            table: Name of the table.
            search: Id of a search that was verified on the table's device.
            name: Name of the new version. None: that of the table.
            shared: Whether the version becomes everybody's; needs an administrator's token.

        Raises:
            ServiceProblem: The search has measured nothing, or nothing that the table lacks.
        """
        body = {"search": search, "name": name, **shared_field(shared)}
        path = f"/tables/{quote(table, safe='')}/refinement"
        return RefinedTable.from_dict(self.request("POST", path, without_none(body)))

    def upload_evaluations(
        self,
        name: str,
        evaluations: Sequence[Mapping[str, Any]] | str | Path,
        *,
        shared: bool = False,
    ) -> Uploaded:
        """Upload evaluations of one space.

        Args:
            name: Name by which requests will refer to them.
            evaluations: JSON object of each, or the file of all.
            shared: Whether the evaluations become everybody's; needs an administrator's token.

        Raises:
            InvalidEvaluation: The file has other content.
            ServiceProblem: The service refuses the evaluations.
        """
        if isinstance(evaluations, str | Path):
            from tables.evaluation import read

            items = [json.loads(evaluation.to_json()) for evaluation in read(evaluations)]
        else:
            items = [dict(evaluation) for evaluation in evaluations]

        body = {"name": name, "evaluations": items, **shared_field(shared)}
        return Uploaded.from_dict(self.request("POST", "/evaluations", body))

    def remove(self, kind: str, name: str) -> int:
        """Remove all versions of an upload or of a trained predictor, and return their number.

        Args:
            kind: table, evaluations or predictor.
            name: Name by which requests refer to it.

        Raises:
            ServiceProblem: There is none of that name, or it is another owner's.
        """
        if kind not in _UPLOAD_PATHS:
            raise ServiceProblem(
                f"unknown kind of file {kind!r:.80}; available: {', '.join(_UPLOAD_PATHS)}"
            )
        answer = self.request("DELETE", f"{_UPLOAD_PATHS[kind]}/{quote(name, safe='')}")
        return int(answer["versions"])

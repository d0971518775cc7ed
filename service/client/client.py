"""Client: what can be asked of one service."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from service.client.answers import Bounds, Guide, Prediction, Space, Table, Uploaded
from service.client.bodies import search_body
from service.client.errors import ServiceProblem
from service.client.handles import JobHandle, SearchHandle
from service.client.status import JobStatus
from service.client.transport import Transport

if TYPE_CHECKING:
    from spaces.architecture import Architecture
    from tables.lookup_table import LookupTable

_GUIDES = {"predictor": "/predictors", "supernet": "/supernets", "benchmark": "/benchmarks"}


class Client:
    """Talks to one service.

    Args:
        url: such as `http://127.0.0.1:8000`.
        token: of `python -m service token create`, where the service asks for one.
        timeout: seconds for one answer.

    Raises:
        ServiceProblem: the URL is none, or the token holds what no header may.
    """

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
        """The JSON of the answer to one request; see `Transport.request`.

        Raises:
            ServiceProblem: the service answers with a problem.
            Unreachable: it does not answer.
        """
        return self.transport.json(method, path, body, headers, retries=retries)

    # Searches

    def search(
        self,
        *,
        space: str,
        device: str | None = None,
        constraints: Mapping[str, float | Mapping[str, float]] | None = None,
        objectives: Sequence[str] | None = None,
        strategy: str | None = None,
        options: Mapping[str, Any] | None = None,
        guide: str | None = None,
        margin: float | None = None,
        count: int | None = None,
        seed: int | None = None,
    ) -> SearchHandle:
        """Ask for a search; what is None is left to the service's defaults.

        Args:
            space: its name.
            device: a table's name.
            constraints: metric -> maximum, such as `{"latency_ms": 12}` or `{"latency_ms": {"max":
                12}}`.
            objectives: costs to be traded for the score.
            strategy: its name.
            options: the strategy's.
            guide: a predictor's name, or `supernet:NAME`, `benchmark:NAME`.
            margin: deviations kept between an estimate and its limit.
            count: how many of the best are given in full.
            seed: the same seed gives the same result.

        Raises:
            ServiceProblem: the service refuses it; its own words.
        """
        body = search_body(
            {"space": space, "device": device, "margin": margin, "count": count, "seed": seed},
            constraints or {},
            objectives,
            {"name": strategy, "options": None if options is None else dict(options)},
            guide,
        )
        return SearchHandle(self, self.request("POST", "/search", body)["id"])

    def cancel(self, job_id: str) -> JobStatus:
        """Cancel a search or another job; raises ServiceProblem where it is done or has failed."""
        return JobHandle(self, job_id).cancel()

    def jobs(
        self, *, kind: str | None = None, state: str | None = None, limit: int = 20
    ) -> list[JobStatus]:
        """The newest jobs, newest first.

        Args:
            kind: only search, predictor or retrain.
            state: only queued, running, done, failed or cancelled.
            limit: how many at most.
        """
        found: list[JobStatus] = []
        while len(found) < limit:
            page = {
                "kind": kind,
                "state": state,
                "limit": min(limit - len(found), 100),
                "offset": len(found),
            }
            listed = self.request(
                "GET", "/jobs?" + urlencode({key: value for key, value in page.items() if value})
            )
            found += map(JobStatus.of, listed["jobs"])
            if not listed["jobs"] or len(found) >= listed["total"]:
                break
        return found

    # What there is

    def spaces(self) -> list[Space]:
        """The search spaces."""
        return [Space.of(item) for item in self.request("GET", "/spaces")["items"]]

    def tables(self) -> list[Table]:
        """The lookup tables: the devices that were measured."""
        return [Table.of(item) for item in self.request("GET", "/tables")["items"]]

    def guides(self, kind: str = "predictor") -> list[Guide]:
        """The guides of a kind: predictor, supernet or benchmark."""
        if kind not in _GUIDES:
            raise ServiceProblem(
                f"unknown kind of guide {kind!r:.80}; there is: {', '.join(_GUIDES)}"
            )
        return [Guide.of(kind, item) for item in self.request("GET", _GUIDES[kind])["items"]]

    def predictors(self) -> list[Guide]:
        """The predictors."""
        return self.guides("predictor")

    def bounds(self, table: str, space: str) -> Bounds:
        """What the architectures of a space cost on a table's device, at least and at most."""
        return Bounds.of(
            self.request(
                "GET", f"/tables/{quote(table, safe='')}/bounds?{urlencode({'space': space})}"
            )
        )

    # What it is told, and what it makes of that

    def upload_table(self, table: LookupTable | str | Path, name: str | None = None) -> Uploaded:
        """Hand over a lookup table, or the file of one; another content is another version of its
        name.

        Args:
            table: what to hand over.
            name: what requests will call it; None: its own name.

        Raises:
            InvalidTable: the file is none.
            ServiceProblem: the service refuses it.
        """
        from tables.lookup_table import LookupTable

        read = table if isinstance(table, LookupTable) else LookupTable.read(table)
        read = read if name is None else replace(read, name=name)
        return Uploaded.of(self.request("POST", "/tables", read.to_json().encode()))

    def upload_evaluations(
        self, name: str, evaluations: Sequence[Mapping[str, Any]] | str | Path
    ) -> Uploaded:
        """Hand over evaluations of one space under a name: the JSON object of each, or the file of
        them all.

        Raises:
            InvalidEvaluation: the file holds something else.
            ServiceProblem: the service refuses them.
        """
        if isinstance(evaluations, str | Path):
            from tables.evaluation import read

            given = [json.loads(evaluation.to_json()) for evaluation in read(evaluations)]
        else:
            given = [dict(evaluation) for evaluation in evaluations]
        return Uploaded.of(
            self.request("POST", "/evaluations", {"name": name, "evaluations": given})
        )

    def train_predictor(
        self, name: str, evaluations: str, *, seed: int = 0, **options: Any
    ) -> JobHandle:
        """Have a predictor trained from uploaded evaluations; searches may name it once that is
        done.
        """
        body = {"name": name, "evaluations": evaluations, "seed": seed, "options": options}
        return JobHandle(self, self.request("POST", "/predictors", body)["id"])

    def retrain(
        self,
        architecture: Architecture,
        data: str = "digits",
        *,
        supernet: str | None = None,
        workers: int = 1,
        seed: int = 0,
        **options: Any,
    ) -> JobHandle:
        """Have an architecture's network trained from scratch.

        Args:
            architecture: what to train.
            data: a data set that the service knows.
            supernet: one whose weights it begins with; None: from scratch.
            workers: processes that train together, wherever the service has room.
            seed: of the training.
            options: as `python -m oneshot retrain` has them, such as `epochs=30`.
        """
        body = {
            "architecture": architecture.to_dict(),
            "data": data,
            "workers": workers,
            "seed": seed,
        }
        body |= {"options": options, **({} if supernet is None else {"supernet": supernet})}
        return JobHandle(self, self.request("POST", "/retrain", body)["id"])

    def predict(
        self,
        architectures: Sequence[Architecture],
        *,
        predictor: str | None = None,
        device: str | None = None,
    ) -> list[Prediction]:
        """Predicted scores and costs of architectures of one space, in their order.

        Args:
            architectures: at least one.
            predictor: its name; None: the only one of the space.
            device: a table's name; None: without latency.

        Raises:
            ServiceProblem: there are none, or the service refuses them.
        """
        if not architectures:
            raise ServiceProblem("architectures: at least one is needed")
        listed = [architecture.to_dict() for architecture in architectures]
        body = {
            "space": architectures[0].space,
            "architectures": listed,
            "predictor": predictor,
            "device": device,
        }
        given = {key: value for key, value in body.items() if value is not None}
        return [
            Prediction.of(item) for item in self.request("POST", "/predict", given)["predictions"]
        ]

    def wait_until_ready(self, timeout: float = 30.0) -> None:
        """Return once the service is ready; raises Unreachable or ServiceProblem when `timeout`
        seconds are over.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.request("GET", "/readyz", retries=0)
                return
            except ServiceProblem as error:
                if time.monotonic() >= deadline or error.status not in (None, 503):
                    raise
            time.sleep(0.1)

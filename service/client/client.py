"""The client of one service."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from service.client.answers import Bounds, Guide, Prediction, Space, Table, Uploaded
from service.client.bodies import search_body, without_none
from service.client.errors import ServiceProblem
from service.client.handles import JobHandle, SearchHandle
from service.client.pipelines import CHECK_TIMEOUT, PipelineHandle
from service.client.status import JobStatus
from service.client.transport import Transport
from service.jobs import JsonObject
from spaces.files import read_text

if TYPE_CHECKING:
    from spaces.architecture import Architecture
    from tables.lookup_table import LookupTable

_GUIDE_PATHS = {"predictor": "/predictors", "supernet": "/supernets", "benchmark": "/benchmarks"}

_UPLOAD_PATHS = {"table": "/tables", "evaluations": "/evaluations", "predictor": "/predictors"}

# Jobs of one page of a list, as many as a service gives at most.
_PAGE_SIZE = 100


class Client:
    """Sends requests to one service.

    Args:
        url: URL of the service, such as `http://127.0.0.1:8000`.
        token: Token of `python -m service token create`; None for a service that needs none.
        timeout: Seconds that an answer may take.

    Raises:
        ServiceProblem: The URL is malformed, or the token has characters that no header may have.

    Example:
        >>> from service.client import Client
        >>> client = Client("http://127.0.0.1:8000")
        >>> client.url
        'http://127.0.0.1:8000'
        >>> handle = client.search(  # doctest: +SKIP
        ...     space="spos-tiny", device="my-cpu", constraints={"latency_ms": 3.2}
        ... )
        >>> handle.wait(timeout=60).best.architecture  # doctest: +SKIP
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
        """Send a request, and return the JSON of the answer; see `Transport.request`.

        Raises:
            ServiceProblem: The service answers with a problem.
            Unreachable: The service does not answer.
        """
        return self.transport.json(method, path, body, headers, retries=retries)

    # Jobs

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
        rank_by: str | None = None,
        under: Sequence[str] = (),
        charges: Sequence[str] = (),
        margin: float | None = None,
        count: int | None = None,
        seed: int | None = None,
    ) -> SearchHandle:
        """Request a search; None leaves an argument to the service's default.

        Args:
            space: Name of the search space.
            device: Name of the device's lookup table, or of a device of a benchmark.
            constraints: Metric -> maximum, such as `{"latency_ms": 12}` or `{"latency_ms": {"max":
                12}}`.
            objectives: Costs that are traded for the score.
            strategy: Name of the strategy.
            options: Options of the strategy.
            guide: Name of a predictor, or `supernet:NAME` or `benchmark:NAME`.
            rank_by: Metric by which a supernet ranks networks, or several with their weights, such
                as `top1=1,top1_pgd=0.5`. None: the score of its task.
            under: Perturbations under which a supernet's networks are evaluated, with their
                weights, such as `clean=0.5`.
            charges: Costs that the loss is multiplied by, such as `macs=2e8^0.07`.
            margin: Standard deviations that are kept between an estimate and its limit.
            count: Number of best networks that the result describes in full.
            seed: Seed of the search; the same seed gives the same result.

        Raises:
            ServiceProblem: The service refuses the request; the message is its own.
        """
        body = search_body(
            {
                "space": space,
                "device": device,
                "charges": list(charges) or None,
                "margin": margin,
                "count": count,
                "seed": seed,
            },
            constraints or {},
            objectives,
            {"name": strategy, "options": None if options is None else dict(options)},
            guide,
            rank_by,
            under,
        )
        return SearchHandle(self, self.request("POST", "/search", body)["id"])

    def train_predictor(
        self,
        name: str,
        evaluations: str,
        *,
        seed: int = 0,
        shared: bool = False,
        **options: Any,
    ) -> JobHandle:
        """Train a predictor from uploaded evaluations; searches may name it once it is done.

        Args:
            name: Name of the predictor.
            evaluations: Name of the uploaded evaluations.
            seed: Seed of the split and of the fit.
            shared: Whether the predictor becomes everybody's; needs an administrator's token.
            options: Options of `python -m predictor train`, such as `encoder="gates"`. Several
                metrics, such as `metric=["top1_12_epochs", "top1"]`, teach the steps of
                `encoder="ta-gates"`.

        Raises:
            ServiceProblem: The service refuses the request; the message is its own.
        """
        body = {"name": name, "evaluations": evaluations, "seed": seed, "options": options}
        body |= _shared_field(shared)
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
        """Train the network of an architecture.

        Args:
            architecture: The architecture.
            data: Name of a data set that the service has.
            supernet: Name of a supernet whose weights the network begins with; None trains from
                scratch.
            workers: Number of processes that train together, on any nodes with free resources.
            seed: Seed of the training.
            options: Options of `python -m oneshot retrain`, such as `epochs=30`.

        Raises:
            ServiceProblem: The service refuses the request; the message is its own.
        """
        body = {
            "architecture": architecture.to_dict(),
            "data": data,
            "workers": workers,
            "seed": seed,
            "options": options,
            "supernet": supernet,
        }
        return JobHandle(self, self.request("POST", "/retrain", without_none(body))["id"])

    def run_pipeline(
        self, pipeline: str | Path, name: str | None = None, *, shared: bool = False
    ) -> PipelineHandle:
        """Run a pipeline at the service, which checks it first.

        Args:
            pipeline: File of the pipeline, or its YAML as a text of several lines.
            name: Name that its table, evaluations and predictor get in the catalog; None for that
                of the file.
            shared: Whether these become everybody's; needs an administrator's token.

        Raises:
            InvalidFile: The file cannot be read.
            ServiceProblem: The service refuses the pipeline; `body["errors"]` has every fault.
        """
        text = str(pipeline)
        if isinstance(pipeline, Path) or "\n" not in text:
            name = name or Path(text).stem
            text = read_text(text)
        body = {"name": name or "pipeline", "pipeline": text, **_shared_field(shared)}
        # The checks of a pipeline take seconds; an impatient repetition would only add to them.
        answer = self.transport.json("POST", "/pipelines", body, timeout=CHECK_TIMEOUT)
        return PipelineHandle(self, answer["id"])

    def cancel(self, job_id: str) -> JobStatus:
        """Cancel a search or another job; raises ServiceProblem if it is done or has failed."""
        return JobHandle(self, job_id).cancel()

    def label(
        self, job_id: str, *, name: str | None = None, tags: Sequence[str] | None = None
    ) -> JobStatus:
        """Name or tag a search or another job, in whichever state it is.

        Args:
            job_id: Id of the job.
            name: New name; "" removes it, None leaves it as it is.
            tags: New tags in place of the earlier ones; None leaves them as they are.

        Raises:
            ServiceProblem: There is no such job, or a name or tag is refused.
        """
        labels: JsonObject = {} if name is None else {"name": name}
        if tags is not None:
            labels["tags"] = list(tags)
        return JobStatus.from_dict(self.request("PATCH", JobHandle(self, job_id).path, labels))

    def remove_job(self, job_id: str) -> JobStatus:
        """Remove a search or another job that has ended, with its files.

        Raises:
            ServiceProblem: There is no such job, or it has not ended.
        """
        path = f"{JobHandle(self, job_id).path}?remove=true"
        return JobStatus.from_dict(self.request("DELETE", path))

    def jobs(
        self,
        *,
        kind: str | None = None,
        state: str | None = None,
        limit: int = 20,
        tag: str | None = None,
        text: str | None = None,
    ) -> list[JobStatus]:
        """List the newest jobs, newest first.

        Args:
            kind: search, predictor, retrain or pipeline; None for every kind.
            state: queued, running, done, failed or cancelled; None for every state.
            limit: Number of jobs at most.
            tag: Tag that the jobs have; None for all.
            text: Words that names, tags or requests of the jobs contain; None for all.
        """
        filters = {"kind": kind, "state": state, "tag": tag, "text": text}
        jobs: list[JobStatus] = []
        while len(jobs) < limit:
            # The service answers at most one page at a time.
            page_size = min(limit - len(jobs), _PAGE_SIZE)
            query = {**filters, "limit": page_size, "offset": len(jobs)}
            path = "/jobs?" + urlencode({name: value for name, value in query.items() if value})
            page = self.request("GET", path)
            jobs += [JobStatus.from_dict(job) for job in page["jobs"]]
            if not page["jobs"] or len(jobs) >= page["total"]:
                break

        return jobs

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

    # Uploads

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
        body = {**json.loads(content.to_json()), **_shared_field(shared)}
        return Uploaded.from_dict(self.request("POST", "/tables", body))

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

        body = {"name": name, "evaluations": items, **_shared_field(shared)}
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

    def wait_until_ready(self, timeout: float = 30.0) -> None:
        """Wait until the service can run jobs.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            Unreachable: The service does not answer in time.
            ServiceProblem: The service is not ready in time; the message has the reason.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                # Without retries, which would wait beyond the timeout.
                self.request("GET", "/readyz", retries=0)
                return
            except ServiceProblem as error:
                if time.monotonic() >= deadline or error.status not in (None, 503):
                    raise
            time.sleep(0.1)


def _shared_field(shared: bool) -> dict[str, bool]:
    # Left out by default, as services of earlier versions refuse unknown fields.
    return {"shared": True} if shared else {}
